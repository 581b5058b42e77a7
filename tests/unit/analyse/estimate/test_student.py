import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.analyse.estimate.student import t_quantile, t_tail


@pytest.mark.parametrize(
    ("degrees", "confidence", "printed"),
    [
        (1, 0.95, 12.706),
        (2, 0.95, 4.303),
        (4, 0.95, 2.776),
        (10, 0.95, 2.228),
        (30, 0.95, 2.042),
        (4, 0.99, 4.604),
        (10, 0.999, 4.587),
        (120, 0.95, 1.980),
    ],
)
def test_quantiles_are_those_of_printed_tables(degrees: int, confidence: float, printed: float) -> None:
    assert t_quantile(degrees, confidence) == pytest.approx(printed, abs=6e-4)


@given(st.floats(0, 1e6))
def test_one_degree_of_freedom_is_the_cauchy_distribution(t: float) -> None:
    assert t_tail(t, 1) == pytest.approx(math.atan2(1, t) / math.pi, rel=1e-9)


@given(st.floats(0, 1e4))
def test_two_degrees_of_freedom_have_a_closed_form(t: float) -> None:
    root = math.sqrt(2 + t * t)
    assert t_tail(t, 2) == pytest.approx(1 / (root * (root + t)), rel=1e-8)


@given(st.floats(1, 200), st.floats(0.01, 0.9999))
def test_quantile_and_tail_are_inverse(degrees: float, confidence: float) -> None:
    assert t_tail(t_quantile(degrees, confidence), degrees) == pytest.approx((1 - confidence) / 2, rel=1e-6)


def test_the_far_tail_is_small_and_not_lost() -> None:
    assert 0 < t_tail(155, 4) < 1e-8
    assert t_tail(math.inf, 4) == 0
