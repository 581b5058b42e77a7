"""The two verbs: what they print and write, and what they say where there is nothing."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from poolbench.cli.app import app
from poolbench.errors import UsageError


def test_a_site_of_no_runs_says_so_and_is_a_page(tmp_path):
    out = tmp_path / "site"
    found = CliRunner().invoke(app, ["site", str(out), "--results", str(tmp_path / "none"), "--json"])
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert (document["runs"], document["folder"], document["problems"]) == (0, str(out), [])
    assert document["bytes"] == sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert document["files"] == sum(path.is_file() for path in out.rglob("*"))
    assert "There are no runs under" in found.stderr


def test_a_run_that_cannot_be_read_is_named_and_the_site_written(tmp_path):
    (tmp_path / "results" / "machine").mkdir(parents=True)
    (tmp_path / "results" / "machine" / "20260301-120000-aaaa.jsonl").write_text("<script>\n")
    found = CliRunner().invoke(app, ["site", str(tmp_path / "site"), "--results", str(tmp_path / "results")])
    assert found.exit_code == 0, found.output
    assert "the run's header cannot be read" in found.stderr
    assert found.stdout.startswith(f"site  {tmp_path / 'site'}: 0 runs, ")


def test_somebody_elses_folder_is_an_error(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("x")
    found = CliRunner().invoke(app, ["site", str(tmp_path / "theirs"), "--results", str(tmp_path / "none")])
    assert isinstance(found.exception, UsageError)
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["file"]
