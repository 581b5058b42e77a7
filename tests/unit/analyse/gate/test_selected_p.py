"""The p-value of two stages of which the first chose."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from poolbench.analyse.gate.selected_p import selected_p

SUSPICION = 0.3


def test_a_survey_alone_pays_for_the_choice_and_a_confirmation_alone_pays_nothing():
    assert selected_p(0.001, suspicion=SUSPICION, share=1 - 1e-9) == pytest.approx(0.001 / 0.15, rel=0.02)
    assert selected_p(0.001, suspicion=SUSPICION, share=1e-9) == pytest.approx(0.001, rel=0.01)
    assert selected_p(0.001, suspicion=SUSPICION, share=0.5) == pytest.approx(0.0063, rel=0.05)


def test_more_evidence_is_a_smaller_chance_and_none_is_certainty():
    chances = [selected_p(p, suspicion=SUSPICION, share=0.4) for p in (1e-12, 1e-6, 1e-3, 0.1, 0.49)]
    assert chances == sorted(chances)
    assert 0 <= chances[0] < 1e-9
    assert selected_p(0.5, suspicion=SUSPICION, share=0.4) == 1.0


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_without_a_difference_it_is_uniform_among_suspicious_surveys(share: float):
    """So that a claim at 0.01 is false once in a hundred suspicions."""
    normal = NormalDist()
    first, second = np.random.default_rng(7).standard_normal((2, 40_000))
    suspicious = first > normal.inv_cdf(1 - SUSPICION / 2)
    joint = (share**0.5 * first + (1 - share) ** 0.5 * second)[suspicious]
    chances = np.array([selected_p(1 - normal.cdf(z), suspicion=SUSPICION, share=share) for z in joint[:3000]])
    for level in (0.01, 0.05, 0.2):
        expected = level * len(chances)
        assert abs((chances <= level).sum() - expected) < 4 * expected**0.5
