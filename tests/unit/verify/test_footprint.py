"""What is foreseen of a filling's memory, against what making it takes."""

from __future__ import annotations

import tracemalloc

import pytest

from poolbench.model.ids import parse_id
from poolbench.verify import filling
from poolbench.verify.footprint import footprint

IDS = [
    "max1d-n1c1-w400000-k2",
    "max1d-n1c1-w400000-k3s1p1-f16",
    "avg1d-n1c1-w300000-k2",
    "max2d-n4c64-h56w56-k3s2p1",
    "avg2d-n2c64-h56w56-k3s1p1-xpad",
    "avg2d-n2c32-h64w64-a7-f64",
    "max2d-n8c32-h32w32-a1-i64",
    "avg3d-n1c8-d16h40w40-k2-bf16",
    "max2d-n4c64-h56w56-k3s2p1-f32-nchw.train",
    "avg2d-n2c64-h56w56-k3s1p1-f64-nchw.train",
    "max1d-n1c1-w400000-k2-f32-ncw.train",
]


@pytest.mark.parametrize("text", IDS)
def test_making_a_filling_takes_no_more_than_is_foreseen_and_not_much_less(text: str) -> None:
    workload = parse_id(text)
    foreseen = footprint(workload)
    for exact in (True, False):
        tracemalloc.start()
        made = filling.make(workload, 1, exact=exact)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        held = sum(array.nbytes for array in made.values())
        assert held <= foreseen.filling
        assert peak <= foreseen.filling + foreseen.making + (1 << 20), f"{peak} bytes"
    assert held >= 0.9 * foreseen.filling, "the random filling is the larger one"
    assert peak >= 0.3 * (foreseen.filling + foreseen.making), "a refusal should not come far too early"


def test_a_worker_holds_at_least_what_it_is_given_and_returns() -> None:
    plain = parse_id("max2d-n1c2-h8w8-k2")
    assert footprint(plain).worker == plain.input_bytes + plain.output_bytes
    sliced = parse_id("max2d-n1c2-h8w8-k2-f32-nchw.c6.train.gc4")
    assert footprint(sliced).worker == 4 * plain.input_bytes + 3 * plain.output_bytes


def test_the_largest_workload_that_can_be_named_is_foreseen_at_once() -> None:
    assert footprint(parse_id("avg1d-n1c1-w1000000000000000000-k2s1-f32-ncw.train")).total > 2**63
