"""The twelve functions of ``poolbench.strided``, forward and training, against PyTorch's, on random calls.

    python -m tests.contract.against_torch [--calls 20000] [--seed 0] [--call NUMBER]

Both must refuse a call, or both answer it: maxima, indices and the places of gradients are equal; averages and sums of
gradients lie within the bound that docs/kernel.md states of their summation, around PyTorch's answer in float64.
``RULES`` names what differs on purpose. Prints how many calls of each function were compared and the smallest that
differs, and ends with 1 if there is one; ``--call`` tries one again.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.verify.check import EXACT_AVERAGE_ULP
from tests.contract.torch_answers import Answer, Differs, Refusal, ours_of, reads_nothing, theirs_of
from tests.contract.torch_calls import DTYPES, FLOATS, FUNCTIONS, Call, draw

EQUAL, REFUSED = "equal", "refused by both"
RULES = {
    "averages of integers": "strided averages floats only: PyTorch truncates the averages of int64, and has no others",
    "types of PyTorch": "PyTorch lacks the type on the CPU, and answers in one that holds it",
    "avg_pool3d of little": "PyTorch's avg_pool3d wants an input that holds a window without its padding",
    "padding of dilated windows": "strided takes padding up to half of what a window spans, PyTorch of its size",
    "windows of nothing": "a dilated window may have the whole input between its elements: strided refuses it, and "
    "PyTorch's gradient writes beyond its memory",
    "averages of nothing": "PyTorch's average of a whole empty axis is NaN, and strided refuses the axis",
    "gradients of no channels": "PyTorch refuses the gradient of an adaptive average without channels: it is empty",
    "averages near the largest number": "PyTorch's sum is infinite, and the average that strided gives is not",
    "no outputs": "PyTorch's adaptive functions give an empty output for a size of 0, which strided refuses",
    "signs of zeros": "which of the zeros is the maximum is left open where there are both",
}
"""Where the two differ on purpose, and why. A call is counted under its rule."""

LONGEST_CHAIN = 9
"""As many elements in a row take as many additions as the longest chain of an average that is summed in float32."""


def outcome(call: Call) -> str:
    """Return EQUAL, REFUSED or the rule under which the answers to ``call`` differ. Raises Differs where none does."""
    if reads_nothing(call):
        if isinstance(ours_of(call, None), Refusal):
            return "windows of nothing"
        raise Differs("strided answers, and a window has no element of the input.")
    theirs = theirs_of(call)
    rule = EQUAL
    is_possible = call.dtype in FLOATS or not call.training
    if isinstance(theirs, Refusal) and "not implemented for" in str(theirs.error) and is_possible:
        rule, theirs = "types of PyTorch", theirs_of(call, dtype="float32" if call.dtype in FLOATS else "float64")
    ours = ours_of(call, theirs)
    if isinstance(ours, Refusal):
        if isinstance(theirs, Refusal):
            return REFUSED
        if not call.is_max and call.dtype not in FLOATS:
            return "averages of integers"
        if call.is_adaptive and "asks for 0" in str(ours.error):
            return "no outputs"
        if call.is_adaptive and not call.is_max and 0 in call.shape[-call.rank :]:
            return "averages of nothing"
        raise Differs(f"strided refuses: {ours.error}")
    if isinstance(theirs, Refusal):
        if call.name == "avg_pool3d" and "smaller than kernel size" in str(theirs.error):
            return "avg_pool3d of little"
        if "dilation" in call.options and "half of kernel size" in str(theirs.error):
            return "padding of dilated windows"
        if ours.gradient is not None and "Expected grad_output to have non-zero size" in str(theirs.error):
            same("gradient", ours.gradient, np.empty(call.shape))
            return "gradients of no channels"
        raise Differs(f"PyTorch refuses: {theirs.error}")
    compare(call, ours, theirs)
    zeros = call.is_max and (np.signbit(ours.output) != np.signbit(theirs.output)) & (ours.output == 0)
    if np.any(zeros):
        return "signs of zeros"
    is_larger = not call.is_max and np.any(np.isinf(theirs.output) & np.isfinite(ours.output))
    return "averages near the largest number" if is_larger else rule


def compare(call: Call, ours: Answer, theirs: Answer) -> None:
    """Raise Differs unless the answers are equal, or within the bound of their summation."""
    if call.is_max:
        same("output", ours.output, theirs.output)
    else:
        within(call, "output", ours.output, theirs.output, lambda a: a.output, window_size(call, ours.output.shape))
    if theirs.indices is not None:
        assert ours.indices is not None
        same("indices", ours.indices, theirs.indices)
    if theirs.gradient is not None:
        assert ours.gradient is not None
        terms = most_windows(call, ours.output.shape)
        within(call, "gradient", ours.gradient, theirs.gradient, lambda a: a.gradient, terms)


def same(what: str, ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    """Raise Differs unless the arrays are equal, NaN to NaN."""
    if ours.shape != theirs.shape:
        raise Differs(f"{what}: shape {ours.shape}, PyTorch {theirs.shape}")
    report(what, ours, theirs, ~equal_or_nan(ours, theirs))


def equal_or_nan(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where the arrays are equal, or both NaN."""
    return np.asarray((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))


def within(
    call: Call,
    what: str,
    ours: NDArray[Any],
    theirs: NDArray[Any],
    part: Callable[[Answer], NDArray[Any] | None],
    terms: int,
) -> None:
    """Raise Differs where ``part`` of the answer, sums of at most ``terms`` products, is too far from PyTorch's.

    PyTorch's answer in float64, rounded to the type, says what is finite: its own sums may be infinite where no average
    is.
    """
    if ours.shape != theirs.shape:
        raise Differs(f"{what}: shape {ours.shape}, PyTorch {theirs.shape}")
    wide = [theirs_of(call, dtype="float64", magnitudes=flag) for flag in (False, True)]
    exact, magnitude = (part(answer) for answer in wide if isinstance(answer, Answer))
    assert exact is not None
    assert magnitude is not None
    is_average = what == "output" and call.dtype == "float32"
    if is_average:  # longer sums are trees, or are added up in float64 between
        terms = min(terms, LONGEST_CHAIN)
    # PyTorch's sum in float64 errs as much as one of our own.
    summed = 2 * 2.0**-53 if call.dtype == "float64" else 2.0**-24
    with np.errstate(all="ignore"):
        rounded = exact.astype(DTYPES[call.dtype])
        unit = np.spacing(np.abs(rounded)).astype(np.float64)
        bound = EXACT_AVERAGE_ULP * unit + terms * summed * np.abs(magnitude)
        finite = np.isfinite(rounded)
        wanted = np.where(finite, exact, rounded.astype(np.float64))
        wrong = np.where(finite, ~(np.abs(ours - exact) <= bound), ~equal_or_nan(ours, wanted))
    report(what, ours, wanted, wrong)


def window_size(call: Call, shape: tuple[int, ...]) -> int:
    """Return how many elements of the input a window reads at most; ``shape`` is the output's."""
    inputs, outputs = call.shape[-call.rank :], shape[-call.rank :]
    if call.is_adaptive:
        sizes = zip(inputs, outputs, strict=True)
        return math.prod(max(-(-(o + 1) * n // out) - o * n // out for o in range(out)) for n, out in sizes)
    windows, padding = _per_axis(call, "kernel_size"), _per_axis(call, "padding")
    strides = _per_axis(call, "stride") if call.options.get("stride") else windows
    axes = zip(inputs, outputs, windows, strides, padding, strict=True)
    return math.prod(max(min(o * s - p + k, n) - max(o * s - p, 0) for o in range(out)) for n, out, k, s, p in axes)


def most_windows(call: Call, shape: tuple[int, ...]) -> int:
    """Return in how many windows an element lies at most; ``shape`` is the output's."""
    outputs = shape[-call.rank :]
    if call.is_adaptive:
        sizes = zip(call.shape[-call.rank :], outputs, strict=True)
        return math.prod(-(-out // max(size, 1)) + 1 for size, out in sizes)
    windows = _per_axis(call, "kernel_size")
    return math.prod(min(k, out) for k, out in zip(windows, outputs, strict=True))


def _per_axis(call: Call, name: str) -> list[int]:
    value = call.options.get(name, 0)
    return [value] * call.rank if isinstance(value, int) else list(value) * (call.rank // len(value))


def report(what: str, ours: NDArray[Any], theirs: NDArray[Any], wrong: NDArray[np.bool_]) -> None:
    """Raise Differs with the first element that is wrong, if there is one."""
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise Differs(
            f"{what}: {np.count_nonzero(wrong)} of {wrong.size}, first at {at}: {ours[at]!r}, not {theirs[at]!r}"
        )


def main(arguments: list[str] | None = None) -> int:
    """Compare, print what was compared, and return 1 where something differs."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m tests.contract.against_torch", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--call", type=int, help="the number of one call to try again")
    parser.add_argument("--all", action="store_true", help="print every call that differs, not the smallest alone")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    numbers = range(options.calls) if options.call is None else [options.call]
    counts: dict[str, Counter[str]] = {}
    failures: list[tuple[int, int, Call, str]] = []
    for number in numbers:
        call = draw(options.seed, number)
        passed = counts.setdefault(f"{'training.' if call.training else ''}{call.name}", Counter())
        try:
            passed[outcome(call)] += 1
        except Exception as error:  # a fault of any kind is what this looks for
            passed["differs"] += 1
            detail = str(error) if isinstance(error, Differs) else f"{type(error).__name__}: {error}"
            failures.append((call.elements, number, call, detail))
    print_counts(counts)
    failures.sort(key=lambda failure: failure[:2])
    for _, number, call, detail in failures if options.all else failures[:1]:
        print(f"\n{call}\n  {detail}")
        print(f"  python -m tests.contract.against_torch --seed {options.seed} --call {number}")
    return 1 if failures else 0


def print_counts(counts: dict[str, Counter[str]]) -> None:
    """Print a line for each function, and the rules."""
    columns = [EQUAL, REFUSED, *RULES, "differs"]
    total: Counter[str] = Counter()
    for name in (prefix + function for prefix in ("", "training.") for function in FUNCTIONS):
        passed = counts.get(name, Counter())
        total.update(passed)
        print(f"{name:<30}{sum(passed.values()):>6} calls: " + _listed(passed, columns))
    print(f"{'all':<30}{sum(total.values()):>6} calls: " + _listed(total, columns))
    for rule, reason in RULES.items():
        print(f"  {rule}: {reason}")


def _listed(passed: Counter[str], columns: list[str]) -> str:
    return ", ".join(f"{passed[column]} {column}" for column in columns if passed[column])


if __name__ == "__main__":
    sys.exit(main())
