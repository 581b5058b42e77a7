from __future__ import annotations

import numpy as np
import pytest

from poolbench.model.ids import parse_id
from poolbench.model.workload import CONTIGUOUS, View, ViewKind
from poolbench.observe.layout import gradient_view_of, layout_of
from poolbench.verify.fill import place


def strides_of(workload):
    """The strides in elements, batch and channels first, of an array that lies as ``workload`` says."""
    values = np.zeros(workload.reference_input_shape, np.float32)
    array = place(values, workload.order, workload.view)
    steps = dict(zip(workload.order, (step // array.itemsize for step in array.strides), strict=True))
    rank = workload.spec.rank
    return tuple(steps[axis] for axis in "nc" + "dhw"[3 - rank :])


@pytest.mark.parametrize(
    "text",
    [
        "max1d-n2c3-w8-k2-f32-ncw",
        "max1d-n2c3-w8-k2-f32-nwc",
        "max1d-n2c3-w8-k2-f32-ncw.c5",
        "max2d-n2c3-h6w8-k2-f32-nchw",
        "max2d-n2c3-h6w8-k2-f32-nhwc",
        "max2d-n2c3-h6w8-k2-f32-nchw.c4",
        "max2d-n2c3-h6w8-k2-f32-nhwc.c4",
        "max2d-n2c3-h6w8-k2-f32-nchw.t",
        "max2d-n1c3-h6w8-k2-f32-nhwc.c4",
        "max2d-n2c3-h6w8-k2-f32-cnhw",
        "max3d-n2c3-d4h6w8-k2-f32-ncdhw",
        "max3d-n2c3-d4h6w8-k2-f32-ndhwc.c16",
    ],
)
def test_strides_lead_back_to_the_order_and_the_view(text):
    workload = parse_id(text)
    layout = layout_of(workload.reference_input_shape, strides_of(workload))
    assert (layout.order, layout.view, layout.note) == (workload.order, workload.view, "")


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((2, 1, 4, 4), (16, 1, 4, 1)), ((1, 3, 1, 1), (3, 1, 99, 99)), ((1, 3, 4, 4), (7, 16, 4, 1))],
)
def test_axes_of_length_one_have_no_say(shape, strides):
    assert layout_of(shape, strides).order == "nchw"
    assert layout_of(shape, strides).view == CONTIGUOUS


def test_what_no_id_says_is_told():
    repeated = layout_of((2, 3, 4, 4), (0, 0, 0, 0))
    assert repeated.order == "nchw" and "repeats elements" in repeated.note
    every_second = layout_of((2, 4, 4, 3), (384, 2, 96, 24))
    assert every_second.order == "nhwc" and "(384, 2, 96, 24)" in every_second.note


def test_a_gradient_is_seen_in_the_workload_s_order():
    shape = (2, 4, 3, 3)
    assert gradient_view_of("nchw", shape, (36, 9, 3, 1)) == (CONTIGUOUS, "")
    assert gradient_view_of("nchw", shape, (72, 9, 3, 1)) == (View(kind=ViewKind.CHANNEL_SLICE, channels=8), "")
    assert gradient_view_of("nhwc", shape, (36, 1, 12, 4)) == (CONTIGUOUS, "")
    view, note = gradient_view_of("nchw", shape, (36, 1, 12, 4))
    assert view == CONTIGUOUS and "gradient" in note
