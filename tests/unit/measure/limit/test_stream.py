import os
import signal
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.measure.limit import _stream

LINE = 64
CANARY = 0xEE
VARIANTS = _stream.variants()


def aligned(size: int, place: int = 0) -> np.ndarray:
    """Return ``size`` writable bytes, ``place`` bytes into a cache line."""
    buffer = np.empty(size + 3 * LINE, np.uint8)
    start = -buffer.ctypes.data % LINE + place
    return buffer[start : start + size]


def whole(array: np.ndarray, out: np.ndarray) -> _stream.Plan:
    return _stream.Plan(array, np.array([0]), np.array([array.size]), 1, array.size, out)


def checksum(array: np.ndarray, ranges: list[tuple[int, int]]) -> int:
    """Sum the 64-bit words of all lines that a range touches, bytes outside the input taken as zero."""
    place = array.ctypes.data % LINE
    padded = np.zeros(-(-(place + array.size) // LINE) * LINE, np.uint8)
    padded[place : place + array.size] = array
    touched = np.zeros(len(padded) // LINE, bool)
    for begin, end in ranges:
        touched[(place + begin) // LINE : -(-(place + end) // LINE)] = True
    return int(padded.view(np.uint64).reshape(-1, LINE // 8)[touched].sum(dtype=np.uint64))


@st.composite
def passes(draw):
    """An input somewhere in a line, ascending ranges in units of it, and an output size."""
    place = draw(st.integers(0, LINE - 1))
    gaps_and_lengths = draw(
        st.lists(
            st.tuples(
                st.one_of(st.integers(0, 130), st.integers(0, 5000)),
                st.one_of(st.integers(1, 130), st.integers(1, 9000)),
            ),
            min_size=1,
            max_size=12,
        )
    )
    offsets, lengths, at = [], [], 0
    for gap, length in gaps_and_lengths:
        offsets.append(at + gap)
        lengths.append(length)
        at += gap + length
    unit_stride = at + draw(st.integers(0, 300))
    unit_count = draw(st.integers(1, 6))
    size = (unit_count - 1) * unit_stride + at + draw(st.integers(0, 100))
    return place, offsets, lengths, unit_stride, unit_count, size, draw(st.integers(1, 20_000))


@settings(deadline=None, max_examples=150)
@given(case=passes(), seed=st.integers(0, 2**32 - 1), pattern=st.integers(0, 2**64 - 1))
def test_every_variant_reads_what_is_touched_and_writes_the_output_and_nothing_else(case, seed, pattern):
    place, offsets, lengths, unit_stride, unit_count, size, out_size = case
    array = aligned(size, place)
    array[:] = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    canvas = aligned(out_size + 2 * LINE)
    out = canvas[LINE : LINE + out_size]
    plan = _stream.Plan(array, np.array(offsets), np.array(lengths), unit_count, unit_stride, out)
    ranges = [
        (u * unit_stride + o, u * unit_stride + o + n)
        for u in range(unit_count)
        for o, n in zip(offsets, lengths, strict=True)
    ]
    wanted = checksum(array, ranges)
    plan.pattern = pattern
    expected = np.resize(np.array([pattern], np.uint64).view(np.uint8), out_size)
    for variant in range(len(VARIANTS)):
        for threads in (1, 2, 3):
            canvas[:] = CANARY
            plan.choose(variant, threads)
            assert plan.run() == wanted, (VARIANTS[variant], threads)
            assert np.array_equal(out, expected), (VARIANTS[variant], threads)
            assert (canvas[:LINE] == CANARY).all() and (canvas[LINE + out_size :] == CANARY).all()


@pytest.mark.parametrize("variant", range(len(VARIANTS)), ids=VARIANTS)
@pytest.mark.parametrize("size", [5 << 20, (9 << 20) + 4])
def test_runs_too_long_for_one_entry_are_read_in_full(variant, size):
    array = aligned(size, 4)
    array[:] = np.arange(size, dtype=np.uint32).view(np.uint8)[:size]
    out = aligned(1 << 16)
    plan = whole(array, out)
    plan.choose(variant, 2)
    assert plan.run() == checksum(array, [(0, size)])


def test_gaps_too_long_for_one_entry_are_skipped():
    array = aligned(10 << 20)
    array[:] = 1
    plan = _stream.Plan(array, np.array([0, 9 << 20]), np.array([64, 64]), 1, array.size, aligned(64))
    assert plan.touched_bytes == 128
    for variant in range(len(VARIANTS)):
        plan.choose(variant)
        assert plan.run() == checksum(array, [(0, 64), (9 << 20, (9 << 20) + 64)])


def test_touched_bytes_are_whole_lines_clipped_to_the_input():
    array, out = aligned(1000, 8), aligned(64)
    assert whole(array, out).touched_bytes == 1000
    assert _stream.Plan(array, np.array([100]), np.array([4]), 1, 1000, out).touched_bytes == 64
    assert _stream.Plan(array, np.array([0]), np.array([4]), 1, 1000, out).touched_bytes == 56
    # Ranges in neighbouring lines are one run, and a shared line counts once.
    both = _stream.Plan(array, np.array([100, 110, 130]), np.array([4, 4, 4]), 1, 1000, out)
    assert (both.touched_bytes, both.run_count) == (128, 1)


def test_a_changed_input_byte_changes_the_checksum():
    array, out = aligned(4096), aligned(64)
    array[:] = 7
    plan = whole(array, out)
    before = plan.run()
    array[4095] = 8
    assert plan.run() == before + (1 << 56)


def test_a_read_only_input_is_taken_and_the_arrays_live_as_long_as_the_plan():
    array = aligned(4096)
    array[:] = 1
    array.flags.writeable = False
    plan = whole(array, aligned(128))
    del array
    assert plan.run() == 512 * 0x0101010101010101 % 2**64


@pytest.mark.parametrize(
    ("offsets", "lengths", "units", "stride"),
    [([0], [101], 1, 100), ([-1], [5], 1, 100), ([0, 5], [10, 5], 1, 100), ([0], [50], 2, 100), ([], [], 1, 100),
     ([0], [0], 1, 100), ([0, 10], [5], 1, 100), ([50], [10], 2, 5)],
)  # fmt: skip
def test_ranges_that_make_no_sense_are_refused(offsets, lengths, units, stride):
    with pytest.raises(ValueError):
        _stream.Plan(aligned(100), np.array(offsets, np.int64), np.array(lengths, np.int64), units, stride, aligned(64))


def test_an_output_off_the_line_an_unknown_variant_and_no_thread_are_refused():
    with pytest.raises(ValueError, match="64 bytes"):
        whole(aligned(100), aligned(64, place=8))
    plan = whole(aligned(100), aligned(64))
    with pytest.raises(IndexError):
        plan.choose(len(VARIANTS))
    with pytest.raises(ValueError, match="thread"):
        plan.choose(0, 0)


def test_there_are_at_least_four_variants_with_names_of_their_own():
    assert len(set(VARIANTS)) == len(VARIANTS) >= 4
    assert VARIANTS[0].startswith(_stream.isa())


def test_it_works_in_a_forked_child_whose_parent_used_threads():
    array = aligned(1 << 16)
    array[:] = 3
    plan = whole(array, aligned(1 << 14))
    plan.choose(0, 2)
    wanted = plan.run()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)  # a child that waits for its parent's threads must not outlive the test
        os._exit(0 if plan.run() == wanted and plan.run() == wanted else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert plan.run() == wanted


def test_two_python_threads_may_run_plans_on_two_threads_each_at_once():
    array = aligned(2 << 20)
    array[:] = 5
    plans = [whole(array, aligned(1 << 16)) for _ in range(2)]
    wanted = checksum(array, [(0, array.size)])
    results: list[int] = []

    def work(plan: _stream.Plan) -> None:
        results.extend(plan.run() for _ in range(20))

    for plan in plans:
        plan.choose(0, 2)
    threads = [threading.Thread(target=work, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [wanted] * 40


@pytest.mark.parametrize("count", [1, 2, 9, 33, 77])
@pytest.mark.parametrize("variant", range(len(VARIANTS)), ids=VARIANTS)
def test_runs_of_a_single_line_are_all_read(variant, count):
    array = aligned(count * 3 * LINE, 0)
    array[:] = np.random.default_rng(count).integers(0, 256, array.size, np.uint8)
    out = aligned(count * LINE + 3)
    plan = _stream.Plan(array, np.array([LINE]), np.array([4]), count, 3 * LINE, out)
    assert plan.run_count == count
    wanted = checksum(array, [(i * 3 * LINE + LINE, i * 3 * LINE + LINE + 4) for i in range(count)])
    for threads in (1, 2, 3):
        out[:] = 0
        plan.choose(variant, threads)
        assert plan.run() == wanted
        assert np.array_equal(out, np.resize(np.array([plan.pattern], np.uint64).view(np.uint8), out.size))
