"""Gradients against the definition in NumPy's float64, element by element, and against PyTorch's."""

from __future__ import annotations

import gc
import inspect
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from poolbench import strided
from poolbench.strided import _pool, functional, training
from tests.unit.strided.views import VIEWS

FUNCTIONS = [
    f"{prefix}{kind}_pool{rank}d" for prefix in ("", "adaptive_") for kind in ("max", "avg") for rank in (1, 2, 3)
]
DTYPES: dict[str, Any] = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}
KERNELS = [tuple(name.split("/")) for name in strided.variants()]
ISAS = sorted({isa for isa, *_ in KERNELS})


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pooling of an (N, C, *spatial) array; `output` makes it adaptive."""

    kind: str
    spatial: tuple[int, ...]
    batch: int = 2
    channels: int = 3
    window: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    ceil_mode: bool = False
    include_padding: bool = True
    divisor: int | None = None
    output: tuple[int, ...] = ()

    @property
    def rank(self) -> int:
        return len(self.spatial)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.batch, self.channels, *self.spatial)

    def windows(self, axis: int) -> list[dict[int, int]]:
        """Return, for each output along an axis, {number within the window: position} of what lies in the input."""
        length = self.spatial[axis]
        if self.output:
            count = self.output[axis]
            spans = [(o * length // count, -(-(o + 1) * length // count)) for o in range(count)]
            return [{at - first: at for at in range(first, end)} for first, end in spans]
        k, s, d, (lo, hi) = self.window[axis], self.stride[axis], self.dilation[axis], self.padding[axis]
        room = length + lo + hi - (k - 1) * d - 1
        count = (-(-room // s) if self.ceil_mode else room // s) + 1
        if self.ceil_mode and (count - 1) * s >= length + lo:
            count -= 1
        places = [{t: o * s - lo + t * d for t in range(k)} for o in range(count)]
        return [{t: at for t, at in each.items() if 0 <= at < length} for each in places]

    def counted(self, axis: int, o: int) -> int:
        if self.output or not self.include_padding:
            return len(self.windows(axis)[o])
        end = self.spatial[axis] + self.padding[axis][1]
        first = o * self.stride[axis] - self.padding[axis][0]
        return sum(first + t * self.dilation[axis] < end for t in range(self.window[axis]))

    def arguments(self) -> list[Any]:
        if self.output:
            return [self.output] + ([False] if self.kind == "max" else [])
        arguments: list[Any] = [self.window, self.stride, self.padding, self.dilation, self.ceil_mode]
        return arguments + ([False] if self.kind == "max" else [self.include_padding, self.divisor])

    def train(self, x: Any, *, out: Any = None, threads: int = 1, isa: str | None = None) -> tuple[Any, Any]:
        """Pool by the compiled function; return the output and the pullback."""
        function = getattr(_pool, f"train_{'adaptive_' if self.output else ''}{self.kind}_pool")
        (y, _), kept = function(self.rank, x, *self.arguments(), out, threads, "NCHW", isa, None)
        return y, kept

    def public(self, x: Any, **options: Any) -> tuple[Any, training.Pullback]:
        prefix = "adaptive_" if self.output else ""
        function = getattr(training, f"{prefix}{self.kind}_pool{self.rank}d")
        if self.output:
            return function(x, self.output, **options)
        options |= {"padding": self.padding, "dilation": self.dilation, "ceil_mode": self.ceil_mode}
        if self.kind == "avg":
            options |= {"count_include_pad": self.include_padding, "divisor_override": self.divisor}
        return function(x, self.window, self.stride, **options)


def expected(case: Case, x: NDArray[Any], grad: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the output, the gradient and the sum of the absolute values that make each element of the gradient."""
    x, grad = x.astype(np.float64), grad.astype(np.float64)
    axes = [case.windows(i) for i in range(case.rank)]
    output = np.empty((case.batch, case.channels, *map(len, axes)))
    result, magnitude = np.zeros(x.shape), np.zeros(x.shape)
    for n, c in itertools.product(range(case.batch), range(case.channels)):
        for o in np.ndindex(*output.shape[2:]):
            places = list(itertools.product(*(axes[i][o[i]].values() for i in range(case.rank))))
            g = grad[(n, c, *o)]
            if case.kind == "avg":
                divisor = case.divisor or math.prod(case.counted(i, o[i]) for i in range(case.rank))
                output[(n, c, *o)] = sum(x[(n, c, *at)] for at in places) / divisor
                g, winners = g / divisor, places
            else:
                best = places[0]
                for at in places[1:]:
                    value = x[(n, c, *at)]
                    if value > x[(n, c, *best)] or np.isnan(value):
                        best = at
                output[(n, c, *o)] = x[(n, c, *best)]
                winners = [best]
            for at in winners:
                result[(n, c, *at)] += g
                magnitude[(n, c, *at)] += abs(g)
    return output, result, magnitude


def filled(shape: Sequence[int], seed: int, dtype: Any, special: bool = False) -> NDArray[Any]:
    """Return small integers, with which sums are exact and ties are frequent; `special` ones among NaN and -inf."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 4, shape).astype(np.float32)
    if special:
        values[rng.random(shape) < 0.05] = np.nan
        values[rng.random(shape) < 0.6] = -np.inf
        values[rng.random(shape) < 0.05] = -0.0
    return values.astype(dtype)


@st.composite
def cases(draw: st.DrawFn, kind: str | None = None) -> Case:
    kind = kind or draw(st.sampled_from(("max", "avg")))
    rank = draw(st.sampled_from((1, 2, 2, 2, 3)))
    longest = {1: 90, 2: 40 if draw(st.booleans()) else 12, 3: 8}[rank]
    spatial = tuple(draw(st.integers(1, longest)) for _ in range(rank))
    shape: dict[str, Any] = {
        "kind": kind,
        "spatial": spatial,
        "batch": draw(st.integers(1, 2)),
        "channels": draw(st.sampled_from((1, 2, 3, 5, 17, 33))) if math.prod(spatial) < 200 else 1,
    }
    if draw(st.integers(0, 3)) == 0:
        sizes = tuple(draw(st.sampled_from((1, 2, 3, length, max(1, length // 2)))) for length in spatial)
        return Case(**shape, output=sizes)
    whole = draw(st.integers(0, 7)) == 0
    window, stride, padding, dilation = [], [], [], []
    for length in spatial:
        k = length if whole else draw(st.integers(1, min(length, draw(st.sampled_from((2, 3, 3, 3, 9, 20))))))
        d = draw(st.sampled_from((1, 1, 1, 1, 2))) if (k - 1) * 2 + 1 <= length else 1
        half = ((k - 1) * d + 1) // 2
        # No window may have nothing of the input to read, which a dilated one in the padding might.
        p = 0 if whole else draw(st.integers(0, half if d == 1 else 0))
        window.append(k)
        stride.append(draw(st.sampled_from((1, 1, 2, 2, 3, k, k + 1))))
        padding.append((p, draw(st.sampled_from((p, 0)))))
        dilation.append(d)
    options: dict[str, Any] = {"ceil_mode": draw(st.booleans())}
    if kind == "avg":
        options["include_padding"] = draw(st.booleans())
        options["divisor"] = draw(st.sampled_from((None, None, 7, -3)))
    return Case(
        **shape,
        window=tuple(window),
        stride=tuple(stride),
        padding=tuple(padding),
        dilation=tuple(dilation),
        **options,
    )


def assert_close(case: Case, got: NDArray[Any], want: NDArray[Any], magnitude: NDArray[Any]) -> None:
    """Maxima send small integers, whose sums are exact; averages may lose a few units of the last place."""
    assert got.shape == want.shape
    if case.kind == "max":
        np.testing.assert_array_equal(got.astype(np.float64), want)
        return
    eps = float(ml_dtypes.finfo(got.dtype).eps)
    inner = max(eps / 2**13 if eps > 1e-4 else eps, 2**-53) * 2  # half types are summed in float32
    taps = max(math.prod(case.window), 4)
    assert np.all(np.abs(got.astype(np.float64) - want) <= (eps + inner * taps) * magnitude + 1e-7 * (eps > 1e-4))


@settings(max_examples=150, deadline=None)
@given(case=cases(), dtype=st.sampled_from(sorted(DTYPES)), views=st.tuples(*[st.sampled_from(sorted(VIEWS))] * 3),
       seed=st.integers(0, 99), isa=st.sampled_from(ISAS), special=st.booleans())  # fmt: skip
def test_gradients_are_those_of_the_definition(
    case: Case, dtype: str, views: tuple[str, str, str], seed: int, isa: str, special: bool
) -> None:
    x = VIEWS[views[0]](filled(case.shape, seed, DTYPES[dtype], special=special and case.kind == "max"))
    y, kept = case.train(x, isa=isa)
    grad = VIEWS[views[1]](filled(y.shape, seed + 1, DTYPES[dtype]))
    output, want, magnitude = expected(case, x, grad)
    if case.kind == "max":
        np.testing.assert_array_equal(y.astype(np.float64), output)
    got, _ = _pool.pull_back(kept, grad, None, 1, isa, None)
    assert got.dtype == x.dtype
    assert_close(case, got, want, magnitude)
    given_out = VIEWS[views[2]](np.full(case.shape, 55, x.dtype))
    again, _ = _pool.pull_back(kept, grad, given_out, 2, isa, None)
    assert again is given_out
    assert_close(case, given_out, want, magnitude)


@settings(max_examples=100, deadline=None)
@given(case=cases(), dtype=st.sampled_from(sorted(DTYPES)), views=st.tuples(*[st.sampled_from(sorted(VIEWS))] * 2),
       seed=st.integers(0, 99))  # fmt: skip
def test_every_kernel_agrees_with_the_scalar_one(case: Case, dtype: str, views: tuple[str, str], seed: int) -> None:
    x = VIEWS[views[0]](filled(case.shape, seed, DTYPES[dtype], special=case.kind == "max"))
    name = f"train_{'adaptive_' if case.output else ''}{case.kind}_pool"
    arguments = (case.rank, x, *case.arguments(), None, 1, "NCHW")
    if case.kind == "max":
        (y, _), scalar = getattr(_pool, name)(*arguments, "baseline", "scalar")
    else:
        (y, _), scalar = getattr(_pool, name)(*arguments, None, None)
    grad = VIEWS[views[1]](np.random.default_rng(seed).standard_normal(y.shape).astype(DTYPES[dtype]))
    want, _ = _pool.pull_back(scalar, grad, None, 1, "baseline", "scalar")
    own = [(isa, by_pass, kernel) for isa, by_pass, kernel, *of in KERNELS if of == [case.kind, dtype]]
    all_kept = [scalar]
    for isa, by_pass, kernel in own:
        if by_pass == "keep":
            done = getattr(_pool, name)(*arguments, isa, kernel)
            if done is None:
                continue
            (values, by), kept = done
            assert by == f"{isa}/keep/{kernel}/max/{dtype}"
            np.testing.assert_array_equal(values.astype(np.float64), y.astype(np.float64))
            assert kept.saved_bytes == scalar.saved_bytes
            back, _ = _pool.pull_back(kept, grad, None, 1, "baseline", "scalar")
            np.testing.assert_array_equal(back, want, err_msg=f"{isa}/{kernel}")
            all_kept.append(kept)
    for isa, by_pass, kernel in own:
        done = _pool.pull_back(scalar, grad, None, 1, isa, kernel) if by_pass == "gradient" else None
        if done is None:
            continue
        if case.kind == "max":
            np.testing.assert_array_equal(done[0], want, err_msg=f"{isa}/{kernel}")
        else:
            eps = float(ml_dtypes.finfo(want.dtype).eps)
            scale = np.abs(want.astype(np.float64)).max(initial=0) + np.abs(grad.astype(np.float64)).max()
            np.testing.assert_allclose(
                done[0].astype(np.float64), want.astype(np.float64), rtol=2 * eps,
                atol=30 * min(eps, 2**-23) * scale,  # half types are summed in float32 and rounded once
                err_msg=f"{isa}/{kernel}",
            )  # fmt: skip


WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 5, "stride": 1, "padding": 2},
    {"kernel_size": 5, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 4, "stride": 4},
    {"kernel_size": 1, "stride": 2},
    {"kernel_size": 7, "stride": 1, "padding": 3},
]
ADAPTIVE = [1, 4, 5, 20]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_are_pytorchs(rank: int, kind: str, layout: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    shape = (2, 19, *{1: (37,), 2: (20, 23), 3: (7, 9, 20)}[rank])
    rng = np.random.default_rng(rank)
    x = VIEWS[layout](rng.standard_normal(shape).astype(dtype))
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        (f"{kind}_pool{rank}d", (), window | extra)
        for window in WINDOWS
        for extra in ([{}] if kind == "max" else [{}, {"count_include_pad": False}])
    ]
    calls += [(f"adaptive_{kind}_pool{rank}d", (size,), {}) for size in ADAPTIVE]
    for name, arguments, options in calls:
        tensor = torch.from_numpy(x).requires_grad_()
        expected = getattr(torch.nn.functional, name)(tensor, *arguments, **options)
        y, pullback = getattr(training, name)(x, *arguments, **options)
        grad = rng.standard_normal(y.shape).astype(dtype)
        expected.backward(torch.from_numpy(grad))
        got, want = pullback(VIEWS[layout](grad)), tensor.grad.numpy()
        if kind == "max":  # the same numbers added in the same order
            np.testing.assert_array_equal(got, want, err_msg=f"{name} {arguments} {options}")
        else:
            tolerance = 4e-6 if dtype == "float32" else 1e-14
            np.testing.assert_allclose(got, want, tolerance, tolerance, err_msg=f"{name} {arguments} {options}")


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_parts_of_a_plane_without_windows(kind: str) -> None:
    """Planes that are cut, and whose last rows no window reads."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((1, 8, 38, 19, 19))
    tensor = torch.from_numpy(x).requires_grad_()
    expected = getattr(torch.nn.functional, f"{kind}_pool3d")(tensor, 14, 8)
    y, pullback = getattr(training, f"{kind}_pool3d")(x, 14, 8)
    grad = np.ones_like(y)
    expected.backward(torch.from_numpy(grad))
    np.testing.assert_allclose(pullback(grad), tensor.grad.numpy(), 1e-13, 1e-13)


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_parts_of_a_plane_that_are_padding_alone(kind: str) -> None:
    """Planes that are cut into parts of so few rows that the first one has none: it wrote in front of its memory."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((3, 15, 39, 63)).astype(np.float32)
    tensor = torch.from_numpy(x).requires_grad_()
    expected = getattr(torch.nn.functional, f"{kind}_pool2d")(tensor, 5, 1, (2, 1))
    y, pullback = getattr(training, f"{kind}_pool2d")(x, 5, 1, (2, 1))
    grad = np.ones_like(y)
    expected.backward(torch.from_numpy(grad))
    np.testing.assert_allclose(pullback(grad), tensor.grad.numpy(), 1e-5, 1e-5)


LARGE = [
    Case(kind="max", spatial=(260, 300), batch=1, channels=1, window=(3, 3), stride=(2, 2), padding=((1, 1),) * 2,
         dilation=(1, 1)),
    Case(kind="max", spatial=(200, 310), batch=1, channels=4, window=(3, 3), stride=(1, 1), padding=((1, 1),) * 2,
         dilation=(1, 1)),
    Case(kind="max", spatial=(300, 300), batch=1, channels=2, window=(2, 2), stride=(2, 2), padding=((0, 0),) * 2,
         dilation=(1, 1)),
    Case(kind="max", spatial=(96, 130), batch=1, channels=16, window=(13, 13), stride=(1, 1), padding=((6, 6),) * 2,
         dilation=(1, 1)),
    Case(kind="max", spatial=(300, 300), batch=1, channels=3, output=(7, 9)),
    Case(kind="max", spatial=(60, 61), batch=2, channels=40, output=(1, 1)),
    Case(kind="max", spatial=(8, 56, 57), batch=1, channels=16, window=(3, 3, 3), stride=(1, 2, 2),
         padding=((1, 1),) * 3, dilation=(1, 1, 1)),
    Case(kind="max", spatial=(40000,), batch=1, channels=8, window=(128,), stride=(1,), padding=((0, 0),),
         dilation=(1,)),
    Case(kind="avg", spatial=(260, 300), batch=1, channels=3, window=(3, 3), stride=(1, 1), padding=((1, 1),) * 2,
         dilation=(1, 1), include_padding=False),
    Case(kind="avg", spatial=(260, 300), batch=1, channels=3, window=(2, 2), stride=(2, 2), padding=((0, 0),) * 2,
         dilation=(1, 1)),
    Case(kind="avg", spatial=(300, 300), batch=1, channels=3, output=(7, 9)),
    Case(kind="avg", spatial=(60, 60), batch=2, channels=64, output=(1, 1)),
    Case(kind="avg", spatial=(100000,), batch=1, channels=4, window=(7,), stride=(3,), padding=((3, 3),),
         dilation=(1,)),
]  # fmt: skip


@pytest.mark.parametrize("case", LARGE, ids=lambda c: f"{c.kind}-{c.spatial}-{c.window or c.output}")
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_the_number_of_threads_changes_no_bit(case: Case, layout: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    x = VIEWS[layout](rng.standard_normal(case.shape).astype(DTYPES[dtype]))
    y, pullback = case.public(x, threads=1)
    grad = VIEWS[layout](rng.standard_normal(y.shape).astype(DTYPES[dtype]))
    once = pullback(grad, threads=1)
    for threads in (2, 3, 7):
        y_again, pullback_again = case.public(x, threads=threads)
        np.testing.assert_array_equal(y_again, y)
        for each in (pullback, pullback_again):
            assert each(grad, threads=threads).tobytes() == once.tobytes()
    total = grad.astype(np.float64).sum() if case.kind == "max" else None
    if total is not None:  # what goes in comes out
        tolerance = 0.02 if dtype == "bf16" else 1e-4
        assert abs(once.astype(np.float64).sum() - total) <= tolerance * np.abs(grad.astype(np.float64)).sum()


def test_parameters_are_those_of_the_functions_without_gradients() -> None:
    for name in FUNCTIONS:
        own, plain = (inspect.signature(getattr(module, name)) for module in (training, functional))
        assert own.parameters == plain.parameters
        assert own.return_annotation == "tuple[Any, Pullback]"
        assert len(inspect.getdoc(getattr(training, name)) or "") > 40
    assert strided.training is training
    assert "training" in dir(strided)


@pytest.mark.parametrize(
    ("window", "bytes_each"),
    [((16, 16), 1), ((1, 256), 1), ((257,), 2), ((16, 17), 2), ((256, 256), 2), ((257, 256), 4)],
)
def test_an_offset_takes_as_few_bytes_as_the_window_allows(window: tuple[int, ...], bytes_each: int) -> None:
    shape = (1, 2, *(k + 1 for k in window))
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    function = training.max_pool1d if len(window) == 1 else training.max_pool2d
    y, pullback = function(x, window, 1)
    assert pullback.saved_bytes == y.size * bytes_each
    assert pullback.input_shape == shape
    got = pullback(np.ones_like(y))
    want = np.zeros(shape, np.float32)
    for n, c, *o in np.ndindex(*y.shape):
        part = x[(n, c, *(slice(a, a + k) for a, k in zip(o, window, strict=True)))]
        place = np.unravel_index(part.argmax(), part.shape)
        want[(n, c, *(a + int(b) for a, b in zip(o, place, strict=True)))] += 1
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("size", "output"), [((1, 16), (65, 16)), ((4, 16), (1000, 16)), ((3, 40), (700, 40)), ((2, 5), (130, 700))]
)
def test_an_adaptive_axis_may_have_far_more_outputs_than_inputs(size: tuple[int, int], output: tuple[int, int]) -> None:
    x = np.random.default_rng(5).permutation(math.prod(size)).astype(np.float32).reshape(1, 1, *size)
    y, pullback = training.adaptive_max_pool2d(x, output)
    assert y.shape == (1, 1, *output)
    want = np.zeros(size)
    for value in y.ravel():  # all elements differ: each maximum has one place
        want[x[0, 0] == value] += 1
    np.testing.assert_array_equal(pullback(np.ones_like(y))[0, 0], want)


@pytest.mark.parametrize(("output", "bytes_each"), [((3, 1), 1), ((1, 2), 2), ((1, 1), 2)])
def test_an_adaptive_offset_is_as_wide_as_the_largest_window_asks(output: tuple[int, int], bytes_each: int) -> None:
    # 40 to 3 takes windows of 14 (15 would be one too many), times 18: 252; 40 × 9 is more than a byte tells apart.
    x = np.random.default_rng(1).standard_normal((1, 1, 40, 18)).astype(np.float32)
    y, pullback = training.adaptive_max_pool2d(x, output)
    assert pullback.saved_bytes == y.size * bytes_each


def test_averages_keep_nothing() -> None:
    _, pullback = training.avg_pool2d(np.ones((1, 1, 4, 4), np.float32), 2)
    assert pullback.saved_bytes == 0


def test_a_saved_byte_is_an_eighth_of_an_index() -> None:
    x = np.ones((2, 8, 16, 16), np.float32)
    (_, indices), pullback = training.max_pool2d(x, 3, 2, 1, return_indices=True)
    assert pullback.saved_bytes * 8 == indices.nbytes


@settings(max_examples=60, deadline=None)
@given(case=cases("max"), seed=st.integers(0, 99))
def test_indices_are_those_of_the_function_without_gradients(case: Case, seed: int) -> None:
    x = filled(case.shape, seed, np.float32, special=True)
    (values, indices), _ = case.public(x, return_indices=True)
    function = getattr(functional, f"{'adaptive_' if case.output else ''}max_pool{case.rank}d")
    if case.output:
        want = function(x, case.output, True)
    else:
        want = function(x, case.window, case.stride, case.padding, case.dilation, case.ceil_mode, True)
    np.testing.assert_array_equal(values, want[0])
    np.testing.assert_array_equal(indices, want[1])


def test_an_empty_batch_has_an_empty_gradient() -> None:
    for function in (training.max_pool2d, training.avg_pool2d):
        y, pullback = function(np.empty((0, 3, 8, 8), np.float32), 2)
        assert y.shape == (0, 3, 4, 4)
        assert pullback(y).shape == (0, 3, 8, 8)


def test_layout_and_missing_batch() -> None:
    x = np.random.default_rng(0).standard_normal((8, 9, 5)).astype(np.float32)
    y, pullback = training.max_pool2d(x, 3, 2, layout="NHWC")
    z, other = training.max_pool2d(np.moveaxis(x, -1, 0), 3, 2)
    np.testing.assert_array_equal(y, np.moveaxis(z, 0, -1))
    grad = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    np.testing.assert_array_equal(pullback(grad), np.moveaxis(other(np.moveaxis(grad, -1, 0)), 0, -1))


def test_an_axis_of_one_position_may_have_any_stride() -> None:
    # Rows are then pooled as rows of one plane, in which the stride of the axis that was there means nothing.
    x = np.random.default_rng(0).standard_normal((3, 1, 1, 40)).astype(np.float32)
    y, pullback = training.max_pool2d(x, (1, 3), (5, 2), ((0, 4), (1, 1)))
    z, other = training.max_pool1d(x[:, :, 0], 3, 2, 1)
    np.testing.assert_array_equal(y[:, :, 0], z)
    np.testing.assert_array_equal(pullback(y)[:, :, 0], other(z))


def test_a_gradient_may_be_one_number_expanded() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    for function in (training.max_pool2d, training.avg_pool2d):
        y, pullback = function(x, 3, 2, 1)
        np.testing.assert_array_equal(pullback(np.broadcast_to(np.float32(2), y.shape)), pullback(np.full_like(y, 2)))


def test_a_fresh_gradient_has_the_channels_where_the_input_has_them() -> None:
    x = VIEWS["channels_last"](np.ones((2, 16, 8, 8), np.float32))
    y, pullback = training.max_pool2d(x, 2)
    assert pullback(np.ascontiguousarray(y)).strides == x.strides
    assert pullback(np.ascontiguousarray(y)).flags.owndata is False


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda pullback, grad: pullback(), "takes the gradient of the output, grad_output"),
        (lambda pullback, grad: pullback(grad, None), "takes one argument by position, grad_output; it was given 2"),
        (lambda pullback, grad: pullback(grad, grad_output=grad), "each once; it was given 'grad_output'"),
        (lambda pullback, grad: pullback(grad, thread=1), "it was given 'thread'"),
        (lambda pullback, grad: type(pullback)(), "cannot create"),
    ],
)
def test_bad_calls_are_refused(call: Any, says: str) -> None:
    y, pullback = training.max_pool2d(np.ones((1, 1, 4, 4), np.float32), 2)
    with pytest.raises(TypeError, match=says):
        call(pullback, y)


def test_a_pullback_is_called_by_names_and_says_what_it_is() -> None:
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    y, pullback = training.max_pool2d(x, 2)
    out = np.empty_like(x)
    assert pullback(grad_output=y, threads=1, out=out) is out
    np.testing.assert_array_equal(out, pullback(y))
    np.testing.assert_array_equal(out, pullback(*[y], **{"threads": 2}))
    assert isinstance(pullback, training.Pullback)
    assert repr(pullback) == "Pullback(input_shape=(1, 1, 4, 4), saved_bytes=4)"
    assert "grad_output" in (inspect.getdoc(training.Pullback) or "")


def test_pullbacks_come_and_go_without_a_trace() -> None:
    gc.collect()  # what other tests have left in cycles
    x, before = np.ones((1, 1, 4, 4), np.float32), sys.getrefcount(training.Pullback)
    for _ in range(10):
        training.max_pool2d(x, 2)
        with pytest.raises(ValueError, match="kernel_size"):
            training.max_pool2d(x, 5)
    after = sys.getrefcount(training.Pullback)  # not within the assertion, which holds what it compares
    assert after == before


def test_what_was_kept_outlives_the_input() -> None:
    x = np.random.default_rng(0).standard_normal((1, 4, 64, 64)).astype(np.float32)
    y, pullback = training.max_pool2d(x, 3, 2, 1)
    before = pullback(np.ones_like(y))
    x[:] = 0
    del x, y
    gc.collect()
    np.testing.assert_array_equal(pullback(np.ones((1, 4, 32, 32), np.float32)), before)


def read_only(shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.zeros(shape, np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("grad", "options", "error", "says"),
    [
        (np.zeros((1, 2, 3, 3), np.float32), {}, ValueError, r"grad_output has shape \(1, 2, 3, 3\).*\(1, 2, 4, 4\)"),
        (np.zeros((2, 4, 4), np.float32), {}, ValueError, r"grad_output has shape \(2, 4, 4\).*\(1, 2, 8, 8\)"),
        (np.zeros((1, 2, 4, 4)), {}, TypeError, "grad_output has elements of type f64.*f32"),
        (np.zeros((1, 2, 4, 4), np.complex64), {}, TypeError, "grad_output has elements of type complex64"),
        ([[1.0]], {}, TypeError, "grad_output is of type list"),
        (None, {}, TypeError, "grad_output is of type NoneType"),
        (..., {"out": np.zeros((1, 2, 4, 4), np.float32)}, ValueError, r"out has shape \(1, 2, 4, 4\).*\(1, 2, 8, 8\)"),
        (..., {"out": np.zeros((1, 2, 8, 8))}, TypeError, "out has elements of type f64"),
        (..., {"out": read_only((1, 2, 8, 8))}, ValueError, "out is a read-only array"),
        (..., {"out": np.broadcast_to(np.float32(0), (1, 2, 8, 8))}, ValueError, "out is a read-only array"),
        (..., {"threads": 0}, ValueError, "threads is 0"),
        (..., {"threads": "two"}, TypeError, "threads must be"),
    ],
)
def test_bad_gradients_are_refused(grad: Any, options: dict[str, Any], error: type[Exception], says: str) -> None:
    for function in (training.max_pool2d, training.avg_pool2d):
        y, pullback = function(np.ones((1, 2, 8, 8), np.float32), 2)
        with pytest.raises(error, match=says):
            pullback(np.zeros_like(y) if grad is ... else grad, **options)


def test_an_out_that_overlaps_is_refused() -> None:
    y, pullback = training.max_pool2d(np.ones((1, 2, 8, 8), np.float32), 2)
    row = np.zeros(64 + 32, np.float32)
    twice = np.lib.stride_tricks.as_strided(row, (1, 2, 8, 8), (0, 128, 32, 4))
    with pytest.raises(ValueError, match="elements overlap"):
        pullback(y, out=twice)
    buffer = np.zeros(200, np.float32)
    with pytest.raises(ValueError, match=r"out of shape .* shares memory with grad_output"):
        pullback(buffer[100:132].reshape(1, 2, 4, 4), out=buffer[:128].reshape(1, 2, 8, 8))
    assert not buffer.any()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_integers_have_no_gradients(dtype: str) -> None:
    with pytest.raises(TypeError, match="gradients for float64, float32, float16 and bfloat16"):
        training.max_pool2d(np.ones((1, 1, 4, 4), dtype), 2)


def test_bad_shapes_are_refused_as_without_gradients() -> None:
    with pytest.raises(ValueError, match="kernel_size"):
        training.max_pool2d(np.ones((1, 1, 4, 4), np.float32), 5)
    with pytest.raises(ValueError, match="out has shape"):
        training.max_pool2d(np.ones((1, 1, 4, 4), np.float32), 2, out=np.ones((1, 1, 3, 3), np.float32))


def test_the_saved_memory_is_given_back() -> None:
    _pool.clear_outputs()
    x = np.zeros((1, 1, 2048, 2048), np.float32)
    y, pullback = training.max_pool2d(x, 1)
    held = _pool.kept_output_bytes()
    saved = pullback.saved_bytes
    del pullback
    assert _pool.kept_output_bytes() == held + saved
    del y
    _pool.clear_outputs()
