"""``poolbench capture``: a user's own model, and all that may be wrong with it."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

MODELS = """
import ctypes
import os
import sys

import torch
from torch import nn
from torch.nn import functional as F

print("printed while the module is imported")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.pools = nn.ModuleList([nn.MaxPool2d(2), nn.MaxPool2d(2)])

    def forward(self, x):
        print("{" * 5000)
        sys.stderr.write("}" * 5000)
        os.write(1, b"written to the descriptor itself")
        x = self.conv(x)
        return self.pools[0](x) + self.pools[1](x)


class Odd(nn.Module):
    def forward(self, x):
        F.lp_pool2d(x, 2, 2)
        F.max_pool2d(x, 2, return_indices=True)
        F.fractional_max_pool2d(x, 2, output_size=2)
        return F.max_pool2d(x, 2)


class Plain(nn.Module):
    def forward(self, x):
        return x + 1


class Two(nn.Module):
    def forward(self, x, mask=None):
        return F.avg_pool2d(x, 2) * F.max_pool2d(mask, 2)


def stops(x):
    F.avg_pool2d(x, 2)
    raise ValueError("stopped on purpose")


def exits(x):
    os._exit(7)


def crashes_late(x):
    x = x.requires_grad_()
    F.avg_pool2d(x, 2).sum().backward()
    F.max_pool2d(x, 2)
    with torch.no_grad():
        F.max_pool2d(x, 2)
    os.kill(os.getpid(), 9)


def crashes(x):
    ctypes.string_at(0)


def hangs(x):
    while True:
        pass


def leaves(x):
    sys.exit("left on purpose")


def grows(x):
    return [torch.empty(1 << 28) for _ in range(1 << 12)]


def nothing():
    return 5
"""


@pytest.fixture
def capture(poolbench, tmp_path):
    (tmp_path / "planted.py").write_text(MODELS)

    def run(name, *arguments, shape="2x1x8x8", **settings):
        return poolbench("capture", f"planted:{name}", *(("--input", shape) if shape else ()), *arguments, **settings)

    return run


def test_what_a_model_prints_does_not_reach_the_json(capture):
    document = json.loads(capture("Net", "--json", check=True).stdout)
    (call,) = document["calls"]
    assert document["framework"] == "torch"
    assert {key: call[key] for key in ("id", "name", "count", "pass", "supported", "reason", "strides", "dtype")} == {
        "id": "max2d-n2c2-h8w8-k2-f32-nchw", "name": "Net.pools.0", "count": 2, "pass": "forward", "supported": True,
        "reason": "", "strides": [128, 64, 8, 1], "dtype": "float32",
    }  # fmt: skip
    assert [place["layer"] for place in call["places"]] == ["pools.0", "pools.1"]


def test_the_file_goes_through_compare(capture, poolbench, tmp_path):
    done = capture("Net", "--pass", "training", "--output", "mine.txt", check=True)
    assert "poolbench compare -w mine.txt" in done.stdout
    text = (tmp_path / "mine.txt").read_text()
    assert "max2d-n2c2-h8w8-k2-f32-nchw.train Net.pools.0.train model=Net" in text
    assert "weight=2" in text
    listed = json.loads(poolbench("list", "workloads", "-w", "mine.txt", "--json", check=True).stdout)
    assert [(each["name"], each["weight"], each["layer"]) for each in listed] == [
        ("Net.pools.0.train", 2, "pools.0 and pools.1")
    ]
    measured = poolbench(
        "compare", "numpy", "strided", "-w", "mine.txt", "--budget", "4", "--no-memory", "--json", check=True
    )
    cells = json.loads(measured.stdout)["cells"]
    assert {(cell["workload"], cell["status"]) for cell in cells} == {("max2d-n2c2-h8w8-k2-f32-nchw.train", "OK")}


def test_what_nothing_measures_is_a_sentence_and_the_rest_goes_on(capture, tmp_path):
    done = capture("Odd", "--output", "odd.txt", check=True)
    for words in ("LP pooling", "indices of its maxima", "at random"):
        assert words in done.stdout
    lines = [line for line in (tmp_path / "odd.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert [line.split()[0] for line in lines] == ["max2d-n2c1-h8w8-k2-f32-nchw"]


def test_several_inputs_some_by_name(capture):
    document = json.loads(capture("Two", "--input", "mask=2x1x8x8:f64", "--json", check=True).stdout)
    assert [call["id"] for call in document["calls"]] == [
        "avg2d-n2c1-h8w8-k2-f32-nchw", "max2d-n2c1-h8w8-k2-f64-nchw",
    ]  # fmt: skip


def test_a_model_without_pooling(capture, tmp_path):
    done = capture("Plain", "--output", "none.txt", check=True)
    assert "planted:Plain makes no pooling call." in done.stdout
    assert "none.txt' is not written" in done.stderr
    assert not (tmp_path / "none.txt").exists()


def test_what_was_seen_before_a_failure_is_told(capture):
    done = capture("stops", "--json")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert [call["id"] for call in document["calls"]] == ["avg2d-n2c1-h8w8-k2-f32-nchw"]
    assert document["problem"] == "planted:stops failed: ValueError: stopped on purpose (planted.py, line 47)."
    assert "stopped on purpose" in done.stderr


def test_what_was_seen_before_a_crash_is_told(capture):
    """The process is killed: what it saw is in a file."""
    done = capture("crashes_late", "--pass", "training", "--json")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert {call["id"]: call["count"] for call in document["calls"]} == {
        "avg2d-n2c1-h8w8-k2-f32-nchw.train": 1,
        "max2d-n2c1-h8w8-k2-f32-nchw.trainfwd": 1,
        "max2d-n2c1-h8w8-k2-f32-nchw": 1,
    }
    assert "SIGKILL" in document["problem"]
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("exits", 3, "exited with code 7"),
        ("crashes", 3, "SIGSEGV"),
        ("hangs", 3, "within 5 s"),
        ("leaves", 3, "SystemExit: left on purpose"),
        ("grows", 3, "a third of this machine's memory"),
        ("nothing", 2, "is of type int, which cannot be called"),
        ("Nets", 2, "Did you mean Net"),
    ],
)
def test_a_model_that_ends_badly_is_one_sentence(capture, name, code, said):
    timeout = ("--timeout", "5") if name == "hangs" else ()
    done = capture(name, *timeout)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.startswith("poolbench: planted") or code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "shape", "said"),
    [
        ((), "2x3x8x8", "expected input"),
        ((), None, "needs an input"),
        ((), "2x-1", "is no shape"),
        (("--device", "cuda:7"), "2x1x8x8", "There is no device 'cuda:7'"),
        (("--device", "nowhere"), "2x1x8x8", "There is no device 'nowhere'"),
        (("--pass", "backwards"), "2x1x8x8", "Did you mean"),
        (("--pass", "training-backward"), "2x1x8x8", "forward or training"),
        (("--framework", "torhc"), "2x1x8x8", "Did you mean torch"),
    ],
)
def test_what_does_not_fit_is_one_sentence(capture, arguments, shape, said):
    done = capture("Net", *arguments, shape=shape)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_a_model_runs_without_data_on_the_device_meta(capture):
    (call,) = json.loads(capture("Net", "--device", "meta", "--json", shape="64x1x512x512", check=True).stdout)["calls"]
    assert (call["id"], call["device"]) == ("max2d-n64c2-h512w512-k2-f32-nchw", "meta")
