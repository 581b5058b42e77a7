"""The table of a run: every workload and subject with what was measured and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from poolbench.analyse.estimate.findings import LEAST_TIMES_LIMIT
from poolbench.model.estimate import Estimate
from poolbench.model.result import Status
from poolbench.model.subject import LIMIT
from poolbench.model.verdict import Outcome
from poolbench.quantities import level_text
from poolbench.report.method import command
from poolbench.report.table import (
    BLANK,
    NONE,
    Column,
    Row,
    Table,
    Unit,
    Value,
    amount_value,
    counted_value,
    exact,
    flag,
    rate_value,
    ratio_value,
    size_value,
    time_value,
    words,
)

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import Cell, RunSummary, WorkloadSummary
    from poolbench.analyse.estimate.timing import Timing
    from poolbench.model.memory import Memory
    from poolbench.model.workload import Workload

TIE = "~"

NO_TIME = "no clean slot"
"""In place of a time, where the subject answered right but each of its slots was contaminated."""

DIFFERS = "differs"
"""In place of a ratio and a verdict, where the subject computes something else; a note says what."""

FACETS = {
    "op": "operator",
    "rank": "rank",
    "order": "layout",
    "dtype": "type",
    "pass": "pass",
    "model": "model",
    "subject": "subject",
}
"""What the table is filtered by."""


def results_table(summary: RunSummary, models: Mapping[str, str] | None = None) -> Table:
    """Return a row for each workload and subject, in the summary's order, and after them one of the workload's limit.

    ``models`` names the model that a workload comes from, by id.
    """
    columns = results_columns(summary)
    rows: list[Row] = []
    for workload in summary.workloads:
        facets = _facets(workload.workload, (models or {}).get(workload.id, ""))
        rows += [_row(summary, workload, cell, facets) for cell in workload.cells]
        if workload.limit is not None:
            rows.append(_limit_row(summary, workload, workload.limit, facets))
    return Table(key="results", title="Workloads and subjects", columns=columns, rows=tuple(rows), facets=FACETS)


def without_limits(table: Table) -> Table:
    """Return the results without the rows of the limit, which is no subject: as files for programs have them."""
    return replace(table, rows=tuple(row for row in table.rows if row.role != "limit"))


def limit_value(found: Estimate | None) -> Value:
    """Return how many times the limit: "1.42 ±0.03", and "0.91 ±0.01 !" below what can be true."""
    value = ratio_value(found)
    if found is None or found.value >= LEAST_TIMES_LIMIT:
        return value
    return replace(value, text=f"{value.text} !")


def results_columns(summary: RunSummary) -> tuple[Column, ...]:
    """Return the columns of ``results_table``."""
    level = level_text(summary.policy.confidence)
    return (
        Column(key="workload", is_detail=True),
        Column(key="name", title="workload"),
        Column(key="subject", title="subject"),
        Column(key="status", is_detail=True),
        Column(key="note", is_detail=True),
        replace(
            _figure("median_ns", "time", Unit.NANOSECONDS, has_interval=True, help="Of one call."),
            spread_help=f"Half the {level} interval of the time, over launches.",
        ),
        _figure("gigabytes_per_s", "GB/s", Unit.GB_PER_S, has_interval=True,
                help="Input and output (in training gradients too), each once, over the time."),
        _figure("times_limit", "× limit", Unit.TIMES, has_interval=True,
                help="Times what streaming once what must be read and written takes; ! is below what the memory "
                "allows, so that the probe or the subject is wrong."),
        _figure("ratio_to_fastest", "× fastest", Unit.TIMES, has_interval=True,
                help=f"Times the fastest, ± half its {level} interval, from interleaved blocks; {TIE} cannot be told "
                "from the fastest."),
        _figure("requested_bytes", "requested", Unit.BYTES,
                help="The most that one call holds of the allocators at a time, its output included, its input not."),
        _figure("touched_bytes", "touched", Unit.BYTES,
                help="The most by which one call makes resident memory grow, in small pages, to about 0.3 MB."),
        _figure("saved_bytes", "saved", Unit.BYTES, help="What the forward pass keeps for the backward one."),
        _figure("output_bytes", "output", Unit.BYTES, help="The result."),
        _figure("least_bytes", "least", Unit.BYTES, help="What no way of computing it can do without."),
        Column(key="verdict", title="verdict", help="Against the fastest of the workload."),
        Column(key="layout", title="layout", help="In which the subject computes, outermost axis first."),
        Column(key="kernels", title="kernel", help="Who computed, by pass, where the subject can tell."),
        Column(key="is_fastest", unit=Unit.YES_OR_NO, is_detail=True),
        Column(key="is_tie", unit=Unit.YES_OR_NO, is_detail=True),
        Column(key="outcome", is_detail=True),
        Column(key="reason", is_detail=True),
        Column(key="reference", is_detail=True),
        *(Column(key=key, is_figure=True, unit=Unit.COUNT, is_detail=True) for key in ("launches", "blocks")),
        *(
            Column(key=key, is_figure=True, is_detail=True)
            for key in ("p_value", "launch_spread", "drift", "rejected_blocks", "rejected_slots")
        ),
        *(Column(key=f"{part}_note", is_detail=True) for part in ("saved", "requested", "touched")),
    )  # fmt: skip


def _row(summary: RunSummary, workload: WorkloadSummary, cell: Cell, facets: Mapping[str, str]) -> Row:
    rivals = [workload.fastest] if workload.fastest is not None and workload.fastest != cell.subject else []
    if cell.is_fastest:
        rivals = [other.subject for other in workload.cells if other.is_compared and not other.is_fastest][:1]
    return Row(
        cells={
            "workload": words(workload.id),
            "name": words(workload.name),
            "subject": words(cell.subject, is_strong=cell.is_fastest),
            "status": words(cell.status.value),
            "note": words(cell.note),
            **_time_cells(cell.timing, _no_time(cell)),
            "times_limit": limit_value(cell.times_limit) if cell.timing is not None else BLANK,
            "ratio_to_fastest": _ratio(cell),
            **_memory_cells(cell.memory),
            "verdict": words(_verdict(cell)),
            "layout": words(cell.layout),
            "kernels": words(", ".join(dict.fromkeys(name for _, name in cell.kernels))),
            "is_fastest": flag(cell.is_fastest),
            "is_tie": flag(cell.is_tie),
            **_statistics(cell),
        },
        facets={**facets, "subject": str(cell.subject)},
        role=_role(cell),
        command=command(summary.header, [cell.subject, *rivals], [workload.id]),
        reason=cell.note or ("" if cell.verdict is None else cell.verdict.reason),
    )


def _limit_row(summary: RunSummary, workload: WorkloadSummary, timing: Timing, facets: Mapping[str, str]) -> Row:
    return Row(
        cells={
            "workload": words(workload.id),
            "name": words(workload.name),
            "subject": words(f"({LIMIT})"),
            **_time_cells(timing, ""),
            "times_limit": words("1"),
            "verdict": words(NONE),
        },
        facets={**facets, "subject": LIMIT},
        role="limit",
        command=command(summary.header, [cell.subject for cell in workload.cells][:1], [workload.id]),
    )


def _time_cells(timing: Timing | None, without: str) -> dict[str, Value]:
    if timing is None:
        return {"median_ns": words(without)}
    found = Estimate(value=timing.median_ns, low=timing.low_ns, high=timing.high_ns)
    return {"median_ns": time_value(found), "gigabytes_per_s": rate_value(timing.gigabytes_per_s, found)}


def _no_time(cell: Cell) -> str:
    return NO_TIME if cell.status is Status.OK else cell.status.value


def _memory_cells(memory: Memory | None) -> dict[str, Value]:
    if memory is None:
        return {}
    amounts = {"requested": memory.requested, "touched": memory.touched, "saved": memory.saved}
    return {
        **{f"{part}_bytes": amount_value(amount) for part, amount in amounts.items()},
        "output_bytes": size_value(memory.output_bytes),
        "least_bytes": size_value(memory.least_bytes),
        **{f"{part}_note": words(amount.note) for part, amount in amounts.items()},
    }


def _statistics(cell: Cell) -> dict[str, Value]:
    """Return what a verdict rests on; what there is none of stays empty."""
    timing, verdict = cell.timing, cell.verdict
    found: dict[str, Value] = {"launches": counted_value(0 if timing is None else timing.launches)}
    if timing is not None:
        found["rejected_slots"] = _plain(timing.rejected)
    if verdict is not None:
        pair = verdict.comparison
        numbers = {"p_value": pair.p_value, "blocks": pair.blocks, "launch_spread": pair.launch_spread,
                   "drift": pair.drift, "rejected_blocks": pair.rejected}  # fmt: skip
        found |= {key: _plain(number) for key, number in numbers.items()}
        texts = {"outcome": verdict.outcome.value, "reason": verdict.reason, "reference": pair.reference}
        found |= {key: words(text) for key, text in texts.items()}
    return found


def _plain(number: float) -> Value:
    return exact(f"{number:g}", number)


def _ratio(cell: Cell) -> Value:
    if cell.timing is None:
        return BLANK
    if cell.ratio is None:
        return words(DIFFERS if cell.differs else Outcome.INVALID.value)
    value = ratio_value(cell.ratio)
    if cell.is_fastest:
        return replace(value, text="fastest")
    return replace(value, text=f"{TIE} {value.text}") if cell.is_tie else value


def _verdict(cell: Cell) -> str:
    if cell.is_fastest:
        return "fastest"
    if cell.differs:
        return DIFFERS
    if cell.verdict is None:
        return cell.status.value if cell.status is not Status.OK else "not compared"
    return cell.verdict.outcome.value


def _role(cell: Cell) -> str:
    if cell.timing is None:
        return "failed"
    if cell.is_fastest:
        return "fastest"
    if not cell.is_compared:
        return "apart"
    return "tie" if cell.is_tie else "slower"


def _facets(workload: Workload, model: str) -> dict[str, str]:
    return {
        "workload": workload.id,
        "op": workload.spec.kind.value,
        "rank": f"{workload.spec.rank}D",
        "order": workload.order,
        "dtype": workload.dtype.value,
        "pass": workload.pass_.name.lower().replace("_", " "),
        "model": model or "no model",
    }


def _figure(key: str, title: str = "", unit: Unit = Unit.NONE, *, has_interval: bool = False, help: str = "") -> Column:
    return Column(key=key, title=title, is_figure=True, has_interval=has_interval, unit=unit, help=help)
