"""PyTorch's side of the effects: what a layer saves in a model, a step by kind of layer, and the small classifier."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from poolbench.errors import UsageError  # noqa: E402 - behind the question whether it is there
from poolbench.model.effects import Alternative, LayerKind  # noqa: E402 - behind the question whether it is there
from poolbench.model.workload import Pass  # noqa: E402 - behind the question whether it is there
from poolbench.observe.effects import torch_classifier  # noqa: E402 - behind the question whether it is there
from poolbench.observe.effects.torch_kinds import kind_of, profile_step  # noqa: E402 - behind the question whether it is there
from poolbench.observe.effects.torch_without import savings  # noqa: E402 - behind the question whether it is there
from poolbench.observe.inputs import parse_input  # noqa: E402 - behind the question whether it is there
from poolbench.observe.torch_step import Step  # noqa: E402 - behind the question whether it is there


def two_stages(*behind):
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.MaxPool2d(2), torch.nn.Conv2d(4, 4, 3, padding=1), *behind
    )


def test_what_a_layer_saves_to_the_end_of_a_model_by_hand():
    ((identity, layer, saving),) = savings(two_stages(), [parse_input("1x1x8x8")])
    assert (identity, layer) == ("max2d-n1c4-h8w8-k2-f32-nchw", "1")
    assert saving.activations == 4 * (64 - 16)
    assert saving.bytes == 4 * 4 * (64 - 16)
    assert saving.operations == 2 * 9 * 4 * 4 * (64 - 16)
    assert saving.scope == "behind it, to the end of the model"


def test_a_dense_layer_that_does_not_fit_ends_the_count():
    model = two_stages(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    ((_, _, saving),) = savings(model, [parse_input("1x1x8x8")])
    assert saving.activations == 4 * (64 - 16)
    assert saving.scope == "behind it, up to 4"


def test_each_of_several_layers_is_left_out_by_itself():
    model = two_stages(torch.nn.AvgPool2d(2), torch.nn.Conv2d(4, 2, 1))
    first, second = savings(model, [parse_input("1x1x8x8")])
    assert second[2].activations == 2 * (16 - 4)
    assert first[2].activations == 4 * (64 - 16) + 4 * (16 - 4) + 2 * (16 - 4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aten::conv2d", LayerKind.CONVOLUTION),
        ("aten::convolution_backward", None),
        ("aten::addmm", LayerKind.DENSE),
        ("aten::lstm", LayerKind.RECURRENT),
        ("aten::scaled_dot_product_attention", LayerKind.ATTENTION),
        ("aten::layer_norm", LayerKind.NORMALISATION),
        ("aten::max_pool2d_with_indices", LayerKind.POOLING),
        ("aten::adaptive_avg_pool2d", LayerKind.POOLING),
        ("aten::relu", None),
        ("aten::mean", None),
        ("mine::conv2d", None),
    ],
)
def test_operators_have_kinds(name, kind):
    assert kind_of(name) is kind


def test_a_mean_over_all_places_is_pooling_and_no_other_mean_is():
    assert kind_of("aten::mean", [[2, 3, 4, 4]], ["", [-1, -2], "False"]) is LayerKind.POOLING
    assert kind_of("aten::mean", [[2, 3, 4, 4]], ["", [1], "False"]) is None
    assert kind_of("aten::mean", [[2, 3, 4]], ["", [1, 2], "False"]) is None


class Several(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3)
        self.norm = torch.nn.BatchNorm2d(8)
        self.pool = torch.nn.MaxPool2d(2)
        self.lstm = torch.nn.LSTM(8, 8, batch_first=True)
        self.fc = torch.nn.Linear(8, 4)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.conv(x))))
        x, _ = self.lstm(x.flatten(2).transpose(1, 2))
        x = torch.nn.functional.scaled_dot_product_attention(x, x, x)
        return self.fc(x.mean(1))


@pytest.mark.parametrize("pass_", [Pass.FORWARD, Pass.TRAINING])
def test_the_kinds_of_a_step_are_all_there_and_add_up_to_no_more_than_the_step(pass_):
    step = Step(Several(), [parse_input("2x3x12x12")], pass_).take
    (found,) = profile_step(step, 0)["rounds"]
    assert set(found["times"]) == set(LayerKind) - {LayerKind.BETWEEN}
    assert 0 < sum(found["times"].values()) <= found["profiled"]
    assert found["plain"] > 0
    # The convolution puts out 2 · 8 · 10 · 10 numbers of four bytes.
    assert found["bytes"][LayerKind.CONVOLUTION] >= 6_400


def test_training_gives_gradients_to_the_kind_of_their_operator():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.AdaptiveAvgPool2d(1))
    (forward,) = profile_step(Step(model, [parse_input("2x3x8x8")], Pass.FORWARD).take, 0)["rounds"]
    (training,) = profile_step(Step(model, [parse_input("2x3x8x8")], Pass.TRAINING).take, 0)["rounds"]
    # The gradients of the convolution's weights and input are new tensors; so is that of the pooling's input.
    assert training["bytes"][LayerKind.CONVOLUTION] > forward["bytes"][LayerKind.CONVOLUTION]
    assert training["bytes"][LayerKind.POOLING] > forward["bytes"].get(LayerKind.POOLING, 0)


@pytest.fixture
def short(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(torch_classifier, "EPOCHS", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_classifier_learns_and_the_same_seed_gives_the_same(short):
    first, again = (torch_classifier.train_and_test(Alternative.MAX, 3) for _ in range(2))
    assert first == again
    assert first["plain"] > 0.2  # one in ten would be chance
    assert set(first) == {"plain", "shifted", "steady"}


@pytest.mark.parametrize("alternative", Alternative)
def test_every_alternative_halves_the_planes_but_none(alternative):
    layer = torch_classifier._pooling(alternative, 4)
    side = 12 if alternative is Alternative.NONE else 6
    assert layer(torch.rand(1, 4, 12, 12)).shape == (1, 4, side, side)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UsageError, match=r"scikit-learn is not installed here: pip install 'poolbench\[effects\]'"):
        torch_classifier.train_and_test(Alternative.MAX, 0)
