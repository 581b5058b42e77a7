"""``poolbench.capture``, which ``poolbench/__init__.py`` documents, and what the command of that name does."""

from __future__ import annotations

from collections.abc import Sequence

from poolbench.api.request import default_limits
from poolbench.errors import CaptureError, UnknownNameError, UsageError
from poolbench.measure.machine import fingerprint
from poolbench.model.capture import Capture
from poolbench.model.workload import Pass
from poolbench.observe.context import Calls
from poolbench.observe.gather import gather
from poolbench.observe.inputs import parse_input
from poolbench.observe.process import observe_apart
from poolbench.observe.target import FRAMEWORKS, parse_target

PASSES = (Pass.FORWARD, Pass.TRAINING)
"""What a model can be run for."""


def capture(name: str = "code") -> Calls:
    """Return a context that watches PyTorch in this process."""
    return Calls(name)


def capture_target(
    target: str,
    inputs: Sequence[str] = (),
    *,
    pass_: Pass = Pass.FORWARD,
    framework: str = "",
    device: str = "",
    timeout_s: float | None = None,
) -> Capture:
    """Return the pooling calls of one step of ``target``: MODULE:CALLABLE, FILE.py:CALLABLE or an ONNX file.

    ``inputs`` are texts such as "8x3x224x224" and "mask=8x128:int64". The model runs in a process of its own, with the
    limits of a subject's worker, for ``timeout_s`` seconds at most. ``framework`` is torch, tensorflow or jax, where a
    function does not tell. Where the model fails midway, ``problem`` says so and the calls before it are there.

    Raises UsageError for what cannot be carried out as written, and CaptureError where the model or its process fails
    before any call was seen.
    """
    wanted = parse_target(target)
    specs = [parse_input(text) for text in inputs]
    if framework and framework not in FRAMEWORKS:
        raise UnknownNameError("framework to capture", framework, FRAMEWORKS)
    if pass_ not in PASSES:
        raise UsageError(f"A model is run for the pass {PASSES[0]} or {PASSES[1]}, not for {pass_}.")
    report = observe_apart(
        wanted,
        specs,
        pass_,
        framework=framework,
        device=device,
        limits=default_limits(fingerprint().hardware, request_s=timeout_s),
    )
    if report.problem and not report.sightings:
        raise CaptureError(report.problem)
    return gather(report, target=target, pass_=pass_, inputs=[str(spec) for spec in specs])
