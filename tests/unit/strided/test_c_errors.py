"""Each mistake in a call of the plain C functions has its code and its sentence, and nothing is written then."""

from __future__ import annotations

import ctypes
import re
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from tests.unit.strided.c_structs import (
    AVERAGE,
    MAX,
    WRONG_TYPE,
    WRONG_VALUE,
    CArray,
    Library,
    Pooling,
    array_of,
    empty,
    pooling_of,
)


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


X = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)
Y = empty((1, 2, 2, 2))
TWO = {"kernel_size": (2, 2, 0)}


@pytest.mark.parametrize(
    ("pooling", "code", "sentence"),
    [
        (None, WRONG_VALUE, "pooling is NULL"),
        (pooling_of(MAX, 2, **TWO, size=12), WRONG_VALUE, r"pooling\.size is 12; this library, of version 1, knows"),
        (pooling_of(MAX, 2, **TWO, size=10_000), WRONG_VALUE, r"use a library as new as the header"),
        (pooling_of(0, 2, **TWO), WRONG_VALUE, "kind is 0; it must be POOLBENCH_MAX or POOLBENCH_AVERAGE"),
        (pooling_of(MAX, 4, **TWO), WRONG_VALUE, "rank is 4; it must be 1, 2 or 3"),
        (pooling_of(MAX, 2, **TWO, ceil_mode=2), WRONG_VALUE, "ceil_mode is 2; it must be 0 or 1"),
        (pooling_of(MAX, 2), WRONG_VALUE, r"kernel_size is \(0, 0\): each entry must be at least 1"),
        (pooling_of(MAX, 2, **TWO, padding=(2, 0, 0)), WRONG_VALUE, "padding is 2 along h: it may be at most half"),
        (pooling_of(MAX, 2, **TWO, dilation=(0, 0, 0)), WRONG_VALUE, "dilation is"),
        (pooling_of(MAX, 2, kernel_size=(5, 2, 0)), WRONG_VALUE, "does not fit along h"),
        (pooling_of(MAX, 3, kernel_size=(1, 1, 1)), WRONG_VALUE, r"The input has 4 axes and shape \(1, 2, 4, 4\)|D, H"),
        (pooling_of(MAX, 2, adaptive=1), WRONG_VALUE, "output_size asks for 0 along h"),
    ],
)
def test_poolings_that_cannot_be(library: Library, pooling: Pooling | None, code: int, sentence: str) -> None:
    source = array_of(X if pooling is None or pooling.rank != 3 else X[0])
    told, message = library.call("pool", pooling, source, array_of(Y), None, None, 1)
    assert told == code
    assert re.search(sentence, message), message


def test_arrays_that_cannot_be(library: Library) -> None:
    two, average = pooling_of(MAX, 2, **TWO), pooling_of(AVERAGE, 2, **TWO)
    x, y = array_of(X), array_of(Y)
    places = np.zeros((1, 2, 2, 2), np.int64)
    kept = np.zeros((1, 2, 2, 2), np.uint8)
    overlapping = array_of(as_strided(Y, (1, 2, 2, 2), (32, 16, 4, 4)))
    buffer = empty((1, 2, 4, 4))
    cases: list[tuple[tuple[Any, ...], int, str]] = [
        ((two, None, y, None, None, 1), WRONG_VALUE, "input is NULL"),
        ((two, x, None, None, None, 1), WRONG_VALUE, "output is NULL"),
        ((two, array_of(X, data=None), y, None, None, 1), WRONG_VALUE, "input of shape .* has no memory"),
        ((two, x, array_of(Y, data=None), None, None, 1), WRONG_VALUE, "output of shape .* has no memory"),
        ((two, array_of(X, dims=6), y, None, None, 1), WRONG_VALUE, "input has 6 axes: pooling takes at most 5"),
        ((two, array_of(X, dims=-1), y, None, None, 1), WRONG_VALUE, "input has -1 axes"),
        ((two, CArray(1, None, None, 4, 2), y, None, None, 1), WRONG_VALUE, "input.shape is NULL"),
        ((two, array_of(X, type=77), y, None, None, 1), WRONG_TYPE, "elements of type number 77: a maximum is taken"),
        ((average, array_of(X.astype(np.int32)), y, None, None, 1), WRONG_TYPE, "type i32: an average is taken"),
        (
            (two, x, array_of(Y.astype(np.float64)), None, None, 1),
            WRONG_TYPE,
            "output has elements of type f64; it must",
        ),
        (
            (two, x, array_of(X), None, None, 1),
            WRONG_VALUE,
            r"output has shape \(1, 2, 4, 4\); the output for an input",
        ),
        ((two, x, overlapping, None, None, 1), WRONG_VALUE, "output of shape .* by which its elements overlap"),
        (
            (two, array_of(buffer), array_of(buffer[..., :2, :2]), None, None, 1),
            WRONG_VALUE,
            "shares memory",
        ),
        ((two, x, y, y, None, 1), WRONG_TYPE, "indices has elements of type f32; it must have int64"),
        ((average, x, y, array_of(places), None, 1), WRONG_VALUE, "indices is given for an average"),
        ((average, x, y, None, array_of(kept), 1), WRONG_VALUE, "kept is given for an average"),
        ((two, x, y, None, array_of(places), 1), WRONG_TYPE, "kept has elements of type i64; it must have u8, as"),
        ((two, x, y, None, array_of(kept[:, :1]), 1), WRONG_VALUE, "kept has shape"),
        ((two, x, y, None, None, -1), WRONG_VALUE, "threads is -1; it must be at least 1, or 0"),
    ]
    Y[...] = 7
    for arguments, code, sentence in cases:
        told, message = library.call("pool", *arguments)
        assert told == code, message
        assert re.search(sentence, message), message
    assert (Y == 7).all()
    integers = array_of(X.astype(np.int8)), array_of(Y.astype(np.int8))
    told, message = library.call("pool", two, *integers, None, array_of(kept), 1)
    assert (told, "there are gradients for float64" in message) == (WRONG_TYPE, True)


def test_gradients_that_cannot_be(library: Library) -> None:
    two, average = pooling_of(MAX, 2, **TWO), pooling_of(AVERAGE, 2, **TWO)
    kept = array_of(np.zeros((1, 2, 2, 2), np.uint8))
    y, target = array_of(Y), array_of(empty(X.shape))
    cases: list[tuple[tuple[Any, ...], int, str]] = [
        ((two, y, None, target, 1), WRONG_VALUE, "kept is NULL"),
        ((average, y, kept, target, 1), WRONG_VALUE, "kept is given for an average"),
        ((two, None, kept, target, 1), WRONG_VALUE, "grad_output is NULL"),
        ((two, y, kept, None, 1), WRONG_VALUE, "grad_input is NULL"),
        ((two, array_of(X), kept, target, 1), WRONG_VALUE, r"grad_output has shape \(1, 2, 4, 4\); it must"),
        ((two, array_of(Y.astype(np.float64)), kept, target, 1), WRONG_TYPE, "grad_output has elements of type f64"),
        ((two, y, array_of(Y), target, 1), WRONG_TYPE, "kept has elements of type f32; it must have u8"),
        ((two, y, kept, array_of(np.zeros(X.shape, np.int8)), 1), WRONG_TYPE, "there are gradients for float64"),
        ((two, y, kept, array_of(np.broadcast_to(Y[:, :, :1, :1], X.shape)), 1), WRONG_VALUE, "elements overlap"),
    ]
    for arguments, code, sentence in cases:
        told, message = library.call("gradient", *arguments)
        assert told == code, message
        assert re.search(sentence, message), message


def test_no_place_for_an_error_is_needed_and_long_ones_are_cut(library: Library) -> None:
    assert library.functions.poolbench_pool(None, None, None, None, None, 1, None) == WRONG_VALUE
    source = CArray(None, (ctypes.c_int64 * 5)(*[2**50] * 5), None, 5, 2)
    code, message = library.call("describe", pooling_of(MAX, 3, kernel_size=(1, 1, 1)), source, None)
    assert code == WRONG_VALUE
    assert "overflow" in message
