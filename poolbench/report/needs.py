"""What the base installation leaves out: pages, figures and frames need packages of an extra, most of ``report``."""

from __future__ import annotations

from importlib import util

from poolbench.errors import MissingExtraError

PAGES = ("jinja2", "matplotlib", "pandas")
EXPLORER = ("jinja2",)
FIGURES = ("matplotlib",)
FRAMES = ("pandas",)


def missing(packages: tuple[str, ...]) -> list[str]:
    """Return which of ``packages`` are not installed. Imports nothing."""
    return [package for package in packages if util.find_spec(package) is None]


def need(what: str, packages: tuple[str, ...], *, extra: str = "report") -> None:
    """Raise MissingExtraError, with what to install, where one of ``packages`` is not installed. Imports nothing.

    ``extra`` is the one that brings them.
    """
    if lacking := missing(packages):
        names = " and ".join(filter(None, (", ".join(lacking[:-1]), lacking[-1])))
        raise MissingExtraError(
            f"{what} needs {names}, which {'is' if len(lacking) == 1 else 'are'} not installed here: "
            f"pip install 'poolbench[{extra}]'."
        )
