"""What stands in a layer's place: the calls give planes of the layer's size, and cost what can be counted by hand."""

from __future__ import annotations

import pytest

from poolbench.model.effects import Alternative, leading
from poolbench.model.ids import parse_id
from poolbench.observe.effects.replacements import DENSE, DEPTHWISE, next_layer, replacements, saving_ahead

HALVING = parse_id("max2d-n2c4-h8w8-k2-f32-nchw")


def found(workload):
    return {each.alternative: each for each in replacements(workload, "torch")}


@pytest.mark.parametrize(
    "identity",
    [
        "max2d-n2c4-h8w8-k2-f32-nchw",
        "max2d-n1c4-h9w9-k3s2-ceil-f32-nchw",
        "max2d-n1c4-h12w12-k3s2p1-f32-nchw",
        "avg2d-n1c4-h7w7-k2-ceil-f32-nchw",
        "avg2d-n1c4-h7w7-k2-f32-nchw",
        "max1d-n1c4-w27-k4-f32-ncw",
        "avg3d-n1c2-d4h8w8-k2-f32-ncdhw",
        "max2d-n1c4-h8w8-k5s1p2-f32-nchw",
        "avg2d-n1c4-h8w8-a4-f32-nchw",
        "avg2d-n1c4-h5w5-a1-f32-nchw",
    ],
)
def test_every_alternative_gives_an_output_of_the_layer_s_size(identity):
    workload = parse_id(identity)
    for each in found(workload).values():
        if each.parts:
            assert each.parts[-1].workload.output_shape == workload.output_shape, each
        for before, behind in zip(each.parts, each.parts[1:], strict=False):
            assert before.workload.output_shape == behind.workload.input_shape


def test_the_layer_itself_is_measured_as_it_is():
    workload = parse_id("avg2d-n1c4-h7w7-k3s2p1-ceil-xpad-f32-nchw")
    layer = found(workload)[Alternative.AVERAGE]
    assert layer.is_layer
    assert [part.workload for part in layer.parts] == [workload]


def test_operations_and_weights_by_hand():
    known = found(HALVING)  # 2 · 4 planes of 4 × 4 outputs: 128
    assert known[Alternative.MAX].operations == 128 * 3
    assert known[Alternative.AVERAGE].operations == 128 * 4
    assert known[Alternative.CONVOLUTION].operations == 128 * 2 * 4 * 4  # two for each weight: 2 × 2 of 4 channels
    assert known[Alternative.CONVOLUTION].weights == 4 * 4 * 2 * 2
    assert known[Alternative.BLUR].operations == 128 * 2 * 9
    # 7 × 7 maxima of 2 × 2 come first.
    assert known[Alternative.MAX_BLUR].operations == 8 * 49 * 3 + 128 * 2 * 9
    assert known[Alternative.NONE].operations == 0
    assert [part.subject for part in known[Alternative.MAX_BLUR].parts] == ["torch", DEPTHWISE]


def test_what_is_saved_by_hand():
    saving = saving_ahead(HALVING)
    assert saving.activations == 8 * (64 - 16)
    assert saving.bytes == 4 * saving.activations
    assert saving.operations == 8 * (64 - 16) * 2 * 9 * 4
    assert next_layer(HALVING) == "a 3 × 3 convolution with 4 channels"
    assert next_layer(parse_id("max1d-n1c4-w27-k4-f32-ncw")) == "a 3-wide convolution with 4 channels"


def test_behind_global_pooling_stands_a_dense_layer():
    workload = parse_id("avg2d-n1c4-h5w5-a1-f32-nchw")
    saving = saving_ahead(workload)
    assert saving.activations == 0
    assert saving.operations == 2 * 4 * 4 * 24
    none, average = found(workload)[Alternative.NONE], found(workload)[Alternative.AVERAGE]
    assert none.next_part.workload.spec.window == (5, 5)
    assert average.next_part.workload.spec.window == (1, 1)
    assert none.next_part.subject == average.next_part.subject == DENSE
    assert "one output is left" in found(workload)[Alternative.BLUR].reason


def test_windows_of_different_sizes_can_be_a_maximum_or_an_average_of_their_own_kind_alone():
    known = found(parse_id("avg2d-n1c4-h7w7-a3-f32-nchw"))
    assert not known[Alternative.AVERAGE].reason
    for alternative in (Alternative.MAX, Alternative.CONVOLUTION, Alternative.BLUR, Alternative.MAX_BLUR):
        assert "differ in size" in known[alternative].reason
        assert not known[alternative].parts


def test_nothing_beats_the_front():
    points = [(1, 0.5), (2, 0.4), (2, 0.9), (3, 0.9), (4, 1.0)]
    assert leading(points) == ((1, 0.5), (2, 0.9), (4, 1.0))
    assert leading([]) == ()
