"""Progress on a terminal; nothing where there is none."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poolbench.model.plan import LaunchPlan
    from poolbench.model.workload import Workload


def teller(*, quiet: bool) -> Callable[[str], None]:
    """Return what prints a line on stderr about what is done before anything is measured; nothing on request."""

    def tell(text: str) -> None:
        if not quiet:
            print(f"poolbench: {text}", file=sys.stderr, flush=True)

    return tell


class BudgetBar:
    """An observer that shows how much of the budget is used, and on what."""

    def __init__(self, show: Callable[[float, str], None]) -> None:
        self._show = show
        self._begin: float | None = None

    def launch_started(self, plan: LaunchPlan) -> None:
        """Say which launch begins."""
        self._show(self._elapsed(), f"launch {plan.launch + 1}")

    def workload_started(self, plan: LaunchPlan, workload: Workload) -> None:
        """Say which workload is measured."""
        self._show(self._elapsed(), f"launch {plan.launch + 1}, {workload.name}")

    def _elapsed(self) -> float:
        if self._begin is None:
            self._begin = time.monotonic()
        return time.monotonic() - self._begin


@contextlib.contextmanager
def runs_bar(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of how many runs are read, on stderr; nothing where that is no terminal, or on request."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("reading runs"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def budget_bar(budget_s: float, *, quiet: bool) -> Iterator[BudgetBar]:
    """Show a bar with the time that is left, on stderr; nothing where that is no terminal, or on request."""
    if quiet or not sys.stderr.isatty():
        yield BudgetBar(lambda elapsed_s, text: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("measuring"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.description}"),
    )
    # Refreshed from here only: a thread that redraws the bar would take a core from what is measured.
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as progress:
        task = progress.add_task("importing the frameworks", total=budget_s, left=f"of {budget_s:.0f} s")
        progress.refresh()

        def show(elapsed_s: float, text: str) -> None:
            left = f"of {budget_s:.0f} s"
            if progress.tasks[0].completed == 0:
                progress.reset(task)  # making environments is not part of the budget
            progress.update(task, completed=min(elapsed_s, budget_s), description=text, left=left, refresh=True)

        yield BudgetBar(show)
