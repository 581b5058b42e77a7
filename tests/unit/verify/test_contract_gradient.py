"""The questions on gradients, put to backends that deviate on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench.backends.base import SUPPORTED, Source, Support, refused
from poolbench.backends.fake import Fake
from poolbench.backends.training import TrainingCall
from poolbench.model.contract import NOT_OFFERED, Clause
from poolbench.model.workload import Workload
from poolbench.verify.contract import probe
from poolbench.verify.fill import to_reference
from poolbench.verify.gradient import pool_gradient
from poolbench.verify.reference import pool

Array = NDArray[Any]
Change = Callable[[Workload, Array, Array, Array], Array]


def deviating(change: Change) -> Fake:
    """Return a backend whose gradient is ``change(workload, x, given, right)``."""

    class Deviating(Fake):
        def prepare(self, workload: Workload, source: Source) -> Any:
            if source.gradient is None:
                return super().prepare(workload, source)
            x, given = (to_reference(array, workload.order).astype(float) for array in (source.array, source.gradient))
            right = pool_gradient(workload.spec, x, given)
            found = change(workload, x, given, right).astype(np.float32)
            return TrainingCall(
                layout=workload.order,
                pass_=workload.pass_,
                forward=lambda: (pool(workload.spec, x), lambda: found),
                fetch=lambda y: y,
                fetch_gradient=lambda dx: dx,
            )

    return Deviating()


def answers(change: Change) -> dict[Clause, str]:
    return probe(deviating(change), training=True).answers


def test_a_faithful_backend_answers_as_pytorch_does() -> None:
    found = probe(Fake(), training=True).answers
    assert {clause: answer for clause, answer in found.items() if "gradient" in clause} == {
        Clause.GRADIENT_TIES: "first",
        Clause.GRADIENT_TIES_3D: "first",
        Clause.GRADIENT_TIES_GLOBAL: "first",
        Clause.GRADIENT_NEGATIVE_INFINITY: "first",
        Clause.GRADIENT_OF_NAN: "last NaN",
        Clause.NAN_GRADIENT: "stays with the maximum",
    }


def by_window(hit: Callable[[Array], Array]) -> Change:
    """Send each window's gradient as ``hit`` says of its flattened elements: shares that are multiplied with it."""

    def change(workload: Workload, x: Array, given: Array, right: Array) -> Array:
        result = np.zeros(x.shape)
        for position in np.ndindex(*workload.output_spatial):
            axes = zip(workload.spec.windows(workload.spatial), position, strict=True)
            reads = (0, 0, *(slice(w[o].first, w[o].first + w[o].count) for w, o in axes))
            window = x[reads]
            result[reads] += (hit(window.reshape(-1)) * given[(0, 0, *position)]).reshape(window.shape)
        return result

    return change


def one_at(index: int, size: int) -> Array:
    return np.eye(size)[index]


@pytest.mark.parametrize(
    ("hit", "ties", "nan"),
    [
        (lambda w: one_at(w.size - 1 - int(w[::-1].argmax()), w.size), "last", "last NaN"),
        (lambda w: (w == w.max()) / max((w == w.max()).sum(), 1), "shared equally", "nowhere"),
        (lambda w: (w == w.max()) * 1.0, "to each in full", "nowhere"),
        (lambda w: (w > w.max() - 1e-5) * 1.0, "to each in full; so do nearly equal ones", "nowhere"),
        (lambda w: one_at(int(np.nan_to_num(w, nan=-np.inf).argmax()), w.size), "first", "greatest number"),
        (lambda w: one_at(int(w.argmax()), w.size), "first", "first NaN"),
    ],
)
def test_where_ties_and_nan_send_it(hit: Callable[[Array], Array], ties: str, nan: str) -> None:
    found = answers(by_window(hit))
    assert {found[c] for c in (Clause.GRADIENT_TIES, Clause.GRADIENT_TIES_3D, Clause.GRADIENT_TIES_GLOBAL)} == {ties}
    assert found[Clause.GRADIENT_OF_NAN] == nan


def test_a_global_maximum_is_asked_by_itself() -> None:
    share = by_window(lambda w: (w == w.max()) / (w == w.max()).sum())

    def change(workload: Workload, x: Array, given: Array, right: Array) -> Array:
        return share(workload, x, given, right) if workload.spec.is_global else right

    found = answers(change)
    assert (found[Clause.GRADIENT_TIES], found[Clause.GRADIENT_TIES_GLOBAL]) == ("first", "shared equally")
    assert found[Clause.NAN_GRADIENT] == "stays with the maximum; global: spreads over the window"


def test_what_goes_into_the_padding_is_lost() -> None:
    def change(workload: Workload, x: Array, given: Array, right: Array) -> Array:
        if not workload.spec.is_padded:
            return right
        result = np.zeros(x.shape)
        result[..., 1::2, 1::2] = 1
        return result

    assert answers(change)[Clause.GRADIENT_NEGATIVE_INFINITY] == "lost in the padding"


def test_windows_that_differ_are_told() -> None:
    def change(workload: Workload, x: Array, given: Array, right: Array) -> Array:
        result = right.copy()
        result[..., -1:, -1:] = 5
        return result

    assert answers(change)[Clause.GRADIENT_TIES].startswith("in 2 ways, by the window's place")


def test_what_is_refused_is_not_offered_and_what_has_no_gradient_neither() -> None:
    class ForwardOnly(Fake):
        def supports(self, workload: Workload) -> Support:
            return refused("No training.") if workload.pass_.is_training else SUPPORTED

    found = probe(ForwardOnly(), training=True).answers
    assert found[Clause.GRADIENT_TIES] == found[Clause.NAN_GRADIENT] == NOT_OFFERED
    assert found[Clause.NAN] == "propagates"
