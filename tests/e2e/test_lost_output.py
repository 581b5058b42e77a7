"""Readers that go away, full and closed streams, narrow encodings: none is a finding, and none costs a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from poolbench.errors import ExitCode

SMALL = "max2d-n1c8-h16w16-k2"
GATE = ["gate", "--base", "fake", "--head", "fake", "-w", SMALL, "--budget", "4", "--no-memory", "--junit", "junit.xml"]
WRONG = [*GATE[:4], "fake:wrong", *GATE[5:]]

VERBS = {
    "help": ["--help"],
    "list": ["list", "workloads"],
    "list as JSON": ["list", "workloads", "--json"],
    "verify": ["verify", "fake", "-w", SMALL],
}

STREAMS = {
    "reader gone": ("", "| true"),
    "full": (">/dev/full", ""),
    "closed": (">&-", ""),
    "errors full": (">/dev/null 2>/dev/full", ""),
    "both closed": (">&- 2>&-", ""),
    "both full": (">/dev/full 2>/dev/full", ""),
}


@pytest.fixture
def shell(tmp_path: Path, environment: dict[str, str]):
    """Runs a command in a shell, with redirections behind it, and gives its own exit code."""

    def run(arguments: list[str], streams: str, pipe: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
        script = f'"$@" {streams} {pipe}; exit ${{PIPESTATUS[0]}}'
        return subprocess.run(
            ["bash", "-c", script, "poolbench", sys.executable, "-m", "poolbench", *arguments],
            cwd=tmp_path,
            env={**environment, "POOLBENCH_CACHE_DIR": str(tmp_path / "cache"), **variables},
            capture_output=True,
            timeout=200,
            check=False,
        )

    return run


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("verb", VERBS)
def test_output_that_nobody_gets_is_no_finding(shell, verb: str, streams: str) -> None:
    done = shell(VERBS[verb], *STREAMS[streams])
    loses = streams in ("full", "both full")
    assert done.returncode == (ExitCode.OUTPUT_LOST if loses else ExitCode.DONE), done.stderr
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr
    if streams == "full":
        assert b"not all of the output could be written: No space left on device" in done.stderr


@pytest.mark.parametrize("streams", STREAMS)
def test_wrong_usage_stays_wrong_usage(shell, streams: str) -> None:
    assert shell(["compare", "tourch"], *STREAMS[streams]).returncode == ExitCode.USAGE


def test_wrong_options_stay_wrong_usage(shell) -> None:
    for streams in ("reader gone", "both closed", "both full"):
        assert shell(["compare", "--no-such"], *STREAMS[streams]).returncode == ExitCode.USAGE


@pytest.mark.parametrize("streams", ["reader gone", "full", "both closed"])
def test_the_gate_writes_its_files_and_tells_what_it_found(shell, tmp_path: Path, streams: str) -> None:
    done = shell(WRONG, *STREAMS[streams])
    assert done.returncode == ExitCode.MEASUREMENT_FAILED, done.stderr
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().tag == "testsuite"
    assert len(list(tmp_path.glob("results/*/*.jsonl"))) == 1


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0",
                                                                       "PYTHONCOERCECLOCALE": "0"}])  # fmt: skip
def test_what_ascii_lacks_is_written_readably(shell, tmp_path: Path, variables: dict[str, str]) -> None:
    gated = shell([*GATE, "--markdown", "gate.md"], "", **variables)
    assert gated.returncode != ExitCode.USAGE and b"Traceback" not in gated.stderr
    assert gated.stdout.isascii() and gated.stderr.isascii()
    shown = shell(["show", "latest"], "", **variables)
    assert shown.returncode == ExitCode.DONE, shown.stderr
    assert shown.stdout.isascii() and b"x fastest: times the fastest, +/- half its 95 %" in shown.stdout
    (tmp_path / "gate.md").read_text(encoding="utf-8")
    document = json.loads(shell(["show", "latest", "--json"], "", **variables).stdout)
    assert document["cells"]


def test_a_file_whose_name_is_no_text_is_named_by_its_bytes(shell, tmp_path: Path) -> None:
    done = shell(["list", "workloads", "-w", "./m\udcffne.txt"], "")
    assert done.returncode == ExitCode.USAGE
    assert b"m\xffne.txt" in done.stderr and b"Traceback" not in done.stderr


def test_a_failed_verification_stays_one(shell) -> None:
    for streams in ("reader gone", "full", "closed"):
        assert shell(["verify", "fake:wrong", "-w", SMALL], *STREAMS[streams]).returncode == ExitCode.REGRESSION
