"""What a monitor sees, tells and leaves behind; and that nothing of it reaches the user's step."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import socket
import threading
import urllib.request
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 - behind the question whether it is there
from torch.nn import functional as F  # noqa: E402

import poolbench  # noqa: E402
from poolbench.errors import UsageError  # noqa: E402
from poolbench.observe.monitor.book import MOST_LAYERS  # noqa: E402
from poolbench.observe.monitor.exporters import JsonLines  # noqa: E402
from poolbench.observe.monitor.types import LayerCall  # noqa: E402

X = torch.rand(2, 4, 12, 12)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(4, 4, 1), nn.MaxPool2d(2))

    def forward(self, images):
        return F.avg_pool2d(self.inner(images), 3).mean((2, 3))


class Raising:
    """An exporter that fails in one of its functions."""

    def __init__(self, where):
        self.where, self.ends = where, []

    def __getattr__(self, name):
        def function(*args):
            if name == "ended":
                self.ends.append(args[0])
            if name == self.where:
                raise RuntimeError("no longer reachable")

        return function


def watch(model, **options):
    seen = []
    return seen, poolbench.monitor(model, fraction=1, limit=None, callback=seen.append, **options)


def calls(seen):
    return [each for each in seen if isinstance(each, LayerCall)]


def hooks(model):
    return [*model._forward_hooks, *model._forward_pre_hooks]


def mode_depth():
    return torch._C._len_torch_function_stack()


def test_each_pooling_call_is_told_with_layer_workload_and_bytes():
    model = Net()
    seen, monitor = watch(model)
    with monitor, torch.no_grad():
        model(X)
    assert [(call.layer, call.function, call.workload) for call in calls(seen)] == [
        ("inner.1", "max_pool2d", "max2d-n2c4-h12w12-k2-f32-nchw"),
        ("", "avg_pool2d", "avg2d-n2c4-h6w6-k3-f32-nchw"),
        ("", "mean", "avg2d-n2c4-h2w2-a1-f32-nchw"),
    ]
    first = calls(seen)[0]
    assert first.moved_bytes == X.numel() * 4 + X.numel() and first.elapsed_ns > 0
    assert first.threads == torch.get_num_threads() and first.batch == 2 and first.order == "nchw"


def test_what_was_asked_before_is_told_anew_where_any_of_it_changes():
    seen, monitor = watch(lambda x, **how: F.max_pool2d(x, 3, **how))
    with monitor:
        for how in ({}, {}, {"stride": 1}, {"stride": [1, 2]}, {"stride": [2, 1]}, {"stride": 1, "padding": 1}):
            monitor(X, **how)
        monitor(X[:, :, :6])
    assert [call.workload.partition("-n2c4-")[2].removesuffix("-f32-nchw") for call in calls(seen)[:6]] == [
        "h12w12-k3", "h12w12-k3", "h12w12-k3s1", "h12w12-k3s1x2", "h12w12-k3s2x1", "h12w12-k3s1p1",
    ]  # fmt: skip
    assert "h6w12-k3" in calls(seen)[6].workload


def test_a_training_step_is_told_as_what_it_keeps_for_the_gradient():
    seen, monitor = watch(model := Net())
    with monitor:
        model(X).sum().backward()
    assert calls(seen)[0].workload == "max2d-n2c4-h12w12-k2-f32-nchw.trainfwd"


def test_the_limit_is_measured_for_each_layer_once():
    seen = []
    with poolbench.monitor(model := Net(), fraction=1, callback=seen.append):
        model(X)
        model(X)
    found = calls(seen)
    assert found[0].limit_ns and found[0].limit_ns == found[3].limit_ns
    assert found[0].times_limit == found[0].elapsed_ns / found[0].limit_ns


def test_off_means_off():
    model = Net()
    before = threading.active_count()
    _, monitor = watch(model, prometheus=0)
    model(X)
    assert len(hooks(model)) == 2 and threading.active_count() == before + 1
    monitor.stop()
    monitor.stop()
    assert hooks(model) == [] and threading.active_count() == before and mode_depth() == 0
    assert not monitor.is_on and monitor.status.steps == 1 and monitor.status.problem == ""


def test_about_the_fraction_is_sampled():
    seen = []
    with poolbench.monitor(lambda: None, fraction=0.1, callback=seen.append, seed=1) as monitor:
        for _ in range(2000):
            monitor()
    assert 150 < monitor.status.sampled < 250 and monitor.status.steps == 2000
    distances = {b.step - a.step for a, b in pairwise(seen)}
    assert len(distances) > 10 and max(distances) <= 19


@pytest.mark.parametrize("fraction", [0, -1, 1.5])
def test_a_fraction_that_is_none_is_told(fraction):
    with pytest.raises(UsageError, match="above 0 and at most 1"):
        poolbench.monitor(Net(), fraction=fraction, callback=print)


def test_a_monitor_that_tells_nobody_is_refused():
    with pytest.raises(UsageError, match="json_lines"):
        poolbench.monitor(Net())


def test_a_function_is_called_through_its_monitor_and_its_errors_are_its_own():
    seen, monitor = watch(lambda x: F.max_pool2d(x, 3))
    with monitor:
        assert monitor(X).shape == (2, 4, 4, 4)
        with pytest.raises(RuntimeError, match="expected for input"):
            monitor(torch.rand(3))
    assert monitor.status.problem == "" and mode_depth() == 0
    assert monitor(X).shape == (2, 4, 4, 4)  # off: called as it is
    assert len(calls(seen)) == 2


def test_any_code_is_watched_by_contexts():
    seen, monitor = watch(None, name="loop")
    with monitor, monitor.step(), monitor.layer("copy", moved_bytes=100):
        pass
    (call,) = calls(seen)
    assert (call.model, call.layer, call.moved_bytes) == ("loop", "copy", 100)


@pytest.mark.parametrize("where", ["start", "calls", "event", "ended"])
def test_an_exporter_that_fails_switches_the_monitor_off_and_is_logged_once(where, caplog):
    model, exporter = Net(), Raising(where)
    _, monitor = watch(model, exporters=[exporter])
    with caplog.at_level(logging.WARNING, "poolbench.monitor"):
        for batch in (2, 2, 3, 3):  # a changed input is an event
            model(torch.rand(batch, 4, 12, 12))
    monitor.stop()
    assert hooks(model) == [] and len(exporter.ends) == 1
    if where == "ended":
        assert monitor.status.problem == ""
    else:
        assert "no longer reachable" in monitor.status.problem and exporter.ends[0].problem == monitor.status.problem
        assert not monitor.is_on
    if where in ("calls", "event"):
        assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_full_disk_switches_it_off():
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full: run on Linux")
    model = Net()
    monitor = poolbench.monitor(model, fraction=1, json_lines="/dev/full", limit=None)
    assert model(X).shape == (2, 4)
    assert "No space left" in monitor.status.problem and hooks(model) == []
    monitor.stop()


def test_a_port_in_use_switches_it_off_and_says_so():
    pytest.importorskip("prometheus_client")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        model = Net()
        monitor = poolbench.monitor(model, prometheus=other.getsockname()[1], limit=None)
    assert "Address already in use" in monitor.status.problem and hooks(model) == []
    monitor.stop()


def test_what_prometheus_scrapes_says_when_the_monitor_has_switched_itself_off():
    exporters = pytest.importorskip("prometheus_client") and pytest.importorskip("poolbench.observe.monitor.prometheus")
    served = exporters.PrometheusExporter()
    odd = 'a "quoted"\nname\\'
    model = Net()
    monitor = poolbench.monitor(
        model, name=odd, fraction=1, limit=None, exporters=[served, Raising("event")], prometheus=None
    )
    model(X)
    text = scraped(served.port)
    assert 'poolbench_monitor_up{model="a \\"quoted\\"\\nname\\\\"} 1.0' in text
    assert 'layer="inner.1"' in text and "poolbench_layer_duration_seconds_bucket" in text
    model(X[:1])
    text = scraped(served.port)
    assert 'poolbench_monitor_up{model="a \\"quoted\\"\\nname\\\\"} 0.0' in text
    assert 'poolbench_monitor_failed{model="a \\"quoted\\"\\nname\\\\"} 1.0' in text
    monitor.stop()
    with pytest.raises(OSError, match="refused"):
        scraped(served.port)


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def test_layers_are_bounded_in_number_and_their_names_in_length():
    seen, monitor = watch(None)
    with monitor, monitor.step():
        for number in range(MOST_LAYERS + 20):
            with monitor.layer(f"{'x' * 300}{number}\ud800"):
                pass
    assert len({call.layer for call in calls(seen)}) == MOST_LAYERS
    assert max(len(call.layer) for call in calls(seen)) <= 120 and monitor.status.left_out == 20
    assert all(call.layer.encode() for call in calls(seen))


def test_a_file_of_lines_is_renewed_when_it_is_large(tmp_path):
    path = tmp_path / "lines.jsonl"
    _, monitor = watch(model := Net(), exporters=[JsonLines(path, most_bytes=4000)])
    with monitor:
        for _ in range(12):
            model(X)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1]["kind"] == "status" and lines[-1]["is_on"] is False
    assert path.stat().st_size <= 4000 and (tmp_path / "lines.jsonl.1").exists()


def test_a_scripted_or_compiled_model_is_timed_as_a_whole_and_that_is_said_once(caplog):
    scripted = torch.jit.script(nn.Sequential(nn.MaxPool2d(2)))
    holder = nn.Sequential(torch.compile(nn.MaxPool2d(2), backend="eager"), nn.ReLU())
    for model, word in ((scripted, "scripted"), (holder, "compiled")):
        caplog.clear()
        seen, monitor = watch(model)
        with monitor:
            monitor(X)
            monitor(X)
        assert [call.function for call in calls(seen)] == ["step", "step"]
        assert sum(f"is {word}" in record.message for record in caplog.records) == 1
        assert monitor.status.problem == "" and hooks(model) == []


def test_a_model_may_be_called_through_its_monitor_too():
    seen, monitor = watch(Net())
    with monitor:
        monitor(X)
    assert monitor.status.steps == 1 and len(calls(seen)) == 3


def test_a_compiled_caller_does_not_see_the_hooks():
    model = Net()
    seen, monitor = watch(model)
    with monitor:
        fast = torch.compile(model, backend="eager", fullgraph=True)
        fast(X)
    assert calls(seen) == [] and monitor.status.problem == ""


def test_a_model_that_changes_while_it_is_watched():
    model = Net()
    seen, monitor = watch(model)
    with monitor:
        model(X)
        model.inner.append(nn.MaxPool2d(2))
        model(X[:, :, :, :])
    assert "inner.2" in {call.layer for call in calls(seen)} and monitor.status.problem == ""


def test_an_interruption_leaves_nothing_on_in_the_next_step():
    class Stops(nn.Module):
        stops = True

        def forward(self, images):
            if self.stops:
                raise KeyboardInterrupt
            return F.max_pool2d(images, 2)

    seen, monitor = watch(model := Stops())
    with monitor:
        with pytest.raises(KeyboardInterrupt):
            model(X)
        model.stops = False
        model(X)
        assert mode_depth() == 0
    assert len(calls(seen)) == 1


def test_copies_of_a_watched_model_are_not_watched():
    model = Net()
    seen, monitor = watch(model)
    with monitor:
        copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
        for each in copies:
            each(X)
        assert seen == []
        model(X)
        assert len(calls(seen)) == 3


def test_fifty_threads():
    model = Net().eval()
    seen, monitor = watch(model)
    failures = []

    def work():
        try:
            for _ in range(5):
                model(X)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(50)]
    with monitor:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == [] and monitor.status.problem == "" and monitor.status.steps == 250
    per_step = {}
    for call in calls(seen):
        per_step[call.step] = per_step.get(call.step, 0) + 1
    assert set(per_step.values()) == {3} and monitor.status.sampled == len(per_step)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork: run on Linux")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_is_not_watched_and_lets_the_port_go(tmp_path):
    path = tmp_path / "lines.jsonl"
    _, monitor = watch(lambda: None, json_lines=path, prometheus=0)
    monitor()
    child = os.fork()
    if child == 0:
        monitor()
        os._exit(0 if not monitor.is_on else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    monitor()
    monitor.stop()
    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds == ["status", "call", "call", "status"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork: run on Linux")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_amid_threads_in_their_steps():
    model, before = Net().eval(), threading.active_count()
    _, monitor = watch(model)
    is_over = threading.Event()

    def work():
        while not is_over.is_set():
            model(X)

    threads = [threading.Thread(target=work) for _ in range(4)]
    with monitor:
        for thread in threads:
            thread.start()
        for _ in range(3):
            child = os.fork()
            if child == 0:
                os._exit(0 if hooks(model) == [] and mode_depth() == 0 and not monitor.is_on else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        is_over.set()
        for thread in threads:
            thread.join()
        assert monitor.is_on and len(hooks(model)) == 2
    assert monitor.status.problem == "" and hooks(model) == [] and threading.active_count() == before


def test_opentelemetry_gets_the_same_through_its_api():
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from poolbench.observe.monitor.opentelemetry import OpenTelemetryExporter

    reader = InMemoryMetricReader()
    _, monitor = watch(
        model := Net(), exporters=[OpenTelemetryExporter(MeterProvider([reader], shutdown_on_exit=False))]
    )
    with monitor:
        model(X)
    (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
    found = {metric.name: metric for metric in scope.metrics}
    points = found["poolbench.layer.duration"].data.data_points
    assert found["poolbench.layer.duration"].unit == "s" and {point.count for point in points} == {1}
    assert {point.attributes["layer"] for point in points} == {"inner.1", ""}
    assert found["poolbench.monitor.up"].data.data_points[0].value == 0
