"""The measures on signals whose answers are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from poolbench.model.effects import Alternative
from poolbench.model.pooling import PoolSpec
from poolbench.observe.effects.filters import Filter, binomial, filter_of
from poolbench.observe.effects.measures import information, measured
from poolbench.observe.effects.signals import fields

PAIR = PoolSpec.windowed("max", (2, 2))
REDUCING = (Alternative.MAX, Alternative.AVERAGE, Alternative.BLUR, Alternative.MAX_BLUR)


def white(count, shape):
    return np.random.default_rng(5).standard_normal((count, *shape))


def constant(count, shape):
    return np.full((count, *shape), 3.0)


def ramps(count, shape):
    rng = np.random.default_rng(5)
    places = np.indices(shape).astype(float)
    slopes = rng.uniform(0.1, 1.0, (count, len(shape)))  # rising, so that a maximum is the last element of its window
    return np.tensordot(slopes, places, axes=1) + rng.standard_normal((count, *[1] * len(shape)))


def waves(count, shape):
    """One frequency along the first axis, far below what a filter of two elements takes away."""
    phases = np.random.default_rng(5).uniform(0, 2 * np.pi, (count, *[1] * len(shape)))
    return np.cos(0.3 * np.indices(shape)[0][None] + phases)


def alternating(count, shape):
    """+1 and −1 in turns, with either sign first: the highest frequency that there is."""
    signs = np.where(np.arange(count) % 2, 1.0, -1.0).reshape(-1, *[1] * len(shape))
    return signs * (-1.0) ** np.indices(shape).sum(axis=0)


@pytest.mark.parametrize("alternative", Alternative)
def test_a_constant_loses_nothing_and_does_not_change(alternative):
    found = information(alternative, PAIR, (8, 8), signals=constant)
    assert (found.lost, found.changed, found.unsteady) == (0, 0, 0)


@pytest.mark.parametrize("alternative", REDUCING)
def test_a_ramp_comes_back_whole_and_a_shift_of_it_follows_from_the_output(alternative):
    found = information(alternative, PAIR, (8, 8), signals=ramps)
    assert found.lost == pytest.approx(0, abs=1e-9)
    assert found.unsteady == pytest.approx(0, abs=1e-9)
    assert found.changed > 0


def test_an_average_of_one_low_frequency_can_be_undone():
    found = information(Alternative.AVERAGE, PAIR, (8, 8), signals=waves)
    assert found.lost == pytest.approx(0, abs=1e-9)
    assert found.unsteady == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("alternative", REDUCING)
def test_the_highest_frequency_is_lost_whole(alternative):
    found = information(alternative, PAIR, (8, 8), signals=alternating)
    assert found.lost == pytest.approx(1, abs=0.01)
    assert found.changed == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("window", "rank"), [(2, 1), (4, 1), (2, 2), (3, 2), (2, 3)])
def test_an_average_of_white_noise_keeps_one_part_in_the_number_of_elements(window, rank):
    spec = PoolSpec.windowed("avg", (window,) * rank)
    found = information(Alternative.AVERAGE, spec, (4 * window,) * rank, signals=white)
    assert found.lost == pytest.approx(1 - 1 / window**rank, abs=0.02)


@pytest.mark.parametrize("window", [2, 4])
def test_an_average_of_white_noise_changes_by_what_comes_in(window):
    spec = PoolSpec.windowed("avg", (window,))
    found = information(Alternative.AVERAGE, spec, (8 * window,), signals=white)
    # One element of each window is new. Of the shifted window, (k−1)/k lie in one window before and 1/k in the next.
    assert found.changed == pytest.approx(1 / window, abs=0.03)
    assert found.unsteady == pytest.approx(1 - ((window - 1) ** 2 + 1) / window**2, abs=0.04)


def test_a_maximum_of_white_noise():
    found = information(Alternative.MAX, PAIR, (8, 8), signals=white)
    # Of n normal elements, each has the covariance 1/n with their maximum, whose variance is 0.4917 for four
    # (H. A. David, "Order Statistics").
    assert found.lost == pytest.approx(1 - (1 / 4) ** 2 / 0.4917, abs=0.015)


def test_without_a_layer_all_comes_back_and_a_shift_is_a_shift():
    found = information(Alternative.NONE, PAIR, (8, 8), signals=white)
    assert (found.lost, found.unsteady) == pytest.approx((0, 0), abs=1e-12)
    assert found.changed == pytest.approx(1, abs=0.05)


def test_global_pooling_has_nothing_beside_it():
    found = information(Alternative.AVERAGE, PoolSpec.adaptive("avg", (1, 1)), (5, 5), signals=white)
    assert found.lost == pytest.approx(1 - 1 / 25, abs=0.01)


def test_windows_of_different_sizes_have_no_measure():
    with pytest.raises(ValueError, match="differ in size"):
        information(Alternative.AVERAGE, PoolSpec.adaptive("avg", (3, 3)), (7, 7))


def test_no_upsampling_of_the_family_is_better():
    spec = PoolSpec.windowed("avg", (2,))
    found = information(Alternative.AVERAGE, spec, (8,))
    x = fields(64, (400,))
    y = x.reshape(64, 200, 2).mean(axis=2)
    repeated = np.repeat(y, 2, axis=1)
    before, behind = np.roll(y, 1, axis=1), np.roll(y, -1, axis=1)
    linear = np.stack([0.75 * y + 0.25 * before, 0.75 * y + 0.25 * behind], axis=2).reshape(64, 400)
    inside = slice(2, -2)
    for guess in (repeated, linear):
        left = np.square(x - guess)[:, inside].mean() / x.var()
        assert left > found.lost


def test_the_measure_takes_the_elements_below_the_window():
    """What picks the second of two elements tells that one exactly, and nothing of the first."""
    second = Filter(span=(2,), stride=(2,), reduce=lambda x: x[:, 1::2])
    found = measured(second, (3,), white)
    assert found.lost == pytest.approx(1 / 2, abs=0.02)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("alternative", [Alternative.MAX, Alternative.AVERAGE])
def test_filters_pool_as_the_library_does(alternative, rank):
    from poolbench import strided

    kind = "max" if alternative is Alternative.MAX else "avg"
    x = np.random.default_rng(1).standard_normal((2, *(9, 10, 11)[:rank]))
    ours = filter_of(alternative, (3,) * rank, (2,) * rank, (1,) * rank).reduce(x)
    theirs = getattr(strided, f"{kind}_pool{rank}d")(x[:, None], 3, 2)
    np.testing.assert_allclose(ours, theirs[:, 0])


def test_a_blur_is_a_row_of_pascals_triangle():
    np.testing.assert_array_equal(binomial(3), [0.25, 0.5, 0.25])
    found = filter_of(Alternative.BLUR, (2,), (2,), (1,)).reduce(np.array([[0.0, 1, 0, 0, 4]]))
    np.testing.assert_array_equal(found, [[0.5, 1]])


def test_fields_are_alike_at_every_scale():
    """Each octave of a plane has the same power: the variance that averages of 2 × 2 keep falls as slowly at 4 × 4."""
    x = fields(64, (64, 64))
    assert (x.mean(), x.var()) == pytest.approx((0, 1), abs=1e-9)
    kept = [x.var()]
    for _ in range(3):
        x = x.reshape(64, x.shape[1] // 2, 2, x.shape[2] // 2, 2).mean(axis=(2, 4))
        kept.append(x.var())
    steps = -np.diff(kept)
    assert steps[1] / steps[0] == pytest.approx(1, abs=0.3)
    assert steps[2] / steps[1] == pytest.approx(1, abs=0.3)
