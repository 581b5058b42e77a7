"""The pooling calls of an ONNX file, read from its graph without running it.

What operators and attributes mean: the operator schemas of ONNX (MaxPool-22, AveragePool-22, ReduceMean-18).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poolbench.errors import InvalidSpecError, MissingFrameworkError, UsageError, unknown_name_message
from poolbench.model.pooling import Ints, Kind, PoolSpec
from poolbench.model.workload import DType, Pass, default_order
from poolbench.observe.arguments import INDICES, REFUSED, SPATIAL_RANKS, asked
from poolbench.observe.inputs import InputSpec
from poolbench.observe.sighting import Report, Seen, sighting
from poolbench.observe.target import first_line
from poolbench.quantities import listed

_KINDS = {
    "MaxPool": Kind.MAX, "AveragePool": Kind.AVG, "GlobalMaxPool": Kind.MAX, "GlobalAveragePool": Kind.AVG,
}  # fmt: skip
_REDUCTIONS = {"ReduceMean": "mean", "ReduceMax": "amax"}
_REFUSALS = {
    "LpPool": REFUSED["lp_pool"],
    "GlobalLpPool": REFUSED["lp_pool"],
    "MaxUnpool": REFUSED["max_unpool"],
    "MaxRoiPool": "It pools regions that another input names, which no id says and no subject does.",
    "QLinearAveragePool": "It averages quantized numbers, which no id says and no subject does.",
    "QLinearGlobalAveragePool": "It averages quantized numbers, which no id says and no subject does.",
}
_KEEPS_AXES = (
    "Relu", "LeakyRelu", "Elu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Clip", "Gelu", "Erf",
    "Softplus", "PRelu", "BatchNormalization", "InstanceNormalization", "Add", "Sub", "Mul", "Div", "Dropout",
    "Identity", "Cast",
)  # fmt: skip
"""Operators whose output has the axes of their first input."""

_MAKES_AXES = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")
"""Operators whose output has channels before spatial axes."""


def read_onnx(place: str, inputs: Sequence[InputSpec], pass_: Pass) -> Report:
    """Return the pooling operators of the file at ``place``.

    ``inputs`` give shapes to inputs, by name or in their order, and sizes to free dimensions by name. Raises UsageError
    for a file that is none, for inputs that do not fit, and for a training pass; MissingFrameworkError without onnx.
    """
    if pass_ is not Pass.FORWARD:
        raise UsageError(f"{place} is a graph for inference, which has no {pass_} pass: leave --pass out.")
    try:
        import onnx
    except ImportError as error:
        raise MissingFrameworkError(
            "Reading a model's file needs the package onnx, which is not installed here: "
            "pip install 'poolbench[onnxruntime]'."
        ) from error
    model = _inferred(_loaded(place), place, inputs)
    report = Report(framework="onnx", version=str(onnx.__version__))
    graph = _Graph.of(model.graph)
    for node, within in graph.nodes():
        if node.op_type in ("Loop", "Scan"):
            report.notes.append(f"What {node.op_type} '{node.name}' repeats is counted once.")
        elif node.op_type == "If":
            report.notes.append(f"Both branches of If '{node.name}' are counted.")
        seen = within.seen(node, Path(place).stem)
        if seen is not None:
            report.sightings[sighting(seen, Pass.FORWARD)] += 1
    return report


def _loaded(place: str) -> Any:
    import onnx

    if not Path(place).is_file():
        raise UsageError(f"There is no file '{place}': name the .onnx file of a model.")
    try:
        model = onnx.load(place, load_external_data=False)
    except Exception as error:  # protobuf's errors have no common class
        raise UsageError(f"'{place}' is no ONNX model that can be read: {first_line(error)}.") from error
    if not model.graph.node:
        raise UsageError(f"'{place}' is no ONNX model that can be read: its graph has no operators.")
    if not model.functions:
        return model
    from onnx.inliner import inline_local_functions

    return inline_local_functions(model)


def _inferred(model: Any, place: str, inputs: Sequence[InputSpec]) -> Any:
    """Return the model with the shapes of its inputs as given, and those of all else inferred."""
    import onnx

    initial = {tensor.name for tensor in model.graph.initializer}
    known = {value.name: value for value in model.graph.input if value.name not in initial}
    free = {dim.dim_param for value in known.values() for dim in _dims(value) if dim.dim_param}
    unnamed = iter([name for name in known if name not in {spec.name for spec in inputs}])
    sizes: dict[str, int] = {}
    for spec in inputs:
        if spec.name in free and len(spec.shape) == 1:
            sizes[spec.name] = spec.shape[0]
            continue
        name = spec.name or next(unnamed, "")
        if name not in known:
            wrong = unknown_name_message("input or free dimension", spec.name or str(spec), [*known, *sorted(free)])
            raise UsageError(f"--input '{spec}' does not fit {place}: {wrong}")
        dims = _dims(known[name])
        fixed = [dim.dim_value for dim in dims]
        if len(dims) != len(spec.shape) or any(a not in (0, b) for a, b in zip(fixed, spec.shape, strict=True)):
            shape = "x".join(dim.dim_param or str(dim.dim_value or "?") for dim in dims)
            raise UsageError(f"--input '{spec}' does not fit {place}, whose input '{name}' is {shape}.")
        for dim, size in zip(dims, spec.shape, strict=True):
            if dim.dim_param:
                sizes[dim.dim_param] = size
            dim.dim_value = size
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in _dims(value):
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # the library's own class is not public in all releases
        raise UsageError(f"The shapes in '{place}' cannot be inferred: {first_line(error)}.") from error


def _dims(value: Any) -> Any:
    return value.type.tensor_type.shape.dim


@dataclass(slots=True)
class _Graph:
    """A graph, with what it needs to understand its nodes."""

    graph: Any
    values: Mapping[str, Any]
    constants: Mapping[str, Any]
    makers: Mapping[str, Any]
    inner: list[_Graph] = field(default_factory=list)

    @classmethod
    def of(cls, graph: Any, outer: _Graph | None = None) -> _Graph:
        """Return a graph with those inside of its nodes; ``outer`` is the one around it, whose values it sees."""
        constants = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        constants[node.output[0]] = attribute.t
        made = cls(
            graph=graph,
            values={
                **(outer.values if outer else {}),
                **{value.name: value for value in (*graph.input, *graph.value_info, *graph.output)},
            },
            constants={**(outer.constants if outer else {}), **constants},
            makers={**(outer.makers if outer else {}), **{name: node for node in graph.node for name in node.output}},
        )
        for node in graph.node:
            made.inner += [cls.of(attribute.g, made) for attribute in node.attribute if attribute.HasField("g")]
        return made

    def nodes(self) -> Iterator[tuple[Any, _Graph]]:
        """Yield every node with the graph that it stands in."""
        for node in self.graph.node:
            yield node, self
        for graph in self.inner:
            yield from graph.nodes()

    def seen(self, node: Any, model: str) -> Seen | None:
        """Return the pooling that ``node`` does, None where it does none."""
        is_reduction = node.op_type in _REDUCTIONS
        if not (is_reduction or node.op_type in _KINDS or node.op_type in _REFUSALS):
            return None
        value = self.values.get(node.input[0])
        shape = None if value is None else self._shape(value)
        spec, refusal, order = None, _REFUSALS.get(node.op_type, ""), ""
        if is_reduction and shape is None:
            return None  # nothing tells whether it pools
        if shape is None:
            free = sorted({d.dim_param for v in self.graph.input for d in _dims(v) if d.dim_param})
            which = f" The model leaves {listed(free)} free: --input NAME=SIZE says how long one is." if free else ""
            refusal = refusal or f"Its input's shape is not told by the file.{which}"
        elif is_reduction:
            request = asked(_REDUCTIONS[node.op_type], shape, (None, self._axes(node)), {})
            if request is None or (request.rank == 1 and not self._has_spatial_axes(node.input[0])):
                return None
            spec = request.spec
            if request.is_channels_last:
                shape, order = (shape[0], shape[-1], *shape[1:-1]), "n" + default_order(request.rank)[2:] + "c"
        elif not refusal:
            try:
                spec = _spec(node, shape)
                refusal = self._mismatch(node, spec, shape)
            except InvalidSpecError as error:
                refusal = str(error)
        name = "" if value is None else _type_name(value)
        return Seen(
            function=node.op_type,
            spec=spec,
            refusal=refusal,
            shape=shape or (),
            order=order or (default_order(len(shape) - 2) if shape and len(shape) - 2 in SPATIAL_RANKS else ""),
            dtype=next((dtype for dtype in DType if dtype.numpy_name == name), None),
            dtype_name=name or "unknown",
            layer=node.name.strip("/").rpartition("/")[0].replace("/", ".") or node.name.strip("/"),
            model=model,
            is_reduction=is_reduction,
        )

    def _mismatch(self, node: Any, spec: PoolSpec, shape: Ints) -> str:
        """Say where an output has another size than this spec's, as ceil mode had before opset 22; "" where not."""
        if node.op_type == "MaxPool" and len(node.output) > 1 and node.output[1]:
            return INDICES
        made = self.values.get(node.output[0])
        found = None if made is None else self._shape(made)
        wanted = spec.output_spatial(shape[2:])
        if found is None or found[2:] == wanted:
            return ""
        return f"Its output has {found[2:]} places by ONNX's rule for ceil_mode and {wanted} by the rule of the ids."

    def _shape(self, value: Any) -> Ints | None:
        sizes = tuple(dim.dim_value for dim in _dims(value))
        return sizes if sizes and all(sizes) else None

    def _axes(self, node: Any) -> list[int] | None:
        import onnx

        for attribute in node.attribute:
            if attribute.name == "axes":
                return list(attribute.ints)
        if len(node.input) > 1 and node.input[1] in self.constants:
            return [int(axis) for axis in onnx.numpy_helper.to_array(self.constants[node.input[1]]).reshape(-1)]
        return None

    def _has_spatial_axes(self, name: str) -> bool:
        """Whether three axes are (batch, channels, length): they come from a convolution or pooling."""
        node = self.makers.get(name)
        while node is not None and node.op_type in _KEEPS_AXES:
            node = self.makers.get(node.input[0])
        return node is not None and node.op_type in _MAKES_AXES


def _type_name(value: Any) -> str:
    import onnx

    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name)
    except (KeyError, TypeError, ValueError):
        return ""


def _spec(node: Any, shape: Ints) -> PoolSpec:
    kind, rank = _KINDS[node.op_type], len(shape) - 2
    if node.op_type.startswith("Global"):
        return PoolSpec.global_(kind, rank)
    given = {a.name: list(a.ints) or (a.s.decode() if a.s else a.i) for a in node.attribute}
    window = given["kernel_shape"]
    stride = given.get("strides") or [1] * rank
    dilation = given.get("dilations") or [1] * rank
    match given.get("auto_pad", "NOTSET"):
        case "SAME_UPPER" | "SAME_LOWER" as rule:
            padding = PoolSpec.same(kind, window, stride, shape[2:], dilation).padding
            pads = [(hi, lo) if rule == "SAME_LOWER" else (lo, hi) for lo, hi in padding]
        case "VALID":
            pads = [(0, 0)] * rank
        case _:
            flat = given.get("pads") or [0] * 2 * rank
            pads = list(zip(flat[:rank], flat[rank:], strict=True))
    return PoolSpec.windowed(
        kind,
        window,
        stride=stride,
        padding=pads,
        dilation=dilation,
        ceil_mode=bool(given.get("ceil_mode", 0)),
        include_padding=kind is Kind.MAX or bool(given.get("count_include_pad", 0)) or not any(map(any, pads)),
    )
