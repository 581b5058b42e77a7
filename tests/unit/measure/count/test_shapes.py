"""The part of a layer that is counted."""

from __future__ import annotations

import pytest

from poolbench.catalogue.select import choose
from poolbench.measure.count.shapes import LEAST_CHANNELS, MOST_TAPS, scaled, taps
from poolbench.model.ids import parse_id


@pytest.mark.parametrize("workload", choose(["core"]).workloads, ids=lambda workload: workload.name)
def test_each_layer_of_core_has_a_part_that_is_short_enough(workload):
    part = scaled(workload)
    assert taps(part) <= MOST_TAPS < taps(workload)
    assert part.spec == workload.spec and part.order == workload.order and part.dtype == workload.dtype
    assert part.channels >= min(workload.channels, LEAST_CHANNELS)
    assert scaled(part) == part


def test_what_is_short_already_stays_and_what_cannot_be_less_is_the_least():
    small = parse_id("max2d-n1c4-h4w8-k2-f32-nchw")
    assert scaled(small) == small
    assert taps(small) == 4 * 2 * 4 * 4
    assert scaled(parse_id("max1d-n8c2-w600-k500-f32-ncw"), 1).batch == 1
