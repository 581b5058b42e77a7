"""Where the streaming limit of a watched layer comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolbench.errors import StoreError
from poolbench.model.ids import parse_id
from poolbench.observe.monitor.limits import MOST_WORKLOADS, MeasuredLimits, StoredLimits
from poolbench.store.jsonl import RunFile
from tests.unit.builders import MAX2D, make_header, make_rows


def test_a_stored_run_gives_what_its_limit_took(tmp_path):
    header = make_header(["limit"], [MAX2D])
    with RunFile.create(tmp_path, header) as file:
        file.append([replace(row, machine=header.machine.key) for row in make_rows({MAX2D: {"limit": 5e4}})])
    limits = StoredLimits(file.path)
    assert limits.limit_ns(parse_id(MAX2D), 1) == pytest.approx(5e4, rel=0.2)
    assert limits.limit_ns(parse_id("max2d-n1c1-h4w4-k2-f32-nchw"), 1) is None


def test_a_run_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(StoreError):
        StoredLimits(tmp_path / "none.jsonl")


def test_sizes_that_always_change_are_not_all_measured():
    limits = MeasuredLimits()
    found = [
        limits.limit_ns(parse_id(f"max2d-n1c1-h4w{width}-k2-f32-nchw"), 1) for width in range(2, MOST_WORKLOADS + 6)
    ]
    assert all(found[:MOST_WORKLOADS]) and found[MOST_WORKLOADS:] == [None] * 4


def test_large_layers_and_odd_types():
    limits = MeasuredLimits()
    assert limits.limit_ns(parse_id("max2d-n64c64-h512w512-k2-f32-nchw"), 1) is None
    assert limits.limit_ns(parse_id("max2d-n1c8-h8w8-k2-bf16-nhwc.train"), 1)
