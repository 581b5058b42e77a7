"""Pooling calls of PyTorch as they happen, by a function mode beside a dispatch mode.

The function mode sees what a model asks for: ``adaptive_avg_pool2d`` to 1 is a ``mean`` below it. The dispatch mode
sees what reaches the operators without a Python function that names it: scripted modules, second derivatives,
``interpolate(mode="area")``. What the dispatcher does inside of a call that the function mode knows belongs to that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from poolbench.model.workload import Pass
from poolbench.observe.arguments import Asked, asked, input_of
from poolbench.observe.sighting import Seen, Sighting, sighting
from poolbench.observe.torch_layers import Layers
from poolbench.observe.torch_reductions import StepwiseReductions
from poolbench.observe.torch_sequences import SpatialTensors
from poolbench.observe.torch_tensors import address_of, facts_of, is_plain, seen, strides_of

_POOL_BY_REDUCING = ("interpolate",)
"""Functions below which a mean over spatial axes pools: interpolate has the mode "area"."""

_NO_GRAPH = -1
"""The number of the graph that autograd goes through while it goes through none."""


@dataclass(slots=True, eq=False)
class _Open:
    """A call whose gradient may still come."""

    number: int
    seen: Seen
    function: str
    pointer: int


class TorchWatch:
    """Watches this thread between ``start`` and ``stop``; ``sightings`` has what it saw, in order.

    ``went_backward`` tells whether any call got its gradient. ``tell`` is called with a call's number and what is known
    of it, and again when its gradient comes.

    A call that keeps what a gradient needs counts as a training step's where its gradient comes, and as a training
    step's forward part where none does.
    """

    def __init__(self, tell: Callable[[int, Sighting], None] = lambda number, seen: None) -> None:
        self._tell = tell
        self.sightings: Counter[Sighting] = Counter()
        self._first: dict[Sighting, int] = {}
        self._number = 0
        self.went_backward = False
        self._layers = Layers()
        self._spatial = SpatialTensors()
        self._stepwise = StepwiseReductions()
        self._open: dict[_Open, None] = {}
        self._by_operator: list[_Open] = []
        self._handles: list[Any] = []
        self._context = ExitStack()
        self._function = ""
        self._is_inside = False
        self._is_below = False

    @contextmanager
    def watching(self) -> Iterator[TorchWatch]:
        """Watch within the context."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Begin to watch this thread."""
        import torch

        from poolbench.observe.torch_modes import modes

        # What is compiled runs as it is written: the compiler would take the modes' own code into its graph.
        self._context.enter_context(torch.compiler.set_stance("force_eager"))
        self._layers.start()
        self._context.callback(self._layers.stop)
        for mode in modes(self):
            self._context.enter_context(mode)

    def stop(self) -> None:
        """Watch no longer. Calls whose gradient has not come count without it."""
        self._context.close()
        while self._handles:
            self._handles.pop().remove()
        for call in self._open:
            # Formulas of gradients have no operator for a mean, and no node tells of what no function called.
            is_trained = self.went_backward and call.seen.is_reduction and call in self._by_operator
            self._count(call, Pass.TRAINING if is_trained else Pass.TRAINING_FORWARD)
        self._open.clear()
        self._by_operator.clear()
        in_order = sorted(self.sightings.items(), key=lambda item: self._first[item[0]])
        self.sightings = Counter(dict(in_order))
        self._spatial.clear()
        self._stepwise.clear()

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Carry out a call that the function mode intercepted."""
        if self._is_below:  # an operator that the dispatch mode calls, or what is asked of a tensor here
            return function(*args, **kwargs)
        name = getattr(function, "__name__", "")
        given = input_of(args, kwargs)
        request = self._asked(name, given, args, kwargs)
        if request is None:
            before, self._function = self._function, name.partition(".")[0]
            try:
                output = function(*args, **kwargs)
            finally:
                self._function = before
            self._spatial.follow(name, args, output)
            last = self._stepwise.follow(name, given, args, kwargs, output)
            if last is not None:
                self._add(seen(last.asked, last.given, self._layers), output)
            return output
        found = seen(request, facts_of(given), self._layers)
        self._is_inside = True
        try:
            output = function(*args, **kwargs)
        finally:
            self._is_inside = False
        self._spatial.follow(request.function, args, output)
        self._add(found, output)
        return output

    def operate(self, operator: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Carry out an operator that the dispatch mode intercepted."""
        with self._below():
            output = operator(*args, **kwargs)
            if not self._is_inside:
                self._operated(getattr(operator, "__name__", "").partition(".")[0], args, kwargs)
        return output

    @contextmanager
    def _below(self) -> Iterator[None]:
        """Let the function mode pass on what is called within, unseen."""
        before, self._is_below = self._is_below, True
        try:
            yield
        finally:
            self._is_below = before

    def _operated(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Take note of an operator that no function which is known called."""
        import torch

        if name.endswith("_backward"):
            self._differentiated(name.removesuffix("_backward"), args)
            return
        name = name.removesuffix("_with_indices")  # max_pool2d is that operator, whether indices are wanted or not
        given = input_of(args, kwargs)
        request = self._asked(name, given, args, kwargs)
        if request is None or (request.is_reduction and not self._may_be_pooling()):
            return
        call = self._new(seen(request, facts_of(given), self._layers), name, address_of(given))
        if torch.is_grad_enabled() and given.requires_grad:
            self._wait(call)
            self._by_operator.append(call)
        else:
            self._count(call, Pass.FORWARD)

    def _may_be_pooling(self) -> bool:
        """Whether a reduction in the dispatcher is one that a model wrote: formulas of gradients have their own."""
        import torch

        return self._function in _POOL_BY_REDUCING or (
            not self._function and torch._C._current_graph_task_id() == _NO_GRAPH
        )

    def _differentiated(self, name: str, args: Sequence[Any]) -> None:
        """Take note of the gradient of an operator; of one that a function called, autograd's node tells."""
        name = name.removesuffix("_with_indices")
        gradient, given = (*args, None, None)[:2]
        if not is_plain(given) or not is_plain(gradient):
            return
        for call in reversed(self._by_operator):
            if (call.function, call.pointer) == (name, address_of(given)):
                self._by_operator.remove(call)
                self._trained(call, gradient)
                return

    def _asked(self, name: str, given: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Asked | None:
        if not is_plain(given):
            return None
        request = asked(name, tuple(given.shape), args, kwargs)
        if request is not None and request.is_reduction and request.rank == 1 and not self._spatial.has(given):
            return None
        return request

    def _add(self, found: Seen, output: Any) -> None:
        import torch

        result = output[0] if isinstance(output, tuple) else output
        node = result.grad_fn if isinstance(result, torch.Tensor) else None
        call = self._new(found, found.function, 0)
        if node is None:
            self._count(call, Pass.FORWARD)
            return
        place = result.output_nr
        self._wait(call)

        def reached(gradients: tuple[Any, ...]) -> None:
            with self._below():
                if gradients[place] is not None:
                    self._trained(call, gradients[place])

        self._handles.append(node.register_prehook(reached))

    def _trained(self, call: _Open, gradient: Any) -> None:
        """Count a call as a step's, at its first gradient: a graph that is kept may be gone through again."""
        if call not in self._open:
            return
        del self._open[call]
        self.went_backward = True
        self._count(call, Pass.TRAINING, gradient)

    def _wait(self, call: _Open) -> None:
        """Keep a call until its gradient comes."""
        self._open[call] = None
        self._tell(call.number, sighting(call.seen, Pass.TRAINING_FORWARD))

    def _new(self, found: Seen, function: str, pointer: int) -> _Open:
        self._number += 1
        return _Open(self._number, found, function, pointer)

    def _count(self, call: _Open, pass_: Pass, gradient: Any = None) -> None:
        strides = None if gradient is None else strides_of(gradient)
        found = sighting(
            call.seen,
            pass_,
            gradient_shape=None if strides is None else tuple(gradient.shape),
            gradient_strides=strides,
        )
        self.sightings[found] += 1
        self._tell(call.number, found)
        self._first[found] = min(call.number, self._first.get(found, call.number))
