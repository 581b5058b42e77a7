"""``poolbench history`` from the command line to the files, on subjects of this environment in place of releases."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poolbench.analyse.history.types import Point
from poolbench.api import points as points_api
from poolbench.cli.app import app
from poolbench.model.result import Status
from poolbench.model.subject import parse_subject
from poolbench.store.reading import read_run

POINTS = [
    Point(label="1.0", subject=parse_subject("numpy")),
    Point(label="1.1", subject=parse_subject("numpy:loops")),
    Point(label="1.2", subject=parse_subject("fake:crash")),
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", str(tmp_path / "lock"))
    monkeypatch.setattr(points_api, "choose_points", lambda *_, **__: (parse_subject("numpy"), POINTS))
    arguments = ["history", "numpy", "--releases", "1.0..1.2", "-w", "max2d-n1c8-h16w16-k2", "--anchor", "1.0"]
    results = ["--results", str(tmp_path / "results"), "--quiet"]
    return lambda *more: CliRunner().invoke(app, [*arguments, *results, *more], catch_exceptions=False)


def test_a_history_is_measured_stored_and_shown_with_what_failed(run, tmp_path):
    assert run("--stored").exit_code == 3
    done = run("--budget", "8", "--json")
    # On a busy machine no launch may be clean: the verdict on that is 3, and everything else is as ever.
    assert done.exit_code in (0, 3), done.output
    document = json.loads(done.stdout)
    assert [point["point"] for point in document["points"]] == ["1.0", "1.1", "1.2"]
    notes = {cell["point"]: cell["note"] for cell in document["cells"]}
    assert "CRASHED" in notes["1.2"] and not notes["1.1"]
    assert all(Path(path).is_file() for path in document["files"])
    stored = [read_run(path) for path in sorted((tmp_path / "results").glob("*/*.jsonl"))]
    measured = [str(subject) for subject in stored[0].header.subjects]
    assert measured == ["numpy", "numpy#2", "numpy:loops", "fake:crash", "limit"]
    assert {row.status for row in stored[0].rows if row.subject == "numpy:loops"} == {Status.OK}

    shown = run("--stored")
    assert shown.exit_code == done.exit_code and "1.2: fake:crash ended CRASHED" in shown.stdout
    assert len(list((tmp_path / "results").glob("*/*.jsonl"))) == len(stored)

    # Where it cannot be remembered for reports it is shown all the same.
    (terms,) = (tmp_path / "results").glob("*/history/*.json")
    terms.unlink()
    terms.mkdir()
    again = run("--stored", "--out", str(tmp_path / "elsewhere"))
    assert again.exit_code == done.exit_code and "1.2: fake:crash ended CRASHED" in again.stdout
    assert f"reports will not show this history: {terms} cannot be written" in again.stderr
