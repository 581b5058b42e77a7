"""How an array may lie in memory: each view has the values of the array that it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

VIEWS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {}


def view(function: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    VIEWS[function.__name__] = function
    return function


@view
def contiguous(x: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(x)


@view
def channels_last(x: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


@view
def channel_slice(x: NDArray[Any]) -> NDArray[Any]:
    wide = np.full((x.shape[0], x.shape[1] + 3, *x.shape[2:]), 77, x.dtype)
    wide[:, 2:-1] = x
    return wide[:, 2:-1]


@view
def channel_slice_of_channels_last(x: NDArray[Any]) -> NDArray[Any]:
    wide = np.full((x.shape[0], *x.shape[2:], x.shape[1] + 3), 77, x.dtype)
    wide[..., 1:-2] = np.moveaxis(x, 1, -1)
    return np.moveaxis(wide[..., 1:-2], -1, 1)


@view
def reversed_axes(x: NDArray[Any]) -> NDArray[Any]:
    return x[..., ::-1].copy()[..., ::-1]


@view
def transposed(x: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(x.T).T


@view
def every_second(x: NDArray[Any]) -> NDArray[Any]:
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), 77, x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]
