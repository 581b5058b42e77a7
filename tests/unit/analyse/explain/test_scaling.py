"""Planted powers, crossings, gains, models and allocations must be found again."""

from __future__ import annotations

import math

import pytest

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.findings import RunSummary
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.explain.memory_parts import memory_parts
from poolbench.analyse.explain.models import Layer, model_indices, model_name
from poolbench.analyse.explain.scaling import moved_bytes, size_series, speed_ups
from poolbench.model.ids import parse_id
from poolbench.model.memory import Amount, Memory
from tests.unit.builders import Noise, make_header, make_rows

SIZES = tuple(f"max2d-n1c64-h{size}w{size}-k2-f32-nchw" for size in (14, 28, 56, 112, 224))
BYTES = [moved_bytes(parse_id(workload)) for workload in SIZES]
CALM = Noise(launch_sd=0.004, slot_sd=0.004)


def analysed(times: dict[str, dict[str, float]], seed: int = 1) -> tuple[RunSummary, Ledger]:
    subjects = tuple(next(iter(times.values())))
    header, rows = make_header(subjects, tuple(times)), make_rows(times, launches=5, noise=CALM, seed=seed)
    return summarise(header, rows), Ledger(rows, header.method.rejection)


def test_a_planted_exponent_and_a_planted_crossing_are_found() -> None:
    crossing = math.sqrt(BYTES[1] * BYTES[3])
    times = {
        workload: {"steep": 1e5 * (size / crossing) ** 1.1, "flat": 1e5 * (size / crossing) ** 0.8}
        for workload, size in zip(SIZES, BYTES, strict=True)
    }
    (series,) = size_series(*analysed(times))
    assert series.title == "max2d k2 f32"
    found = {str(exponent.subject): exponent for exponent in series.exponents}
    assert found["steep"].low < 1.1 < found["steep"].high
    assert found["flat"].value == pytest.approx(0.8, abs=0.02)
    assert series.crossover is not None and series.crossover.size_bytes is not None
    assert (str(series.crossover.small), str(series.crossover.large)) == ("steep", "flat")
    assert series.crossover.size_bytes.low < crossing < series.crossover.size_bytes.high
    assert series.crossover.size_bytes.value == pytest.approx(crossing, rel=0.05)


def test_no_crossing_is_told_where_there_is_none() -> None:
    times = {w: {"a": float(size), "b": 1.5 * size} for w, size in zip(SIZES, BYTES, strict=True)}
    (series,) = size_series(*analysed(times))
    assert series.crossover is not None
    found = series.crossover
    assert (str(found.small), str(found.large), found.size_bytes) == ("a", "a", None)


def test_too_few_sizes_make_no_series() -> None:
    times = {w: {"a": float(size), "b": 1.5 * size} for w, size in zip(SIZES[:3], BYTES, strict=False)}
    assert size_series(*analysed(times)) == []


def test_what_a_second_thread_gains() -> None:
    times = {SIZES[0]: {"a": 2e5, "a+threads=2": 1e5, "b": 3e5}}
    gains = [gain for seed in range(40) for gain in speed_ups(*analysed(times, seed))]
    assert {(str(gain.base), str(gain.subject), gain.threads) for gain in gains} == {("a", "a+threads=2", 2)}
    # One 95 % interval in twenty misses the truth; more than five of forty do once in a hundred times.
    assert len(gains) == 40
    assert sum(gain.gain.low < 2 < gain.gain.high for gain in gains) >= 35
    assert all(gain.gain.value == pytest.approx(2, rel=0.02) for gain in gains)


def test_a_models_index_weights_each_layer() -> None:
    times = {SIZES[0]: {"a": 1e5, "b": 2e5}, SIZES[1]: {"a": 3e5, "b": 3e5}}
    layers = [Layer(model="m", workload=parse_id(SIZES[place]), weight=weight) for place, weight in ((0, 6), (1, 1))]
    first, second = model_indices(*analysed(times), layers, {"m": 3})
    assert (str(first.subject), first.is_fastest, str(second.subject)) == ("a", True, "b")
    assert first.time_ns.low < 9e5 < first.time_ns.high
    assert second.ratio.low < 15 / 9 < second.ratio.high
    assert (first.layers, first.of_layers, first.calls) == (2, 3, 7)


def test_the_passes_of_a_model_are_told_apart() -> None:
    endings = ("", ".train", ".trainbwd", ".train.gc128")
    names = {model_name("VGG-16", parse_id(f"{SIZES[0]}{ending}")) for ending in endings}
    assert names == {
        "VGG-16",
        "VGG-16 (training)",
        "VGG-16 (training-backward)",
        "VGG-16 (training, sliced gradient)",
    }


def test_in_training_the_gradient_is_no_scratch_and_a_backward_pass_made_no_output() -> None:
    forward = parse_id(SIZES[4])
    output, source = forward.output_bytes, forward.input_bytes
    saved = Amount(bytes=output // 4)
    step = Memory(
        output_bytes=output, least_bytes=1, saved=saved, requested=Amount(bytes=output + source + output // 4)
    )
    parts = memory_parts(parse_id(f"{SIZES[4]}.train"), step)
    assert parts is not None
    assert (parts.output, parts.gradient, parts.scratch) == (output, source, 0)
    assert parts.saved + parts.index == output // 4
    back = Memory(output_bytes=output, least_bytes=1, saved=saved, requested=Amount(bytes=source + 64))
    parts = memory_parts(parse_id(f"{SIZES[4]}.trainbwd"), back)
    assert parts is not None
    assert (parts.output, parts.saved, parts.index, parts.gradient, parts.scratch) == (0, 0, 0, source, 64)


@pytest.mark.parametrize(("size", "index"), [(8, True), (4, True), (1, True), (3, False)])
def test_positions_of_maxima_are_told_by_their_size(size: int, index: bool) -> None:
    output = parse_id(SIZES[4]).output_bytes
    excess = size * output // 4
    memory = Memory(output_bytes=output, least_bytes=output, requested=Amount(bytes=output + excess + 500))
    parts = memory_parts(parse_id(SIZES[4]), memory)
    assert parts is not None
    assert (parts.output, parts.saved) == (output, 0)
    assert (parts.index, parts.scratch) == ((excess, 500) if index else (0, excess + 500))
    average = memory_parts(parse_id(SIZES[4].replace("max", "avg")), memory)
    assert average is not None and average.index == 0
