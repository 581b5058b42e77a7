"""The ids of the cases, read from this checkout's catalogue files as text.

They are the same for all revisions: asv tells a process which case to run by its place in the list, so a list that came
from the installed revision would name another case where that revision's catalogue differs. Sets are append-only.
"""

from pathlib import Path

_DATA = Path(__file__).parent.parent / "poolbench" / "catalogue" / "data"
_TRAINED = ".train"


def ids(set_name):
    """Return the workload ids of a set that is a list, in its order."""
    known = {name: workload for file in sorted(_DATA.glob("shapes_*.txt")) for workload, name in _first_words(file, 2)}
    chosen = []
    for (entry,) in _first_words(_DATA / f"set_{set_name}.txt", 1):
        name, trained, gradient = entry.partition(_TRAINED)
        chosen.append(f"{known[name]}{trained}{gradient}")
    return tuple(chosen)


def _first_words(file, count):
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line.split()[:count] for line in lines if line and not line.startswith("#")]


FORWARD = ids("ci")
TRAINING = ids("training-core")
WORKLOADS = FORWARD + TRAINING
