"""Whether a machine is fit for a fleet's work, by what ``poolbench doctor`` finds about it."""

from __future__ import annotations

import math
import time

from poolbench.api.diagnosis import Diagnosis, diagnose
from poolbench.api.run import Tell
from poolbench.errors import RunLockedError
from poolbench.fleet.outcome import About, speech
from poolbench.measure.advice import Level
from poolbench.measure.machine import fingerprint

LOCK_POLL_S = 2.0

MOST_AA_NOISE = 0.10
"""A machine on which equals differ by more than this (half the interval of their ratio) gets no work."""


def judge(diagnosis: Diagnosis) -> tuple[str, tuple[str, ...]]:
    """Return why the machine is unfit, a sentence, or nothing; and its findings: what was warned of."""
    findings = tuple(item.what for item in diagnosis.advice if item.level is Level.WARNING)
    aa = diagnosis.aa
    if aa is None or aa.low <= 0:
        return "Too few blocks were clean to tell equals apart: something else is using the machine.", findings
    noise = math.log(aa.high / aa.low) / 2
    if noise > MOST_AA_NOISE:
        return (
            f"Equal subjects differ by up to {noise:.0%}, and {MOST_AA_NOISE:.0%} is the most for a fleet's work. "
            "'poolbench doctor' says what to do.",
            findings,
        )
    return "", findings


def examined(kinds: tuple[str, ...], *, preflight: bool, tell: Tell) -> About:
    """Return what this machine's worker says of itself. A run that measures here is waited for.

    Without ``preflight`` the machine counts as fit, and its rows say that it was not examined.
    """
    machine = fingerprint().key
    unfit = ""
    findings: tuple[str, ...] = ("The machine was not examined before it got work.",)
    if preflight:
        tell("examining this machine, for a quarter of a minute")
        unfit, findings = judge(_diagnosis(tell))
    return About(speech=speech(), machine=machine, kinds=kinds, unfit=unfit, findings=findings)


def _diagnosis(tell: Tell) -> Diagnosis:
    is_told = False
    while True:
        try:
            return diagnose()
        except RunLockedError as error:
            if not is_told:
                tell(f"waiting: {error}")
            is_told = True
            time.sleep(LOCK_POLL_S)
