"""The training pass in TensorFlow: ``GradientTape``, eagerly or around and within a ``tf.function``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from poolbench.backends import tensorflow_common as common
from poolbench.backends.base import Prepared, Source
from poolbench.backends.geometry import buffer_of, contiguous, in_order
from poolbench.backends.training import TrainingCall
from poolbench.model.method import LayoutPolicy
from poolbench.model.workload import View, ViewKind, Workload, channels_last_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensor = Any
    Take = Callable[[Tensor], Tensor]


class Recorded:
    """A function under a tape. ``take`` makes the output's gradient of what is passed as such."""

    def __init__(self, pool: common.Pool, take: Take) -> None:
        self._pool = pool
        self._take = take

    def forward(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the output, and what maps a gradient of it to that of ``x``, as often as asked."""
        import tensorflow as tf

        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = self._pool(x)
        return y, lambda buffer: tape.gradient(y, x, self._take(buffer))

    def step(self, x: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output and the gradient of ``x``; the tape is let go of on the way."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            y = self._pool(x)
        return y, tape.gradient(y, x, self._take(buffer))


class RecordedInOne(Recorded):
    """The whole step traced, or compiled, as one function; for the parts a forward whose gradient is another function.

    What takes the view of the gradient is part of the step's function, and an eager operation before a backward alone.
    """

    def __init__(self, pool: common.Pool, take: Take, *, xla: bool) -> None:
        import tensorflow as tf

        super().__init__(tf.function(pool, jit_compile=xla, autograph=False), take)
        self._step = tf.function(Recorded(pool, take).step, jit_compile=xla, autograph=False)

    def step(self, x: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output and the gradient of ``x`` from one call of the traced function."""
        result: tuple[Tensor, Tensor] = self._step(x, buffer)
        return result


def prepared_training(workload: Workload, source: Source, order: str, record: Callable[[Take], Recorded]) -> Prepared:
    """Return the call on tensors whose axes are in ``order``; ``record`` puts the pooling under a tape.

    A tensor has no strides, so a gradient that is a view of something larger is a tensor of that something, and the
    timed call takes the view, by a copy, as TensorFlow's own gradient of a concatenation does. Under GIVEN the timed
    call makes the tensors from the caller's arrays, whatever their strides.
    """
    import tensorflow as tf

    given = source.layout is LayoutPolicy.GIVEN
    assert source.gradient is not None
    if given:
        array, gradient, recorded = source.array, source.gradient, record(_as_it_is)

        def inputs() -> Tensor:
            return tf.convert_to_tensor(array)

        def gradients() -> Tensor:
            return tf.convert_to_tensor(gradient)
    else:
        x = tf.constant(contiguous(source.array, workload.order, order))
        lying = in_order(source.gradient, workload.order, order, workload.gradient_view)
        recorded = record(_taking(workload.gradient_view, order, workload.channels))
        held = tf.constant(buffer_of(lying, order, workload.gradient_view))

        def inputs() -> Tensor:
            return x

        def gradients() -> Tensor:
            return held

    def forward() -> tuple[Tensor, Callable[[], Tensor]]:
        y, pullback = recorded.forward(inputs())
        return y, lambda: pullback(gradients())

    def step() -> tuple[Tensor, Tensor]:
        return recorded.step(inputs(), gradients())

    def fetch(tensor: Tensor) -> NDArray[Any]:
        return common.to_array(tensor, order)

    return TrainingCall(
        layout=channels_last_order(workload.spec.rank),
        pass_=workload.pass_,
        forward=forward,
        step=step,
        fetch=fetch,
        fetch_gradient=fetch,
    )


def _taking(view: View, order: str, channels: int) -> Take:
    """Return the operation that takes ``view`` from the tensor of its buffer, whose axes are in ``order``."""
    import tensorflow as tf

    match view.kind:
        case ViewKind.CONTIGUOUS:
            return _as_it_is
        case ViewKind.TRANSPOSED:
            axes = [*range(len(order) - 2), len(order) - 1, len(order) - 2]
            return lambda buffer: tf.transpose(buffer, axes)
        case ViewKind.REVERSED:
            return lambda buffer: tf.reverse(buffer, [-1])
        case ViewKind.CHANNEL_SLICE:
            picked = (*[slice(None)] * order.index("c"), slice(channels))
            return lambda buffer: buffer[picked]


def _as_it_is(buffer: Tensor) -> Tensor:
    return buffer
