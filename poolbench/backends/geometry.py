"""Where a framework's own rules end: paddings and divisors resolved into what any framework can be told.

A framework whose call takes no such padding or divisor can still compute the spec the way its users do: pad the
input first, pool without padding, and correct the divisor. The numbers for that are worked out here, once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from poolbench.backends.placement import empty_where
from poolbench.model.pooling import Ints, Padding, PoolSpec, dilated
from poolbench.model.workload import DType, View, ViewKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def exact_padding(spec: PoolSpec, spatial: Ints) -> Padding:
    """Return the (lo, hi) per axis with which a call in floor mode reads exactly the windows of ``spec``.

    The far side grows by what ceil mode lets the last window overhang, and shrinks by what no window reads.
    """
    assert spec.window is not None and spec.stride is not None
    pads: list[tuple[int, int]] = []
    sizes = spec.output_spatial(spatial)
    for length, out, k, s, d, (lo, _) in zip(
        spatial, sizes, spec.window, spec.stride, spec.dilation, spec.padding, strict=True
    ):
        pads.append((lo, max(0, (out - 1) * s + dilated(k, d) - lo - length)))
    return tuple(pads)


def operator_padding(spec: PoolSpec, spatial: Ints) -> Padding:
    """Return the padding for an operator that has ceil mode itself, and no divisor.

    With a divisor every window counts whole, so what ceil mode overhangs is padding too.
    """
    return spec.padding if spec.divisor is None else exact_padding(spec, spatial)


def is_below_window(padding: Padding, spec: PoolSpec) -> bool:
    """Whether ``padding`` is below the window's size on each side of each axis."""
    assert spec.window is not None
    return all(max(sides) < k for sides, k in zip(padding, spec.window, strict=True))


def is_same_padding(spec: PoolSpec, spatial: Ints) -> bool:
    """Whether TensorFlow's ``SAME`` gives the windows of ``spec``.

    ``SAME`` makes ``ceil(L / s)`` windows and puts the odd element of the padding at the end
    (https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding").
    """
    assert spec.window is not None and spec.stride is not None
    sizes = spec.output_spatial(spatial)
    for length, out, k, s, d, (lo, _) in zip(
        spatial, sizes, spec.window, spec.stride, spec.dilation, spec.padding, strict=True
    ):
        total = max((out - 1) * s + dilated(k, d) - length, 0)
        if out != -(-length // s) or lo != total // 2:
            return False
    return True


def overhangs(spec: PoolSpec, spatial: Ints) -> Ints:
    """Return, per axis, how many taps of the last window lie beyond the padded input (only ceil mode has any)."""
    assert spec.window is not None
    return tuple(k - windows[-1].counted for k, windows in zip(spec.window, spec.windows(spatial), strict=True))


def fits(spec: PoolSpec, spatial: Ints, padding: Padding) -> bool:
    """Whether a window fits the input with ``padding``: in ceil mode the only window of an axis need not."""
    assert spec.window is not None
    sizes = zip(spatial, spec.window, spec.dilation, padding, strict=True)
    return all(dilated(k, d) <= length + lo + hi for length, k, d, (lo, hi) in sizes)


def divides_by_inside(spec: PoolSpec, spatial: Ints) -> bool:
    """Whether each average is over the elements that its window reads from the input, and over nothing else."""
    if spec.divisor is not None:
        return False
    return not spec.include_padding or all(axis.are_inside for axis in spec.windows(spatial))


def divides_by_window(spec: PoolSpec, spatial: Ints) -> bool:
    """Whether each average is over the whole window, whatever of it lies in the padding."""
    assert spec.window is not None
    if spec.divisor is not None:
        return spec.divisor == math.prod(spec.window)
    return all(axis.are_whole(counting_padding=spec.include_padding) for axis in spec.windows(spatial))


def divisors(spec: PoolSpec, spatial: Ints) -> NDArray[np.float64]:
    """Return what each output of an average is divided by, in the shape of the output's spatial axes."""
    import numpy as np

    if spec.divisor is not None:
        return np.full(spec.output_spatial(spatial), float(spec.divisor))
    result = np.ones(())
    for axis in _axis_counts(spec, spatial):
        result = np.multiply.outer(result, axis.astype(np.float64))
    return np.asarray(result, dtype=np.float64)


def lowest(dtype: DType) -> float | int:
    """Return the value that no maximum notices: minus infinity, or the least integer of ``dtype``."""
    if dtype.is_float:
        return -math.inf
    return 0 if dtype is DType.U8 else -(1 << (8 * dtype.itemsize - 1))


def reference_axes(order: str, rank_order: str) -> Ints:
    """Return the permutation that brings an array in axis order ``order`` into ``rank_order``."""
    return tuple(order.index(axis) for axis in rank_order)


def contiguous(array: NDArray[Any], order: str, wanted: str) -> NDArray[Any]:
    """Return ``array``, whose axes are in ``order``, as a contiguous array in the order ``wanted``.

    A copy begins in its page where ``array`` does (``placement``). What is contiguous already is returned as it is.
    """
    source = array.transpose(reference_axes(order, wanted))
    if source.flags.c_contiguous:
        return source
    result = empty_where(array, source.shape)
    result[...] = source
    return result


def in_order(array: NDArray[Any], order: str, wanted: str, view: View) -> NDArray[Any]:
    """Return ``array``, whose axes are in ``order``, with its axes in ``wanted``, lying in memory as ``view`` says.

    It begins in its page where ``array`` does (``placement``). Where it has that order already it is returned as it is.
    """
    if order == wanted:
        return array
    source = array.transpose(reference_axes(order, wanted))
    shape = source.shape
    if view.kind is ViewKind.TRANSPOSED:
        result = empty_where(array, (*shape[:-2], shape[-1], shape[-2])).swapaxes(-1, -2)
    elif view.kind is ViewKind.REVERSED:
        result = empty_where(array, shape, before=(shape[-1] - 1) * array.itemsize)[..., ::-1]
    elif view.kind is ViewKind.CHANNEL_SLICE:
        channels = wanted.index("c")
        assert view.channels is not None
        buffer = empty_where(array, (*shape[:channels], view.channels, *shape[channels + 1 :]))
        buffer[...] = 0
        result = buffer[(*[slice(None)] * channels, slice(shape[channels]))]
    else:
        result = empty_where(array, shape)
    result[...] = source
    return result


def buffer_of(array: NDArray[Any], order: str, view: View) -> NDArray[Any]:
    """Return what ``array``, with its axes in ``order``, is the ``view`` of.

    Frameworks whose tensors have no strides take the view by an operation. The further channels of a
    channel slice are zero.
    """
    import numpy as np

    match view.kind:
        case ViewKind.CONTIGUOUS:
            return array
        case ViewKind.TRANSPOSED:
            return array.swapaxes(-1, -2)
        case ViewKind.REVERSED:
            return array[..., ::-1]
        case ViewKind.CHANNEL_SLICE:
            assert view.channels is not None
            further = view.channels - array.shape[order.index("c")]
            return np.pad(array, [(0, further if axis == "c" else 0) for axis in order])


def _axis_counts(spec: PoolSpec, spatial: Ints) -> list[NDArray[np.int64]]:
    """Return, per axis, how many taps of each window an average divides by."""
    import numpy as np

    per_axis = []
    for windows in spec.windows(spatial):
        counts = np.empty(windows.size, np.int64)
        inner = windows.interior
        if inner:
            counts[inner.start : inner.stop] = windows[inner.start].count
        for output in (*range(inner.start), *range(inner.stop, windows.size)):
            counts[output] = windows[output].counted if spec.include_padding else windows[output].count
        per_axis.append(counts)
    return per_axis
