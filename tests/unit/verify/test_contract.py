"""The probe is tried on backends that deviate on purpose: each differs from the reference in one respect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench.backends.base import SUPPORTED, Call, Indexed, Source, Support, refused
from poolbench.backends.numpy_shifted import Shifted
from poolbench.model.contract import NOT_OFFERED, Clause
from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload
from poolbench.verify.contract import probe
from poolbench.verify.fill import to_reference
from poolbench.verify.reference import pool

Array = NDArray[Any]
LOWEST = float(np.finfo(np.float32).min)


class Faithful:
    """Computes the reference. Deviations override ``answer``, ``supports`` or ``where``."""

    name = "faithful"
    framework = ""

    def supports(self, workload: Workload) -> Support:
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        return {}

    def load(self, threads: int) -> None: ...

    def facts(self) -> Mapping[str, str]:
        return {}

    def prepare(self, workload: Workload, source: Source) -> Any:
        x = to_reference(source.array, workload.order)

        def fetch(_: object) -> Array:
            return self.answer(workload, x)

        return Call(workload.order, lambda: None, fetch)

    def answer(self, workload: Workload, x: Array) -> Array:
        return pool(workload.spec, x).astype(np.float32)


@dataclass(slots=True)
class Located(Call):
    locate: Callable[[], Array]

    def indices(self) -> Array:
        return self.locate()


class WithIndices(Faithful):
    """Numbers maxima within the plane, as PyTorch does; the first of equals."""

    pick_last = False

    def prepare(self, workload: Workload, source: Source) -> Any:
        x = to_reference(source.array, workload.order)
        return Located(
            workload.order, lambda: None, lambda _: self.answer(workload, x), lambda: self.where(workload, x)
        )

    def where(self, workload: Workload, x: Array) -> Array:
        return self.number(self.positions(workload, x), x.shape)

    def positions(self, workload: Workload, x: Array) -> tuple[Array, ...]:
        """Return batch, channel, row and column of each maximum of unpadded windows, and its tap."""
        rows, columns = workload.spec.windows(workload.spatial)
        n, c, i, j = np.indices(workload.reference_output_shape)
        tap = np.zeros(n.shape, np.int64)
        for place in np.ndindex(*n.shape):
            top, left = rows[place[2]], columns[place[3]]
            window = x[place[0], place[1], top.first : top.first + top.count, left.first : left.first + left.count]
            flat = window.ravel()
            tap[place] = flat.size - 1 - flat[::-1].argmax() if self.pick_last else flat.argmax()
        k = columns[0].count
        h = np.array([window.first for window in rows])[i] + tap // k
        w = np.array([window.first for window in columns])[j] + tap % k
        return n, c, h, w, tap

    def number(self, at: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
        _, _, h, w, _ = at
        return h * shape[3] + w


def test_faithful_backend_answers_as_pytorch_documents() -> None:
    assert probe(WithIndices()).answers == {
        Clause.CEIL_RULE: "last window dropped when it starts in the right padding",
        Clause.DIVISOR_PADDED: "as asked",
        Clause.DIVISOR_CEIL: "overhang not counted",
        Clause.PADDING_VALUE: "-inf",
        Clause.NAN: "propagates",
        Clause.ALL_NEGATIVE_INFINITY: "-inf",
        Clause.TIES: "first",
        Clause.INDEX: "within the plane, int64",
    }


def test_numpy_agrees_with_a_faithful_backend_on_everything_but_indices() -> None:
    numpy, faithful = probe(Shifted()), probe(Faithful())
    assert not isinstance(Call("nchw", lambda: None, lambda x: x), Indexed)
    assert numpy.agrees_with(faithful, frozenset(Clause))
    assert numpy.answers[Clause.TIES] == numpy.answers[Clause.INDEX] == NOT_OFFERED


def deviating(change: Callable[[Workload, Array, Array], Array]) -> Faithful:
    """Return a backend whose answer is ``change(workload, x, right)``."""

    class Deviating(Faithful):
        def answer(self, workload: Workload, x: Array) -> Array:
            return change(workload, x, super().answer(workload, x)).astype(np.float32)

    return Deviating()


def lowest_padding(workload: Workload, x: Array, right: Array) -> Array:
    """Start every maximum from the lowest finite value, as oneDNN does."""
    return np.maximum(right, LOWEST)


def test_lowest_finite_start_shows_in_padding_and_in_the_middle() -> None:
    answers = probe(deviating(lowest_padding)).answers
    assert answers[Clause.PADDING_VALUE] == answers[Clause.ALL_NEGATIVE_INFINITY] == "lowest finite"


def pad_with(value: float) -> Callable[[Workload, Array, Array], Array]:
    """Pad a maximum with ``value``: only windows that reach into the padding see it."""

    def change(workload: Workload, x: Array, right: Array) -> Array:
        spec = workload.spec
        if spec.kind is not Kind.MAX or not spec.is_padded:
            return right
        rows, columns = (
            np.array([window.count < k for window in axis])
            for axis, k in zip(spec.windows(workload.spatial), spec.window or (), strict=True)
        )
        return np.where(rows[:, None] | columns, np.maximum(right, value), right)

    return change


@pytest.mark.parametrize(("value", "answer"), [(0.0, "0"), (LOWEST, "lowest finite"), (-np.inf, "-inf")])
def test_padding_value_is_told_from_the_start_value(value: float, answer: str) -> None:
    answers = probe(deviating(pad_with(value))).answers
    assert answers[Clause.PADDING_VALUE] == answer
    assert answers[Clause.ALL_NEGATIVE_INFINITY] == "-inf"


def test_padding_that_is_neither_is_described() -> None:
    answer = probe(deviating(pad_with(-1.0))).answers[Clause.PADDING_VALUE]
    assert answer.startswith("unexpected: 4×4 output [[-1.") and "-5." in answer


def with_spec(**fields: Any) -> Faithful:
    """Return a backend that ignores what a spec says of ``fields``."""

    class Ignoring(Faithful):
        def answer(self, workload: Workload, x: Array) -> Array:
            return pool(replace(workload.spec, **fields), x).astype(np.float32)

    return Ignoring()


def test_options_that_are_ignored() -> None:
    assert probe(with_spec(ceil_mode=False)).answers[Clause.CEIL_RULE] == "ceil mode is ignored"
    assert probe(with_spec(include_padding=False)).answers[Clause.DIVISOR_PADDED] == "never counts"
    assert probe(with_spec(include_padding=True)).answers[Clause.DIVISOR_PADDED] == "counts padding"
    mixed = probe(with_spec(include_padding=False)).answers[Clause.DIVISOR_CEIL]
    assert mixed == "overhang not counted; with padding: neither overhang nor padding counted"


def test_overhang_that_is_counted() -> None:
    def change(workload: Workload, x: Array, right: Array) -> Array:
        spec = workload.spec
        if spec.kind is Kind.MAX or not spec.include_padding or spec.window is None:
            return right
        rows, columns = (np.array([window.count for window in axis]) for axis in spec.windows(workload.spatial))
        return np.broadcast_to(np.outer(rows, columns) / np.prod(spec.window), right.shape)  # the input is ones

    answers = probe(deviating(change)).answers
    assert answers[Clause.DIVISOR_CEIL] == "overhang counted"
    assert answers[Clause.DIVISOR_PADDED] == "as asked"


@pytest.mark.parametrize(("value", "name"), [(-np.inf, "-inf"), (LOWEST, "lowest finite"), (0.0, "0")])
def test_window_that_is_kept_in_the_right_padding(value: float, name: str) -> None:
    def change(workload: Workload, x: Array, right: Array) -> Array:
        if workload.spec.ceil_mode and workload.spec.is_padded:
            return np.pad(right, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=value)
        return right

    answer = probe(deviating(change)).answers[Clause.CEIL_RULE]
    assert answer == f"last window kept when it starts in the right padding, as {name}"


def nan_dropped_where(dropped: Callable[[int, int, int], bool]) -> Faithful:
    """Return a backend that drops NaN in the channels, columns and taps (0 to 3) that ``dropped`` names."""

    def change(workload: Workload, x: Array, right: Array) -> Array:
        result = right.copy()
        for n, c, i, j in np.argwhere(np.isnan(right)):
            window = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            if dropped(int(c), int(j), int(np.isnan(window).argmax())):
                result[n, c, i, j] = np.nanmax(window)
        return result

    return deviating(change)


@pytest.mark.parametrize(
    ("dropped", "answer"),
    [
        (lambda c, j, tap: True, "ignored"),
        (lambda c, j, tap: c >= 32, "lanes propagate, channel tail drops it"),
        (lambda c, j, tap: j >= 36, "lanes propagate, column tail drops it"),
        (lambda c, j, tap: c >= 32 and tap < 3, "lanes propagate, channel tail drops it"),
        (lambda c, j, tap: tap != 0, "propagates from (0, 0) of a 2×2 window alone"),
        (lambda c, j, tap: tap in (0, 3), "propagates from (0, 1), (1, 0) of a 2×2 window alone"),
        (lambda c, j, tap: c % 4 == 0, "propagates in 72% of the windows that hold one"),
    ],
)
def test_nan(dropped: Callable[[int, int, int], bool], answer: str) -> None:
    assert probe(nan_dropped_where(dropped)).answers[Clause.NAN] == answer


def test_nan_that_leaks() -> None:
    def change(workload: Workload, x: Array, right: Array) -> Array:
        return np.full_like(right, np.nan) if np.isnan(x).any() else right

    assert probe(deviating(change)).answers[Clause.NAN] == "leaks into windows that hold none"


def test_last_of_equals() -> None:
    class Last(WithIndices):
        pick_last = True

    assert probe(Last()).answers[Clause.TIES] == "last"


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        (lambda n, c, h, w, tap, s: (h * s[3] + w) * s[1] + c, "(h*W+w)*C+c, int64"),
        (lambda n, c, h, w, tap, s: ((n * s[2] + h) * s[3] + w) * s[1] + c, "((n*H+h)*W+w)*C+c, int64"),
        (lambda n, c, h, w, tap, s: tap.astype(np.uint8), "within the window, uint8"),
        (lambda n, c, h, w, tap, s: ((n * s[1] + c) * s[2] + h) * s[3] + w, "within the tensor, int64"),
    ],
)
def test_index_conventions(number: Callable[..., Array], answer: str) -> None:
    class Numbered(WithIndices):
        def number(self, at: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
            return number(*at, shape)

    assert probe(Numbered()).answers[Clause.INDEX] == answer


def test_unknown_index_convention_is_described() -> None:
    class Backwards(WithIndices):
        def number(self, at: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
            return -at[2]

    answer = probe(Backwards()).answers[Clause.INDEX]
    assert answer.startswith("unexpected: int64 of shape (2, 3, 2, 3), beginning [")


def test_refusals_are_not_offered_and_judge_only_what_is() -> None:
    class NoCountingNoCeil(Faithful):
        """What TensorFlow offers: averages that do not count padding, channels last alone."""

        def supports(self, workload: Workload) -> Support:
            spec = workload.spec
            if spec.ceil_mode or not workload.is_channels_last:
                return refused("Ceil mode and channels first are not offered.")
            if spec.kind is Kind.AVG and spec.is_padded and spec.include_padding:
                return refused("Padding is never counted.")
            return SUPPORTED

    answers = probe(NoCountingNoCeil()).answers
    assert answers[Clause.CEIL_RULE] == answers[Clause.DIVISOR_CEIL] == NOT_OFFERED
    assert answers[Clause.DIVISOR_PADDED] == "as asked"
    assert answers[Clause.NAN] == "propagates"


def test_ceil_mode_without_padding() -> None:
    class Unpadded(Faithful):
        def supports(self, workload: Workload) -> Support:
            return refused("No padding.") if workload.spec.is_padded else SUPPORTED

    answers = probe(Unpadded()).answers
    assert answers[Clause.CEIL_RULE] == "last window kept when it overhangs; ceil mode with padding not offered"
    assert answers[Clause.DIVISOR_CEIL] == "overhang not counted"
    assert answers[Clause.DIVISOR_PADDED] == answers[Clause.PADDING_VALUE] == NOT_OFFERED


def test_backend_that_raises_is_described_and_the_other_clauses_are_still_asked() -> None:
    def change(workload: Workload, x: Array, right: Array) -> Array:
        if np.isnan(x).any():
            raise FloatingPointError("NaN is not welcome\nhere")
        return right

    answers = probe(deviating(change)).answers
    assert answers[Clause.NAN] == "fails: FloatingPointError: NaN is not welcome"
    assert answers[Clause.ALL_NEGATIVE_INFINITY] == "-inf"


def test_every_clause_is_answered_even_by_one_that_refuses_everything() -> None:
    class Refusing(Faithful):
        def supports(self, workload: Workload) -> Support:
            return refused("Nothing is offered.")

    assert probe(Refusing(), training=True).answers == dict.fromkeys(Clause, NOT_OFFERED)
    assert not {clause for clause in probe(Refusing()).answers if "gradient" in clause}, "asked for training alone"


def test_what_was_prepared_is_closed() -> None:
    closed: list[str] = []

    class Counting(Faithful):
        def prepare(self, workload: Workload, source: Source) -> Any:
            call = super().prepare(workload, source)

            class Closing:
                layout = call.layout
                run = call.run
                output = call.output

                def close(self) -> None:
                    closed.append(workload.id)

            opened.append(workload.id)
            return Closing()

    opened: list[str] = []
    probe(Counting())
    assert opened == closed and opened
