from __future__ import annotations

import numpy as np
import pytest

from poolbench.errors import UsageError
from poolbench.model.workload import Pass
from poolbench.observe.gather import gather
from poolbench.observe.inputs import parse_input
from poolbench.observe.onnx_file import read_onnx

onnx = pytest.importorskip("onnx")


def constant(name, values):
    return onnx.numpy_helper.from_array(np.array(values), name)


def saved(path, nodes, shape, constants=(), outputs=(), opset=18):
    """Write a model of ``nodes`` on an input "x" of ``shape``, and return its path."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs or nodes[-1].output],
        list(constants),
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return str(path)


def ids(place, *inputs):
    report = read_onnx(place, [parse_input(text) for text in inputs], Pass.FORWARD)
    calls = gather(report, target=place, pass_=Pass.FORWARD).calls
    return {call.workload.id if call.workload else call.reason: call.count for call in calls}


@pytest.fixture
def net(tmp_path):
    """A convolution, pooling of each kind, and a gate; batch and height are free."""
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        node("MaxPool", ["a"], ["b"], name="/stem/pool/MaxPool", kernel_shape=[3, 3], strides=[2, 2],
             auto_pad="SAME_UPPER"),
        node("AveragePool", ["b"], ["c"], kernel_shape=[2, 2], pads=[0, 0, 1, 1]),
        node("LpPool", ["c"], ["d"], kernel_shape=[2, 2]),
        node("ReduceMean", ["c", "axes"], ["e"], name="/gate/ReduceMean"),
        node("Mul", ["c", "e"], ["f"]),
        node("GlobalMaxPool", ["f"], ["g"]),
        node("GlobalAveragePool", ["f"], ["h"]),
        node("MaxPool", ["f"], ["i"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("ReduceMean", ["f", "channels"], ["j"]),
    ]  # fmt: skip
    constants = [
        constant("w", np.zeros((4, 3, 3, 3), np.float32)), constant("axes", [2, 3]), constant("channels", [1]),
    ]  # fmt: skip
    return saved(tmp_path / "net.onnx", nodes, ["batch", 3, "height", 33], constants, "dghij")


EXPECTED = {
    "max2d-n2c4-h32w33-k3s2p0_1x1-f32-nchw": 1,
    "avg2d-n2c4-h16w17-k2s1p0_1-xpad-f32-nchw": 1,
    "avg2d-n2c4-h16w17-a1-f32-nchw": 2,
    "max2d-n2c4-h16w17-a1-f32-nchw": 1,
    "max2d-n2c4-h16w17-k2-ceil-f32-nchw": 1,
}


@pytest.mark.parametrize("inputs", [["2x3x32x33"], ["x=2x3x32x33"], ["batch=2", "height=32"]])
def test_every_kind_of_pooling_with_the_shapes_that_are_given(net, inputs):
    found = ids(net, *inputs)
    (refused,) = set(found) - set(EXPECTED)
    assert "LP pooling" in refused
    assert {key: count for key, count in found.items() if key != refused} == EXPECTED


def test_free_dimensions_are_asked_for(net):
    (unknown,) = {reason for reason in ids(net) if "LP pooling" not in reason}
    assert "batch and height free" in unknown and "--input NAME=SIZE" in unknown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("y=3", "Known: batch, height, x"),
        ("2x3x32x34", "whose input 'x' is batchx3xheightx33"),
        ("2x3x32", "whose input 'x' is batchx3xheightx33"),
    ],
)
def test_inputs_that_do_not_fit(net, text, said):
    with pytest.raises(UsageError, match=said):
        ids(net, text)


def test_a_sequence_is_told_from_tokens_by_what_made_it(tmp_path):
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("ReduceMax", ["b", "last"], ["c"], keepdims=0),
        node("ReduceMean", ["x", "last"], ["d"], keepdims=0),
    ]
    constants = [constant("w", np.zeros((4, 3, 3), np.float32)), constant("last", [-1])]
    place = saved(tmp_path / "line.onnx", nodes, [2, 3, 12], constants, "cd")
    assert ids(place) == {"max1d-n2c4-w10-a1-f32-ncw": 1}


def test_indices_that_are_wanted(tmp_path):
    nodes = [onnx.helper.make_node("MaxPool", ["x"], ["y", "where"], kernel_shape=[2, 2])]
    (reason,) = ids(saved(tmp_path / "m.onnx", nodes, [1, 1, 4, 4], outputs="y"))
    assert "indices" in reason


def test_calls_inside_of_branches_are_found(tmp_path):
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    branch = helper.make_graph(
        [helper.make_node("MaxPool", ["x"], ["z"], kernel_shape=[2, 2])],
        "branch",
        [],
        [helper.make_tensor_value_info("z", kind, [1, 1, 3, 3])],
    )
    nodes = [helper.make_node("If", ["yes"], ["y"], name="which", then_branch=branch, else_branch=branch)]
    place = saved(tmp_path / "if.onnx", nodes, [1, 1, 4, 4], [constant("yes", True)])
    report = read_onnx(place, [], Pass.FORWARD)
    assert sum(report.sightings.values()) == 2
    assert report.notes == ["Both branches of If 'which' are counted."]


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07"])
def test_what_is_no_model(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is no ONNX model that can be read"):
        ids(str(path))


def test_a_file_that_is_not_there_and_a_pass_that_is_not(net):
    with pytest.raises(UsageError, match="There is no file"):
        ids("nowhere.onnx")
    with pytest.raises(UsageError, match="leave --pass out"):
        read_onnx(net, [], Pass.TRAINING)
