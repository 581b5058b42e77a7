"""A filling: the input of a workload, for training a gradient of its output too, and what must come of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, Workload
from poolbench.verify import fill, gradient, gradient_fill, reference
from poolbench.verify.check import CheckResult, check, check_gradient

INPUT, EXPECTED, SCALE = "input", "expected", "scale"
GRADIENT, EXPECTED_GRADIENT, GRADIENT_SCALE = "gradient", "expected_gradient", "gradient_scale"

Filling = dict[str, NDArray[Any]]


def make(workload: Workload, seed: int, *, exact: bool) -> Filling:
    """Return ``input``, ``expected`` and, for averages of random values, ``scale`` (see ``check.check``).

    Training adds ``gradient``, that of the output, ``expected_gradient``, that of the input, and for random values
    ``gradient_scale``. All have batch and channels outermost.
    """
    spec = workload.spec
    if not workload.pass_.is_training:
        values = (fill.exact_values if exact else fill.random_values)(workload, seed)
    else:
        values = gradient_fill.training_input(workload, seed, exact=exact)
    parts = {INPUT: values, EXPECTED: reference.pool(spec, values, narrow=True)}
    if spec.kind is Kind.AVG and not exact:
        parts[SCALE] = reference.mean_magnitude(spec, values)
    if workload.pass_.is_training:
        given = gradient_fill.training_gradient(workload, seed, exact=exact)
        parts[GRADIENT] = given
        if exact:
            parts[EXPECTED_GRADIENT] = gradient.pool_gradient(spec, values, given)
        else:
            parts[EXPECTED_GRADIENT], scale = gradient.gradient_and_magnitude(spec, values, given)
            # Of a scale only the exponent counts, so a narrower type saves memory and loses nothing.
            parts[GRADIENT_SCALE] = scale if workload.dtype is DType.F64 else scale.astype(np.float32)
    return parts


def check_output(
    output: NDArray[Any], filling: Mapping[str, NDArray[Any]], workload: Workload, *, exact: bool
) -> CheckResult:
    """Compare a subject's output on ``filling`` with what it should be."""
    return check(output, filling[EXPECTED], workload, exact=exact, scale=filling.get(SCALE))


def check_input_gradient(
    found: NDArray[Any], filling: Mapping[str, NDArray[Any]], workload: Workload, *, exact: bool
) -> CheckResult:
    """Compare a subject's gradient on ``filling`` with what it should be."""
    return check_gradient(found, filling[EXPECTED_GRADIENT], workload, exact=exact, scale=filling.get(GRADIENT_SCALE))
