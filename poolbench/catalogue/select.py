"""From what a user writes to workloads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from poolbench.catalogue.load import read_catalogue
from poolbench.catalogue.passes import Choice, in_passes, parse_gradients, parse_passes, trained
from poolbench.catalogue.sets import entries, entries_by_key, members, set_names
from poolbench.catalogue.tags import derivable_tags, derived_tags
from poolbench.errors import UnknownNameError, UsageError
from poolbench.model.ids import looks_like_id, parse_id
from poolbench.model.workload import Workload


def select(selectors: Sequence[str], *, batch_from_source: bool = False) -> list[Workload]:
    """Return the workloads that ``selectors`` name, in their order, each once.

    A selector is a set, an id (of any workload, not only the catalogue's), a name, which may end in a pass as an id
    does (``resnet50_stem.train``), a tag, a glob on names or ids, or the path of a file (``poolbench.catalogue.load``).
    With ``batch_from_source`` each workload gets the batch that its source trains or serves with, where that is known;
    its id changes with it.

    Raises UsageError where nothing is named, UnknownNameError for what is none of these, InvalidIdError for an id that
    does not parse, and CatalogueError for a file that cannot be read or holds no workload.
    """
    if not any(selector.strip() for selector in selectors):
        raise UsageError(f"No workload is named. {_ADVICE}")
    chosen = [workload for selector in selectors for workload in _resolve(selector)]
    if batch_from_source:
        chosen = [_at_source_batch(workload) for workload in chosen]
    return list(dict.fromkeys(chosen))


def choose(
    selectors: Sequence[str],
    *,
    batch_from_source: bool = False,
    passes: Sequence[str] = (),
    gradients: Sequence[str] = (),
) -> Choice:
    """Return what ``select`` does, in each of ``passes``, with gradients in the forms ``gradients``; see ``in_passes``.

    Raises UnknownNameError for a pass or form that there is not, UsageError where nothing is left, and what ``select``
    raises.
    """
    wanted, forms = parse_passes(passes), parse_gradients(gradients)
    return in_passes(select(selectors, batch_from_source=batch_from_source), wanted, forms)


def _resolve(selector: str) -> Iterable[Workload]:
    if selector in set_names():
        return members(selector)
    if selector in entries_by_key():
        return [entries_by_key()[selector]]
    in_training = trained(selector, entries_by_key())
    if in_training is not None:
        return [in_training]
    tagged = [workload for workload in entries() if selector in workload.tags]
    if tagged:
        return tagged
    if os.sep in selector or selector.endswith(".txt") or os.path.isfile(selector):
        return read_catalogue(Path(selector), known=entries_by_key())
    if any(character in selector for character in "*?["):
        return _matching(selector)
    if looks_like_id(selector):
        return [_from_id(selector)]
    if selector in derivable_tags():
        raise UnknownNameError("workload with the tag", selector, _known(), "No entry of the catalogue has it.")
    raise UnknownNameError("workload, set or tag", selector, _known(), _ADVICE)


def _matching(pattern: str) -> list[Workload]:
    found = [
        workload for workload in entries() if fnmatchcase(workload.name, pattern) or fnmatchcase(workload.id, pattern)
    ]
    if not found:
        names = [workload.name for workload in entries()]
        raise UnknownNameError("workload whose name or id matches", pattern, names, _ADVICE)
    return found


def _from_id(text: str) -> Workload:
    workload = parse_id(text)
    known = entries_by_key().get(workload.id) or trained(workload.id, entries_by_key())
    return known or parse_id(text, tags=derived_tags(workload))


def _at_source_batch(workload: Workload) -> Workload:
    batch = workload.origin.source_batch
    return workload if batch is None else workload.with_batch(batch)


def _known() -> list[str]:
    names = [workload.name for workload in entries()]
    return [*set_names(), *names, *sorted({tag for workload in entries() for tag in workload.tags})]


_ADVICE = (
    "A workload is chosen by a set, a name, an id, a tag, a glob in quotes or the path of a file; "
    "'poolbench list workloads' shows them."
)
