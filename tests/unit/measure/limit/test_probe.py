import dataclasses
import itertools
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.backends.base import Prepared, Source
from poolbench.errors import MeasurementError
from poolbench.measure.limit import streaming
from poolbench.measure.limit.probe import BackwardStreamingPass, StreamingLimit, StreamingPass, StreamingStep
from poolbench.measure.touched import LINE_BYTES, gradient_runs, touched_runs
from poolbench.model.ids import parse_id
from poolbench.model.pooling import AXIS_NAMES, PoolSpec
from poolbench.model.workload import DType, Workload


def elements_read(workload: Workload) -> set[int]:
    """Return the flat indices of all elements that a window reads, by the definition: loops over outputs and taps."""
    names = AXIS_NAMES[workload.spec.rank]
    sizes = dict(zip(workload.order, workload.input_shape, strict=True))
    strides = {name: math.prod(workload.input_shape[i + 1 :]) for i, name in enumerate(workload.order)}
    found: set[int] = set()
    for windows in itertools.product(*workload.spec.windows(workload.spatial)):
        taps = [range(w.first, w.first + w.count * w.step, w.step) for w in windows]
        for n, c, *place in itertools.product(range(sizes["n"]), range(sizes["c"]), *taps):
            spatial = sum(i * strides[name] for i, name in zip(place, names, strict=True))
            found.add(n * strides["n"] + c * strides["c"] + spatial)
    return found


def lines_of_bytes(ranges: list[tuple[int, int]], place: int) -> set[int]:
    return {line for a, b in ranges for line in range((place + a) // LINE_BYTES, (place + b - 1) // LINE_BYTES + 1)}


def lines_read(workload: Workload, place: int) -> set[int]:
    size = workload.dtype.itemsize
    return lines_of_bytes([(i * size, (i + 1) * size) for i in elements_read(workload)], place)


def lines_of_runs(workload: Workload, place: int) -> set[int]:
    runs = touched_runs(workload)
    ranges = [
        (unit * runs.unit_stride + offset, unit * runs.unit_stride + offset + length)
        for unit in range(runs.unit_count)
        for offset, length in zip(runs.offsets.tolist(), runs.lengths.tolist(), strict=True)
    ]
    assert ranges == sorted(ranges) and ranges[-1][1] <= workload.input_bytes
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ranges))
    return lines_of_bytes(ranges, place)


@pytest.mark.parametrize(
    "name",
    [
        "max2d-n2c3-h8w64-k1s2-f32-nchw",
        "max2d-n1c2-h7w200-k1s40-f32-nchw",
        "max2d-n2c40-h5w6-k1s2-f32-nhwc",
        "avg2d-n1c16-h9w9-k2s4-f64-nhwc",
        "max3d-n1c2-d5h6w70-k1s2-f32-ncdhw",
        "max3d-n2c20-d4h5w6-k1x2x1s3x2x2-f32-ndhwc",
        "max1d-n3c2-w300-k2s33-i8-ncw",
        "max2d-n2c3-h9w9-k3s2p1-f16-nchw",
        "max2d-n1c2-h100w9-k2x1s1d70x1-f64-nchw",
        "avg2d-n2c5-h7w7-a3-f32-nchw",
        "max2d-n8c3-h6w2-k1s3-f64-hwnc",
    ],
)
def test_the_runs_hold_exactly_the_lines_that_a_window_reads(name):
    workload = parse_id(name)
    for place in (0, 8, 56):
        assert lines_of_runs(workload, place) == lines_read(workload, place)


@st.composite
def workloads(draw):
    rank = draw(st.integers(1, 3))
    window = [draw(st.integers(1, 3)) for _ in range(rank)]
    dilation = [draw(st.integers(1, 3)) for _ in range(rank)]
    spatial = tuple((k - 1) * d + 1 + draw(st.integers(0, 9)) for k, d in zip(window, dilation, strict=True))
    spec = PoolSpec.windowed(
        "max",
        window,
        stride=[draw(st.integers(1, 5)) for _ in range(rank)],
        dilation=dilation,
        padding=[draw(st.integers(0, 1)) if k == 3 and d == 1 else 0 for k, d in zip(window, dilation, strict=True)],
        ceil_mode=draw(st.booleans()),
    )
    return Workload(
        spec=spec,
        batch=draw(st.integers(1, 2)),
        channels=draw(st.integers(1, 20)),
        spatial=spatial,
        dtype=draw(st.sampled_from([DType.F64, DType.F32, DType.U8])),
        order=draw(st.sampled_from(["".join(p) for p in itertools.permutations("nc" + "".join(AXIS_NAMES[rank]))])),
    )


@settings(deadline=None, max_examples=60)
@given(workload=workloads(), place=st.integers(0, 7).map(lambda i: 8 * i))
def test_the_runs_hold_exactly_the_lines_read_for_any_spec_and_order(workload, place):
    assert lines_of_runs(workload, place) == lines_read(workload, place)


def test_a_fully_read_input_is_one_run():
    runs = touched_runs(parse_id("max2d-n2c64-h56w56-k3s2p1-f32-nchw"))
    assert (runs.offsets.tolist(), runs.unit_count) == ([0], 1)
    assert runs.lengths.tolist() == [2 * 64 * 56 * 56 * 4]


def test_what_a_stride_skips_in_whole_lines_does_not_count():
    workload = parse_id("max2d-n1c256-h56w56-k1s2-f32-nhwc")
    prepared = prepare(workload)
    assert prepared.touched_bytes == 28 * 28 * 256 * 4
    assert prepared.written_bytes == 28 * 28 * 256 * 4


def prepare(workload: Workload, threads: int = 1) -> StreamingPass | StreamingStep:
    return StreamingLimit().prepare(
        workload, Source(array=values(workload), gradient=gradient_values(workload), threads=threads)
    )


def gradient_values(workload: Workload) -> np.ndarray | None:
    if not workload.pass_.is_training:
        return None
    dtype = ml_dtypes.bfloat16 if workload.dtype is DType.BF16 else np.dtype(workload.dtype.numpy_name)
    raw = np.random.default_rng(2).integers(0, 256, workload.output_bytes, np.uint8)
    return raw.view(dtype).reshape(workload.output_shape)


def values(workload: Workload) -> np.ndarray:
    dtype = ml_dtypes.bfloat16 if workload.dtype is DType.BF16 else np.dtype(workload.dtype.numpy_name)
    size = workload.input_bytes
    raw = np.random.default_rng(1).integers(0, 256, size + LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % LINE_BYTES
    return raw[start : start + size].view(dtype).reshape(workload.input_shape)


@pytest.mark.parametrize(
    "name",
    [
        "max1d-n1c1-w2-k2-u8-ncw",
        "max2d-n1c3-h17w19-k3s2p1-f32-nchw",
        "max2d-n2c24-h17w19-k1s3-bf16-nhwc",
        "avg3d-n1c5-d8h9w40-k2s5-f32-ncdhw",
        "avg2d-n1c512-h7w7-a1-f32-nchw",
        "avg2d-n1c4-h3w3-a9-f32-nchw",
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_pass_agrees_with_numpy(name, threads):
    prepared = prepare(parse_id(name), threads)
    assert prepared.verify() is None
    assert prepared.variant in StreamingLimit().facts()["variants"].split()
    assert prepared.layout == parse_id(name).order


def test_every_candidate_passes_the_check(monkeypatch):
    workload = parse_id("max2d-n3c33-h31w37-k1s2-f32-nchw")
    for trial in streaming.candidates(1 << 20, 2):
        monkeypatch.setattr("poolbench.measure.limit.probe.fastest", lambda plan, trials, trial=trial: trial)
        prepared = prepare(workload, 2)
        assert (prepared.verify(), prepared.threads) == (None, trial.threads)


@settings(deadline=None, max_examples=25)
@given(workload=workloads())
def test_any_workload_passes_the_check(workload):
    assert prepare(workload).verify() is None


def test_strided_views_are_read_from_a_copy_of_their_own():
    workload = parse_id("max2d-n2c3-h8w10-k2-f32-nchw")
    buffer = np.random.default_rng(2).normal(size=(2, 7, 10, 8)).astype(np.float32)
    view = buffer[:, :3].swapaxes(2, 3)
    prepared = StreamingLimit().prepare(workload, Source(array=view))
    assert prepared.verify() is None
    assert prepared.touched_bytes == workload.input_bytes


def test_a_contiguous_input_is_read_where_it_lies():
    workload = parse_id("max2d-n1c3-h8w16-k2-f32-nchw")
    array = values(workload)
    prepared = StreamingLimit().prepare(workload, Source(array=array))
    before = prepared.run()
    array.view(np.uint32)[0, 0, 0, 0] += 1
    assert prepared.run() != before


@pytest.mark.parametrize("fault", ["short", "shifted", "dropped unit", "gap"])
def test_runs_that_miss_something_are_caught(fault):
    workload = parse_id("max2d-n2c4-h16w64-k1s2-f32-nchw")
    good = touched_runs(workload)
    broken = {
        "short": dataclasses.replace(good, lengths=good.lengths - LINE_BYTES),
        "shifted": dataclasses.replace(good, offsets=good.offsets + LINE_BYTES),
        "dropped unit": dataclasses.replace(good, unit_count=good.unit_count - 1),
        "gap": dataclasses.replace(good, offsets=good.offsets[1:], lengths=good.lengths[1:]),
    }[fault]
    array = values(workload)
    assert StreamingPass(workload, array, good).verify() is None
    complaint = StreamingPass(workload, array, broken).verify()
    assert complaint is not None and "read other bytes" in complaint and workload.id in complaint


def test_an_output_that_is_not_written_is_caught():
    prepared = prepare(parse_id("max2d-n1c3-h8w16-k2-f32-nchw"))
    checksum = prepared.run()
    prepared.run = lambda: checksum
    complaint = prepared.verify()
    assert complaint is not None and "unwritten" in complaint


def test_there_is_no_output_and_nothing_after_closing():
    prepared = prepare(parse_id("max2d-n1c3-h8w16-k2-f32-nchw"))
    assert isinstance(prepared, Prepared)
    with pytest.raises(MeasurementError, match="verify"):
        prepared.output()
    prepared.close()
    with pytest.raises(RuntimeError, match="closed"):
        prepared.run()


@pytest.mark.parametrize("ending", [".train", ".trainfwd", ".trainbwd", ".train.gc7"])
def test_a_training_pass_reads_and_writes_what_belongs_to_it(ending):
    """A stride that skips lines: the backward writes the whole gradient of the input all the same."""
    workload = parse_id(f"max2d-n2c3-h16w64-k1s4-f32-nchw{ending}")
    prepared = prepare(workload)
    assert isinstance(prepared, Prepared)
    assert prepared.verify() is None
    assert prepared.written_bytes == workload.written_bytes
    touched = prepare(parse_id("max2d-n2c3-h16w64-k1s4-f32-nchw")).touched_bytes
    assert touched < workload.input_bytes
    forward, backward = workload.pass_.runs_forward, workload.pass_.runs_backward
    assert prepared.touched_bytes == forward * touched + backward * workload.output_bytes
    prepared.close()
    with pytest.raises(RuntimeError, match="closed"):
        prepared.run()


def test_a_gradient_that_is_not_read_whole_is_caught():
    workload = parse_id("max2d-n2c4-h16w64-k2-f32-nchw.trainbwd")
    good = gradient_runs(workload)
    gradient = gradient_values(workload)
    assert BackwardStreamingPass(workload, gradient, good).verify() is None
    short = dataclasses.replace(good, lengths=good.lengths - LINE_BYTES)
    complaint = BackwardStreamingPass(workload, gradient, short).verify()
    assert complaint is not None and "read other bytes" in complaint


def test_an_input_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="shape"):
        StreamingLimit().prepare(parse_id("max2d-n1c3-h8w16-k2-f32-nchw"), Source(array=np.zeros(3, np.float32)))


def test_small_inputs_race_on_one_thread_and_large_ones_on_all():
    counts = {size: {t.threads for t in streaming.candidates(size, 4)} for size in (1 << 10, 1 << 20, 64 << 20)}
    assert counts == {1 << 10: {1}, 1 << 20: {1, 4}, 64 << 20: {4}}


class _Metered:
    """A plan whose variants take fixed times on a clock of its own."""

    def __init__(self, times_ns: list[int]) -> None:
        self.times_ns, self.now, self.variant = times_ns, 0, 0

    def choose(self, variant: int, threads: int) -> None:
        self.variant = variant

    def run(self) -> int:
        self.now += self.times_ns[self.variant]
        return 0


@pytest.mark.parametrize("scale", [1, 1000, 1_000_000])
def test_the_fastest_variant_wins_the_race(monkeypatch, scale):
    plan = _Metered([7 * scale, 5 * scale, 3 * scale, 9 * scale, 4 * scale])
    monkeypatch.setattr(streaming.time, "perf_counter_ns", lambda: plan.now)
    winner = streaming.fastest(plan, [streaming.Trial(variant=i, threads=1) for i in range(5)])
    assert (winner.variant, winner.ns) == (2, 3 * scale)


def test_bandwidth_is_told_for_each_level_whose_cache_is_known(monkeypatch):
    monkeypatch.setattr(streaming, "_stream_sizes", lambda threads: {"L2": 1 << 16, "DRAM": 1 << 20})
    figures = streaming.bandwidth(2)
    assert list(figures) == ["L2", "DRAM"]
    assert all(figure > 0 for figure in figures.values())


@pytest.mark.parametrize(
    ("caches", "levels"),
    [({"L2": 2 << 20, "L3": 105 << 20}, ["L2", "L3", "DRAM"]), ({}, ["DRAM"]), ({"L2": 1 << 20}, ["L2", "DRAM"])],
)
def test_stream_sizes_lie_within_their_level(monkeypatch, caches, levels):
    class Known:
        cache_bytes = caches

    monkeypatch.setattr(streaming, "hardware", Known)
    sizes = streaming._stream_sizes(2)
    assert list(sizes) == levels
    assert sizes["DRAM"] > 2 * caches.get("L3", 0)
    if "L2" in sizes:
        assert sizes["L2"] < 2 * caches["L2"]
    if "L3" in sizes:
        assert 2 * caches["L2"] < sizes["L3"] < caches["L3"]
