"""What advice predicts of a model beside what the whole model then saves, as a table in Markdown.

    python -m tests.models.advice [NAME…]

On each model this library's operators are tried wherever they apply, whether or not that is advised. It takes some five
minutes. The last column says whether the measured saving lies within 20 % of the predicted one, or their intervals
meet.
"""

from __future__ import annotations

import sys

from poolbench.api.advise import advise
from poolbench.model.advice import Change, Share, Trial
from poolbench.quantities import time_text
from poolbench.report.advice import share_text
from tests.models.cases import chosen

SECONDS, SECONDS_OF_LARGE = 20.0, 50.0
NEAR = 0.2


def main(names: list[str]) -> int:
    """Print a row for each model, and return how many predictions failed."""
    print("| model | pass | step | pooling | predicted saving | measured saving | ± | as predicted |")
    print("|---|---|---:|---:|---:|---:|---|---|")
    wrong = 0
    for case in chosen(names):
        advice = advise(
            case.target, [case.shape], pass_=case.pass_, attempt=Change.STRIDED.value,
            budget_s=SECONDS_OF_LARGE if case.is_large else SECONDS,
        )  # fmt: skip
        trial = next((trial for trial in advice.trials if trial.what == Change.STRIDED.text), None)
        if advice.step is None or advice.share is None or trial is None or not _is_known(trial):
            wrong += 1
            print(
                f"| {case.name} | {case.pass_} | – | – | – | – | – | no: {advice.problem or advice.notes} |", flush=True
            )
            continue
        held, sharp = holds(trial), is_sharp(trial.measured) and is_sharp(trial.predicted)
        wrong += not held
        print(
            f"| {case.name} | {case.pass_} | {time_text(advice.step.value)} | {share_text(advice.share)} "
            f"| {share_text(trial.predicted)} | {share_text(trial.measured)} | {'narrow' if sharp else 'wide'} "
            f"| {'yes' if held else 'no'} |",
            flush=True,
        )
    print(f"\n{wrong} not as predicted")
    return wrong


def holds(trial: Trial) -> bool:
    """Whether the prediction lies within a fifth of the measured saving, or within its interval."""
    assert trial.predicted is not None and trial.measured is not None
    apart = abs(trial.predicted.value - trial.measured.value)
    return (
        apart <= NEAR * abs(trial.measured.value) or trial.measured.low <= trial.predicted.value <= trial.measured.high
    )


def is_sharp(share: Share | None) -> bool:
    """Whether an interval is at most ±1 % of the step, or a quarter of the saving."""
    return share is not None and share.half_width <= max(0.01, abs(share.value) / 4)


def _is_known(trial: Trial) -> bool:
    return trial.predicted is not None and trial.measured is not None


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
