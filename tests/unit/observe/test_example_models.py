"""Every pooling call of the example models, against a count by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolbench.api.capture import capture_target
from poolbench.model.capture import Capture
from poolbench.model.workload import Pass
from poolbench.observe.gather import gather
from poolbench.observe.inputs import parse_input
from poolbench.observe.observer import observe
from poolbench.observe.onnx_file import read_onnx
from poolbench.observe.target import Target, load

MODELS = Path(__file__).parents[3] / "examples/models"

N = "-f32-nchw"

# Of each model: the file and its class, the input, and the calls of a step by the workload's id without its pass.
VGG = ("vgg.py", "VGG", "1x3x224x224", {
    f"max2d-n1c8-h224w224-k2{N}": 1, f"max2d-n1c16-h112w112-k2{N}": 1, f"max2d-n1c32-h56w56-k2{N}": 1,
    f"max2d-n1c32-h28w28-k2{N}": 1, f"max2d-n1c32-h14w14-k2{N}": 1, f"avg2d-n1c32-h7w7-a7{N}": 1,
})  # fmt: skip
# The stem, a gate in each of four blocks, one shortcut, and the last average on what the last two gates see too.
RESNET = ("resnet.py", "ResNet", "2x3x64x64", {
    f"max2d-n2c16-h32w32-k3s2p1{N}": 1, f"avg2d-n2c16-h16w16-a1{N}": 2, f"avg2d-n2c32-h8w8-a1{N}": 2 + 1,
    f"avg2d-n2c16-h16w16-k2-ceil{N}": 1,
})  # fmt: skip
POOLFORMER = ("poolformer.py", "PoolFormer", "2x3x64x64", {
    f"avg2d-n2c16-h16w16-k3s1p1-xpad{N}": 2, f"avg2d-n2c32-h8w8-k3s1p1-xpad{N}": 2, f"avg2d-n2c32-h8w8-a1{N}": 1,
})  # fmt: skip
UNET = ("unet.py", "UNet", "1x1x32x32", {f"max2d-n1c8-h32w32-k2{N}": 1, f"max2d-n1c16-h16w16-k2{N}": 1})
SPPF = ("sppf.py", "SPPF", "2x32x20x20", {f"max2d-n2c16-h20w20-k5s1p2{N}": 3})
TEXTCNN = ("textcnn.py", "TextCNN", "2x64:int64", {
    "max1d-n2c8-w62-k62-f32-ncw": 1, "max1d-n2c8-w61-k61-f32-ncw": 1, "max1d-n2c8-w60-k60-f32-ncw": 1,
})  # fmt: skip
M5 = ("m5.py", "M5", "2x1x8000", {
    "max1d-n2c8-w496-k4-f32-ncw": 1, "max1d-n2c8-w122-k4-f32-ncw": 1, "max1d-n2c16-w28-k4-f32-ncw": 1,
    "max1d-n2c16-w5-k4-f32-ncw": 1, "avg1d-n2c16-w1-k1-f32-ncw": 1,
})  # fmt: skip
C3D = ("c3d.py", "C3D", "1x3x16x64x64", {
    "max3d-n1c8-d16h64w64-k1x2x2-f32-ncdhw": 1, "max3d-n1c16-d16h32w32-k2-f32-ncdhw": 1,
    "max3d-n1c16-d8h16w16-k2-f32-ncdhw": 1, "max3d-n1c16-d4h8w8-k2-f32-ncdhw": 1,
    "max3d-n1c16-d2h4w4-k2p0x1x1-f32-ncdhw": 1,
})  # fmt: skip
TORCH = (VGG, RESNET, POOLFORMER, UNET, SPPF, TEXTCNN, M5, C3D)

L = "-f32-nhwc"
INCEPTION = ("keras_applications.py", "inception", "1x299x299x3", {
    f"max2d-n1c64-h147w147-k3s2{L}": 1, f"max2d-n1c192-h71w71-k3s2{L}": 1,  # the stem
    f"avg2d-n1c192-h35w35-k3s1p1-xpad{L}": 1, f"avg2d-n1c256-h35w35-k3s1p1-xpad{L}": 1,
    f"avg2d-n1c288-h35w35-k3s1p1-xpad{L}": 1, f"max2d-n1c288-h35w35-k3s2{L}": 1,  # blocks 0 to 3
    f"avg2d-n1c768-h17w17-k3s1p1-xpad{L}": 4, f"max2d-n1c768-h17w17-k3s2{L}": 1,  # 4 to 7, and 8
    f"avg2d-n1c1280-h8w8-k3s1p1-xpad{L}": 1, f"avg2d-n1c2048-h8w8-k3s1p1-xpad{L}": 1, f"avg2d-n1c2048-h8w8-a1{L}": 1,
})  # fmt: skip
EFFICIENTNET = ("keras_applications.py", "efficientnet", "1x224x224x3", {
    f"avg2d-n1c32-h112w112-a1{L}": 1, f"avg2d-n1c96-h56w56-a1{L}": 1, f"avg2d-n1c144-h56w56-a1{L}": 1,  # 1a 2a 2b
    f"avg2d-n1c144-h28w28-a1{L}": 1, f"avg2d-n1c240-h28w28-a1{L}": 1, f"avg2d-n1c240-h14w14-a1{L}": 1,  # 3a 3b 4a
    f"avg2d-n1c480-h14w14-a1{L}": 3, f"avg2d-n1c672-h14w14-a1{L}": 2, f"avg2d-n1c672-h7w7-a1{L}": 1,  # 4bc5a 5bc 6a
    f"avg2d-n1c1152-h7w7-a1{L}": 4, f"avg2d-n1c1280-h7w7-a1{L}": 1,  # 6bcd7a, and the top
})  # fmt: skip
KERAS = (INCEPTION, EFFICIENTNET)


def name_of(model):
    return model[1]


def counts(capture: Capture) -> dict[str, int]:
    assert capture.problem == ""
    assert all(call.is_supported for call in capture.calls)
    return {call.workload.id: call.count for call in capture.calls}


def here(model, pass_: Pass) -> Capture:
    """What a model of PyTorch's pools, run in this process."""
    pytest.importorskip("torch")
    file, name, shape, _ = model
    target = Target(place=str(MODELS / file), attribute=name)
    report = observe(target, [parse_input(shape)], pass_, framework="torch")
    return gather(report, target=str(target), pass_=pass_)


@pytest.mark.parametrize("model", TORCH, ids=name_of)
def test_a_forward_pass_of_a_torch_model(model):
    assert counts(here(model, Pass.FORWARD)) == model[3]


@pytest.mark.parametrize("model", [model for model in TORCH if model is not SPPF], ids=name_of)
def test_a_training_step_of_a_torch_model(model):
    # The maxima of TextCNN are joined, three times eight channels, and get their gradients as slices of that.
    end = ".train.gc24" if model is TEXTCNN else ".train"
    assert counts(here(model, Pass.TRAINING)) == {f"{key}{end}": count for key, count in model[3].items()}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("model", [model for model in TORCH if model is not VGG], ids=name_of)
def test_a_torch_model_that_was_exported(model, tmp_path):
    """All but VGG, whose adaptive average of 7×7 to 7×7 the exporter writes as a window of one element."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    file, name, shape, expected = model
    spec = parse_input(shape)
    given = torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype))
    path = tmp_path / "exported.onnx"
    made = load(Target(place=str(MODELS / file), attribute=name))()
    torch.onnx.export(made.eval(), (given,), path, dynamo=False)
    assert (
        counts(gather(read_onnx(str(path), [], Pass.FORWARD), target="exported.onnx", pass_=Pass.FORWARD)) == expected
    )


def test_a_joined_maximum_gets_a_slice_as_its_gradient():
    """The last of the three has no other reader than the concatenation of four times sixteen channels."""
    (key,) = SPPF[3]
    capture = here(SPPF, Pass.TRAINING)
    assert counts(capture) == {f"{key}.train": 2, f"{key}.train.gc64": 1}
    assert [call.gradient_strides for call in capture.calls] == [(6400, 400, 20, 1), (25600, 400, 20, 1)]


@pytest.mark.parametrize("pass_", [Pass.FORWARD, Pass.TRAINING])
@pytest.mark.parametrize("model", KERAS, ids=name_of)
def test_a_step_of_a_keras_model(model, pass_):
    pytest.importorskip("tensorflow")
    file, name, shape, expected = model
    found = capture_target(f"{MODELS / file}:{name}", [shape], pass_=pass_)
    assert counts(found) == {f"{key}{pass_.suffix}": count for key, count in expected.items()}


def test_where_the_calls_stand_in_a_model():
    capture = here(RESNET, Pass.FORWARD)
    places = {place.layer: place for call in capture.calls for place in call.places}
    assert set(places) == {
        "maxpool", "layer1.0.body.5", "layer1.1.body.5", "layer2.0.shortcut.0", "layer2.0.body.5", "layer2.1.body.5",
        "avgpool",
    }  # fmt: skip
    assert [layer for layer, place in places.items() if place.is_reduction] == [
        "layer1.0.body.5", "layer1.1.body.5", "layer2.0.body.5", "layer2.1.body.5",
    ]  # fmt: skip
    assert places["avgpool"].function == "adaptive_avg_pool2d"
    assert {call.workload.origin.model for call in capture.calls} == {"ResNet"}
