from __future__ import annotations

import numpy as np

from poolbench.measure.inputs import InputStore, map_array
from poolbench.model.ids import parse_id

SMALL = parse_id("max2d-n1c2-h8w8-k2")
AVERAGE = parse_id("avg2d-n1c2-h8w8-k2")


def test_a_filling_is_mapped_as_it_was_made():
    with InputStore(seed=1) as inputs:
        parts = {part: map_array(array.as_message()) for part, array in inputs.filling(SMALL, "exact").items()}
    windows = parts["input"].reshape(1, 2, 4, 2, 4, 2)
    assert np.array_equal(parts["expected"], windows.max(axis=(3, 5)))


def test_only_averages_of_random_values_need_a_scale():
    with InputStore(seed=1) as inputs:
        needing = {
            (workload.spec.kind, name)
            for workload in (SMALL, AVERAGE)
            for name in ("exact", "random")
            if "scale" in inputs.filling(workload, name)
        }
    assert needing == {("avg", "random")}


def test_above_capacity_other_workloads_give_way_and_never_a_filling_of_the_one_in_hand():
    with InputStore(seed=1, capacity_bytes=1) as inputs:
        other = inputs.filling(AVERAGE, "random")
        exact, random = inputs.filling(SMALL, "exact"), inputs.filling(SMALL, "random")
        assert map_array(exact["input"].as_message()).shape == (1, 2, 8, 8)
        assert map_array(random["input"].as_message()).shape == (1, 2, 8, 8)
        assert set(inputs.filling(AVERAGE, "random")) == set(other)
