"""``poolbench gate`` from the command line to its exit code and files, over synthetic rows: no clock, no processes."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

import poolbench.api.run
from poolbench.api.gate import gate_method
from poolbench.cli.app import app
from poolbench.errors import ExitCode, UsageError
from poolbench.model.memory import Amount
from poolbench.model.method import Clock, Limits
from poolbench.model.result import Status
from poolbench.model.stage import Stage
from poolbench.model.subject import parse_subject
from tests.unit.builders import AVG2D, MAX2D, Noise, RunBuilder
from tests.unit.store.strategies import plain_header

NOISE = Noise(launch_sd=0.006, slot_sd=0.006)


class Gate:
    """Runs the command on rows of its own making."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("POOLBENCH_DATA_DIR", str(folder / "data"))
        monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def __call__(self, *options: str, ratio: float = 1.0, interrupted: bool = False, **builder):
        times = {MAX2D: {"fake": 1e5, "fake#2": 1e5 * ratio}, AVG2D: {"fake": 1e5, "fake#2": 1e5}}
        rows = RunBuilder(times=times, **{"noise": NOISE, **builder})

        @contextlib.contextmanager
        def new_run(request, **_):
            header = replace(
                plain_header(),
                method=request.method,
                subjects=request.subjects,
                workloads=tuple(w.named({MAX2D: "layer"}) for w in request.workloads),
                gate=request.gate,
            )

            def measure():
                for launch in range(24):
                    stage = Stage.SURVEY if launch < 12 else Stage.CONFIRMATION
                    yield tuple(replace(row, stage=stage) for row in rows.launch(launch, importer=launch // 12))
                    if interrupted:
                        raise KeyboardInterrupt

            path = Path("results/run.jsonl")
            yield SimpleNamespace(measure=measure, kept=lambda: 4, header=header, path=path, warnings=(), stored=())

        self.monkeypatch.setattr(poolbench.api.run, "new_run", new_run)
        arguments = ["gate", "--base", "fake", "--head", "fake", "-w", f"{MAX2D},{AVG2D}", "-q", *options]
        return CliRunner().invoke(app, [*arguments, "--results", str(self.folder / "results")])


@pytest.fixture
def gate(tmp_path, monkeypatch):
    return Gate(tmp_path, monkeypatch)


def test_nothing_slower_ends_with_0_and_says_that_nothing_is_known_of_its_errors(gate):
    done = gate()
    assert done.exit_code == ExitCode.DONE
    assert "2 same" in done.stdout and "never calibrated" in done.stdout


def test_a_regression_ends_with_1_and_is_named_in_every_output(gate, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    junit, markdown = tmp_path / "out" / "gate.xml", tmp_path / "gate.md"
    done = gate("--junit", str(junit), "--markdown", str(markdown), ratio=1.1)
    assert done.exit_code == ExitCode.REGRESSION
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert line.startswith("::error title=poolbench%3A layer::Slower by +")
    assert "10 %25" in line or "9." in line
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["layer"]
    for text in (markdown.read_text(), (tmp_path / "summary.md").read_text()):
        assert "| layer | **❌ SLOWER** |" in text


def test_a_calibration_that_cannot_be_read_costs_no_verdict(gate, tmp_path):
    known = tmp_path / "results" / plain_header().machine.key / "calibration.json"
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text("{}", encoding="utf-8")
    done = gate(ratio=1.1)
    assert done.exit_code == ExitCode.REGRESSION
    assert "is not a calibration of this version" in done.stderr and "never calibrated" in done.stdout


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, ExitCode.DONE), (1.1, ExitCode.REGRESSION)])
def test_a_summary_that_cannot_be_written_is_told_and_changes_no_verdict(gate, tmp_path, monkeypatch, ratio, expected):
    (tmp_path / "file").write_text("")
    summary = tmp_path / "file" / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = gate("--junit", str(tmp_path / "gate.xml"), ratio=ratio)
    assert done.exit_code == expected
    assert f"poolbench: the report is not written to {summary}: " in done.stderr
    assert (tmp_path / "gate.xml").exists()
    assert ("::error" in done.stdout) is (expected is ExitCode.REGRESSION)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_disk_that_is_full_by_then_changes_no_verdict(gate, option):
    done = gate(option, "/dev/full", ratio=1.1)
    assert done.exit_code == ExitCode.REGRESSION
    assert "the report is not written to /dev/full: No space left on device" in done.stderr


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
@pytest.mark.parametrize("place", ["folder", "file/report"])
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(gate, tmp_path, option, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    done = gate(option, str(tmp_path / place), ratio=1.1)
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(f"{option} cannot be written to {tmp_path / place}: ")
    assert done.stdout == ""


def test_what_is_open_is_not_called_not_slower(gate):
    done = gate(noise=Noise(launch_sd=0.2))
    assert done.exit_code == ExitCode.DONE
    assert "but 2 of 2 workloads could not be decided" in done.stdout


def test_by_wall_time_where_a_side_has_more_threads():
    limits = Limits()
    one, two = (tuple(map(parse_subject, ("fake", text))) for text in ("fake#2", "fake+threads=2"))
    assert gate_method(threads=1, memory=False, limits=limits, subjects=one).clock is Clock.CPU
    assert gate_method(threads=1, memory=False, limits=limits, subjects=two).clock is Clock.WALL
    assert gate_method(threads=2, memory=False, limits=limits, subjects=one).clock is Clock.WALL


def test_more_threads_than_can_run_are_told(gate):
    done = gate("--threads", "4096")
    assert done.stderr.startswith("poolbench: 4096 threads are asked for, and ")
    assert "threads are asked for" not in gate("--threads", "1").stderr


def test_a_slowdown_below_the_tolerance_is_shown_and_ends_with_0(gate):
    done = gate("--tolerance", "0.2", ratio=1.1)
    assert done.exit_code == ExitCode.DONE
    assert "below the tolerance of 20 %" in done.stdout


def test_more_memory_ends_with_1(gate):
    done = gate(requests={"fake": Amount(bytes=1000), "fake#2": Amount(bytes=5096)})
    assert done.exit_code == ExitCode.REGRESSION
    assert "MORE: +4,096 B" in done.stdout


def test_a_wrong_result_ends_with_3_and_its_mismatch(gate):
    failures = {(MAX2D, "fake#2"): (Status.MISMATCH, "At (0, 0, 0, 1) it is 3 and should be 2.")}
    done = gate(ratio=1.1, failures=failures)
    assert done.exit_code == ExitCode.MEASUREMENT_FAILED
    assert "it is 3 and should be 2" in done.stdout


def test_undecided_ends_with_4_only_where_asked_to(gate):
    wild = Noise(launch_sd=0.2, slot_sd=0.01)
    assert gate(noise=wild).exit_code == ExitCode.DONE
    assert gate("--strict", noise=wild).exit_code == ExitCode.UNDECIDED


def test_interrupted_ends_with_130(gate):
    assert gate(interrupted=True).exit_code == ExitCode.INTERRUPTED


def test_json_is_one_document(gate, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = gate("--json", ratio=1.1)
    document = json.loads(done.stdout)
    assert document["exit_code"] == 1
    assert [verdict["outcome"] for verdict in document["verdicts"]] == ["slower", "same"]
    assert document["calibration"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["gate"],
        ["gate", "--base", "nonsense"],
        ["gate", "--base", "limit"],
        ["gate", "--base", "fake", "--tolerance", "x"],
    ],
)
def test_wrong_usage_ends_with_2(arguments, monkeypatch):
    from poolbench.cli.app import main

    monkeypatch.setattr("sys.argv", ["poolbench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.USAGE
