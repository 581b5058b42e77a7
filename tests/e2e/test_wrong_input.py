"""What a wrong request gets: one sentence that names the thing and what to do, exit code 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

CASES = {
    "unknown subject": (["compare", "tourch"], ["'tourch'", "torch"]),
    "subject that does not parse": (["compare", "torch::"], ["'torch::'", "torch:channels_last"]),
    "unknown option of a subject": (["compare", "numpy+speed=2"], ["'speed'", "threads"]),
    "no environment": (["compare", "numpy@newest"], ["numpy@newest", "@1.2.3", "@rev:GIT", "@path:PYTHON"]),
    "a release of the kernel": (["compare", "strided@0.1.0"], ["strided@0.1.0", "strided@rev:GIT"]),
    "a revision of a framework": (["compare", "torch@rev:main"], ["torch@rev:main", "torch@1.2.3"]),
    "a limit elsewhere": (["compare", "limit@rev:main"], ["limit@rev:main", "Write 'limit'"]),
    "unknown set": (["compare", "numpy", "-w", "smok"], ["'smok'", "smoke"]),
    "unknown workload": (["compare", "numpy", "-w", "resnet50_stm"], ["resnet50_stem"]),
    "malformed id": (["compare", "numpy", "-w", "max2d-n1c64-h112-k3"], ["-h112-k3", "sizes"]),
    "window that does not fit": (["compare", "numpy", "-w", "max2d-n1c64-h2w2-k3"], ["does not fit", "window 3"]),
    "pattern without a match": (["compare", "numpy", "-w", "zz*"], ["zz*"]),
    "missing file": (["compare", "numpy", "-w", "./mine.txt"], ["mine.txt"]),
    "no workload": (["compare", "numpy", "-w", ""], ["--workloads", "names nothing"]),
    "commas alone": (["list", "workloads", "-w", ", ,"], ["--workloads", "names nothing"]),
    "nothing to gate": (["gate", "--base", "fake", "--head", "fake", "-w", ""], ["--workloads", "names nothing"]),
    "nothing to verify": (["verify", "fake", "-w", ","], ["--workloads", "names nothing"]),
    "nothing to calibrate on": (["calibrate", "fake", "-w", ","], ["--workloads", "names nothing"]),
    "a history of nothing": (
        ["history", "numpy", "--releases", "2.0.0,2.0.2", "-w", "", "--stored"],
        ["--workloads", "names nothing"],
    ),
    "no anchor": (["history", "numpy", "--releases", "2.0.0,2.0.2", "--anchor", "", "--stored"], ["anchor", "leave"]),
    "no good end": (["bisect", "strided", "--good", ""], ["--good", "one revision or one release"]),
    "no project": (["bisect", "strided", "--good", "HEAD", "--repo", "/proc/1"], ["pyproject.toml", "/proc/1"]),
    "an empty file": (["list", "workloads", "-w", "/dev/null"], ["/dev/null", "holds no workload"]),
    "no subject": (["compare", "numpy", "", "-w", "smoke"], ["''", "torch"]),
    "no subject to verify": (["verify", "", "-w", "smoke"], ["''", "torch"]),
    "no run": (["show", ""], ["''", "list runs"]),
    "no run to report": (["report", ""], ["''", "list runs"]),
    "no run to export": (["export", "", "--to", "csv"], ["''", "list runs"]),
    "no pass": (["list", "workloads", "--pass", ""], ["--pass", "names nothing"]),
    "no form of a gradient": (["list", "workloads", "--gradient", ","], ["--gradient", "names nothing"]),
    "threads that are no number": (["compare", "numpy+threads=²"], ["whole number"]),
    "unknown pass": (["compare", "numpy", "--pass", "train"], ["'train'", "training-backward"]),
    "unknown form of a gradient": (["verify", "numpy", "--gradient", "slice"], ["'slice'", "sliced"]),
    "gradient without a pass": (["compare", "numpy", "--gradient", "sliced"], ["training"]),
    "training of integers": (["compare", "numpy", "-w", "max1d-n1c1-w4-k2-i8", "--pass", "training"], ["floating"]),
    "resume with a pass": (["compare", "--pass", "training", "--resume", "latest"], ["--resume"]),
    "unknown batch": (["compare", "numpy", "--batch", "big"], ["'big'", "source"]),
    "unknown run": (["show", "yesterday"], ["'yesterday'", "list runs"]),
    "unknown format": (["export", "latest", "--to", "xml"], ["'xml'", "parquet"]),
    "a table's commit": (["export", "latest", "--to", "csv", "--commit", "main"], ["--commit", "leave"]),
    "nothing to export": (["export", "latest", "--to", "asv"], ["poolbench compare"]),
    "nothing to resume": (["compare", "--resume", "latest"], ["poolbench compare"]),
    "resume with subjects": (["compare", "numpy", "--resume", "latest"], ["--resume"]),
    "unknown verb": (["compre"], ["compre"]),
    "unknown flag": (["compare", "--thread", "2"], ["--thread"]),
    "wrong number": (["compare", "--threads", "none"], ["--threads", "integer"]),
}


HIDE_TORCH = """
import importlib.metadata
import importlib.util

find_spec, version = importlib.util.find_spec, importlib.metadata.version

def find_all_but_torch(name, package=None):
    return None if name.split(".")[0] == "torch" else find_spec(name, package)

def version_of_all_but_torch(name):
    if name == "torch":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

importlib.util.find_spec, importlib.metadata.version = find_all_but_torch, version_of_all_but_torch
"""


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_request_is_told_in_a_sentence(poolbench, case):
    arguments, words = CASES[case]
    done = poolbench(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_catalogue_file_is_told_by_file_and_line(poolbench, tmp_path: Path):
    (tmp_path / "mine.txt").write_text("# mine\nmax2d-n1c2-h8w8-k2\nmax2d-n1c2-h8-k2\n")
    done = poolbench("compare", "numpy", "-w", "./mine.txt")
    assert done.returncode == 2
    assert "mine.txt:3" in done.stderr
    assert "Traceback" not in done.stderr


def test_results_that_cannot_be_written_are_told_before_measuring(poolbench, tmp_path: Path):
    (tmp_path / "results").write_text("a file where a folder should be")
    done = poolbench("compare", "fake", "-w", "smoke", "--budget", "4")
    assert done.returncode == 2
    assert "results" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_framework_that_is_missing_is_named_with_its_remedy(poolbench, environment, tmp_path: Path):
    # A finder that hides torch stands for a machine without it; the worker's interpreter inherits it.
    hider = tmp_path / "hide"
    hider.mkdir()
    (hider / "sitecustomize.py").write_text(HIDE_TORCH)
    environment["PYTHONPATH"] = str(hider)
    done = poolbench("compare", "torch", "-w", "smoke")
    assert done.returncode == 2
    assert "pip install 'poolbench[torch]'" in done.stderr
    assert "Traceback" not in done.stderr
