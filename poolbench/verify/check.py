"""Comparing an output with the reference, in units in the last place.

Maxima select an element and integers are exact: both must be equal. An average rounds:

* On the exact filling every partial sum is exact, so only the division rounds. Half a unit is the best possible;
  2 allow for a product with a rounded reciprocal and for the rounding to a narrower type.
* On random values the sum itself rounds. Recursive summation of n terms errs by at most ``(n - 1) u sum|x|`` to first
  order (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section 4.2), relative to the
  magnitudes that were summed and not to a result which may have cancelled. So the error is counted in units in the
  last place of the window's mean magnitude (``scale``), of which ``u`` times that magnitude is at most one. For
  rounding errors that behave as random, n becomes ``lambda sqrt(n)``, but for a probability of
  ``2 n exp(-lambda**2 / 2)`` (N. J. Higham, T. Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J.
  Sci. Comput. 41(5), 2019, theorem 2.4); lambda is 8 here. The bound never exceeds an eighth of the scale: in a type so
  narrow that its own summation errs by more, an answer must be accumulated in a wider one.

A gradient is a sum over the windows that an element lies in, so the same holds with n the most windows that overlap,
and the scale the sum of the magnitudes that meet in the element. A maximum hands its gradient on unchanged: small
integers must come out equal. An average divides each term, so its terms err as an exact average does, and their sum
rounds even where they are small integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import AXIS_NAMES, Kind
from poolbench.model.workload import DType, Workload
from poolbench.verify.blocks import Block, blocks
from poolbench.verify.fill import largest_window, numpy_dtype
from poolbench.verify.gradient_fill import most_windows

EXACT_AVERAGE_ULP = 2.0
"""What an average may be off by where its sum is exact."""

_LAMBDA = 8.0
_BLOCK_ELEMENTS = 1 << 20

_PRECISION = {DType.F64: 53, DType.F32: 24, DType.F16: 11, DType.BF16: 8}
_LEAST_EXPONENT = {DType.F64: -1074, DType.F32: -149, DType.F16: -24, DType.BF16: -133}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Whether an output is right. ``ulp`` is its largest distance and ``bound`` what is allowed.

    ``detail`` is empty, or a sentence that says what is wrong.
    """

    ok: bool
    ulp: float
    bound: float
    detail: str = ""


def check(
    actual: NDArray[Any],
    expected: NDArray[Any],
    workload: Workload,
    *,
    exact: bool,
    scale: NDArray[Any] | None = None,
) -> CheckResult:
    """Compare ``actual``, the output of a subject, with ``expected``, that of the reference.

    All arrays have shape (batch, channels, *output_spatial); ``actual`` must be in the workload's dtype. ``exact`` says
    that the input was ``exact_values``. Averages of random floats need ``scale``, the reference's ``mean_magnitude`` of
    the same input: raises ValueError without it. NaN is equal to NaN alone, infinity to the same infinity alone.
    """
    exact_bound, random_bound = bounds(workload)
    bound = exact_bound if exact else random_bound
    if bound == 0 or exact:
        scale = None
    elif scale is None:
        raise ValueError("A random average is compared in units of its window's mean magnitude: give scale.")
    misfit = _misfit("output", actual, workload.reference_output_shape, workload.dtype)
    if misfit:
        return _wrong(bound, misfit)
    return _compare(actual, expected, workload, bound, scale, "its window's mean magnitude")


def check_gradient(
    actual: NDArray[Any],
    expected: NDArray[Any],
    workload: Workload,
    *,
    exact: bool,
    scale: NDArray[Any] | None = None,
) -> CheckResult:
    """Compare ``actual``, the input's gradient by a subject, with ``expected``, that of ``gradient.pool_gradient``.

    As ``check`` does, for arrays of shape (batch, channels, *spatial). ``scale`` is the second part of
    ``gradient.gradient_and_magnitude`` of the same input and gradient; random values need it.
    """
    exact_bound, random_bound = gradient_bounds(workload)
    bound = exact_bound if exact else random_bound
    if bound == 0 or exact:
        scale = None
    elif scale is None:
        raise ValueError("A random gradient is compared in units of the magnitudes that it sums: give scale.")
    misfit = _misfit("gradient", actual, workload.reference_input_shape, workload.dtype)
    if misfit:
        return _wrong(bound, misfit)
    return _compare(actual, expected, workload, bound, scale, "the magnitudes that it sums", "of the gradient ")


def bounds(workload: Workload) -> tuple[float, float]:
    """Return what the output may be off by: on the exact filling, and on random values. See the module's docstring."""
    if workload.spec.kind is Kind.MAX or not workload.dtype.is_float:
        return 0.0, 0.0
    return EXACT_AVERAGE_ULP, _summation(largest_window(workload), workload.dtype) + EXACT_AVERAGE_ULP


def gradient_bounds(workload: Workload) -> tuple[float, float]:
    """Return what the input's gradient may be off by: on the exact filling, and on random values."""
    summation = _summation(most_windows(workload), workload.dtype)
    if workload.spec.kind is Kind.MAX:
        return 0.0, summation
    return summation + EXACT_AVERAGE_ULP, summation + EXACT_AVERAGE_ULP


def _summation(n: int, dtype: DType) -> float:
    """Return what a sum of ``n`` random terms may be off by."""
    errors = min(float(n - 1), _LAMBDA * math.sqrt(n))
    if dtype is DType.F64:
        errors *= 2  # the reference sums in float64 too, and errs as much
    return min(errors, 2.0 ** (_PRECISION[dtype] - 4))


def _compare(
    actual: NDArray[Any],
    expected: NDArray[Any],
    workload: Workload,
    bound: float,
    scale: NDArray[Any] | None,
    scale_name: str,
    whose: str = "",
) -> CheckResult:
    """Compare element by element. ``whose`` says of what the elements are, where that is not the output."""
    worst, worst_at, count = -1.0, (0,) * actual.ndim, 0
    for block in blocks(actual.shape, _BLOCK_ELEMENTS):
        wanted = expected[block]
        distance = _distances(actual[block], wanted, wanted if scale is None else scale[block], workload.dtype)
        count += int(np.count_nonzero(distance > bound))
        largest = int(np.argmax(distance))
        if distance.flat[largest] > worst:
            worst = float(distance.flat[largest])
            worst_at = _global_index(block, np.unravel_index(largest, distance.shape))
    if not count:
        return CheckResult(ok=True, ulp=worst, bound=bound)
    axes = ", ".join(("n", "c", *AXIS_NAMES[workload.spec.rank]))
    unit = "ulp" if workload.dtype.is_float else "units"
    where = f" of {scale_name}" if scale is not None else ""
    detail = (
        f"{count} of {actual.size} elements {whose}differ from the reference by more than {bound:.4g} {unit}{where}; "
        f"the worst is at ({axes}) = {worst_at}: expected {_number(expected[worst_at])}, got "
        f"{_number(actual[worst_at])} ({worst:.4g} {unit} off)."
    )
    return CheckResult(ok=False, ulp=worst, bound=bound, detail=detail)


def _distances(actual: NDArray[Any], expected: NDArray[Any], at: NDArray[Any], dtype: DType) -> NDArray[np.float64]:
    """Return each element's distance, in units in the last place of ``dtype`` at the values of ``at``."""
    if not dtype.is_float:
        a, e = actual.astype(np.int64), expected.astype(np.int64)
        # The difference of two int64 may need 64 bits without a sign, which its wrapped result holds.
        return np.subtract(np.maximum(a, e), np.minimum(a, e)).view(np.uint64).astype(np.float64)
    # Both sides widen without rounding.
    a, e = actual.astype(np.float64), expected.astype(np.float64, copy=False)
    same = a == e
    if same.all():
        return np.zeros(a.shape)
    same |= np.isnan(a) & np.isnan(e)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(a - e) / _unit_in_last_place(at.astype(np.float64, copy=False), dtype)
    distance[np.isnan(distance)] = np.inf
    distance[same] = 0.0
    return np.asarray(distance)


def _unit_in_last_place(value: NDArray[np.float64], dtype: DType) -> NDArray[np.float64]:
    """Return the gap between the neighbours of ``dtype`` at the magnitude of ``value``."""
    fraction, exponent = np.frexp(value)
    least = _LEAST_EXPONENT[dtype]
    return np.asarray(np.ldexp(1.0, np.where(fraction == 0, least, np.maximum(exponent - _PRECISION[dtype], least))))


def _global_index(block: Block, inner: tuple[Any, ...]) -> tuple[int, ...]:
    n, c = block
    return (int(inner[0]) + n.start, int(inner[1]) + c.start, *(int(i) for i in inner[2:]))


def _number(value: Any) -> str:
    return str(int(value)) if np.issubdtype(type(value), np.integer) else repr(float(value))


def _misfit(what: str, actual: NDArray[Any], shape: tuple[int, ...], dtype: DType) -> str:
    """Return a sentence where ``actual`` is not an array of that shape and type, "" where it is."""
    if actual.shape != shape:
        return f"The {what} has shape {actual.shape}; {shape} was expected."
    if actual.dtype != numpy_dtype(dtype):
        return f"The {what} is of type {actual.dtype}; {numpy_dtype(dtype)} was expected."
    return ""


def _wrong(bound: float, detail: str) -> CheckResult:
    return CheckResult(ok=False, ulp=math.inf, bound=bound, detail=detail)
