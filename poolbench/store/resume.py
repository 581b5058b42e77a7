"""Whether a run may be continued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from poolbench.errors import ResumeError
from poolbench.model.result import UNKNOWN_REVISION, RunHeader


def check_resumable(stored: RunHeader, now: RunHeader) -> None:
    """Return where a run begun as ``stored`` may be continued as ``now``; else raise ResumeError.

    The message lists every difference in machine, software, method, source revision, subjects and workloads. The
    budget and the machine's conditions may differ: they decide how much is measured and explain noise, not what a
    number means.
    """
    differences = list(_differences(stored, now))
    if differences:
        listed = "\n".join(f"  - {difference}" for difference in differences)
        raise ResumeError(
            f"The run {stored.run} cannot be continued, since its rows would not be comparable with new ones:\n"
            f"{listed}\n"
            f"Restore what changed, or start a new run with 'poolbench {stored.verb}'; the stored rows stay as they "
            "are."
        )


def _differences(stored: RunHeader, now: RunHeader) -> Iterator[str]:
    before, after = stored.machine, now.machine
    if before.key != after.key:
        yield f"the machine was {before.key}, and is {after.key}"
    if before.hardware != after.hardware:  # which machines that were given one name may differ in
        yield from _field_differences("the machine's ", before.hardware, after.hardware)
    yield from _software_differences(before.software, after.software)
    yield from _field_differences("the method's ", stored.method, now.method)
    if UNKNOWN_REVISION in (stored.revision, now.revision):
        yield f"poolbench's revision was {stored.revision}, and is {now.revision}: its sources may have changed"
    elif stored.revision != now.revision:
        yield f"poolbench's revision was {stored.revision}, and is {now.revision}"
    if None not in (stored.dirty, now.dirty) and stored.dirty != now.dirty:
        words = {True: "had uncommitted changes", False: "had none"}
        yield f"poolbench's sources {words[bool(stored.dirty)]} when the run began, and {_now_words(now.dirty)}"
    for what, old, new in (
        ("subjects", tuple(map(str, stored.subjects)), tuple(map(str, now.subjects))),
        ("workloads", tuple(w.id for w in stored.workloads), tuple(w.id for w in now.workloads)),
    ):
        yield from _list_differences(what, old, new)


def _now_words(dirty: bool | None) -> str:
    return "have uncommitted changes now" if dirty else "have none now"


def _software_differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if new is None:
            yield f"{name} was {old}, and is not installed now"
        elif old is None:
            yield f"{name} was not installed, and is {new} now"
        else:
            yield f"{name} was {old}, and is {new}"


def _field_differences(prefix: str, before: Any, after: Any) -> Iterator[str]:
    for field in fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        if is_dataclass(old) and type(old) is type(new):
            yield from _field_differences(f"{prefix}{field.name}.", old, new)
        else:
            yield f"{prefix}{field.name} was {_shown(old)}, and is {_shown(new)}"


def _list_differences(what: str, before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    if before == after:
        return
    gone = [name for name in before if name not in after]
    added = [name for name in after if name not in before]
    if gone:
        yield f"the {what} included {', '.join(gone)}, which {'is' if len(gone) == 1 else 'are'} no longer asked for"
    if added:
        yield f"the {what} did not include {', '.join(added)}"
    if not gone and not added:
        yield f"the {what} were in the order {', '.join(before)}, and are now in {', '.join(after)}"


def _shown(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
