"""``poolbench history`` from the command line to the files, on subjects of this environment in place of releases."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poolbench.analyse.history import Point
from poolbench.api import history as api
from poolbench.cli.app import app
from poolbench.model.subject import parse_subject

POINTS = [
    Point(label="1.0", subject="numpy"),
    Point(label="1.1", subject="numpy:loops"),
    Point(label="1.2", subject="fake:crash"),
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", str(tmp_path / "lock"))
    monkeypatch.setattr(api, "choose_points", lambda *_, **__: (parse_subject("numpy"), POINTS))
    arguments = ["history", "numpy", "--releases", "1.0..1.2", "-w", "max2d-n1c8-h16w16-k2", "--anchor", "1.0"]
    results = ["--results", str(tmp_path / "results"), "--quiet"]
    return lambda *more: CliRunner().invoke(app, [*arguments, *results, *more], catch_exceptions=False)


def test_a_history_is_measured_once_then_shown_with_what_failed(run, tmp_path):
    assert run("--stored").exit_code == 3
    done = run("--budget", "12", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    by_point = {cell["point"]: cell for cell in document["cells"]}
    assert by_point["1.1"]["ratio"]["value"] > 1.5 and by_point["1.0"]["ratio"] is not None
    assert "CRASHED" in by_point["1.2"]["note"]
    assert all(Path(path).is_file() for path in document["files"])
    stored = set((tmp_path / "results").glob("*/*.jsonl"))

    again = run("--no-confirm")
    assert again.exit_code == 0 and "1.2: fake:crash ended CRASHED" in again.stdout
    assert set((tmp_path / "results").glob("*/*.jsonl")) == stored
