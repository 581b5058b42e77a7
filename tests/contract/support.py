"""What each backend supports of the basic shapes, as text that is kept in the repository beside this file.

    python -m tests.contract.support

writes ``support/<backend>.txt`` anew. Do so after a change that is meant to widen or narrow what a backend takes, and
read the difference: a refusal that should not be there shows in it.
"""

from __future__ import annotations

from pathlib import Path

from poolbench.backends import registry
from poolbench.backends.base import Backend
from poolbench.model.subject import LIMIT
from tests.contract.grid import workloads

FOLDER = Path(__file__).with_name("support")


def built_in() -> list[str]:
    """Return the names of the backends that are checked: all but those for tests."""
    return [name for name in registry.names() if name != LIMIT and not name.startswith(registry.FOR_TESTS)]


def bound() -> dict[str, str]:
    """Return, for each backend that is bound to an instruction set, the one that takes the same and is not."""
    return {name: name.partition(":")[0] for name in built_in() if getattr(registry.create(name), "isa", "")}


def listed() -> list[str]:
    """Return the names of the backends that have a list: what they take depends on no processor."""
    return [name for name in built_in() if name not in bound()]


def path(name: str) -> Path:
    """Return where the list of the backend ``name`` lies."""
    return FOLDER / f"{name.replace(':', '_')}.txt"


def listing(backend: Backend) -> str:
    """Return the list: a line for each basic shape, with the reason where it is refused."""
    lines = []
    for workload in workloads():
        support = backend.supports(workload)
        lines.append(f"yes {workload.id}" if support.ok else f"no  {workload.id}  {support.reason}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write every list."""
    FOLDER.mkdir(exist_ok=True)
    for name in listed():
        path(name).write_text(listing(registry.create(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
