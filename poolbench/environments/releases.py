"""Which releases of a framework there are: what pip finds for this Python, and which of them a range names."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from poolbench.environments.commands import CommandError, Commands, last_lines
from poolbench.environments.release import clean_variables, offered_versions
from poolbench.errors import BuildError, UsageError, nearest

_TIMEOUT_S = 60.0
_SHOWN = 3
_RANGE = re.compile(r"\s*([^\s,]*?)\s*\.\.\s*([^\s,]*)\s*")
_FINAL = re.compile(r"\d+(\.\d+)*(\.post\d+)?")
_NO_RELEASE = "0+none"
_UNREACHABLE = re.compile(r"Retrying|Could not fetch|Connection|connection|Temporary failure")


def released(package: str) -> list[str]:
    """Return the final releases of ``package`` that have a wheel for this Python, the oldest first.

    Asks the package index by pip: what it could choose from it says where it is asked for a release that cannot be,
    and every pip does. (``pip index versions`` lists sources too, and tells its choice as text, before pip 25.1.)
    Raises UsageError where pip cannot tell.
    """
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--dry-run"),
        *("--no-deps", "--only-binary", ":all:", f"{package}=={_NO_RELEASE}"),
    ]
    try:
        answer = Commands().run(command, timeout_s=_TIMEOUT_S, variables=clean_variables())
    except CommandError as error:
        answer = error.output
    except BuildError as error:
        raise UsageError(f"pip did not say which releases {package} has: {error}") from error
    offered = offered_versions(answer)
    found = [text.partition("+")[0] for text in offered or ()]
    final = sorted(dict.fromkeys(version for version in found if _FINAL.fullmatch(version)), key=_order)
    if not final and (offered is None or _UNREACHABLE.search(answer)):
        raise UsageError(
            f"pip cannot say which releases {package} has: {last_lines(answer)}. Without the package index, "
            "name whole releases, such as 1.2.3, separated by commas and without '..'."
        )
    return final


def whole_releases(text: str) -> list[str] | None:
    """Return the releases that ``text`` names one by one, the oldest first; None where it names ranges or prefixes."""
    found = [entry.strip() for entry in text.split(",")]
    if not all(_FINAL.fullmatch(entry) and entry.count(".") >= 2 for entry in found):
        return None
    return sorted(dict.fromkeys(found), key=_order)


def chosen_releases(package: str, text: str, known: Sequence[str], *, every: int = 1) -> list[str]:
    """Return the releases among ``known`` (ascending) that ``text`` names.

    ``1.20..1.23`` is all from the first 1.20 to the last 1.23, and ``1.20..`` all since; in a list, separated by
    commas, a release stands for itself and a prefix such as ``1.21`` for the newest release that it begins. Of a range
    every ``every``-th is taken, and its last. Raises UsageError, with the nearest that exist, for what is not there.
    """
    found: list[str] = []
    for part in text.split(","):
        entry = part.strip()
        match = _RANGE.fullmatch(entry)
        if match is None:
            found.append(_one(package, entry, known))
            continue
        low, high = (_matching(package, end, known) if end else list(known) for end in match.groups())
        between = [version for version in known if _order(low[0]) <= _order(version) <= _order(high[-1])]
        if not between:
            raise UsageError(
                f"The range '{entry}' is empty: {match[1]} comes after {match[2]}. Write the older release first, "
                f"such as {match[2]}..{match[1]}."
            )
        found += thinned(between, every)
    return sorted(dict.fromkeys(found), key=_order)


def thinned(values: Sequence[str], every: int) -> list[str]:
    """Return every ``every``-th value, and the last."""
    kept = list(values[::every])
    return kept if not values or kept[-1] == values[-1] else [*kept, values[-1]]


def _one(package: str, text: str, known: Sequence[str]) -> str:
    return text if text in known else _matching(package, text, known)[-1]


def _matching(package: str, prefix: str, known: Sequence[str]) -> list[str]:
    found = [version for version in known if version == prefix or version.startswith(f"{prefix}.")]
    if found:
        return found
    if not known:
        raise UsageError(f"pip finds no release of {package} for this Python.")
    if re.fullmatch(r"\d+(\.\d+)*", prefix):
        length = prefix.count(".") + 1
        beginnings = list(dict.fromkeys(".".join(version.split(".")[:length]) for version in known))
        near = sorted(sorted(beginnings, key=lambda begin: _distance(begin, prefix))[:_SHOWN], key=_order)
    else:
        near = nearest(prefix, known, _SHOWN) or list(known[-_SHOWN:])
    raise UsageError(
        f"There is no release {prefix or '(nothing)'} of {package} with a wheel for this Python. Near it there is "
        f"{', '.join(near)}; the oldest is {known[0]}, the newest {known[-1]}."
    )


def _order(version: str) -> tuple[list[int], int]:
    number, _, post = version.partition(".post")
    return [int(part) for part in number.split(".")], int(post or 0)


def _distance(version: str, wanted: str) -> tuple[int, ...]:
    """Return how far apart two versions are, the first numbers counting most."""
    mine, theirs = _order(version)[0], _order(wanted)[0]
    width = max(len(mine), len(theirs))
    padded = ([*numbers, *[0] * (width - len(numbers))] for numbers in (mine, theirs))
    return tuple(abs(one - other) for one, other in zip(*padded, strict=True))
