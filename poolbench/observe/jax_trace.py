"""The pooling calls of a JAX function, read from its program: windows that reduce, and their gradients.

JAX has no average: it sums windows and divides. By what the sums are divided tells whether padding counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import DType, Pass, channels_last_order, default_order
from poolbench.observe.arguments import asked
from poolbench.observe.inputs import InputSpec
from poolbench.observe.jax_program import Array, Operator, Program, program_of
from poolbench.observe.sighting import Report, Seen, sighting
from poolbench.observe.target import first_line, where

_MAX, _SUM = "reduce_window_max", "reduce_window_sum"
_REFUSALS = {
    "reduce_window": "It reduces windows by a function of its own, which no id says and no subject does.",
    "reduce_window_min": "It takes minima, which no id says and no subject does.",
}
_REDUCTIONS = {"reduce_max": "amax", "reduce_sum": "mean"}
_PASSED_THROUGH = ("convert_element_type", "reshape", "broadcast_in_dim", "squeeze", "copy")
"""Operators between a sum and its division that leave values as they are."""


def trace_jax(name: str, function: Callable[..., Any], inputs: Sequence[InputSpec], pass_: Pass) -> Report:
    """Return the pooling calls of one call of ``function``, which is traced and not run.

    ``name`` is what sentences call it. A function that takes gradients itself is a training step as it is; else in
    training what it returns is differentiated with respect to all its inputs of floating types.
    """
    import jax

    report = Report(framework="jax", version=str(jax.__version__))
    try:
        program = _program(function, inputs, pass_)
    except (Exception, SystemExit) as error:  # a user's function may do anything
        report.problem = f"{name} failed: {first_line(error)}{where(error)}."
        return report
    report.notes = list(dict.fromkeys(program.notes))
    gradients = _gradients(program)
    for operator in program.operators:
        found = None if operator.is_backward else _seen(operator)
        if found is None:
            continue
        if found.is_reduction:  # its gradient is spread or compared by operators that do many other things
            is_trained = operator.is_differentiated and program.has_gradient
        else:
            key = _forward_key(operator)
            is_trained = gradients[key] > 0
            gradients[key] -= is_trained
        kind = Pass.TRAINING if is_trained else Pass.TRAINING_FORWARD if operator.is_differentiated else Pass.FORWARD
        report.sightings[sighting(found, kind)] += operator.count
    return report


def _program(function: Callable[..., Any], inputs: Sequence[InputSpec], pass_: Pass) -> Program:
    import jax

    if any(spec.dtype in ("float64", "int64") for spec in inputs):
        jax.config.update("jax_enable_x64", True)  # this process has no other use
    unnamed = [spec for spec in inputs if not spec.name]
    named = [spec for spec in inputs if spec.name]
    arrays = [jax.ShapeDtypeStruct(spec.shape, spec.dtype) for spec in (*unnamed, *named)]

    def call(*values: Any) -> Any:
        keywords = {spec.name: value for spec, value in zip(named, values[len(unnamed) :], strict=True)}
        return function(*values[: len(unnamed)], **keywords)

    program = program_of(call, arrays, {})
    if not pass_.is_training or program.has_gradient:
        return program
    places = [place for place, spec in enumerate((*unnamed, *named)) if spec.is_float]

    def step(*values: Any) -> Any:
        def of_floats(*floats: Any) -> Any:
            given = list(values)
            for place, value in zip(places, floats, strict=True):
                given[place] = value
            return call(*given)

        output, pullback = jax.vjp(of_floats, *(values[place] for place in places))
        ones = jax.tree.map(lambda end: jax.numpy.ones(end.shape, end.dtype), output)
        return output, pullback(ones)

    return program_of(step, arrays, {})


def _gradients(program: Program) -> Counter[tuple[object, ...]]:
    """Return how many gradients of each kind of window there are."""
    found: Counter[tuple[object, ...]] = Counter()
    for operator in program.operators:
        if operator.name == "select_and_scatter_add":
            found[_key(Kind.MAX, operator, operator.inputs[1].shape)] += 1
        elif operator.name == _SUM and operator.is_backward:
            found[_key(Kind.AVG, operator, operator.outputs[0].shape)] += 1
    return found


def _forward_key(operator: Operator) -> tuple[object, ...]:
    return _key(Kind.MAX if operator.name == _MAX else Kind.AVG, operator, operator.inputs[0].shape)


def _key(kind: Kind, operator: Operator, shape: Ints) -> tuple[object, ...]:
    """Return what a pooling and its gradient have in common; the gradient of a sum has strides of its own."""
    strides = tuple(operator.parameters["window_strides"]) if kind is Kind.MAX else ()
    return (kind, tuple(operator.parameters["window_dimensions"]), strides, shape)


@dataclass(slots=True)
class _Windows:
    """A window operator's parameters on the spatial axes, and the order of all axes."""

    order: str
    window: Ints
    stride: Ints
    padding: tuple[tuple[int, int], ...]
    dilation: Ints


def _seen(operator: Operator) -> Seen | None:
    """Return the pooling that ``operator`` does, None where it does none."""
    if not operator.inputs or not operator.inputs[0].depends:
        return None  # a count of what windows hold is no pooling of the model's
    given = operator.inputs[0]
    spec, order, refusal = None, "", _REFUSALS.get(operator.name, "")
    is_reduction = operator.name in _REDUCTIONS
    if operator.name in (_MAX, _SUM):
        windows = _windows(operator)
        if windows is None:
            refusal = "Its window reaches over the batch or the channels, or spreads its input, which no id says."
        else:
            order = windows.order
            try:
                spec = _spec(operator, windows)
            except InvalidSpecError as error:
                refusal = str(error)
    elif is_reduction:
        request = asked(_REDUCTIONS[operator.name], given.shape, (None, list(operator.parameters["axes"])), {})
        if request is None or request.rank == 1 or request.spec is None:
            return None  # of three axes nothing tells a sequence's from that of tokens
        spec = request.spec
        if spec.kind is Kind.AVG and _divisor(operator) != math.prod(
            given.shape[a] for a in operator.parameters["axes"]
        ):
            return None  # a sum
        order = channels_last_order(request.rank) if request.is_channels_last else default_order(request.rank)
    elif not refusal:
        return None
    shape = given.shape
    if order.endswith("c"):
        shape = (shape[0], shape[-1], *shape[1:-1])
    return Seen(
        function=operator.name,
        spec=spec,
        refusal=refusal,
        shape=shape,
        given=given.shape,
        order=order,
        dtype=next((dtype for dtype in DType if dtype.numpy_name == given.dtype), None),
        dtype_name=given.dtype,
        layer=operator.scope,
        is_reduction=is_reduction,
    )


def _windows(operator: Operator) -> _Windows | None:
    """Return the windows of an operator, None where they reach over other axes than the spatial ones."""
    parameters = operator.parameters
    per_axis = list(
        zip(
            parameters["window_dimensions"],
            parameters["window_strides"],
            parameters["padding"],
            parameters["window_dilation"],
            strict=True,
        )
    )
    rank = len(per_axis) - 2
    if rank not in (1, 2, 3) or any(size != 1 for size in parameters["base_dilation"]):
        return None
    still = [tuple(entry[:2]) == (1, 1) and tuple(entry[2]) == (0, 0) for entry in per_axis]
    if still[0] and still[-1]:  # as JAX's network libraries have it
        order, spatial = channels_last_order(rank), per_axis[1:-1]
    elif still[0] and still[1]:
        order, spatial = default_order(rank), per_axis[2:]
    else:
        return None
    window, stride, padding, dilation = zip(*spatial, strict=True)
    return _Windows(order, window, stride, tuple((int(lo), int(hi)) for lo, hi in padding), dilation)


def _spec(operator: Operator, windows: _Windows) -> PoolSpec:
    if operator.name == _MAX:
        return PoolSpec.windowed(
            Kind.MAX, windows.window, stride=windows.stride, padding=windows.padding, dilation=windows.dilation
        )
    divisor = _divisor(operator)
    is_padded = any(lo or hi for lo, hi in windows.padding)
    counts = divisor is not None
    return PoolSpec.windowed(
        Kind.AVG,
        windows.window,
        stride=windows.stride,
        padding=windows.padding,
        dilation=windows.dilation,
        include_padding=counts or not is_padded,
        divisor=None if not counts or divisor == math.prod(windows.window) else _whole(divisor),
    )


def _whole(divisor: float | None) -> int:
    if divisor is None or divisor < 1 or divisor != int(divisor):
        raise InvalidSpecError(f"Its sums are divided by {divisor:g}, and an id says whole divisors alone.")
    return int(divisor)


def _divisor(operator: Operator) -> float | None:
    """Return what sums are divided by: a number, 1 where they are left as they are, None for a count of each window."""
    array, steps = operator.outputs[0], 0
    while len(array.users) == 1 and array.users[0].name in _PASSED_THROUGH and steps < len(_PASSED_THROUGH):
        array, steps = array.users[0].outputs[0], steps + 1
    for user in array.users:
        if user.name == "div" and user.inputs[0] is array:
            scalar = _scalar(user.inputs[1])
            if scalar is not None:
                return scalar
            if not user.inputs[1].depends:
                return None
        if user.name == "mul":
            other = user.inputs[1] if user.inputs[0] is array else user.inputs[0]
            scalar = _scalar(other)
            if scalar:
                return round(1 / scalar, 6)
    return 1.0


def _scalar(array: Array) -> float | None:
    """Return the number that an array consists of, None where it is none or not known."""
    while array.scalar is None and array.maker is not None and array.maker.name in _PASSED_THROUGH:
        array = array.maker.inputs[0]
    return array.scalar
