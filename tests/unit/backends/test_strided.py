"""The subjects of poolbench's own kernel: which call is timed, where its output goes, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import poolbench
from poolbench import strided
from poolbench.backends import registry
from poolbench.backends import strided as subjects
from poolbench.backends.base import Indexed, Prepared, Source
from poolbench.errors import UsageError
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind
from poolbench.strided import _pool, training
from poolbench.verify import filling
from poolbench.verify.check import check
from poolbench.verify.fill import arrange, exact_values, random_values
from poolbench.verify.reference import mean_magnitude, pool
from tests.contract.checking import problems, source_of

BOUND = (subjects.Baseline, subjects.Avx2, subjects.Avx512, subjects.Neon)
both = pytest.mark.parametrize("backend", [subjects.Strided(), subjects.Out()], ids=lambda backend: backend.name)
layouts = pytest.mark.parametrize("layout", list(LayoutPolicy))


def prepared(backend: Any, text: str, layout: LayoutPolicy = LayoutPolicy.BEST, threads: int = 1) -> Prepared:
    workload = parse_id(text)
    array = arrange(exact_values(workload, 3), workload)
    array.flags.writeable = False
    made: Prepared = backend.prepare(workload, Source(array=array, layout=layout, threads=threads))
    return made


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Every call of a function of ``poolbench.strided``, as (name, arguments, keywords); they still pool."""
    seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            seen.append((name, arguments, keywords))
            return function(*arguments, **keywords)

        return call

    for name in strided.__all__:
        if "pool" in name:
            monkeypatch.setattr(strided, name, watched(name, getattr(strided, name)))
    return seen


@pytest.mark.parametrize(
    ("text", "name", "arguments", "layout"),
    [
        ("max2d-n2c3-h9w12-k3s2p1-f32-nchw", "max_pool2d", (3, 2, 1, 1, False, False), "NCHW"),
        ("max2d-n2c3-h9w12-k3s2p1-f32-nhwc", "max_pool2d", (3, 2, 1, 1, False, False), "NHWC"),
        ("max2d-n2c3-h9w12-k2s1p1d2-f32-nchw", "max_pool2d", (2, 1, 1, 2, False, False), "NCHW"),
        ("max2d-n2c3-h9w12-k3s1p2-f32-nchw", "max_pool2d", (3, 1, ((2, 2), (2, 2)), 1, False, False), "NCHW"),
        ("max1d-n2c3-w19-k3s2p0_1-ceil-i8-nwc", "max_pool1d", (3, 2, ((0, 1),), 1, True, False), "NHWC"),
        (
            "max3d-n1c3-d4h5w6-k1x3x3s1x2x2p0x1x1-f32-ncdhw",
            "max_pool3d",
            ((1, 3, 3), (1, 2, 2), (0, 1, 1), 1, False, False),
            "NCHW",
        ),
        ("avg2d-n2c3-h9w12-k3s2p1-xpad-f32-nchw", "avg_pool2d", (3, 2, 1, False, False), "NCHW"),
        ("avg2d-n2c3-h9w12-k3s2p1-ceil-f32-nchw", "avg_pool2d", (3, 2, 1, True, True), "NCHW"),
        ("avg2d-n2c3-h9w12-a1-f32-nchw", "adaptive_avg_pool2d", (1,), "NCHW"),
        ("max2d-n2c3-h9w12-a3x4-f32-nhwc", "adaptive_max_pool2d", ((3, 4), False), "NHWC"),
    ],
)
@both
def test_the_timed_call_is_what_a_user_writes(
    backend: Any, text: str, name: str, arguments: tuple[Any, ...], layout: str, calls: list[Any]
) -> None:
    made = prepared(backend, text, LayoutPolicy.GIVEN, threads=2)
    calls.clear()
    made.run()
    ((called, (x, *others), keywords),) = calls
    assert (called, tuple(others)) == (name, arguments)
    assert x.shape == parse_id(text).input_shape
    assert (keywords["threads"], keywords["layout"]) == (2, layout)
    assert (keywords["out"] is None) == (backend.name == "strided")


@pytest.mark.parametrize("divisor", ["-div5", ""])
def test_divisors_and_dilations_of_averages_are_passed_on(divisor: str, calls: list[Any]) -> None:
    prepared(subjects.Strided(), f"avg1d-n2c3-w19-k3s2d2{divisor}-f32-ncw").run()
    ((_, _, keywords),) = calls
    assert keywords["dilation"] == 2
    assert keywords["divisor_override"] == (5 if divisor else None)


@both
@layouts
@pytest.mark.parametrize(
    "text",
    [
        "max2d-n2c5-h9w12-k3s2p1-f32-nchw",
        "max2d-n2c64-h5w6-k3s2p1-bf16-nhwc",
        "avg2d-n2c5-h9w12-k5s3p1_2-ceil-xpad-f16-nchw.c9",
        "max3d-n2c5-d4h5w6-k3s1p2-u8-ndhwc.t",
        "avg1d-n2c5-w19-a4-f64-ncw.r",
        "max2d-n2c5-h9w12-k3s2p1-i16-chwn",
        "avg2d-n2c5-h9w12-k3s2p1-f32-wchn.r",
        "max1d-n2c5-w19-k3s2-f32-cwn.t",
    ],
)
def test_the_callers_array_is_read_where_it_lies_and_answered_in_its_order(
    backend: Any, text: str, layout: LayoutPolicy, calls: list[Any]
) -> None:
    workload = parse_id(text)
    for fill, exact in ((exact_values, True), (random_values, False)):
        values = fill(workload, 5)
        array = arrange(values, workload)
        array.flags.writeable = False
        made = backend.prepare(workload, Source(array=array, layout=layout))
        assert isinstance(made, Prepared)
        assert made.layout == workload.order
        scale = None if exact else mean_magnitude(workload.spec, values)
        result = check(made.output(), pool(workload.spec, values), workload, exact=exact, scale=scale)
        assert result.ok, result.detail
        assert made.run().shape == workload.output_shape
    assert all(np.shares_memory(arguments[0], array) for _, arguments, _ in calls[-2:])


def test_the_plain_subject_allocates_and_the_other_reuses() -> None:
    for text in ("max2d-n2c3-h8w10-k2-f32-nhwc", "max2d-n2c3-h8w10-k2-f32-chwn"):
        plain, reusing = prepared(subjects.Strided(), text), prepared(subjects.Out(), text)
        first, second = plain.run(), plain.run()
        assert isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
        assert not np.shares_memory(first, second)
        assert first.flags.c_contiguous
        again = reusing.run()
        assert again is reusing.run()
        assert np.array_equal(again, first)


def test_a_reused_output_holds_no_answer_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a kernel that ignored ``out`` would pass the check."""

    def forgetful(x: Any, *_: Any, out: Any = None, **__: Any) -> Any:
        return strided_max(x, 2) if out is None else out

    strided_max = strided.max_pool2d
    monkeypatch.setattr(strided, "max_pool2d", forgetful)
    made = prepared(subjects.Out(), "max2d-n2c3-h8w10-k2-f32-nchw")
    assert not made.output().any()


@both
@pytest.mark.parametrize("order", ["nchw", "nhwc", "wchn"])
def test_indices_are_places_in_the_plane(backend: Any, order: str) -> None:
    workload = parse_id(f"max2d-n2c3-h9w12-k3s2p1-f32-{order}")
    values = exact_values(workload, 3)
    made = backend.prepare(workload, Source(array=arrange(values, workload)))
    assert isinstance(made, Indexed)
    indices = made.indices()
    assert indices.dtype == np.int64 and indices.shape == workload.reference_output_shape
    planes = values.reshape(2, 3, -1)
    found = np.take_along_axis(planes, indices.reshape(2, 3, -1), axis=2).reshape(indices.shape)
    assert np.array_equal(found, made.output())
    assert not isinstance(prepared(backend, f"avg2d-n2c3-h9w12-k3s2p1-f32-{order}"), Indexed)


@both
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("avg2d-n1c1-h4w4-k2-i8-nchw", "The strided kernel averages floating types only, not i8."),
    ],
)
def test_refuses_with_a_sentence(backend: Any, text: str, reason: str) -> None:
    support = backend.supports(parse_id(text))
    assert (support.ok, support.reason) == (False, reason)


@both
def test_a_closed_call_does_not_run(backend: Any) -> None:
    made = prepared(backend, "max1d-n1c1-w4-k2-f32-ncw")
    made.close()
    with pytest.raises(RuntimeError, match="closed"):
        made.run()


@both
def test_says_what_it_is(backend: Any) -> None:
    backend.load(2)
    facts = backend.facts()
    assert backend.framework == "" and backend.environment(2) == {}
    assert facts["poolbench"] == poolbench.__version__
    assert int(facts["variants"]) == len(strided.variants())
    assert facts["isa"] in {variant.split("/")[0] for variant in strided.variants()}


@pytest.mark.parametrize("subject", BOUND, ids=lambda subject: subject.isa)
def test_an_instruction_set_is_used_where_it_is_and_refused_where_it_is_not(subject: Any) -> None:
    """In a process of its own, since the kernel reads the variable once."""
    backend = subject()
    assert dict(backend.environment(1)) == {"POOLBENCH_ISA": subject.isa}
    script = f"""
import json
from poolbench.backends.strided import {subject.__name__}
from poolbench.model.ids import parse_id
backend = {subject.__name__}()
backend.load(1)
support = backend.supports(parse_id("max2d-n1c1-h4w4-k2-f32-nchw"))
print(json.dumps([support.ok, support.reason, backend.facts()["isa"]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **backend.environment(1)},
        capture_output=True,
        text=True,
        check=True,
    )
    if any(variant.startswith(f"{subject.isa}/") for variant in strided.variants()):
        assert json.loads(done.stdout) == [True, "", subject.isa]
    else:
        reason = f"This processor, or this build of poolbench, has no {subject.isa} kernels."
        assert json.loads(done.stdout) == [False, reason, f"no {subject.isa} here"]


def test_a_process_on_another_instruction_set_is_refused() -> None:
    here = {variant.split("/")[0] for variant in strided.variants()}
    used = subjects.Strided().facts()["isa"]
    other = next((subject for subject in BOUND if subject.isa in here and subject.isa != used), None)
    if other is None:
        pytest.skip(f"This processor has {used} alone.")
    with pytest.raises(UsageError, match=f"The subject '{other.name}' runs on {other.isa}, and this process on {used}"):
        other().load(1)


def test_each_subject_is_registered() -> None:
    for subject in (subjects.Strided, subjects.Out, *BOUND):
        assert type(registry.create(subject.name)) is subject


@pytest.mark.parametrize("name", ["strided", "strided:out"])
@pytest.mark.parametrize("ending", [".train", ".trainfwd", ".trainbwd", ".train.gc9", ".trainbwd.gt", ".train.gr"])
@pytest.mark.parametrize("order", ["nchw", "nhwc", "chwn"])
@pytest.mark.parametrize("window", ["k3s2p1", "a4x5"])
@pytest.mark.parametrize("kind", list(Kind))
def test_training_gives_the_output_and_the_gradient(
    kind: Kind, window: str, order: str, ending: str, name: str
) -> None:
    pytest.importorskip("poolbench.strided.training")
    workload = parse_id(f"{kind}2d-n2c5-h9w12-{window}-f32-{order}{ending}")
    assert problems(registry.create(name), workload) == []


def test_the_reused_output_and_gradient_are_the_same_arrays_each_time() -> None:
    pytest.importorskip("poolbench.strided.training")
    workload = parse_id("max2d-n2c5-h9w12-k3s2p1-f32-nchw.train")
    source = source_of(workload, filling.make(workload, 0, exact=True), LayoutPolicy.BEST)
    for name, is_same in (("strided", False), ("strided:out", True)):
        prepared: Any = registry.create(name).prepare(workload, source)
        first, second = prepared.run(), prepared.run()
        assert [one is other for one, other in zip(first, second, strict=True)] == [is_same, is_same]


def test_a_prepared_call_names_its_kernels() -> None:
    def kernels(text: str, **given: Any) -> dict[str, str]:
        workload = parse_id(text)
        source = Source(array=np.zeros(workload.input_shape, np.float32), **given)
        return dict(subjects.Strided().prepare(workload, source).kernels)

    base = "max2d-n2c16-h20w20-k3s2p1-f32-nchw"
    assert list(kernels(base)) == ["pool"]
    gradient = np.zeros(parse_id(base).output_shape, np.float32)
    both = kernels(f"{base}.train", gradient=gradient)
    assert list(both) == ["keep", "gradient"]
    assert set(both.values()) <= set(strided.variants())
    assert list(kernels(f"{base}.trainfwd", gradient=gradient)) == ["keep"]
    assert list(kernels(f"{base}.trainbwd", gradient=gradient)) == ["gradient"]


def test_a_gradient_that_lies_otherwise_is_told_by_its_own_kernel() -> None:
    x = np.zeros((1, 16, 20, 20), np.float32)
    sparse = np.zeros((1, 16, 20, 40), np.float32)[..., ::2]
    whole = strided.explain(training.max_pool2d, x, 3, 1, 1).kernels["gradient"]
    assert strided.explain(training.max_pool2d, x, 3, 1, 1, gradient=sparse).kernels["gradient"] != whole
    _, pullback = training.max_pool2d(x, 3, 1, 1)
    _, ran = _pool.pull_back(pullback, sparse, None, 1, None, None)
    assert strided.explain(training.max_pool2d, x, 3, 1, 1, gradient=sparse).kernels["gradient"] == ran
    with pytest.raises(ValueError, match="gradient has shape"):
        strided.explain(training.max_pool2d, x, 3, 1, 1, gradient=x[:, :2])
