"""A place that Prometheus scrapes. Names follow its conventions: base units, and the unit in the name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from poolbench.errors import UsageError
from poolbench.observe.monitor.types import BUCKETS_S, Event, EventKind, LayerCall, Status, Surroundings

LOOPBACK = "127.0.0.1"
BUCKETS = (*BUCKETS_S, 10.0)
"""From a microsecond to ten seconds, three to a power of ten: pooling takes from some µs to some ms."""


def parse_place(place: int | str) -> tuple[int, str]:
    """Return port and address of 9475, "9475" or "0.0.0.0:9475". Raises UsageError."""
    address, _, port = str(place).rpartition(":")
    if not port.isdigit() or not 0 <= int(port) < 65536:
        raise UsageError(f"'{place}' is no port: give a number below 65536, such as 9475, or ADDRESS:PORT.")
    return int(port), address.strip("[]") or LOOPBACK


class PrometheusExporter:
    """Serves what a monitor sees under ``/metrics``, in a thread that ends with ``close``.

    The port is bound to loopback unless ``address`` says otherwise; port 0 is any free one, which ``port`` then tells.
    With a ``registry`` of the user's own nothing is served: it is wherever that is.
    """

    def __init__(self, port: int = 0, address: str = LOOPBACK, registry: CollectorRegistry | None = None) -> None:
        self.port = port
        self._address = address
        self._serves = registry is None
        self._registry = registry if registry is not None else CollectorRegistry()
        self._server: Any = None
        self._thread: Any = None
        self._families: dict[str, Any] = {}
        self._told: dict[str, float] = {}
        self._model: dict[str, Any] = {}
        self._layers: dict[tuple[str, str, str], dict[str, Any]] = {}

    def start(self, status: Status) -> None:
        """Bind the port. Raises OSError where it is in use."""
        self._define()
        if self._serves:
            self._server, self._thread = start_http_server(self.port, self._address, self._registry)
            self.port = int(self._server.server_port)
        self._tell(status)

    def calls(self, calls: tuple[LayerCall, ...], status: Status, around: Surroundings) -> None:
        """Count each call."""
        for call in calls:
            self._call(call)
        self._tell(status)
        for name, value in _machine(around):
            self._families[name].set(value)

    def event(self, event: Event) -> None:
        """Count the event; a drift's size stays until the layer has recovered."""
        labels = (event.model, event.layer, event.function)
        self._families["events"].labels(*labels, event.kind.value).inc()
        if event.kind in (EventKind.DRIFT, EventKind.RECOVERED):
            is_back = event.kind is EventKind.RECOVERED
            self._families["drift"].labels(*labels).set(1.0 if is_back else event.ratio)

    def ended(self, status: Status) -> None:
        """Say that the monitor is off: what is served stays until ``close``."""
        self._tell(status)

    def close(self) -> None:
        """Let go of the port, and end the thread."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()
        for family in self._families.values():
            self._registry.unregister(family)
        self._families = {}

    def after_fork(self) -> None:
        """Let go of the parent's port: it stays bound as long as any process has it."""
        server, self._server = self._server, None
        if server is not None:
            server.socket.close()

    def _define(self) -> None:
        layer = ("model", "layer", "function")
        make: list[tuple[str, Any, str, str, tuple[str, ...]]] = [
            ("time", None, "layer_duration_seconds", "Time of a layer's call in sampled steps.", layer),
            ("bytes", Counter, "layer_moved_bytes", "Bytes that sampled calls had to read and write.", layer),
            ("busy", Counter, "layer_moving_seconds", "Time of the sampled calls whose bytes are known.", layer),
            ("bandwidth", Gauge, "layer_bandwidth_bytes_per_second", "Bandwidth of the latest sampled call.", layer),
            ("limit", Gauge, "layer_limit_ratio", "Latest time over that of streaming the same bytes here.", layer),
            ("wait", Counter, "layer_core_wait_seconds", "Time that the thread was ready without a core.", layer),
            ("disturbed", Counter, "layer_disturbed_calls", "Calls that were without a core for too long.", layer),
            ("threads", Gauge, "layer_threads", "Threads that the framework may use.", layer),
            ("drift", Gauge, "layer_drift_ratio", "Time over the baseline's, of a layer that became slower.", layer),
            ("events", Counter, "events", "Layers that became slower, recovered, were disturbed or changed.",
             (*layer, "kind")),
            ("up", Gauge, "monitor_up", "1 while the monitor is on, 0 when it is off.", ("model",)),
            ("failed", Gauge, "monitor_failed", "1 when the monitor switched itself off.", ("model",)),
            ("steps", Counter, "monitor_steps", "Steps since the start.", ("model",)),
            ("sampled", Counter, "monitor_sampled_steps", "Sampled steps since the start.", ("model",)),
            ("own", Counter, "monitor_own_seconds", "What the monitor itself has taken since the start.", ("model",)),
            ("left", Counter, "monitor_left_out_calls", "Calls of layers beyond the most that are told.", ("model",)),
            ("others", Gauge, "machine_others_cores", "Cores that other processes keep busy.", ()),
            ("steal", Gauge, "machine_steal_cores", "Cores that a host takes away.", ()),
            ("load", Gauge, "machine_load_1m", "Load of the last minute.", ()),
            ("clock", Gauge, "machine_frequency_hertz", "Mean frequency of the cores.", ()),
        ]  # fmt: skip
        for key, kind, name, text, labels in make:
            full = f"poolbench_{name}"
            if kind is None:
                self._families[key] = Histogram(full, text, labels, registry=self._registry, buckets=BUCKETS)
            else:
                self._families[key] = kind(full, text, labels, registry=self._registry)

    def _call(self, call: LayerCall) -> None:
        labels = (call.model, call.layer, call.function)
        of = self._layers.get(labels) or self._begin(labels)
        seconds = call.elapsed_ns / 1e9
        of["time"].observe(seconds)
        of["disturbed"].inc(int(call.is_disturbed))
        if call.waited_ns is not None:
            of["wait"].inc(call.waited_ns / 1e9)
        if call.threads is not None:
            of["threads"].set(call.threads)
        if call.moved_bytes is not None:
            of["bytes"].inc(call.moved_bytes)
            of["busy"].inc(seconds)
        if call.bytes_per_s is not None:
            of["bandwidth"].set(call.bytes_per_s)
        if call.times_limit is not None:
            of["limit"].set(call.times_limit)

    def _begin(self, labels: tuple[str, str, str]) -> dict[str, Any]:
        """Return a layer's metrics. Its rarer ones are there from the start: a rate needs the value before an event."""
        self._families["drift"].labels(*labels).set(1.0)
        for kind in EventKind:
            self._families["events"].labels(*labels, kind.value)
        self._layers[labels] = {key: self._families[key].labels(*labels) for key in _OF_A_LAYER}
        return self._layers[labels]

    def _tell(self, status: Status) -> None:
        of = self._model or self._begin_model(status.model)
        of["up"].set(int(status.is_on))
        of["failed"].set(int(bool(status.problem)))
        for key, value in (
            ("steps", status.steps),
            ("sampled", status.sampled),
            ("own", status.own_s),
            ("left", status.left_out),
        ):
            of[key].inc(max(value - self._told.get(key, 0), 0))
            self._told[key] = value

    def _begin_model(self, model: str) -> dict[str, Any]:
        """Return the metrics of the monitor itself: it watches one model."""
        self._model = {key: self._families[key].labels(model) for key in _OF_A_MODEL}
        return self._model


_OF_A_MODEL = ("up", "failed", "steps", "sampled", "own", "left")
_OF_A_LAYER = ("time", "bytes", "busy", "bandwidth", "limit", "wait", "disturbed", "threads")


def _machine(around: Surroundings) -> Iterator[tuple[str, float]]:
    """Yield the metrics of the machine that are known."""
    for name, value in (("others", around.others_cores), ("steal", around.steal_cores), ("load", around.load_1min)):
        if value is not None:
            yield name, value
    if around.frequency_mhz is not None:
        yield "clock", around.frequency_mhz * 1e6
