"""The questions of the contract about gradients: where a maximum sends its own, and what NaN does on the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from poolbench.backends.base import Backend, Differentiated
from poolbench.model.contract import Clause
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.verify.asking import Array, RefusedError, named, prepare_plane

_WINDOW = PoolSpec.windowed(Kind.MAX, (3, 3))
_CUBE = PoolSpec.windowed(Kind.MAX, (3, 3, 3))
_GLOBAL = PoolSpec.global_(Kind.MAX, 2)

_TILES = 4

_NEARLY = 2.0**-20
"""By how much one of the elements exceeds the others where they are nearly equal; float32 tells them apart."""


def _sent_back(backend: Backend, spec: PoolSpec, x: Array, outcomes: Mapping[str, Array], given: float = 1.0) -> str:
    """Name what ``backend`` sends back to ``x`` (spatial axes alone) where each output has the gradient ``given``.

    Unless the whole is pooled, ``x`` is one window of many that are alike: with few, a backend may go another way.
    """
    tiles = 1 if spec.is_global else _TILES
    found = _gradient(backend, spec, np.tile(x, (tiles,) * x.ndim), given)
    windows = {found[tile].tobytes() for tile in _tiles(x.shape, tiles)}
    if len(windows) > 1:
        return f"in {len(windows)} ways, by the window's place"
    return named(found[tuple(slice(size) for size in x.shape)], outcomes, by_window=False)


def _gradient(backend: Backend, spec: PoolSpec, x: Array, given: float) -> Array:
    """Return the gradient of ``x`` by ``backend``, where each output has the gradient ``given``."""
    sizes = spec.output_spatial(x.shape)
    prepared = prepare_plane(backend, spec, x[None, None], np.full((1, 1, *sizes), given))
    try:
        if not isinstance(prepared, Differentiated):
            raise RefusedError
        return np.asarray(prepared.gradient()[0, 0], np.float64)
    finally:
        prepared.close()


def _tiles(shape: tuple[int, ...], tiles: int) -> Iterator[tuple[slice, ...]]:
    for tile in np.ndindex(*(tiles,) * len(shape)):
        yield tuple(slice(i * size, (i + 1) * size) for i, size in zip(tile, shape, strict=True))


def _at(*place: int, shape: tuple[int, ...] = (3, 3)) -> Array:
    """Return zeros with a one at ``place``; zeros alone without it."""
    zeros = np.zeros(shape)
    if place:
        zeros[place] = 1
    return zeros


def _shares(shape: tuple[int, ...]) -> dict[str, Array]:
    """Return what may become of the gradient of a window that is the whole input."""
    ones = np.ones(shape)
    return {
        "first": _at(*(0,) * ones.ndim, shape=shape),
        "last": _at(*(-1,) * ones.ndim, shape=shape),
        "shared equally": ones / ones.size,
        "to each in full": ones,
        "nowhere": np.zeros(shape),
        "NaN everywhere": ones * np.nan,
    }


def _ties(backend: Backend, spec: PoolSpec = _WINDOW) -> str:
    """Ask where the equal maxima of a window send their gradient, and whether one greater by a hair gets it alone."""
    x = np.ones((3,) * spec.rank)
    answer = _sent_back(backend, spec, x, _shares(x.shape))
    x.flat[-1] += _NEARLY
    near = _sent_back(backend, spec, x, {"to the greatest": _shares(x.shape)["last"], **_shares(x.shape)})
    if near == "to the greatest":
        return answer
    return f"{answer}; so do nearly equal ones" if near == answer else f"{answer}; nearly equal ones: {near}"


def _ties_3d(backend: Backend) -> str:
    return _ties(backend, _CUBE)


def _ties_global(backend: Backend) -> str:
    return _ties(backend, _GLOBAL)


def _of_negative_infinity(backend: Backend) -> str:
    """Ask where windows that hold minus infinity alone send their gradient, some with padding before it.

    Windows of 2×2 begin at -1, 1 and 3 along each axis, so the first element of five of nine is padding.
    """
    spec = PoolSpec.windowed(Kind.MAX, (2, 2), padding=1)
    first, inside = (np.isin(np.arange(4), places).astype(np.float64) for places in ((0, 1, 3), (1, 3)))
    outcomes = {"first": np.outer(first, first), "lost in the padding": np.outer(inside, inside)}
    return named(_gradient(backend, spec, np.full((4, 4), -np.inf), 1.0), outcomes, by_window=False)


def _of_nan(backend: Backend) -> str:
    """Ask where a window with two NaN, and a greater number than its others, sends its gradient."""
    plane = np.array([[1.0, np.nan, 2.0], [9.0, np.nan, 4.0], [5.0, 6.0, 0.0]])
    outcomes = {
        "last NaN": _at(1, 1),
        "first NaN": _at(0, 1),
        "greatest number": _at(1, 0),
        "greatest number after the last NaN": _at(2, 1),
        "nowhere": _at(),
        "NaN everywhere": np.full((3, 3), np.nan),
    }
    return _sent_back(backend, _WINDOW, plane, outcomes)


def _nan_itself(backend: Backend) -> str:
    """Ask what a NaN in the output's gradient does to the elements of its window that are not the maximum.

    A global maximum is asked too where it answers otherwise: some frameworks compute it by another operator.
    """
    ramp = np.arange(9.0).reshape(3, 3)
    alone, everywhere = np.where(_at(2, 2) == 1, np.nan, 0.0), np.full((3, 3), np.nan)
    outcomes = {"stays with the maximum": alone, "spreads over the window": everywhere, "dropped": _at()}
    answers: list[str] = []
    for spec in (_WINDOW, _GLOBAL):
        try:
            answers.append(_sent_back(backend, spec, ramp, outcomes, np.nan))
        except RefusedError:
            continue
    if not answers:
        raise RefusedError
    return answers[0] if len(set(answers)) == 1 else f"{answers[0]}; global: {answers[1]}"


GRADIENT_QUESTIONS: dict[Clause, Callable[[Backend], str]] = {
    Clause.GRADIENT_TIES: _ties,
    Clause.GRADIENT_TIES_3D: _ties_3d,
    Clause.GRADIENT_TIES_GLOBAL: _ties_global,
    Clause.GRADIENT_NEGATIVE_INFINITY: _of_negative_infinity,
    Clause.GRADIENT_OF_NAN: _of_nan,
    Clause.NAN_GRADIENT: _nan_itself,
}
