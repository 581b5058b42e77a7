"""Series of single readings, whose error is taken from the neighbours."""

import numpy as np
import pytest

from poolbench.analyse.history.single import READINGS_PER_DEGREE, single_readings, single_steps
from poolbench.errors import UsageError


def test_few_series_without_a_change_report_one_and_a_clear_step_is_found():
    rng = np.random.default_rng(1)
    noise = rng.normal(0.0, 0.02, (100, 40))
    assert sum(bool(single_steps(np.exp(values))) for values in noise) <= 8
    stepped = noise + np.where(np.arange(40) >= 25, np.log(1.1), 0.0)
    found = [single_steps(np.exp(values)) for values in stepped]
    assert sum(len(steps) == 1 and abs(steps[0].place - 25) <= 1 for steps in found) >= 90


def test_equal_readings_have_an_error_all_the_same():
    assert single_steps([5.0] * 10) == []
    assert (single_readings([5.0] * 10).variances > 0).all()


@pytest.mark.parametrize(("values", "words"), [([1.0] * 5, "6 or more"), ([1.0] * 6 + [0.0], "positive")])
def test_what_cannot_be_searched_is_told(values, words):
    with pytest.raises(UsageError, match=words):
        single_readings(values)


@pytest.mark.parametrize("odd", [0, 12, 29])
def test_one_odd_reading_is_no_change_and_hides_none(odd):
    noise = np.random.default_rng(2).normal(0.0, 0.01, 30)
    noise[odd] += 0.5
    assert single_steps(np.exp(noise)) == []
    noise[20:] += 0.1
    assert [step.place for step in single_steps(np.exp(noise))] == [20]


def test_noise_that_grows_and_a_wave_are_no_changes():
    rng = np.random.default_rng(3)
    growing = rng.normal(0.0, 1.0, (50, 60)) * np.linspace(0.01, 0.1, 60)
    assert sum(bool(single_steps(np.exp(values))) for values in growing) <= 5
    wave = 0.1 * np.sin(2 * np.pi * (np.arange(60) / 12 + rng.random((50, 1)))) + rng.normal(0.0, 0.01, (50, 60))
    assert sum(bool(single_steps(np.exp(values))) for values in wave) <= 5


@pytest.mark.parametrize("count", [20, 50, 100])
def test_the_freedom_is_that_of_the_median_of_differences(count):
    differences = np.diff(np.random.default_rng(4).normal(size=(20_000, count)), axis=1)
    variances = np.median(np.abs(differences), axis=1) ** 2
    degrees = 2 * variances.mean() ** 2 / variances.var()
    assert (count - 1) / degrees == pytest.approx(READINGS_PER_DEGREE, rel=0.15)
