"""OpenTelemetry's metrics, through its API alone: where they go is what the process has set up."""

from __future__ import annotations

from typing import Any

from opentelemetry import metrics

from poolbench.observe.monitor.types import BUCKETS_S, Event, LayerCall, Status, Surroundings


class OpenTelemetryExporter:
    """Hands measurements to a meter of ``provider``, by default the process's own (``metrics.get_meter_provider``)."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("poolbench", meter_provider=provider)
        self._time = meter.create_histogram(
            "poolbench.layer.duration",
            unit="s",
            description="Time of a layer's call in sampled steps.",
            explicit_bucket_boundaries_advisory=BUCKETS_S,  # the usual ones are for milliseconds
        )
        self._bytes = meter.create_counter(
            "poolbench.layer.moved", unit="By", description="Bytes that sampled calls had to read and write."
        )
        self._wait = meter.create_counter(
            "poolbench.layer.core_wait", unit="s", description="Time that the thread was ready without a core."
        )
        self._limit = meter.create_gauge(
            "poolbench.layer.limit_ratio", unit="1", description="Time over that of streaming the same bytes here."
        )
        self._bandwidth = meter.create_gauge(
            "poolbench.layer.bandwidth", unit="By/s", description="Bandwidth of the latest sampled call."
        )
        self._threads = meter.create_gauge(
            "poolbench.layer.threads", unit="{thread}", description="Threads that the framework may use."
        )
        self._disturbed = meter.create_counter(
            "poolbench.layer.disturbed", unit="{call}", description="Calls that were without a core for too long."
        )
        self._events = meter.create_counter(
            "poolbench.events", unit="{event}", description="Layers that became slower, recovered, and so on."
        )
        self._drift = meter.create_gauge(
            "poolbench.layer.drift_ratio", unit="1", description="Time over the baseline's, of a layer with a drift."
        )
        self._up = meter.create_gauge("poolbench.monitor.up", unit="1", description="1 while the monitor is on.")
        self._steps = meter.create_gauge("poolbench.monitor.steps", unit="{step}", description="Steps so far.")

    def start(self, status: Status) -> None:
        """Say that the monitor is on."""
        self._tell(status)

    def calls(self, calls: tuple[LayerCall, ...], status: Status, around: Surroundings) -> None:
        """Record each call."""
        for call in calls:
            attributes: dict[str, Any] = {"model": call.model, "layer": call.layer, "function": call.function}
            self._time.record(call.elapsed_ns / 1e9, attributes)
            self._disturbed.add(int(call.is_disturbed), attributes)
            if call.waited_ns is not None:
                self._wait.add(call.waited_ns / 1e9, attributes)
            if call.moved_bytes is not None:
                self._bytes.add(call.moved_bytes, attributes)
            if call.threads is not None:
                self._threads.set(call.threads, attributes)
            if call.bytes_per_s is not None:
                self._bandwidth.set(call.bytes_per_s, attributes)
            if call.times_limit is not None:
                self._limit.set(call.times_limit, attributes)
        self._tell(status)

    def event(self, event: Event) -> None:
        """Count the event."""
        attributes = {"model": event.model, "layer": event.layer, "function": event.function}
        self._events.add(1, {**attributes, "kind": event.kind.value})
        if event.kind in ("drift", "recovered"):
            self._drift.set(event.ratio if event.kind == "drift" else 1.0, attributes)

    def ended(self, status: Status) -> None:
        """Say that the monitor is off."""
        self._tell(status)

    def close(self) -> None:
        """What is handed on belongs to the provider."""

    def after_fork(self) -> None:
        """What the provider does in a child process is its own affair."""

    def _tell(self, status: Status) -> None:
        self._up.set(int(status.is_on), {"model": status.model})
        self._steps.set(status.steps, {"model": status.model})
