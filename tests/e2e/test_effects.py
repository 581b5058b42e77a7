"""``poolbench effects``: one run, and a sentence for each request that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TINY = "max2d-n1c2-h8w8-k2-f32-nchw"
EXAMPLES = Path(__file__).parents[2] / "examples" / "models"


def test_a_layer_beside_its_alternatives(poolbench, tmp_path):
    pytest.importorskip("torch")
    done = poolbench("effects", TINY, "--no-classifier", "--budget", "4", "--json", "--output", "reports", check=True)
    document = json.loads(done.stdout)
    (layer,) = document["layers"]
    assert [choice["alternative"] for choice in layer["choices"]] == [
        "max", "average", "convolution", "blur", "max + blur", "none",
    ]  # fmt: skip
    for choice in layer["choices"][:-1]:  # leaving the layer out takes no time of its own
        # On a busy machine the budget may be used up before, or no slot be clean: then it is said.
        if choice["time"]:
            assert choice["time"]["value"] > 0
        else:
            assert "was measured on" in choice["reason"] or "had no clean slot" in choice["reason"], choice
        assert 0 <= choice["information"]["lost"] <= 1
    assert (tmp_path / document["page"]).is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("no_such:Net", "--input", "1x1"), "There is no module 'no_such'"),
        (("max2d-n1c2-h8w8-k2", "--input", "1x1"), "--input is a model's"),
        (("a.py:b", "c.py:d"), "One model at a time"),
        ((TINY, "--layers"), "--layers profiles a model's step"),
        ((TINY, "--pass", "training"), "--pass goes with --layers"),
    ],
)
def test_what_cannot_be_is_one_sentence(poolbench, arguments, sentence):
    done = poolbench("effects", *arguments, "--no-classifier")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_model_without_pooling_is_told(poolbench, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "plain.py").write_text("import torch\n\nnet = torch.nn.Linear(4, 4)\n")
    done = poolbench("effects", "plain.py:net", "--input", "2x4", "--no-classifier")
    assert done.returncode == 2
    assert "makes no pooling call that could be measured" in done.stderr
