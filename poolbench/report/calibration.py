"""A calibration as a table: what the gate's verdicts are worth on this machine."""

from __future__ import annotations

from poolbench.model.calibration import Calibration
from poolbench.quantities import percent
from poolbench.report.gate import calibration_text, disturbance_text

COLUMNS = (
    "planted",
    "verdicts",
    "found",
    "share",
    "bounds",
    "same",
    "undecided",
    "invalid",
    "exit 1",
    "CPU time",
    "medians",
)


def calibration_lines(known: Calibration) -> list[str]:
    """Return the report as plain lines; where something was planted, undecided counts as missed."""
    rows = [COLUMNS]
    for rates in known.rates:
        rows.append(
            (
                "nothing" if rates.planted == 1 else f"+{percent(rates.planted - 1)}",
                str(rates.verdicts),
                str(rates.found),
                percent(rates.found / rates.verdicts),
                f"{percent(rates.low)}–{percent(rates.high)}",
                str(rates.same),
                str(rates.undecided),
                str(rates.invalid),
                str(rates.failed_gate),
                f"× {rates.cpu_ratio:.4f}",
                f"{rates.medians_found} ({percent(rates.medians_found / rates.verdicts)})",
            )
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    tolerance = percent(known.policy.tolerance)
    return [
        *lines,
        "",
        "found: a false alarm where nothing was planted. bounds: exact, each at 95 %. medians: measuring one after the "
        f"other and comparing medians, with a threshold of {tolerance}; to give one false alarm in a hundred at most, "
        f"its threshold would have to be {percent(known.medians_threshold - 1)}.",
        f"A verdict took {known.seconds_per_verdict:.2f} s on average.",
        disturbance_text(known.disturbance),
        calibration_text(known),
    ]
