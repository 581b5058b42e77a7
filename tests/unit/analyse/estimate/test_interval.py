import numpy as np
import pytest

from poolbench.analyse.estimate.location import locate
from tests.unit.analyse.estimate.simulation import Scenario, coverage, ours, plain_t, scenarios

REPETITIONS = 1500
# Three standard errors of a share of 0.95 among so many repetitions.
SLACK = 3 * (0.95 * 0.05 / REPETITIONS) ** 0.5


@pytest.mark.parametrize("launches", [5, 8, 12, 20])
@pytest.mark.parametrize("disturbed", ["", "both", "up"])
def test_the_interval_covers_the_truth(disturbed: str, launches: int) -> None:
    for scenario in scenarios(disturbed):
        covered, _ = coverage(ours, scenario, launches, repetitions=REPETITIONS)
        assert covered >= 0.935 - SLACK, scenario


def test_it_costs_little_where_a_plain_t_interval_would_do_and_saves_much_where_not() -> None:
    clean = Scenario(launch_sd=0.01, block_sd=0.01, blocks=2, bursts=False)
    hit = Scenario(launch_sd=0.01, block_sd=0.01, blocks=2, disturbed="both")
    for scenario, least, most in ((clean, 1.0, 1.15), (hit, 0.5, 0.8)):
        ratio = (
            coverage(ours, scenario, 12, repetitions=REPETITIONS)[1]
            / coverage(plain_t, scenario, 12, repetitions=REPETITIONS)[1]
        )
        assert least < ratio < most


def test_a_plain_t_interval_fails_where_ours_holds() -> None:
    """Why it lost; and a check that the simulation can tell."""
    scenario = Scenario(launch_sd=0.012, block_sd=0.01, blocks=2, disturbed="up")
    assert coverage(plain_t, scenario, 20, repetitions=REPETITIONS)[0] < 0.9
    assert coverage(ours, scenario, 20, repetitions=REPETITIONS)[0] > 0.935


def test_the_simulated_interval_is_the_one_in_use() -> None:
    values = Scenario(launch_sd=0.01, block_sd=0.02, blocks=2).estimates(np.random.default_rng(3), 20, 7)
    low, high = ours(values)
    for row, lowest, highest in zip(values, low, high, strict=True):
        location = locate(row)
        assert (location.low, location.high) == pytest.approx((lowest, highest), abs=1e-6)


@pytest.mark.parametrize("launches", [3, 5, 10])
def test_far_tails_are_not_crossed_by_chance(launches: int) -> None:
    """A table of 12 rows claims at p < 0.0008: among 4000 A/A rows about 3 may come so far, not dozens."""
    values = Scenario(launch_sd=0.006, block_sd=0.02, blocks=2).estimates(np.random.default_rng(7), 4000, launches)
    assert sum(locate(row).p_value < 0.01 / 12 for row in values) <= 10
