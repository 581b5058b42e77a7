"""The dashboard, the rules and a real Prometheus server agree with what a monitor tells."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import pytest

pytest.importorskip("prometheus_client")

import poolbench
from tests.observe.server import EXAMPLES, dashboard, expressions, prometheus

NEEDED = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="no Prometheus server is installed here: apt install prometheus",
)


def test_the_stored_dashboard_is_what_its_script_makes():
    assert json.loads((EXAMPLES / "dashboard.json").read_text(encoding="utf-8")) == dashboard()


def test_the_dashboard_has_what_grafana_needs_of_each_panel():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert set(panel) >= {"type", "title", "gridPos", "targets", "datasource", "fieldConfig"}
        assert set(panel["gridPos"]) == {"h", "w", "x", "y"} and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@NEEDED
@pytest.mark.parametrize("command", [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml")])
def test_promtool_takes_the_configuration_and_the_rules(command):
    done = subprocess.run(["promtool", *command], cwd=EXAMPLES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDED
def test_every_query_of_the_dashboard_has_data_in_a_real_server():
    from poolbench.observe.monitor.prometheus import PrometheusExporter

    served = PrometheusExporter()
    with (
        poolbench.monitor(name="loop", fraction=1, limit=None, exporters=[served]) as monitor,
        prometheus(served.port, "500ms") as server,
    ):
        end = time.monotonic() + 30
        empty = expressions("5s")
        while empty and time.monotonic() < end:
            for _ in range(20):
                with monitor.step(), monitor.layer("pool", moved_bytes=1 << 20):
                    time.sleep(0.005)
            if server.wait("up == 1", 0):
                empty = [each for each in empty if not any(has_value(series) for series in server.query(each))]
        # Where no limit is known there is no ratio to it.
        assert [each for each in empty if "limit_ratio" not in each] == []
        (series,) = server.query('poolbench_layer_moved_bytes_total{layer="pool"}')
        assert float(series["value"][1]) >= 20 * (1 << 20)
        names = {rule["name"] for group in server.get("/api/v1/rules")["groups"] for rule in group["rules"]}
        assert names >= {"PoolingLayerSlower", "PoolingMonitorOff"}


def has_value(series):
    return series["value"][1] != "NaN"
