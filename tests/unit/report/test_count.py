"""What counts say beside a verdict, and how they are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from poolbench.errors import StoreError
from poolbench.model.count import Count, CountChange, Counter, Mix
from poolbench.report.count import change_sentence, change_words, count_lines, count_rows
from poolbench.store.counts import counts_path, read_counts, write_counts

ONE = Count(
    workload="max2d-n8c64-h56w56-k2-f32-nchw",
    counted="max2d-n1c16-h14w56-k2-f32-nchw",
    subject="strided",
    outputs=100,
    touched_bytes=2000,
    instructions=10_000,
    libraries={"_pool.so": 8_000, "libpython3.11.so.1.0": 2_000},
    mix=Mix(scalar=9_000, bits256=1_000),
)


def change(**fields: object) -> CountChange:
    return CountChange(base=ONE, head=replace(ONE, **fields))


def test_equal_counts_are_the_same_code_path_but_for_the_interpreters_slack():
    nearly = {"_pool.so": 8_000, "libpython3.11.so.1.0": 2_019}
    assert change().is_equal
    assert change(instructions=10_019, libraries=nearly).is_equal
    assert not change(instructions=10_100, libraries={**nearly, "libpython3.11.so.1.0": 2_100}).is_equal
    assert not change(instructions=10_001, libraries={**ONE.libraries, "_pool.so": 8_001}).is_equal
    assert not change(mix=Mix(scalar=9_000, bits512=1_000)).is_equal
    assert change_words(change(mix=Mix(scalar=9_000, bits512=1_000))) == "as many, of other kinds"


def test_a_processors_counter_may_err_by_an_interrupt():
    base = replace(ONE, counter=Counter.COUNTER)
    assert CountChange(base=base, head=replace(base, instructions=10_009)).is_equal
    assert not CountChange(base=base, head=replace(base, instructions=10_011)).is_equal
    assert CountChange(base=ONE, head=base).ratio is None


def test_an_undecided_verdict_with_equal_counts_and_memory_is_told_as_such():
    assert "machine's noise" in change_sentence(change(), is_undecided=True, same_memory=True)
    assert change_sentence(change(), is_undecided=True) == "Same code path: counts equal."
    more = change(instructions=10_310, libraries={"_pool.so": 8_310, "libpython3.11.so.1.0": 2_000})
    assert change_sentence(more) == "Counts: +3.1 % instructions."
    failed = change(instructions=None, reason="A call takes more than 200,000 instructions.")
    assert change_sentence(failed) == "Not counted: A call takes more than 200,000 instructions."
    assert change_words(failed) == change_words(None) == "–" and change_sentence(None) == ""


def test_rows_and_lines_say_what_was_counted_of_what():
    _, (row,) = count_rows([ONE], {ONE.workload: "conv1"})
    assert row == ["conv1", "strided", "10,000", "100.00", "20.0", "9,000", "0", "1,000", "0", "0", "0"]
    lines = count_lines([ONE, replace(ONE, subject="torch", instructions=None, reason="It has threads.")])
    assert lines[0] == f"Counted on {ONE.counted}, a part of {ONE.workload}."
    assert "torch: It has threads." in lines


def test_counts_lie_beside_a_run_and_are_read_back(tmp_path: Path):
    run = tmp_path / "20261129-000000-abcd.jsonl"
    assert read_counts(run) == ()
    write_counts(run, [ONE, replace(ONE, mix=None, instructions=None)])
    assert read_counts(run) == (ONE, replace(ONE, mix=None, instructions=None))
    counts_path(run).write_text('{"schema": 1, "counts": [{}]}')
    with pytest.raises(StoreError, match=r"is no file of counts .* delete it"):
        read_counts(run)
    counts_path(run).write_text('{"schema": 9}')
    with pytest.raises(StoreError, match="newer poolbench"):
        read_counts(run)
