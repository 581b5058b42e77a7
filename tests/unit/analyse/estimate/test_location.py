import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.analyse.estimate.location import average, error_of_clusters, locate, standard_error

finite = st.floats(-5, 5, allow_nan=False).map(lambda value: round(value, 6))


@given(st.lists(finite, min_size=3, max_size=40))
def test_the_interval_holds_the_centre_and_the_centre_lies_among_the_values(values: list[float]) -> None:
    location = locate(values)
    assert location.low <= location.centre <= location.high
    assert min(values) - 1e-9 <= location.centre <= max(values) + 1e-9
    assert 0 <= location.p_value <= 1


@given(st.lists(finite, min_size=3, max_size=20), finite)
def test_shifting_and_mirroring_the_values_shifts_and_mirrors_the_interval(values: list[float], shift: float) -> None:
    plain, moved = locate(values), locate([value + shift for value in values])
    assert moved.low == pytest.approx(plain.low + shift, abs=1e-5)
    mirrored = locate([-value for value in values])
    assert mirrored.low == pytest.approx(-plain.high, abs=1e-5)
    assert mirrored.p_value == pytest.approx(plain.p_value, abs=1e-6)


@given(st.lists(finite, min_size=3, max_size=20), st.floats(0.5, 0.99))
def test_more_confidence_is_a_wider_interval(values: list[float], confidence: float) -> None:
    assert locate(values, confidence).half_width <= locate(values, 0.995).half_width


def test_below_three_values_nothing_is_bounded() -> None:
    for values in ([0.3], [0.3, 0.4]):
        location = locate(values)
        assert (location.low, location.high, location.p_value) == (-math.inf, math.inf, 1.0)
        assert location.centre == pytest.approx(np.median(values))


def test_equal_values_give_an_interval_of_no_width_and_a_sure_claim() -> None:
    same = locate([0.5] * 5)
    assert same.half_width == pytest.approx(0, abs=1e-12)
    assert same.p_value == 0
    assert locate([0.0] * 5).p_value == 1


def test_an_outlier_moves_the_centre_little_and_does_not_blow_the_interval_up() -> None:
    clean = [0.0, 0.01, -0.01, 0.005, -0.005, 0.002, -0.002, 0.008]
    disturbed = locate([*clean, 3.0])
    assert abs(disturbed.centre) < 0.005
    assert disturbed.half_width < 0.03  # a plain t interval reaches ±0.77


def test_the_average_of_locations_is_the_location_of_averages_where_launches_are_shared() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.001, (4, 12)) + rng.normal(0, 0.02, 12)  # one error that all four workloads share
    combined = average([(locate(row), range(12)) for row in values])
    assert combined.centre == pytest.approx(np.mean([locate(row).centre for row in values]))
    assert combined.half_width == pytest.approx(locate(values.mean(axis=0)).half_width, rel=0.1)
    # Taken for independent, as by launches with other numbers, they would look twice as sure as they are.
    apart = average([(locate(row), range(12 * place, 12 * place + 12)) for place, row in enumerate(values)])
    assert apart.half_width < 0.65 * combined.half_width


def test_an_average_with_a_location_of_too_few_launches_is_unbounded() -> None:
    assert math.isinf(average([(locate([0.1, 0.2, 0.3]), range(3)), (locate([0.1]), range(1))]).half_width)


def test_an_exact_location_lowers_the_error_of_an_average_and_does_not_hide_that_of_the_rest() -> None:
    values = [0.1, 0.12, 0.09, 0.11, 0.1]
    alone = average([(locate(values), range(5))])
    exact = locate([0.0] * 3)
    halved = average([(locate(values), range(5)), (replace(exact, influence=np.zeros(0), degrees=math.inf), ())])
    assert alone.half_width == pytest.approx(locate(values).half_width)
    assert halved.half_width == pytest.approx(alone.half_width / 2)


def test_the_interval_of_an_average_covers_where_launches_are_shared_and_some_are_missing() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(400):
        values = rng.normal(0, 0.01, (3, 9)) + rng.normal(0, 0.01, 9)
        parts = [(locate(row[:count]), range(count)) for row, count in zip(values, (9, 5, 7), strict=True)]
        combined = average(parts)
        covered += combined.low <= 0 <= combined.high
    assert covered >= 0.92 * 400


def test_what_a_cluster_has_in_common_counts_in_full() -> None:
    influence = np.array([1.0, 1.0, -1.0, -1.0]) / 4
    assert error_of_clusters(influence, [0, 0, 1, 1]) == pytest.approx(1.0)
    assert error_of_clusters(influence, [5, 6, 7, 8]) == pytest.approx(float(standard_error(influence)))
    assert error_of_clusters(influence, [3, 3, 3, 3]) == 0
