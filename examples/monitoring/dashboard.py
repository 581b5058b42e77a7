"""Writes the dashboard: ``python examples/monitoring/dashboard.py > examples/monitoring/dashboard.json``.

It needs nothing but Python. Grafana's model of a dashboard is plain JSON; the panels here have what all its releases
since 9 know.
"""

import json
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
BY = 'model=~"$model", layer=~"$layer"'
LEGEND = "{{model}} {{layer}} {{function}}"
OF_A_LAYER = "sum by (model, layer, function)"


def rate(metric: str) -> str:
    """Return the rate of a counter of the layers that are shown."""
    return f"{OF_A_LAYER} (rate({metric}{{{BY}}}[$__rate_interval]))"


def quantile(share: float) -> str:
    """Return a quantile of the layers' times."""
    buckets = f"rate(poolbench_layer_duration_seconds_bucket{{{BY}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (le, model, layer, function) ({buckets}))"


PANELS: list[tuple[str, str, str, list[tuple[str, str]]]] = [
    ("Median time of a call", "s", "timeseries", [(quantile(0.5), LEGEND)]),
    ("Time of the slowest in a hundred calls", "s", "timeseries", [(quantile(0.99), LEGEND)]),
    (
        "Bandwidth",
        "Bps",
        "timeseries",
        [(f"{rate('poolbench_layer_moved_bytes_total')} / {rate('poolbench_layer_moving_seconds_total')}", LEGEND)],
    ),
    ("Time over the streaming limit's", "none", "timeseries", [(f"poolbench_layer_limit_ratio{{{BY}}}", LEGEND)]),
    ("Time over the baseline's", "none", "timeseries", [(f"poolbench_layer_drift_ratio{{{BY}}}", LEGEND)]),
    ("Events", "none", "timeseries", [(f"sum by (kind) (poolbench_events_total{{{BY}}})", "{{kind}}")]),
    (
        "Waiting for a core, in seconds per second of pooling",
        "percentunit",
        "timeseries",
        [
            (
                f"{rate('poolbench_layer_core_wait_seconds_total')} "
                f"/ {rate('poolbench_layer_duration_seconds_sum')}",
                LEGEND,
            )
        ],
    ),
    (
        "Cores that others keep busy, and that a host takes away",
        "none",
        "timeseries",
        [("poolbench_machine_others_cores", "others"), ("poolbench_machine_steal_cores", "stolen")],
    ),
    (
        "What the monitor takes, as a share of the time",
        "percentunit",
        "timeseries",
        [('rate(poolbench_monitor_own_seconds_total{model=~"$model"}[$__rate_interval])', "{{model}}")],
    ),
    ("Monitor", "none", "stat", [('poolbench_monitor_up{model=~"$model"}', "{{model}} on"),
                                 ('poolbench_monitor_failed{model=~"$model"}', "{{model}} failed")]),
]  # fmt: skip


def panel(number: int, title: str, unit: str, kind: str, queries: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a panel; two stand in a row."""
    return {
        "id": number + 1,
        "title": title,
        "type": kind,
        "datasource": SOURCE,
        "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for place, (expression, legend) in enumerate(queries)
        ],
    }


def variable(name: str, query: str) -> dict[str, Any]:
    """Return a variable whose values are those of a label."""
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def dashboard() -> dict[str, Any]:
    """Return the whole dashboard."""
    return {
        "title": "Pooling layers (poolbench)",
        "uid": "poolbench-layers",
        "tags": ["poolbench"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                variable("model", "label_values(poolbench_monitor_up, model)"),
                variable("layer", 'label_values(poolbench_layer_duration_seconds_count{model=~"$model"}, layer)'),
            ]
        },
        "panels": [panel(number, *content) for number, content in enumerate(PANELS)],
    }


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=2))
