"""The one place where a summary's figures become text, so that terminal and Markdown say the same."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.analyse.estimate.findings import LEAST_TIMES_LIMIT
from poolbench.model.result import Status
from poolbench.model.subject import LIMIT
from poolbench.quantities import counted

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import Cell, Estimate, RunSummary, SubjectMean, WorkloadSummary
    from poolbench.analyse.estimate.timing import Timing
    from poolbench.model.memory import Amount, Memory

COLUMNS = (
    "subject", "time", "±", "GB/s", "× limit", "× fastest", "requested", "touched", "saved", "output", "least",
    "layout",
)  # fmt: skip
"""The headings of a table's columns, in order."""

WORDS = ("subject", "layout")
"""The columns of words, which are aligned to the left; the others are figures."""

TIE = "~"

WIDE = math.log(2)
"""From this half-width (of logarithms) on an interval is written by its two ends."""

NO_TIME = "no clean slot"
"""In place of a time, where the subject answered right but each of its slots was contaminated."""

UNKNOWN = "not measured"
"""In place of an amount of memory; a note below the table says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a table, all text. ``role`` is one of fastest, tie, slower, apart, failed, limit, mean."""

    subject: str
    time: str = ""
    interval: str = ""
    bandwidth: str = ""
    times_limit: str = ""
    ratio: str = ""
    requested: str = ""
    touched: str = ""
    saved: str = ""
    output: str = ""
    least: str = ""
    layout: str = ""
    role: str = "slower"

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts in the order of COLUMNS."""
        return (
            self.subject, self.time, self.interval, self.bandwidth, self.times_limit, self.ratio, self.requested,
            self.touched, self.saved, self.output, self.least, self.layout,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading (the workload's name), what stands beside it (its id, if that is not the name), and its lines."""

    title: str
    detail: str
    lines: tuple[Line, ...]


def sections(summary: RunSummary) -> tuple[Section, ...]:
    """Return a section per workload, and last that of the geometric means where there are any."""
    found = [_workload_section(workload) for workload in summary.workloads]
    if summary.means:
        found.append(
            Section(
                title="geometric mean",
                detail=f"over {covered_text(summary)}",
                lines=tuple(_mean_line(mean) for mean in summary.means),
            )
        )
    return tuple(found)


def filled(lines: Sequence[Line]) -> list[int]:
    """Return the columns that are shown where there is room: the subjects, and those that some line fills."""
    return [column for column in range(len(COLUMNS)) if column == 0 or any(line.cells[column] for line in lines)]


def covered_text(summary: RunSummary) -> str:
    """Say over how many workloads the means are: "3 of 5 workloads"."""
    covered, measured = len(summary.mean_workloads), len(summary.workloads)
    return counted(measured, "workload") if covered == measured else f"{covered} of {counted(measured, 'workload')}"


def conditions(summary: RunSummary) -> str:
    """Say in one line which run this is, on which machine, and how it measured."""
    header = summary.header
    hardware, method = header.machine.hardware, header.method
    return (
        f"{header.run} on {hardware.processor or hardware.architecture}, {counted(hardware.cores, 'core')}: "
        f"{counted(method.threads, 'thread')}, {method.cache} cache, {method.layout} layout"
    )


def legend(summary: RunSummary, shown: Collection[str] = COLUMNS) -> str:
    """Say what the columns that are ``shown`` mean."""
    level = f"{100 * summary.policy.confidence:g} %"
    half = f", ± half its {level} interval over launches" if "±" in shown else ""
    sentences = {
        "time": f"time: of one call{half}.",
        "GB/s": "GB/s: input and output (in training gradients too), each once, over the time.",
        "× limit": "× limit: times what streaming once what must be read and written takes.",
        "× fastest": f"× fastest: times the fastest, ± half its {level} interval, from interleaved blocks; "
        f"{TIE} cannot be told from the fastest.",
        "requested": "requested: the most that one call holds of the allocators at a time, its output included, its "
        "input not.",
        "touched": "touched: the most by which one call makes resident memory grow, in small pages, to about 0.3 MB.",
        "saved": "saved: what the forward pass keeps for the backward one.",
        "output": "output: the result.",
        "least": "least: what no way of computing it can do without.",
        "layout": "layout: in which the subject computes, outermost axis first.",
    }
    return " ".join(sentence for column, sentence in sentences.items() if column in shown)


def write_csv(summary: RunSummary, path: Path) -> None:
    """Write one line per workload × subject, figures unrounded (``poolbench.analyse.frames.run.summary_frame``)."""
    from poolbench.analyse.frames.run import summary_frame

    summary_frame(summary).to_csv(path, index=False)


def time_text(nanoseconds: float) -> str:
    """Write a time with three significant digits: "412 ns", "1.23 ms"."""
    for unit, scale in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)):
        if float(f"{nanoseconds / scale:.3g}") < 1000:
            return f"{significant(nanoseconds / scale)} {unit}"
    return f"{significant(nanoseconds / 1e9)} s"


def size_text(size: int) -> str:
    """Write a number of bytes with three significant digits, in powers of 1000: "784 B", "3.21 MB", "0"."""
    for unit, scale in (("B", 1.0), ("KB", 1e3), ("MB", 1e6)):
        if float(f"{size / scale:.3g}") < 1000:
            return "0" if size == 0 else f"{size if unit == 'B' else significant(size / scale)} {unit}"
    return f"{significant(size / 1e9)} GB"


def significant(value: float, digits: int = 3) -> str:
    """Write a positive number with so many significant digits, without exponents: "0.0512", "9.90", "1234"."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "?"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.{max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)}f}"


def half_width_text(half_width: float) -> str:
    """Write half an interval's length, given as a share: "±0.8 %", "±12 %"; "±?" where it is unbounded."""
    if not math.isfinite(half_width):
        return "±?"
    share = 100 * half_width
    return f"±{share:.1f} %" if share < 9.95 else f"±{share:.0f} %"


def ratio_text(found: Estimate) -> str:
    """Write a ratio with half its interval's length in the same unit: "2.31 ±0.02"; "2.31 ±?" where unbounded."""
    decimals = 2 if found.value < 9.995 else 1 if found.value < 99.95 else 0
    if not math.isfinite(found.half_width):
        return f"{found.value:.{decimals}f} ±?"
    if found.half_width > WIDE:  # so wide that it is not alike on both sides
        return f"{found.value:.{decimals}f} ({significant(found.low, 2)} to {significant(found.high, 2)})"
    half = (found.high - found.low) / 2
    if 0 < half < 0.5 * 10**-decimals:
        decimals += 1  # a difference of 0.3 % is worth seeing where it is known that well
    return f"{found.value:.{decimals}f} ±{half:.{decimals}f}"


def times_limit_text(found: Estimate) -> str:
    """Write how many times the limit: "1.42", "0.91 !" below what can be true."""
    text = f"{found.value:.2f}" if found.value < 9.995 else significant(found.value)
    return f"{text} !" if found.value < LEAST_TIMES_LIMIT else text


def _workload_section(workload: WorkloadSummary) -> Section:
    lines = [_cell_line(cell) for cell in workload.cells]
    if workload.limit is not None:
        lines.append(_limit_line(workload.limit))
    return Section(
        title=workload.name,
        detail=workload.workload if workload.workload != workload.name else "",
        lines=tuple(lines),
    )


def _cell_line(cell: Cell) -> Line:
    if cell.timing is None:
        what = NO_TIME if cell.status is Status.OK else cell.status.value
        return Line(subject=cell.subject, time=what, role="failed", **_memory(cell.memory))
    return Line(
        subject=cell.subject,
        time=time_text(cell.timing.median_ns),
        interval=_timing_interval(cell.timing),
        bandwidth=significant(cell.timing.gigabytes_per_s),
        times_limit="" if cell.times_limit is None else times_limit_text(cell.times_limit),
        ratio=_ratio(cell),
        layout=cell.layout,
        role=_role(cell),
        **_memory(cell.memory),
    )


def _memory(memory: Memory | None) -> dict[str, str]:
    if memory is None:
        return {}
    return {
        "requested": _amount(memory.requested),
        "touched": _amount(memory.touched),
        "saved": _amount(memory.saved),
        "output": size_text(memory.output_bytes),
        "least": size_text(memory.least_bytes),
    }


def _amount(amount: Amount) -> str:
    if amount.bytes is None:
        return UNKNOWN if amount.note else ""
    return size_text(amount.bytes)


def _ratio(cell: Cell) -> str:
    if cell.is_fastest:
        return "fastest"
    if cell.ratio is None:
        return "differs" if cell.differs else "invalid"
    return f"{TIE} {ratio_text(cell.ratio)}" if cell.is_tie else ratio_text(cell.ratio)


def _role(cell: Cell) -> str:
    if cell.is_fastest:
        return "fastest"
    if not cell.is_compared:
        return "apart"
    return "tie" if cell.is_tie else "slower"


def _limit_line(timing: Timing) -> Line:
    return Line(
        subject=f"({LIMIT})",
        time=time_text(timing.median_ns),
        interval=_timing_interval(timing),
        bandwidth=significant(timing.gigabytes_per_s),
        times_limit="1",
        role="limit",
    )


def _timing_interval(timing: Timing) -> str:
    if timing.low_ns <= 0 or not math.isfinite(timing.high_ns):
        return half_width_text(math.inf)
    return half_width_text(math.log(timing.high_ns / timing.low_ns) / 2)


def _mean_line(mean: SubjectMean) -> Line:
    return Line(
        subject=mean.subject,
        times_limit="" if mean.times_limit is None else times_limit_text(mean.times_limit),
        ratio=ratio_text(mean.ratio),
        role="mean",
    )
