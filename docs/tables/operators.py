"""Print what the operators of frameworks cost, as Markdown: ``python docs/tables/operators.py [--seconds N]``.

Maximum pooling of a 4 × 4 plane, which is all overhead, and of ``resnet50_stem``: by ``poolbench.strided`` on NumPy
arrays, by the operators for PyTorch, JAX and TensorFlow, and by each framework's own pooling and copy. A step is a
forward call and the input's gradient. All take turns in one process on one thread, in batches of some milliseconds,
forth and back. A cell is the median of the batches in µs, with half its 95 % interval.

``accelerate()`` is called, which compiles once. What is not installed is left out.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}
os.environ |= ENVIRONMENT  # before a framework is imported

import numpy as np  # noqa: E402

from poolbench.measure.machine import fingerprint  # noqa: E402
from poolbench.quantities import significant  # noqa: E402

Call = Callable[[], Any]
WINDOW, STRIDE, PADDING = 3, 2, 1
SHAPES = {"4 × 4": (1, 1, 4, 4), "`resnet50_stem`": (1, 64, 112, 112)}
BATCH_S = 0.003
LEAST_BATCHES = 9


@dataclass
class Row:
    """A way to pool: its calls by shape and pass, and the nanoseconds that they took."""

    name: str
    calls: dict[tuple[str, str], Call]
    enter: Call = lambda: None
    times: dict[tuple[str, str], list[float]] = field(default_factory=dict)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Print what the operators of frameworks cost, as Markdown.")
    parser.add_argument("--seconds", type=float, default=40, help="how long is measured, beside preparing (40)")
    seconds = parser.parse_args().seconds
    rows = [*library(), *pytorch(), *jax_(), *tensorflow_()]
    measure(rows, seconds)
    cells = [(shape, pass_) for shape in SHAPES for pass_ in ("forward", "step")]
    print("| `max_pool2d` | " + " | ".join(f"{shape}, {pass_}" for shape, pass_ in cells) + " |")
    print("|---|" + "---:|" * len(cells))
    for row in rows:
        print(f"| {row.name} | " + " | ".join(cell(row.times.get(each)) for each in cells) + " |")
    batches = min(len(each) for row in rows for each in row.times.values())
    print(f"\nMachine {fingerprint().key}, one thread, float32, channels first; µs, medians of {batches} batches.")


def library() -> Iterator[Row]:
    """Yield the library itself."""
    from poolbench import strided
    from poolbench.strided import training

    def calls(x: Any, g: Any) -> tuple[Call, Call]:
        def step() -> Any:
            y, pullback = training.max_pool2d(x, WINDOW, STRIDE, PADDING, threads=1)
            return y, pullback(g, threads=1)

        return lambda: strided.max_pool2d(x, WINDOW, STRIDE, PADDING, threads=1), step

    yield Row("`poolbench.strided`, NumPy", by_shape(calls))


def pytorch() -> Iterator[Row]:
    """Yield PyTorch's ways."""
    if find_spec("torch") is None:
        return
    import torch
    from torch.nn import functional

    from poolbench.strided import torch as pooling

    torch.set_num_threads(1)
    try:
        pooling.accelerate()
    except RuntimeError as error:
        print(f"{error}\n")
    fast = pooling._fast

    def calls_of(pool: Callable[[Any], Any]) -> dict[tuple[str, str], Call]:
        def calls(x: Any, g: Any) -> tuple[Call, Call]:
            tensor, leaf, grad = torch.tensor(x), torch.tensor(x, requires_grad=True), torch.tensor(g)
            if pool is torch.clone:
                grad = torch.ones_like(tensor)
            return lambda: pool(tensor), lambda: torch.autograd.grad(pool(leaf), leaf, grad)

        return by_shape(calls)

    def ours(x: Any) -> Any:
        return pooling.max_pool2d(x, WINDOW, STRIDE, PADDING)

    def theirs(x: Any) -> Any:
        return functional.max_pool2d(x, WINDOW, STRIDE, PADDING)

    def compiled(pool: Callable[[Any], Any]) -> Callable[[Any], Any]:
        made: Callable[[Any], Any] = torch.compile(pool, dynamic=False, fullgraph=True)
        return made

    def without() -> None:
        pooling._fast = None

    def accelerated() -> None:
        pooling._fast = fast

    yield Row("`poolbench.strided.torch`", calls_of(ours), without)
    if fast is not None:
        yield Row("… after `accelerate()`", calls_of(ours), accelerated)
    yield Row("… under `torch.compile`", calls_of(compiled(ours)), without)
    yield Row("`F.max_pool2d`", calls_of(theirs))
    yield Row("… under `torch.compile`", calls_of(compiled(theirs)))
    yield Row("`torch.clone`", calls_of(torch.clone))


def jax_() -> Iterator[Row]:
    """Yield JAX's ways."""
    if find_spec("jax") is None:
        return
    import jax
    import jax.numpy as jnp

    from poolbench.strided import jax as pooling

    ready = jax.block_until_ready

    def calls_of(pool: Callable[[Any], Any], jitted: bool = True) -> dict[tuple[str, str], Call]:
        def both(x: Any, g: Any) -> Any:
            y, pullback = jax.vjp(pool, x)
            return y, pullback(g)

        forward, step = (jax.jit(pool), jax.jit(both)) if jitted else (pool, both)

        def calls(x: Any, g: Any) -> tuple[Call, Call]:
            array, grad = jnp.asarray(x), jnp.asarray(x if pool is jnp.copy else g)
            return lambda: ready(forward(array)), lambda: ready(step(array, grad))

        return by_shape(calls)

    def ours(x: Any) -> Any:
        return pooling.max_pool2d(x, WINDOW, STRIDE, PADDING)

    def theirs(x: Any) -> Any:
        windows, sides = ((1, 1, each, each) for each in (WINDOW, STRIDE)), ((0, 0), (0, 0), *[(PADDING, PADDING)] * 2)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *windows, sides)

    yield Row("`poolbench.strided.jax`", calls_of(ours, jitted=False))
    yield Row("… under `jax.jit`", calls_of(ours))
    yield Row("`lax.reduce_window` under `jax.jit`", calls_of(theirs))
    yield Row("`jnp.copy` under `jax.jit`", calls_of(jnp.copy))


def tensorflow_() -> Iterator[Row]:
    """Yield TensorFlow's ways; its own pooling has the channels last."""
    if find_spec("tensorflow") is None:
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from poolbench.strided import tensorflow as pooling

    def calls_of(pool: Callable[[Any], Any], graph: bool, last: bool = False) -> dict[tuple[str, str], Call]:
        def both(x: Any, g: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = pool(x)
            return y, tape.gradient(y, x, output_gradients=g)

        forward, step = (tf.function(pool), tf.function(both)) if graph else (pool, both)

        def calls(x: Any, g: Any) -> tuple[Call, Call]:
            x, g = (np.moveaxis(each, 1, -1).copy() if last else each for each in (x, g))
            tensor, grad = tf.constant(x), tf.constant(x if pool is copy else g)
            return lambda: forward(tensor), lambda: step(tensor, grad)

        return by_shape(calls)

    def ours(x: Any) -> Any:
        return pooling.max_pool2d(x, WINDOW, STRIDE, PADDING)

    def theirs(x: Any) -> Any:
        return tf.nn.max_pool2d(x, WINDOW, STRIDE, [[0, 0], [PADDING, PADDING], [PADDING, PADDING], [0, 0]])

    def copy(x: Any) -> Any:
        return tf.raw_ops.DeepCopy(x=x)

    yield Row("`poolbench.strided.tensorflow`", calls_of(ours, graph=False))
    yield Row("… in `tf.function`", calls_of(ours, graph=True))
    yield Row("`tf.nn.max_pool2d`, channels last", calls_of(theirs, graph=False, last=True))
    yield Row("… in `tf.function`", calls_of(theirs, graph=True, last=True))
    forward_alone = {key: call for key, call in calls_of(copy, graph=False).items() if key[1] == "forward"}
    yield Row("`tf.raw_ops.DeepCopy`", forward_alone)


def by_shape(calls: Callable[[Any, Any], tuple[Call, Call]]) -> dict[tuple[str, str], Call]:
    """Return the forward call and the step of ``calls`` for each shape."""
    made: dict[tuple[str, str], Call] = {}
    random = np.random.default_rng(1)
    for name, (*outer, height, width) in SHAPES.items():
        x = random.standard_normal((*outer, height, width)).astype(np.float32)
        g = random.standard_normal((*outer, height // STRIDE, width // STRIDE)).astype(np.float32)
        made[name, "forward"], made[name, "step"] = calls(x, g)
    return made


def measure(rows: list[Row], seconds: float) -> None:
    """Let all calls take turns, forth and back, for so many seconds and at least a few batches each."""
    turns = []
    for row in rows:
        row.enter()
        for key, call in row.calls.items():
            for _ in range(3):
                call()  # traces, compiles, and has its memory
            once = min(batch(call, 1) for _ in range(5))
            turns.append((row, key, max(1, round(BATCH_S * 1e9 / once))))
    end, rounds = time.monotonic() + seconds, 0
    while rounds < LEAST_BATCHES or time.monotonic() < end:
        for row, key, count in turns if rounds % 2 == 0 else reversed(turns):
            row.enter()
            row.calls[key]()  # what the last one has left in the caches is not its fault
            row.times.setdefault(key, []).append(batch(row.calls[key], count))
        rounds += 1


def batch(call: Call, count: int) -> float:
    """Return the nanoseconds that one of so many calls took."""
    start = time.perf_counter_ns()
    for _ in range(count):
        call()
    return (time.perf_counter_ns() - start) / count


def cell(times: list[float] | None) -> str:
    """Return the median and half its 95 % interval, by ranks, in µs."""
    if not times:
        return "–"
    ordered, n = sorted(times), len(times)
    rank = max(int((n - 1.96 * n**0.5) / 2), 0)
    half = (ordered[n - 1 - rank] - ordered[rank]) / 2
    return f"{significant(float(np.median(ordered)) / 1e3)} ±{significant(half / 1e3, 1)}"


if __name__ == "__main__":
    main()
