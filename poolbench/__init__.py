"""poolbench measures pooling operators, finds out which implementation is fastest, and says how sure that is.

Importing it loads no framework, no NumPy and no pandas: the functions below load what they need when called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from poolbench.api.bisecting import Bisection
    from poolbench.model.advice import Advice
    from poolbench.model.gate import GateResult
    from poolbench.model.pooling import PoolSpec
    from poolbench.model.workload import Workload
    from poolbench.observe.context import Calls
    from poolbench.observe.monitor.monitor import Monitor
    from poolbench.observe.monitor.types import Event, Exporter, LayerCall
    from poolbench.observe.replacement import Replacement

__all__ = [
    "__version__",
    "advise",
    "apply",
    "bisect",
    "capture",
    "compare",
    "gate",
    "load_results",
    "monitor",
    "query",
    "replace_pooling",
]

__version__ = "0.1.0"


def advise(
    target: str,
    inputs: Sequence[str],
    *,
    pass_: str = "forward",
    allow_dtypes: Sequence[str] = (),
    compile: bool = False,
    attempt: str = "",
    threads: int = 1,
    budget_s: float = 60.0,
    timeout_s: float | None = None,
) -> Advice:
    """Tell whether pooling is the bottleneck of a PyTorch model, which layers, what to change, and what that brings.

    The arguments are those of ``poolbench advise``: ``target`` is "MODULE:CALLABLE" or "FILE.py:CALLABLE", ``inputs``
    are texts such as "8x3x224x224". The model runs in processes of its own.

        advice = poolbench.advise("models.py:resnet", ["8x3x224x224"])
        for layer in advice.layers:
            print(layer.name, layer.share.value, layer.change, layer.saving)

    Savings are shares of the step's time with 95 % intervals. ``advice.trials`` hold what a change of the whole model
    was predicted to save, and what it saved. What could not be done is in ``notes`` and ``problem``.

    Raises UsageError for what cannot be carried out as written, CaptureError where the model fails before any call was
    seen, and RunLockedError where another run measures on this machine.
    """
    from poolbench.api.advise import advise

    return advise(
        target,
        inputs,
        pass_=pass_,
        allow_dtypes=allow_dtypes,
        compile=compile,
        attempt=attempt,
        threads=threads,
        budget_s=budget_s,
        timeout_s=timeout_s,
    )


def apply(spec: PoolSpec | Workload | str, x: Any, backend: str = "numpy") -> NDArray[Any]:
    """Pool ``x`` with one backend and return the result as a new NumPy array in C order.

    ``spec`` is a PoolSpec, a Workload or a workload id. ``x`` has its axes in the workload's order; for a bare
    PoolSpec that is (batch, channels, *spatial). The result has batch and channels outermost and the dtype of ``x``.

        >>> import numpy as np
        >>> ramp = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
        >>> poolbench.apply("max2d-n1c1-h4w4-k2", ramp)[0, 0].tolist()
        [[6.0, 8.0], [14.0, 16.0]]

    ``x`` may be anything that ``poolbench.strided`` reads (NumPy arrays with any strides, tensors on the CPU, buffers),
    an array in the other byte order, or nested lists. ``numpy.asarray`` converts lists: Python's floats become float64.

    The backend runs in this process and leaves it as it was: thread counts, environment variables and the settings of
    frameworks. JAX computes in 64 bits here, and keeps its own setting afterwards. A framework that was not imported
    is imported afterwards. Values are the framework's own under its own variables, such as ``TF_ENABLE_ONEDNN_OPTS``,
    which changes how TensorFlow treats NaN.

    Raises InvalidSpecError where ``x`` cannot be read, or differs from the workload in shape or dtype. Raises
    UnknownNameError for a backend that is not registered, and MissingFrameworkError where its framework is not
    installed. Raises UsageError where the backend cannot compute the spec, or not in this process.
    """
    from poolbench.api.apply import apply

    return apply(spec, x, backend)


def bisect(
    subject: str,
    good: str,
    bad: str = "HEAD",
    workloads: Sequence[str] = ("core",),
    *,
    confidence: float = 0.95,
    budget_s: float | None = None,
    probe_s: float | None = None,
    threads: int = 1,
    passes: Sequence[str] = (),
    gradients: Sequence[str] = (),
    results: str | Path = "results",
) -> Bisection:
    """Find the commit or release between ``good`` and ``bad`` that made ``subject`` slower or faster.

    The arguments are those of ``poolbench bisect``. ``good`` and ``bad`` are two releases, or two revisions of the git
    repository that the current folder is in. It ends when one commit has the probability ``confidence``, or
    ``budget_s`` seconds are used; each probe takes ``probe_s``.

        answer = poolbench.bisect("numpy", "2.0.2", "2.4.6", ["smoke"])
        print(answer.found.answer, answer.labels, answer.found.chance)

    ``labels`` hold one commit, a range or nothing; ``found`` says how sure that is. Nothing is printed. Probes are
    stored under ``results``: the same call goes on after an interruption, and ``poolbench history`` finds them.

    Raises UsageError for ends that do not exist or do not lead to each other, MeasurementError where an end cannot be
    built or measured, and the other errors of ``poolbench.errors``.
    """
    from poolbench.api.bisecting import bisect

    return bisect(
        subject,
        good,
        bad,
        workloads,
        confidence=confidence,
        budget_s=budget_s,
        probe_s=probe_s,
        threads=threads,
        passes=passes,
        gradients=gradients,
        results=results,
    )


def capture(name: str = "code") -> Calls:
    """Return a context that writes down the pooling calls of the PyTorch code inside of it.

    After it, the calls are a sequence of ``poolbench.model.capture.CapturedCall``: equal calls are one entry with a
    ``count``. Calls whose gradient came count as training steps. ``write`` makes a file for every verb's ``-w``.

        with poolbench.capture() as calls:
            model(images).sum().backward()
        print([(call.workload.id, call.count) for call in calls if call.is_supported])
        calls.write("mine.txt")                       # poolbench compare -w mine.txt

    The code runs as it is, in this thread; what it does in other threads or processes is not seen. What was compiled
    by ``torch.compile`` runs without the compiler. ``name`` is what the file calls the code.

    Raises MissingFrameworkError where PyTorch is not installed.
    """
    from poolbench.api.capture import capture

    return capture(name)


def compare(
    subjects: Sequence[str] | None = None,
    workloads: Sequence[str] = ("core",),
    *,
    budget_s: float | None = None,
    threads: int = 1,
    cache: str = "hot",
    layout: str = "best",
    batch: str | None = None,
    passes: Sequence[str] = (),
    gradients: Sequence[str] = (),
    memory: bool = True,
    results: str | Path = "results",
) -> pd.DataFrame:
    """Measure ``subjects`` on ``workloads``, interleaved, and return one line per workload and subject.

    The arguments are those of ``poolbench compare``. The columns carry their units. ``median_ns``, ``times_limit`` and
    ``ratio_to_fastest`` each have a 95 % interval in ``…_low`` and ``…_high``. ``gigabytes_per_s``, ``status`` and
    ``note`` stand beside them. ``requested_bytes`` and ``touched_bytes`` are the memory that a call takes, beside
    ``output_bytes`` and ``least_bytes``. The rows are stored under ``results`` as they are measured.

        frame = poolbench.compare(["numpy", "torch"], ["smoke"], budget_s=30)
        print(frame.pivot(index="name", columns="subject", values="ratio_to_fastest"))

    ``subjects`` are by default those of the command. An empty sequence of subjects or workloads is a mistake.
    ``passes`` may hold forward, training, training-forward and training-backward, ``gradients`` contiguous and sliced.

    Raises the errors of ``poolbench.errors``; an interruption keeps every finished row.
    """
    from poolbench.api.functions import compare

    return compare(
        subjects,
        workloads,
        budget_s=budget_s,
        threads=threads,
        cache=cache,
        layout=layout,
        batch=batch,
        passes=passes,
        gradients=gradients,
        memory=memory,
        results=results,
    )


def gate(
    base: str,
    head: str = ".",
    workloads: Sequence[str] = ("core",),
    *,
    tolerance: float = 0.03,
    confidence: float = 0.99,
    budget_s: float | None = None,
    threads: int = 1,
    passes: Sequence[str] = (),
    gradients: Sequence[str] = (),
    memory: bool = True,
    results: str | Path = "results",
) -> GateResult:
    """Measure ``head`` against ``base`` in the same blocks, and return a verdict for each workload.

    The arguments are those of ``poolbench gate``: ``rev:X`` is the kernel at a revision of this repository, ``.`` the
    kernel of the working tree, and anything else a subject. ``tolerance`` is the change from which a slowdown is a
    regression. ``confidence`` is one less the chance of even one false "slower" or "faster" in the whole set.

        result = poolbench.gate("numpy@2.2.6", "numpy", ["smoke"], budget_s=60)
        print([verdict.workload for verdict in result.verdicts if verdict.is_regression])

    ``result.verdicts`` hold, by workload, an outcome, its reason, the ratio head / base of times with its 95 % interval
    and the bytes that a call requests. ``result.disturbance`` says what disturbed the machine. Nothing is printed. The
    rows are stored under ``results`` with policy and roles. ``poolbench gate --resume RUN`` goes on after an
    interruption, and ``poolbench gate --again RUN`` judges them anew.

    Raises the errors of ``poolbench.errors``; an interruption keeps every finished row.
    """
    from poolbench.api.gate import gate

    return gate(
        base,
        head,
        workloads,
        tolerance=tolerance,
        confidence=confidence,
        budget_s=budget_s,
        threads=threads,
        passes=passes,
        gradients=gradients,
        memory=memory,
        results=results,
    )


def load_results(path: str | Path) -> pd.DataFrame:
    """Return stored results as a tidy frame: one line per sample, one with NaN for each row without samples.

    ``path`` is a result file, a folder whose result files are all read, or a folder of asv's results, such as
    ``results/asv``, in which launches and what disturbed a sample are not told.

        frame = poolbench.load_results("results")
        frame.groupby(["name", "subject"])["call_ns"].median()

    Raises StoreError where nothing can be read; lines that cannot be read are warned about and left out.
    """
    from poolbench.api.functions import load_results

    return load_results(path)


def query(sql: str, results: str | Path = "results") -> pd.DataFrame:
    """Return the answer to one SELECT on all the runs of the folder ``results``.

    The views are runs, samples, cells, verdicts, history, memory and machines; ``docs/query.md`` has their columns.
    They are derived from the stored samples, in a database among the user's caches, of which each call first renews
    what has changed. Times are nanoseconds, sizes bytes, moments UTC.

        poolbench.query("SELECT subject, count(*) AS wins FROM cells WHERE is_fastest GROUP BY subject")

    What cannot be read, and what is made anew, is warned about. Raises UsageError for SQL that writes, reaches outside
    of the views or cannot be answered, StoreError where there are no results or the database cannot be written, and
    MissingExtraError where DuckDB is not installed.
    """
    from poolbench.api.query import query

    return query(sql, results)


def replace_pooling(model: Any, inputs: Any, *, tolerance: float | None = None) -> Replacement:
    """Put the operators of ``poolbench.strided.torch`` in the place of a model's pooling, where they do the same.

    ``inputs`` are what the model is called with: a tensor, a sequence of arguments, or a mapping of named ones. The
    model runs on them once, and at each of its pooling calls outputs and gradients are compared. Maxima have to be
    equal, averages and gradients within ``tolerance`` times the largest element (by default 1e-5 for float32, 1e-12 for
    float64, 2e-3 for float16, 1.6e-2 for bfloat16), and outputs have to lie in memory as PyTorch's do. Where they do
    not, or nothing could be compared, the layer is left alone.

        with poolbench.replace_pooling(model, images) as replacement:
            print(replacement)                        # what was replaced, and what was left alone and why
            loss(model(images), labels).backward()

    Without ``with`` it lasts until ``replacement.undo()``. Modules stay the same objects, with their hooks, and the
    state dict keeps its keys and values. Tensors that the operators do not take go to PyTorch as before. Functions that
    a layer calls itself go through a function mode there, which costs microseconds for each function of that layer.

    Raises UsageError for what is no ``torch.nn.Module``, and where the model fails on ``inputs``.
    """
    from poolbench.observe.replace import replace_pooling

    return replace_pooling(model, inputs, tolerance=tolerance)


def monitor(
    model: Any = None,
    *,
    name: str = "",
    fraction: float = 0.005,
    prometheus: int | str | None = None,
    opentelemetry: bool = False,
    json_lines: str | Path | None = None,
    callback: Callable[[LayerCall | Event], object] | None = None,
    exporters: Sequence[Exporter] = (),
    limit: str | Path | None = "measured",
    drift: bool = True,
    seed: int | None = None,
) -> Monitor:
    """Watch a model for as long as this process lives, and return what stops it; a context manager as well.

    A ``fraction`` of the steps is sampled, at irregular distances. In those, each pooling call is timed and told: its
    layer, workload, time, bytes, bandwidth, the time as a multiple of this machine's streaming limit, threads, and how
    long the calling thread waited for a core.

        with poolbench.monitor(model, prometheus=9475, json_lines="pooling.jsonl"):
            train(model)                       # http://127.0.0.1:9475/metrics

    ``model`` is a module of PyTorch, a layer or model of Keras, or a function, which is then called by the monitor:
    ``watched = poolbench.monitor(function, …)`` and ``watched(x)``. Without a model, ``step()`` and ``layer(name)``
    are contexts for any code. ``prometheus`` is a port of this machine's loopback, or "ADDRESS:PORT".
    ``opentelemetry`` tells the meter provider that the process has set up. ``json_lines`` is a file that is added to.
    ``callback`` gets each ``LayerCall`` and each ``Event``. ``limit`` is "measured" (once for each layer, when it is
    first seen), a stored run, or None. With ``drift``, a layer that becomes slower against its own baseline is an
    event. ``docs/monitoring.md`` says how sure these are, and what they cost.

    Nothing is ever raised in a step. What goes wrong there, or with an exporter, is logged once (the logger
    ``poolbench.monitor``); the monitor is then off, and its ``status`` and its metrics say so.

    Raises UsageError for arguments that contradict themselves, StoreError where ``limit`` cannot be read, and
    MissingFrameworkError where an exporter's package is not installed.
    """
    from poolbench.api.monitor import monitor

    return monitor(
        model,
        name=name,
        fraction=fraction,
        prometheus=prometheus,
        opentelemetry=opentelemetry,
        json_lines=json_lines,
        callback=callback,
        exporters=exporters,
        limit=limit,
        drift=drift,
        seed=seed,
    )
