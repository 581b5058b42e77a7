"""What the gate's verdicts are worth on a machine: the table of its calibration, and the sentences beside it."""

from __future__ import annotations

from poolbench.model.calibration import Calibration, Rates
from poolbench.model.estimate import Estimate
from poolbench.model.gate import GateResult
from poolbench.model.method import timing_method
from poolbench.quantities import counted, listed, percent
from poolbench.report.gate import disturbance_text
from poolbench.report.table import Column, Row, Table, Unit, counted_value, exact, measured, words


def calibration_table(known: Calibration) -> Table:
    """Return a row for each planted change."""
    columns = (
        Column(key="change", title="planted"),
        Column(key="planted", is_figure=True, unit=Unit.TIMES, is_detail=True),
        Column(key="verdicts", title="verdicts", is_figure=True, unit=Unit.COUNT),
        Column(key="found", title="found", is_figure=True, unit=Unit.COUNT,
               help="A false alarm where nothing was planted."),
        Column(key="found_share", title="share", is_figure=True, has_interval=True, unit=Unit.SHARE,
               help="Of the verdicts. The bounds are exact, each at 95 %."),
        Column(key="same", title="same", is_figure=True, unit=Unit.COUNT),
        Column(key="undecided", title="undecided", is_figure=True, unit=Unit.COUNT),
        Column(key="invalid", title="invalid", is_figure=True, unit=Unit.COUNT),
        Column(key="failed_gate", title="exit 1", is_figure=True, unit=Unit.COUNT),
        Column(key="cpu_ratio", title="CPU time", is_figure=True, unit=Unit.TIMES, help="Of head over base."),
        Column(key="medians_found", title="by medians", is_figure=True, unit=Unit.COUNT,
               help="What measuring one after the other and comparing medians would have found."),
    )  # fmt: skip
    rows = tuple(_row(rates) for rates in known.rates)
    return Table(key="calibration", title="How often the gate errs here", columns=columns, rows=rows)


def calibration_words(known: Calibration) -> tuple[str, ...]:
    """Return what stands below the table."""
    return (
        f"Comparing medians takes a threshold of {percent(known.policy.tolerance)}; to give one false alarm in a "
        f"hundred at most, it would have to be {percent(known.medians_threshold - 1)}.",
        f"A verdict took {known.seconds_per_verdict:.2f} s on average.",
        disturbance_text(known.disturbance),
        calibration_text(known),
    )


def calibration_text(known: Calibration | None, result: GateResult | None = None) -> str:
    """Say how often the gate errs on this machine, or that it isn't known; and where ``result`` is of another kind."""
    if known is None or known.equal is None:
        return (
            "This machine was never calibrated, so the gate's rate of false alarms and the smallest slowdown that it "
            "finds are not known here: 'poolbench calibrate' measures both in about an hour."
        )
    equal = known.equal
    power = [
        f"{percent(rates.planted - 1)} in {percent(rates.found / rates.verdicts)}"
        for rates in known.rates
        if rates.planted > 1
    ]
    smallest = (
        f"found 95 % of the time from {percent(known.smallest_found - 1)} on"
        if known.smallest_found is not None
        else "no planted slowdown was found 95 % of the time"
    )
    beside = "" if known.neighbour == "none" else f", beside a neighbour ({known.neighbour})"
    return (
        f"Calibrated here on {known.measured_at[:10]}{beside}, with copies of {known.subjects[0]} on one thread, a "
        f"tolerance of {percent(known.policy.tolerance)} and {known.budget_per_verdict:g} s a verdict: "
        f"{counted(equal.found, 'false alarm')} in {equal.verdicts} verdicts on equal pairs (surely below "
        f"{percent(equal.high)}), {percent(equal.same / equal.verdicts)} of them called the same; slowdowns of "
        f"{listed(power)} of the verdicts; {smallest}.{'' if result is None else _unlike(known, result)}"
    )


def _unlike(known: Calibration, result: GateResult) -> str:
    """Say what a gate has that its machine's calibration was not made with."""
    mine = {side.backend for side in (result.base, result.head)} - {known.subjects[0]}
    differences = [
        (bool(mine), f"measures {listed(sorted(mine))}"),
        (result.policy.tolerance != known.policy.tolerance, f"has a tolerance of {percent(result.policy.tolerance)}"),
        (
            result.policy.confidence != known.policy.confidence,
            f"has a confidence of {percent(result.policy.confidence)}",
        ),
        (timing_method(result.method) != timing_method(known.method), "measures by another method"),
    ]
    found = [words for differs, words in differences if differs]
    return f" This gate {listed(found)}, for which these rates were not measured." if found else ""


def _row(rates: Rates) -> Row:
    share, medians = rates.found / rates.verdicts, rates.medians_found / rates.verdicts
    bounds = f"({percent(rates.low)} to {percent(rates.high)})"
    return Row(
        cells={
            "change": words("nothing" if rates.planted == 1 else f"+{percent(rates.planted - 1)}"),
            "planted": exact(f"{rates.planted:g}", rates.planted),
            "verdicts": counted_value(rates.verdicts),
            "found": counted_value(rates.found),
            "found_share": measured(
                percent(share), Estimate(value=share, low=rates.low, high=rates.high), spread=bounds
            ),
            "same": counted_value(rates.same),
            "undecided": counted_value(rates.undecided),
            "invalid": counted_value(rates.invalid),
            "failed_gate": counted_value(rates.failed_gate),
            "cpu_ratio": exact(f"× {rates.cpu_ratio:.4f}", rates.cpu_ratio),
            "medians_found": exact(f"{rates.medians_found} ({percent(medians)})", rates.medians_found),
        }
    )
