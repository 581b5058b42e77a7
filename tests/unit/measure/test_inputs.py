from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from poolbench.measure.inputs import COPIES, InputStore, NoRoomError, map_array
from poolbench.model.ids import parse_id
from poolbench.verify import filling
from poolbench.verify.footprint import footprint

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


def test_a_workload_that_needs_more_than_can_be_had_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(filling, "make", lambda *_, **__: pytest.fail("it was made"))
    need = footprint(AVERAGE).total
    with InputStore(seed=1, available=lambda: need - 1) as inputs, pytest.raises(NoRoomError, match=r"of memory"):
        inputs.filling(AVERAGE, "exact")


def test_what_a_workload_holds_already_counts_as_room_for_it():
    left = footprint(AVERAGE).total
    with InputStore(seed=1, available=lambda: left) as inputs:
        exact = inputs.filling(AVERAGE, "exact")
        left -= sum(map_array(array.as_message()).nbytes for array in exact.values())
        assert "scale" in inputs.filling(AVERAGE, "random")


def test_other_workloads_give_way_where_memory_is_short():
    def held() -> set[str]:
        return {workload for workload, _ in store._held}

    store = InputStore(seed=1, available=lambda: 0 if SMALL.id in held() and len(store._held) > 1 else 1 << 30)
    with store:
        store.filling(SMALL, "exact")
        store.filling(SMALL, "random")
        assert store.filling(AVERAGE, "random")
        assert held() == {AVERAGE.id}


@pytest.mark.parametrize("error", [MemoryError("Unable to allocate"), OSError(errno.ENOSPC, "No space left on device")])
def test_memory_that_the_system_refuses_all_the_same_is_told_and_nothing_is_kept(monkeypatch, error):
    descriptors = len(os.listdir("/proc/self/fd"))
    with InputStore(seed=1) as inputs:
        shared, share = [], inputs._share

        def refusing(array, *_):
            if shared:
                raise error
            shared.append(share(array))
            return shared[0]

        monkeypatch.setattr(inputs, "_share", refusing)
        with pytest.raises(NoRoomError, match="refused memory"):
            inputs.filling(SMALL, "exact")
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_shared_input_lies_in_the_asked_order_and_place():
    with InputStore(seed=1) as inputs:
        values = map_array(inputs.filling(SMALL, "random")["input"].as_message())
        shared = map_array(inputs.placed(SMALL, "nhwc", 0, {"input": 192})["input"].as_message(), own=True)
        assert np.array_equal(shared, values.transpose(0, 2, 3, 1))
        assert shared.flags.c_contiguous
        assert shared.ctypes.data % 4096 == 192


def test_who_writes_to_a_shared_input_writes_for_themselves():
    with InputStore(seed=1) as inputs:
        message = inputs.placed(SMALL, "nchw", 0, {"input": 0})["input"].as_message()
        mine, theirs = map_array(message, own=True), map_array(message, own=True)
        before = theirs.copy()
        mine[...] = 0
        assert np.array_equal(theirs, before)
        assert before.any()


def test_a_copy_of_a_shared_input_is_kept_for_some_launches_and_then_let_go():
    with InputStore(seed=1) as inputs:
        paths = [inputs.placed(SMALL, "nchw", number, {"input": 0})["input"].path for number in range(COPIES)]
        assert len(set(paths)) == COPIES
        assert inputs.placed(SMALL, "nchw", 0, {"input": 0})["input"].path == paths[0]
        inputs.placed(SMALL, "nchw", COPIES, {"input": 0})
        held = {name for workload, name in inputs._held if workload == SMALL.id}
        assert held == {"random", *(f"placed/nchw/{number}" for number in range(1, COPIES + 1))}


def test_where_there_is_no_memory_for_copies_none_is_made():
    left = footprint(SMALL).total
    with InputStore(seed=1, available=lambda: left) as inputs:
        inputs.filling(SMALL, "random")
        left = COPIES * SMALL.input_bytes - 1
        with pytest.raises(NoRoomError, match="shared"):
            inputs.placed(SMALL, "nchw", 0, {"input": 0})
        left += 1
        assert inputs.placed(SMALL, "nchw", 0, {"input": 0})
