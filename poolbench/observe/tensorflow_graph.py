"""The pooling calls of a Keras model or a function of TensorFlow, read from the graph that it is traced to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import DType, Pass, channels_last_order, default_order
from poolbench.observe.arguments import INDICES, REFUSED, asked
from poolbench.observe.inputs import InputSpec
from poolbench.observe.sighting import Report, Seen, sighting
from poolbench.observe.target import first_line, where

_POOLING = re.compile(r"(Max|Avg)Pool(3D|V2)?")
_GRADIENT = re.compile(r"(Max|Avg)Pool(3D)?Grad(V2)?")
_REDUCTIONS = {"Mean": "mean", "Max": "amax"}
_REFUSALS = {
    "MaxPoolWithArgmax": INDICES,
    "FractionalMaxPool": REFUSED["fractional_max_pool"],
    "FractionalAvgPool": REFUSED["fractional_max_pool"],
}
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_BRANCHING = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase")
_GLOBAL_LAYER = re.compile(r"global_?(average|avg|max)_?pool(ing)?_?1d", re.IGNORECASE)
_BACKWARD = "gradient_tape"
"""What the names of the operators begin with that a tape adds."""


def trace_tensorflow(name: str, model: Callable[..., Any], inputs: Sequence[InputSpec], pass_: Pass) -> Report:
    """Return the pooling calls of one step of ``model``, which is traced and not run.

    ``name`` is what sentences call it. In training the sum of what it returns is differentiated with respect to its
    trainable variables, or to its inputs where it has none.
    """
    import tensorflow as tf

    report = Report(framework="tensorflow", version=str(tf.__version__))
    try:
        graph = _traced(model, inputs, Pass.FORWARD)
        if pass_.is_training:
            # What comes before all that is trained gets a gradient only where its inputs are watched.
            graph = _traced(model, inputs, pass_, of_inputs=not graph.trainable_variables)
    except (Exception, SystemExit) as error:  # a user's model may do anything
        report.problem = f"{name} failed: {first_line(error)}{where(error)}."
        return report
    operators = list(_operators(graph, report))
    trained = Counter(key for operator in operators if (key := _gradient_key(operator)) is not None)
    ancestry = _Ancestry(graph)
    title = str(getattr(model, "name", "") or "")
    layers = {layer.name: type(layer).__name__ for layer in getattr(model, "_flatten_layers", list)()}
    for operator in operators:
        found = _seen(operator, title, type(model).__name__, layers)
        if found is None:
            continue
        if found.is_reduction:
            is_trained = pass_.is_training and ancestry.is_trained(operator)
        else:
            key = _forward_key(operator)
            is_trained = trained[key] > 0
            trained[key] -= is_trained
        report.sightings[sighting(found, Pass.TRAINING if is_trained else Pass.FORWARD)] += 1
    return report


def _traced(model: Callable[..., Any], inputs: Sequence[InputSpec], pass_: Pass, *, of_inputs: bool = False) -> Any:
    """Return the graph of one step; its gradients are those of its trainable variables, or ``of_inputs``."""
    import tensorflow as tf

    keys = {"training": pass_.is_training} if hasattr(model, "trainable_variables") and hasattr(model, "layers") else {}
    function = getattr(model, "python_function", model)  # a function of TensorFlow is traced into our graph
    names = [spec.name for spec in inputs]

    def call(tensors: Sequence[Any]) -> Any:
        given = list(zip(names, tensors, strict=True))
        return function(*(t for name, t in given if not name), **{name: t for name, t in given if name}, **keys)

    @tf.function  # type: ignore[untyped-decorator]
    def step(*tensors: Any) -> Any:
        if not pass_.is_training:
            return call(tensors)
        with tf.GradientTape() as tape:
            sources = [tensor for tensor in tensors if of_inputs and tensor.dtype.is_floating]
            tape.watch(sources)
            output = call(tensors)
            ends = [end for end in tf.nest.flatten(output) if tf.is_tensor(end) and end.dtype.is_floating]
            total = tf.add_n([tf.reduce_sum(tf.cast(end, tf.float32)) for end in ends])
        return tape.gradient(total, sources or [each for each in tape.watched_variables() if each.trainable])

    specs = [tf.TensorSpec(spec.shape, getattr(tf, spec.dtype)) for spec in inputs]
    return step.get_concrete_function(*specs).graph


def _operators(graph: Any, report: Report) -> Iterator[Any]:
    """Yield all operators of a graph, and of the functions that it calls."""
    for operator in graph.get_operations():
        yield operator
        if operator.type in _CALLS:
            yield from _inside(graph, operator, [operator.get_attr("f").name], report)
        elif operator.type in _BRANCHING:
            attributes = operator.node_def.attr
            names = [attributes[key].func.name for key in attributes if attributes[key].HasField("func")]
            names += [function.name for key in attributes for function in attributes[key].list.func]
            what = "repeats is counted once" if "While" in operator.type else "chooses between is counted all"
            report.notes.append(f"What {operator.type} '{operator.name}' {what}.")
            yield from _inside(graph, operator, names, report)


def _inside(graph: Any, operator: Any, names: Sequence[str], report: Report) -> Iterator[Any]:
    for name in names:
        function = graph._get_function(name)
        inner = getattr(function, "graph", None)
        if inner is None:
            report.notes.append(f"What '{operator.name}' calls cannot be read, and is not counted.")
            continue
        yield from _operators(inner, report)


def _seen(operator: Any, title: str, kind: str, layers: dict[str, str]) -> Seen | None:
    """Return the pooling that ``operator`` does, None where it does none."""
    match = _POOLING.fullmatch(operator.type)
    if match is None and operator.type not in (*_REFUSALS, *_REDUCTIONS):
        return None
    tensor = operator.inputs[0]
    shape = _shape(tensor)
    path = [_own_name(part, (title, *layers)) for part in operator.name.split("/")[:-1]]
    if title and path[:1] == [title]:
        del path[0]
    layer = ".".join(path)
    request = _Request(spec=None, shape=shape or (), order="", refusal=_REFUSALS.get(operator.type, ""))
    if shape is None:
        if match is None:
            return None  # nothing tells whether a reduction pools
        request.refusal = request.refusal or "Its input's shape is not known when the model is traced."
    elif operator.type in _REDUCTIONS:
        reduced = _reduction(operator, shape, path, layers)
        if reduced is None:
            return None
        request = reduced
    elif match is not None:
        request = _window(operator, Kind.MAX if match[1] == "Max" else Kind.AVG, shape)
        if any(part.startswith("MaxPool") for part in path[-1:]) or "ExpandDims" in path[-1:]:
            layer = ".".join(path[:-1])
    dtype = tensor.dtype.name
    return Seen(
        function=operator.type,
        spec=request.spec,
        refusal=request.refusal,
        shape=request.shape,
        given=shape or (),
        order=request.order,
        dtype=next((each for each in DType if each.numpy_name == dtype), None),
        dtype_name=dtype,
        layer=layer,
        model=title if layers else "",
        is_reduction=operator.type in _REDUCTIONS,
    )


@dataclass(slots=True)
class _Request:
    """What an operator asks for, its input's shape with batch and channels first, and the order that it has."""

    spec: PoolSpec | None
    shape: Ints
    order: str
    refusal: str = ""


def _window(operator: Any, kind: Kind, shape: Ints) -> _Request:
    """Return what a pooling operator asks for."""
    order = str(operator.get_attr("data_format").decode()).lower()
    if "ksize" not in operator.node_def.attr:
        return _Request(None, shape, order, "Its window is computed by the model, so that the graph does not tell it.")
    window, stride = list(operator.get_attr("ksize")), list(operator.get_attr("strides"))
    axes = [index for index, axis in enumerate(order) if axis not in "nc"]
    if any(size != 1 for index, size in enumerate(window) if index not in axes):
        return _Request(None, shape, order, "Its window reaches over the batch or the channels, which no id says.")
    padding = str(operator.get_attr("padding").decode())
    pads = list(operator.get_attr("explicit_paddings")) if padding == "EXPLICIT" else []
    # One-dimensional pooling is a plane of one row to TensorFlow, which it makes by ExpandDims.
    is_line = len(axes) == 2 and shape[axes[0]] == 1 == window[axes[0]] and operator.inputs[0].op.type == "ExpandDims"
    if is_line:
        order, axes = order.replace("h", ""), axes[1:]
    spatial = tuple(shape[axis] for axis in axes)
    usual = (shape[0], shape[-1] if order.endswith("c") else shape[1], *spatial)
    sizes, steps = [window[axis] for axis in axes], [stride[axis] for axis in axes]
    try:
        if padding == "SAME":
            spec = PoolSpec.same(kind, sizes, steps, spatial)
        else:
            explicit = [(pads[2 * axis], pads[2 * axis + 1]) for axis in axes] if pads else 0
            spec = PoolSpec.windowed(kind, sizes, stride=steps, padding=explicit)
    except InvalidSpecError as error:
        return _Request(None, usual, order, str(error))
    return _Request(spec, usual, order)


def _reduction(operator: Any, shape: Ints, path: Sequence[str], layers: dict[str, str]) -> _Request | None:
    """Return what a mean or maximum over all spatial axes asks for; None for others, and for those of gradients."""
    import tensorflow as tf

    if operator.name.startswith(_BACKWARD):
        return None
    axes = tf.get_static_value(operator.inputs[1])
    if axes is None:
        return None
    dims = [int(axis) for axis in axes.reshape(-1)]
    rank = len(shape) - 2
    if rank == 1:
        # Of three axes nothing tells a sequence's from that of tokens, but the layer that was named.
        is_global = any(_GLOBAL_LAYER.search(layers.get(part, part)) for part in path)
        if not is_global or len(dims) != 1 or dims[0] % 3 == 0:
            return None
        spec = PoolSpec.global_(Kind.MAX if operator.type == "Max" else Kind.AVG, 1)
        is_last = dims[0] % 3 == 1
    else:
        request = asked(_REDUCTIONS[operator.type], shape, (None, dims), {})
        if request is None or request.spec is None:
            return None
        spec, is_last = request.spec, request.is_channels_last
    if is_last:
        return _Request(spec, (shape[0], shape[-1], *shape[1:-1]), channels_last_order(rank))
    return _Request(spec, shape, default_order(rank))


def _own_name(part: str, known: Sequence[str]) -> str:
    """Return a part of an operator's name as the model has it: tracing a model again numbers its parts."""
    plain = re.sub(r"_\d+$", "", part)
    return plain if part not in known and plain in known else part


def _shape(tensor: Any) -> Ints | None:
    if tensor.shape.rank is None or None in tensor.shape.as_list():
        return None
    return tuple(tensor.shape.as_list())


_Key = tuple[object, ...]


def _forward_key(operator: Any) -> _Key:
    """Return what an operator and its gradient have in common."""
    match = _POOLING.fullmatch(operator.type)
    return (match and match[1], *_attributes(operator), _shape(operator.inputs[0]))


def _gradient_key(operator: Any) -> _Key | None:
    """Return the key of the operator whose gradient this is; None for other operators."""
    match = _GRADIENT.fullmatch(operator.type)
    return None if match is None else (match[1], *_attributes(operator), _shape(operator.outputs[0]))


def _attributes(operator: Any) -> _Key:
    known = operator.node_def.attr
    return tuple(str(operator.get_attr(key)) for key in ("ksize", "strides", "padding", "data_format") if key in known)


class _Ancestry:
    """Knows which operators compute from what is trained: the trainable variables, or inputs where there is none."""

    def __init__(self, graph: Any) -> None:
        handles = [variable.handle for variable in graph.trainable_variables]
        captured = [inner for outer, inner in graph.captures if any(outer is handle for handle in handles)]
        self._sources = {tensor.op.name for tensor in captured or graph.inputs}
        self._known: dict[str, bool] = {}

    def is_trained(self, operator: Any) -> bool:
        """Whether ``operator`` computes from what is trained."""
        waiting = [operator]
        while waiting:
            current = waiting[-1]
            above = [tensor.op for tensor in current.inputs]
            left = [op for op in above if op.name not in self._known and op.name not in self._sources]
            if left and current.name not in self._known:
                waiting += left
                continue
            self._known[current.name] = any(op.name in self._sources or self._known.get(op.name, False) for op in above)
            waiting.pop()
        return self._known[operator.name]
