"""The timed calls of oneDNN's subjects: pooling alone, and the training passes with its backward primitive."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poolbench.backends import onednn_library as onednn
from poolbench.backends.base import Call, Prepared, Source
from poolbench.backends.geometry import contiguous, divides_by_inside, divides_by_window, exact_padding, in_order
from poolbench.backends.training import TrainingCall
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import Workload, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Sizes = tuple[int, ...]

_FORWARD_TRAINING, _FORWARD_INFERENCE = 64, 96
_MAX, _AVG_OF_WINDOW, _AVG_OF_INSIDE = 0x1FF, 0x2FF, 0x3FF

Bring = Callable[["Array"], "Array"]
"""Gives the values of an array as another that lies otherwise."""


def average(spec: PoolSpec, workload: Workload) -> int | None:
    """Return which of oneDNN's two averages divides as ``spec`` does; None where neither does."""
    if divides_by_inside(spec, workload.spatial):
        return _AVG_OF_INSIDE
    return _AVG_OF_WINDOW if divides_by_window(spec, workload.spatial) else None


def prepared_forward(workload: Workload, source: Source, form: onednn.Form, *, reuses: bool) -> Prepared:
    """Prepare the pooling of ``source`` on arrays in ``form``."""
    pooling = _Pooling(workload, form, _FORWARD_INFERENCE, reuses=reuses)
    primitive, new_output = pooling.forward, pooling.new(pooling.output_sizes)
    kernels = {"pool": primitive.name}
    if source.layout is LayoutPolicy.BEST:
        held = form.pack(source.array, workload.order)
        primitive.hold(onednn.SOURCE, held)
        if reuses:
            result = new_output()
            primitive.hold(onednn.DESTINATION, result)

            def again() -> Array:
                primitive.execute()
                return result

            return Call(str(form), again, pooling.unpacked, kernels=kernels)

        def pool() -> Array:
            result = new_output()
            primitive.place_new(onednn.DESTINATION, result)
            primitive.execute()
            return result

        return Call(str(form), pool, pooling.unpacked, kernels=kernels)
    array, order, natural = source.array, workload.order, default_order(workload.spec.rank)
    entering, leaving = pooling.entering(array), pooling.leaving(pooling.output_sizes)

    def given() -> Array:
        x, result = entering(array), new_output()
        primitive.place(onednn.SOURCE, x)
        primitive.place_new(onednn.DESTINATION, result)
        primitive.execute()
        return leaving(result)

    return Call(str(form), given, lambda y: contiguous(y, order, natural), kernels=kernels)


def prepared_training(workload: Workload, source: Source, form: onednn.Form, *, reuses: bool) -> Prepared:
    """Prepare a training pass: a forward that keeps a workspace for maxima, and the backward primitive."""
    pooling = _Pooling(workload, form, _FORWARD_TRAINING, reuses=reuses)
    forward, backward = pooling.forward, pooling.backward()
    new_output, new_gradient = pooling.new(pooling.output_sizes), pooling.new(pooling.input_sizes)
    new_workspace = pooling.new_workspace()
    assert source.gradient is not None
    array, gradient, order, natural = source.array, source.gradient, workload.order, default_order(workload.spec.rank)
    entering: Bring = _same
    leaving: Bring = _same
    leaving_gradient: Bring = _same
    if source.layout is LayoutPolicy.BEST:
        array = form.pack(array, order)
        # A blocked gradient is what it was made from once more: a slice of channels cannot be one.
        wanted = natural if form.block else form.order
        gradient = in_order(gradient, order, wanted, workload.gradient_view)
        dense = gradient.flags.c_contiguous
        if form.block and dense:
            gradient = form.pack(gradient, wanted)
        entering_gradient = _same if dense else pooling.entering(gradient, wanted)
    else:
        entering, entering_gradient = pooling.entering(array), pooling.entering(gradient)
        leaving, leaving_gradient = pooling.leaving(pooling.output_sizes), pooling.leaving(pooling.input_sizes)

    def pool() -> tuple[Array, Callable[[], Array]]:
        x, result, kept = entering(array), new_output(), new_workspace()
        forward.place(onednn.SOURCE, x)
        forward.place_new(onednn.DESTINATION, result)
        if kept is not None:
            forward.place_new(onednn.WORKSPACE, kept)
        forward.execute()

        def pullback() -> Array:
            dy, dx = entering_gradient(gradient), new_gradient()
            backward.place(onednn.DESTINATION_GRADIENT, dy)
            backward.place_new(onednn.SOURCE_GRADIENT, dx)
            if kept is not None:
                backward.place_new(onednn.WORKSPACE, kept)
            backward.execute()
            return leaving_gradient(dx)

        return leaving(result), pullback

    def fetch(result: Array) -> Array:
        is_best = source.layout is LayoutPolicy.BEST
        return pooling.unpacked(result) if is_best else contiguous(result, order, natural)

    kernels = {"keep": forward.name} if workload.pass_.runs_forward else {}
    if workload.pass_.runs_backward:
        kernels["gradient"] = backward.name
    return TrainingCall(
        layout=str(form), pass_=workload.pass_, forward=pool, fetch=fetch, fetch_gradient=fetch, kernels=kernels
    )


class _Pooling:
    """The primitives of one workload on arrays in ``form``; they live as long as their objects do."""

    def __init__(self, workload: Workload, form: onednn.Form, propagation: int, *, reuses: bool) -> None:
        self.input_sizes, self.output_sizes = workload.reference_input_shape, workload.reference_output_shape
        self._workload, self._form, self._reuses = workload, form, reuses
        self._engine = onednn.Engine()
        spec = workload.spec.as_windowed(workload.spatial)
        assert spec is not None and spec.window is not None and spec.stride is not None
        padding = exact_padding(spec, workload.spatial)
        self._algorithm = _MAX if spec.kind is Kind.MAX else average(spec, workload)
        self._geometry = [
            onednn.dims(values)
            for values in (spec.stride, spec.window, [step - 1 for step in spec.dilation],
                           [lo for lo, _ in padding], [hi for _, hi in padding])
        ]  # fmt: skip
        self._input = form.describe(self.input_sizes, workload.dtype)
        self._output = form.describe(self.output_sizes, workload.dtype)
        self._description = onednn.made(
            onednn.library().dnnl_pooling_forward_primitive_desc_create, self._engine.handle, propagation,
            self._algorithm, self._input, self._output, *self._geometry, None,
        )  # fmt: skip
        self._workspace = onednn.workspace(self._description) if propagation == _FORWARD_TRAINING else None
        places = {onednn.SOURCE: self._input, onednn.DESTINATION: self._output}
        self.forward = onednn.Primitive(self._engine, self._description, places | self._workspace_place())

    def backward(self) -> onednn.Primitive:
        """Return the primitive that takes the output's gradient, and the workspace of maxima, to the input's."""
        description = onednn.made(
            onednn.library().dnnl_pooling_backward_primitive_desc_create, self._engine.handle, self._algorithm,
            self._input, self._output, *self._geometry, self._description, None,
        )  # fmt: skip
        places = {onednn.SOURCE_GRADIENT: self._input, onednn.DESTINATION_GRADIENT: self._output}
        return onednn.Primitive(self._engine, description, places | self._workspace_place())

    def new(self, sizes: Sizes) -> Callable[[], Array]:
        """Return what gives the array for a result of ``sizes``: a new one each time, or always the same."""
        import numpy as np

        shape, dtype = self._form.shape(sizes), np.dtype(self._workload.dtype.numpy_name)
        return self._given(lambda: np.empty(shape, dtype))

    def new_workspace(self) -> Callable[[], Array | None]:
        """Return what gives the memory in which a forward keeps where its maxima were; None for averages."""
        import numpy as np

        if self._workspace is None:
            return lambda: None
        size = self._workspace[1]
        return self._given(lambda: np.empty(size, np.uint8))

    def entering(self, example: Array, order: str = "") -> Bring:
        """Return what gives an array that lies as ``example`` does, with its axes in ``order``, in the form.

        That is oneDNN's reorder, which knows no negative strides: those are copied away first.
        """
        import numpy as np

        order, dtype = order or self._workload.order, self._workload.dtype
        if order == self._form.order and not self._form.block and example.flags.c_contiguous:
            return _same
        sizes = tuple(example.shape[order.index(axis)] for axis in default_order(len(order) - 2))
        is_reversed = any(step < 0 for step in example.strides)
        lying = example.copy() if is_reversed else example
        steps = [step // lying.itemsize for step in lying.strides]
        described = onednn.describe_view(lying.shape, steps, order, dtype)
        copy, new = self._reorder(described, self._form.describe(sizes, dtype)), self.new(sizes)
        if not is_reversed:
            return lambda array: copy(array, new())
        shape = lying.shape
        straight = self._given(lambda: np.empty(shape, lying.dtype))

        def straightened(array: Array) -> Array:
            held = straight()
            held[...] = array
            return copy(held, new())

        return straightened

    def leaving(self, sizes: Sizes) -> Bring:
        """Return what gives an array of ``sizes`` in the form as a contiguous one in the caller's order."""
        import numpy as np

        order, dtype = self._workload.order, self._workload.dtype
        if order == self._form.order and not self._form.block:
            return _same
        plain = onednn.Form(order)
        copy = self._reorder(self._form.describe(sizes, dtype), plain.describe(sizes, dtype))
        shape, numpy_dtype = plain.shape(sizes), np.dtype(dtype.numpy_name)
        new = self._given(lambda: np.empty(shape, numpy_dtype))
        return lambda array: copy(array, new())

    def unpacked(self, array: Array) -> Array:
        """Return what ``array`` holds in the form, as (batch, channels, *spatial)."""
        return self._form.unpack(array, self.input_sizes[1])

    def _reorder(self, source: ctypes.c_void_p, destination: ctypes.c_void_p) -> Callable[[Array, Array], Array]:
        return onednn.reorder(self._engine, source, destination)

    def _given(self, make: Callable[[], Array]) -> Callable[[], Array]:
        if not self._reuses:
            return make
        made = make()
        return lambda: made

    def _workspace_place(self) -> dict[int, ctypes.c_void_p]:
        return {} if self._workspace is None else {onednn.WORKSPACE: self._workspace[0]}


def _same(array: Array) -> Array:
    return array
