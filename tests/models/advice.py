"""What advice predicts of a model beside what the whole model then saves, as a table in Markdown.

    python -m tests.models.advice [NAME…]

On each model this library's operators are tried wherever they apply, whether or not that is advised. It takes some
seven minutes. "Predicted" is what the calls save, and with it what the rest of the step gains or loses, where that is
sure. "As predicted" says whether the prediction lies within 20 % of the measured saving, or within its interval; the
next column says the same of the calls alone. An interval is wide where it is more than ±1 % of the step and a quarter
of the saving. The last column is what the advice says.
"""

from __future__ import annotations

import sys

from poolbench.analyse.explain.advice import is_narrow
from poolbench.api.advise import advise
from poolbench.model.advice import Advice, Change, Share
from poolbench.quantities import time_text
from poolbench.report.advice import answer, share_text
from tests.models.cases import chosen

NEAR = 0.2


def main(names: list[str]) -> int:
    """Print a row for each model, and return how many predictions failed."""
    print(
        "| model | pass | step | pooling | its calls save | predicted saving | measured saving | ± | as predicted "
        "| by the calls alone | advice |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---|---|---|---|")
    wrong = 0
    for case in chosen(names):
        advice = advise(
            case.target, [case.shape], pass_=case.pass_, attempt=Change.STRIDED.value, budget_s=case.budget_s
        )
        trial = next((trial for trial in advice.trials if trial.what == Change.STRIDED.text), None)
        if not (advice.step and advice.share and trial and trial.calls and trial.predicted and trial.measured):
            wrong += 1
            print(f"| {case.name} | {case.pass_} | no: {advice.problem or advice.notes} |", flush=True)
            continue
        held = holds(trial.predicted, trial.measured)
        wrong += not held
        print(
            f"| {case.name} | {case.pass_} | {time_text(advice.step.value)} | {share_text(advice.share)} "
            f"| {share_text(trial.calls)} | {share_text(trial.predicted)} | {share_text(trial.measured)} "
            f"| {'narrow' if is_narrow(trial.measured) and is_narrow(trial.predicted) else 'wide'} "
            f"| {'yes' if held else 'no'} | {'yes' if holds(trial.calls, trial.measured) else 'no'} "
            f"| {'leave it' if says_to_leave(advice) else 'change it'} |",
            flush=True,
        )
    print(f"\n{wrong} not as predicted")
    return wrong


def holds(predicted: Share, measured: Share) -> bool:
    """Whether the prediction lies within a fifth of the measured saving, or within its interval."""
    apart = abs(predicted.value - measured.value)
    return apart <= NEAR * abs(measured.value) or measured.low <= predicted.value <= measured.high


def says_to_leave(advice: Advice) -> bool:
    """Whether the answer is to change nothing."""
    return any("leave it" in sentence.lower() for sentence in answer(advice))


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
