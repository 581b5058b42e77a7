"""``poolbench.monitor``, which ``poolbench/__init__.py`` documents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolbench.errors import MissingFrameworkError, UsageError
from poolbench.observe.monitor.detection import Detection
from poolbench.observe.monitor.exporters import Callback, JsonLines
from poolbench.observe.monitor.limits import Limits, MeasuredLimits, NoLimits, StoredLimits
from poolbench.observe.monitor.monitor import Monitor, Steps
from poolbench.observe.monitor.sampling import FRACTION, Sampler
from poolbench.observe.monitor.types import Event, Exporter, LayerCall
from poolbench.observe.monitor.watch import Watch

if TYPE_CHECKING:
    from poolbench.observe.monitor.torch_self_test import SelfTest

MEASURED = "measured"
"""The limit is measured here, when a layer is first seen."""


def monitor(
    model: Any = None,
    *,
    name: str = "",
    fraction: float = FRACTION,
    prometheus: int | str | None = None,
    opentelemetry: bool = False,
    json_lines: str | Path | None = None,
    callback: Callable[[LayerCall | Event], object] | None = None,
    exporters: Sequence[Exporter] = (),
    limit: str | Path | None = MEASURED,
    drift: bool = True,
    seed: int | None = None,
) -> Monitor:
    """Return a monitor that has begun."""
    chosen: list[Exporter] = list(exporters)
    if prometheus is not None:
        chosen.append(_prometheus(prometheus))
    if opentelemetry:
        chosen.append(_opentelemetry())
    if json_lines is not None:
        chosen.append(JsonLines(json_lines))
    if callback is not None:
        chosen.append(Callback(callback))
    if not chosen:
        raise UsageError(
            "A monitor without an exporter tells nobody: give prometheus=9475, opentelemetry=True, json_lines=PATH or "
            "callback=FUNCTION."
        )
    if model is not None and not callable(model):
        raise UsageError(f"A value of type {type(model).__name__} cannot be called: give a model or a function.")
    watch = Watch(
        name or _name(model),
        Sampler(fraction, seed),
        _limits(limit),
        chosen,
        detection=Detection() if drift else None,
    )
    steps = None if model is None else _steps(model, watch)
    return Monitor(watch, model).start(steps)


def _name(model: Any) -> str:
    if model is None:
        return "code"
    return str(getattr(model, "__name__", None) or type(model).__name__)


def _limits(limit: str | Path | None) -> Limits:
    if limit is None:
        return NoLimits()
    return MeasuredLimits() if limit == MEASURED else StoredLimits(Path(limit))


def _steps(model: Any, watch: Watch) -> Steps:
    framework = _framework(model)
    if framework == "keras":
        from poolbench.observe.monitor.keras_steps import KerasSteps

        return KerasSteps(model, watch)
    if framework == "torch":
        from poolbench.observe.monitor.torch_steps import TorchSteps

        return TorchSteps(model, watch)
    from poolbench.observe.monitor.plain_steps import PlainSteps

    return PlainSteps(watch)


def _framework(model: Any) -> str:
    """Return keras or torch for their models and layers, torch for a function where it is loaded, else ""."""
    packages = {each.__module__.partition(".")[0] for each in type(model).__mro__}
    for package in ("keras", "torch"):
        if package in packages:
            return package
    return "torch" if "torch" in sys.modules else ""


def _prometheus(place: int | str) -> Exporter:
    try:
        from poolbench.observe.monitor.prometheus import PrometheusExporter, parse_place
    except ImportError as error:
        raise MissingFrameworkError(
            "prometheus= needs the package prometheus_client, which is not installed here: "
            "pip install 'poolbench[monitor]'."
        ) from error
    return PrometheusExporter(*parse_place(place))


def _opentelemetry() -> Exporter:
    try:
        from poolbench.observe.monitor.opentelemetry import OpenTelemetryExporter
    except ImportError as error:
        raise MissingFrameworkError(
            "opentelemetry=True needs the package opentelemetry-api, which is not installed here: "
            "pip install 'poolbench[monitor]'."
        ) from error
    return OpenTelemetryExporter()


def self_test(steps: int, fraction: float = FRACTION) -> SelfTest:
    """Measure what a monitor costs here. Raises MissingFrameworkError without PyTorch, UsageError for the arguments."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingFrameworkError(
            "The self-test watches a small model of PyTorch, which is not installed here: "
            "pip install 'poolbench[torch]'."
        )
    from poolbench.observe.monitor.torch_self_test import self_test

    Sampler(fraction)  # is told before anything runs
    has_prometheus = find_spec("prometheus_client") is not None
    return self_test(steps, fraction, (lambda: _prometheus(0)) if has_prometheus else None)
