"""Probing the semantics of a backend: tiny inputs on which the frameworks are known to answer differently.

An answer is what was observed. Each clause lists the outcomes that have a name; anything else is described as it was
found. A backend that offers part of what a clause asks is judged on that part, so that two backends agree wherever
both compute.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from poolbench.backends.base import Backend, Indexed
from poolbench.model.contract import NOT_OFFERED, Clause, Contract
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.verify.asking import Array, RefusedError, named, prepare_plane
from poolbench.verify.contract_gradient import GRADIENT_QUESTIONS

AS_ASKED = "as asked"
"""The answer of a backend that honours an option both ways, or refuses the way that it cannot."""


def probe(backend: Backend, *, training: bool = False) -> Contract:
    """Return the answers of ``backend``, which must be loaded, to every clause; those on gradients with ``training``.

    Float32 in two dimensions, channels first or, where that is refused, channels last. A clause whose probe the backend
    refuses is answered ``NOT_OFFERED``; one whose probe raises is answered with the error.
    """
    questions = {**_QUESTIONS, **GRADIENT_QUESTIONS} if training else _QUESTIONS
    return Contract(answers={clause: _answer(question, backend) for clause, question in questions.items()})


def _answer(question: Callable[[Backend], str], backend: Backend) -> str:
    try:
        return question(backend)
    except RefusedError:
        return NOT_OFFERED
    except Exception as error:  # whatever a backend raises is an answer: it must not end the probing of the others
        return f"fails: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"


def _pooled(backend: Backend, spec: PoolSpec, x: Array) -> Array:
    """Return what ``backend`` makes of ``x``, of shape (batch, channels, height, width)."""
    prepared = prepare_plane(backend, spec, x)
    try:
        return np.array(prepared.output(), np.float64)
    finally:
        prepared.close()


def _indices(backend: Backend, spec: PoolSpec, x: Array) -> Array:
    """Return the backend's own indices of the maxima of ``x``."""
    prepared = prepare_plane(backend, spec, x)
    try:
        if not isinstance(prepared, Indexed):
            raise RefusedError
        return np.array(prepared.indices())
    finally:
        prepared.close()


def _ceil_rule(backend: Backend) -> str:
    """Ask for a window that overhangs the input, then for one that would start in the right-hand padding."""
    ramp = np.arange(1.0, 26.0).reshape(1, 1, 5, 5)
    spec = PoolSpec.windowed(Kind.MAX, (2, 2), ceil_mode=True)
    plain = named(
        _pooled(backend, spec, ramp),
        {"kept": [[7, 9, 10], [17, 19, 20], [22, 24, 25]], "ceil mode is ignored": [[7, 9], [17, 19]]},
    )
    if plain != "kept":
        return plain
    ramp = np.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    spec = PoolSpec.windowed(Kind.MAX, (2, 2), stride=(3, 3), padding=1, ceil_mode=True)

    def kept(nothing: float) -> Array:
        return np.pad(np.array([[1.0, 4.0], [13.0, 16.0]]), ((0, 1), (0, 1)), constant_values=nothing)

    try:
        return named(
            _pooled(backend, spec, ramp),
            {
                "last window dropped when it starts in the right padding": [[1, 4], [13, 16]],
                "last window kept when it starts in the right padding, as -inf": kept(-np.inf),
                "last window kept when it starts in the right padding, as lowest finite": kept(_LOWEST),
                "last window kept when it starts in the right padding, as 0": kept(0.0),
            },
        )
    except RefusedError:
        return "last window kept when it overhangs; ceil mode with padding not offered"


def _divisor_padded(backend: Backend) -> str:
    """Average ones with one element of padding around: a corner of a 3×3 window holds 4 of its 9 elements."""
    counted = np.outer([2 / 3, 1, 2 / 3], [2 / 3, 1, 2 / 3])
    outcomes = {"counts padding": counted, "never counts": np.ones((3, 3))}
    asked = {"counts padding": True, "never counts": False}
    offered: list[str] = []
    for honoured, include in asked.items():
        spec = PoolSpec.windowed(Kind.AVG, (3, 3), stride=(1, 1), padding=1, include_padding=include)
        try:
            found = named(_pooled(backend, spec, np.ones((1, 1, 3, 3))), outcomes)
        except RefusedError:
            continue
        if found not in asked:
            return found
        offered.append(AS_ASKED if found == honoured else found)
    if not offered:
        raise RefusedError
    return next((answer for answer in offered if answer != AS_ASKED), AS_ASKED)


def _divisor_ceil(backend: Backend) -> str:
    """Average ones where the last window overhangs: by half without padding, and by one beyond a padding of one."""
    probes = (
        (5, 2, 0, [1, 1, 1], [1, 1, 1 / 2], None),
        # The windows of 3 read 1 + 2, 3, and 1 + 1 elements and an overhang of 1.
        (4, 3, 1, [2 / 3, 1, 1 / 2], [2 / 3, 1, 1 / 3], [1, 1, 1]),
    )
    answers: list[str] = []
    for length, k, pad, clipped, whole, real in probes:
        spec = PoolSpec.windowed(Kind.AVG, (k, k), stride=(2, 2), padding=pad, ceil_mode=True)
        outcomes = {"overhang not counted": np.outer(clipped, clipped), "overhang counted": np.outer(whole, whole)}
        if real is not None:
            outcomes["neither overhang nor padding counted"] = np.outer(real, real)
        try:
            answers.append(named(_pooled(backend, spec, np.ones((1, 1, length, length))), outcomes))
        except RefusedError:
            continue
    if not answers:
        raise RefusedError
    if len(set(answers)) == 1:
        return answers[0]
    return f"{answers[0]}; with padding: {answers[1]}"


def _padding_value(backend: Backend) -> str:
    """Pool what is below any finite padding: a corner then shows what the padding is worth."""
    spec = PoolSpec.windowed(Kind.MAX, (2, 2), stride=(1, 1), padding=1)
    found = _pooled(backend, spec, np.full((1, 1, 3, 3), -5.0))
    if named(found, {"ignored": np.full((4, 4), -5.0)}) != "ignored":
        return named(found, {"0": np.pad(np.full((2, 2), -5.0), 1)})
    found = _pooled(backend, spec, np.full((1, 1, 3, 3), -np.inf))
    # A maximum that starts from the lowest finite value shows it in the middle too.
    middle = np.where(found[:, :, 1:3, 1:3].max() == _LOWEST, _LOWEST, -np.inf)
    values = {"-inf": -np.inf, "lowest finite": _LOWEST}
    return named(
        found,
        {name: np.pad(np.full((2, 2), middle), 1, constant_values=value) for name, value in values.items()},
    )


def _all_negative_infinity(backend: Backend) -> str:
    found = _pooled(backend, PoolSpec.windowed(Kind.MAX, (2, 2)), np.full((1, 1, 4, 4), -np.inf))
    return named(found, {"-inf": np.full((2, 2), -np.inf), "lowest finite": np.full((2, 2), _LOWEST)})


def _nan(backend: Backend) -> str:
    """Put NaN into every other window, at each tap in turn, over enough channels and columns to leave a tail."""
    channels = columns = 37
    marked = (np.arange(channels)[:, None] + np.arange(columns)) % 2 == 0
    hits = []
    for row, column in _TAPS:
        x = np.random.Generator(np.random.SFC64(0)).standard_normal((1, channels, 2, 2 * columns))
        x[0, :, row, column::2][marked] = np.nan
        found = np.isnan(_pooled(backend, PoolSpec.windowed(Kind.MAX, (2, 2)), x))
        if found.shape != (1, channels, 1, columns):
            return f"unexpected: output of shape {found.shape}"
        hit = found[0, :, 0, :]
        if hit[~marked].any():
            return "leaks into windows that hold none"
        hits.append(np.where(marked, hit, np.nan))
    return _nan_pattern(np.stack(hits))


def _nan_pattern(hit: NDArray[np.float64]) -> str:
    """Name the pattern of ``hit`` (taps, channels, columns): 1 where NaN came through, 0 where not, NaN unmarked."""
    if np.nanmin(hit) == 1:
        return "propagates"
    if np.nanmax(hit) == 0:
        return "ignored"
    by_tap, by_channel, by_column = (np.nanmean(hit, axis=axes) for axes in ((1, 2), (0, 2), (0, 1)))
    if set(by_tap) <= {0.0, 1.0}:
        taps = [f"({row}, {column})" for (row, column), share in zip(_TAPS, by_tap, strict=True) if share]
        return f"propagates from {', '.join(taps)} of a 2×2 window alone"
    for what, share in (("channel", by_channel), ("column", by_column)):
        lanes = int(np.argmin(share == 1))
        if lanes and np.all(share[lanes:] < 1):
            return f"lanes propagate, {what} tail drops it"
    return f"propagates in {np.nanmean(hit):.0%} of the windows that hold one"


def _ties(backend: Backend) -> str:
    """Ask where the maximum of nine equal elements is."""
    found = _indices(backend, PoolSpec.windowed(Kind.MAX, (3, 3)), np.ones((1, 1, 3, 3)))
    return named(found, {"first": [[0]], "last": [[8]]})


def _index(backend: Backend) -> str:
    """Ask where maxima are, in an input on which the conventions all differ."""
    batch, channels, height, width = shape = (2, 3, 4, 6)
    x = np.random.Generator(np.random.SFC64(1)).permutation(np.arange(float(np.prod(shape)))).reshape(shape)
    found = _indices(backend, PoolSpec.windowed(Kind.MAX, (2, 2)), x)
    windows = x.reshape(batch, channels, height // 2, 2, width // 2, 2).transpose(0, 1, 2, 4, 3, 5)
    tap = windows.reshape(*windows.shape[:4], 4).argmax(axis=-1)
    n, c, i, j = np.indices(tap.shape)
    h, w = 2 * i + tap // 2, 2 * j + tap % 2
    conventions = {
        "within the plane": h * width + w,
        "(h*W+w)*C+c": (h * width + w) * channels + c,
        "((n*H+h)*W+w)*C+c": ((n * height + h) * width + w) * channels + c,
        "within the window": tap,
        "within the tensor": ((n * channels + c) * height + h) * width + w,
    }
    for name, expected in conventions.items():
        if np.array_equal(found, expected):
            return f"{name}, {found.dtype}"
    return f"unexpected: {found.dtype} of shape {found.shape}, beginning {found.ravel()[:6].tolist()}"


_LOWEST = float(np.finfo(np.float32).min)
_TAPS = ((0, 0), (0, 1), (1, 0), (1, 1))

_QUESTIONS: dict[Clause, Callable[[Backend], str]] = {
    Clause.CEIL_RULE: _ceil_rule,
    Clause.DIVISOR_PADDED: _divisor_padded,
    Clause.DIVISOR_CEIL: _divisor_ceil,
    Clause.PADDING_VALUE: _padding_value,
    Clause.NAN: _nan,
    Clause.ALL_NEGATIVE_INFINITY: _all_negative_infinity,
    Clause.TIES: _ties,
    Clause.INDEX: _index,
}
