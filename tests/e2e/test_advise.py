"""``poolbench advise``: a user's own model timed, changed and timed again, and what may be wrong with it."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("poolbench.strided.torch_modules", exc_type=ImportError)

MODELS = """
import os

import torch
from torch import nn
from torch.nn import functional as F

first = [True]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        print("printed by the model")
        self.pool = nn.MaxPool1d(3, 1, 1)

    def forward(self, x):
        return F.avg_pool1d(self.pool(x), 2)


def plain(x):
    return x + 1


def ends_when_timed(x):
    if torch.get_num_threads() == 1 and os.environ.get("OMP_NUM_THREADS") == "1":
        os._exit(7)
    return F.max_pool1d(x, 2)
"""


@pytest.fixture
def advise(poolbench, tmp_path):
    (tmp_path / "planted.py").write_text(MODELS)
    return lambda name, *arguments: poolbench(
        "advise", f"planted:{name}", "--input", "1x16x4096", "--budget", "5", *arguments
    )


def test_a_model_is_timed_changed_and_timed_again(advise, tmp_path, environment):
    environment["TORCHDYNAMO_DISABLE"] = "1"  # torch.compile then returns what it is given, at once
    done = advise(
        "Net", "--format", "json", "--page", "out/advice.html", "--try", "strided",
        "--compile", "--allow-dtype", "bf16,f16",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    layers = {layer["layer"]: layer for layer in document["layers"]}
    assert layers["pool"]["workloads"] == ["max1d-n1c16-w4096-k3s1p1-f32-ncw"]
    assert layers[""]["function"] == "avg_pool1d"
    options = {option["change"]: option for option in layers["pool"]["options"]}
    assert set(options) == {"strided", "channels_last", "channels_first", "compile", "bf16", "f16"}
    assert all(options[name]["saving"] for name in ("strided", "compile", "bf16", "f16"))
    assert layers["pool"]["share"]["value"] > 0
    (tried,) = document["trials"]
    assert (tried["what"], tried["problem"]) == ("poolbench.strided.torch", "")
    for saving in (tried["calls"], tried["predicted"], tried["measured"]):
        assert saving["low"] < saving["value"] < saving["high"]
    assert "Is pooling the bottleneck?" in (tmp_path / "out/advice.html").read_text()


def test_a_model_that_ends_while_it_is_timed_is_a_sentence(advise):
    done = advise("ends_when_timed", "--quiet")
    assert done.returncode == 3
    assert "planted:ends_when_timed did not come to its end. The worker exited with code 7" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_without_pooling_and_mistakes_are_sentences(advise):
    assert "makes no pooling call: there is nothing to change." in advise("plain").stdout
    for arguments, said in (
        (("--allow-dtype", "f8"), "There is no type to allow 'f8'. Did you mean"),
        (("--try", "srided"), "Did you mean strided"),
        (("--threads", "999"), "cores here"),
    ):
        done = advise("Net", *arguments)
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.strip().splitlines()) == 1
