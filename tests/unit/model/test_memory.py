"""The closed form of the least memory, and the account as fields."""

from __future__ import annotations

import numpy as np
import pytest

from poolbench.model.ids import parse_id
from poolbench.model.memory import FLAT, Amount, Memory, flat, least_bytes, not_measured
from poolbench.verify.fill import exact_values
from poolbench.verify.reference import pool

FORWARD = (
    "max2d-n4c64-h112w112-k2-f32-nchw",
    "max2d-n1c3-h9w10-k3s2p1-ceil-bf16-nhwc",
    "avg3d-n2c5-d4h6w7-k2s1-f64-ncdhw",
    "avg1d-n1c7-w33-a5-f16-nwc",
    "max2d-n1c4-h8w8-k3s2p0x1_0-i8-nchw.c9",
)


@pytest.mark.parametrize("text", FORWARD)
def test_forward_needs_the_output_alone(text: str) -> None:
    workload = parse_id(text)
    elements = pool(workload.spec, exact_values(workload, 1)).size
    assert least_bytes(workload) == elements * workload.dtype.itemsize == workload.output_bytes


def test_the_example_of_the_documentation() -> None:
    assert least_bytes(parse_id(FORWARD[0])) == 3_211_264


@pytest.mark.parametrize("text", [text for text in FORWARD if parse_id(text).dtype.is_float])
def test_training_needs_the_gradient_of_the_input_too(text: str) -> None:
    workload = parse_id(f"{text}.train")
    gradient = np.prod(workload.input_shape) * workload.dtype.itemsize
    assert least_bytes(workload) == workload.output_bytes + gradient


def test_an_account_is_one_field_per_figure_and_note() -> None:
    memory = Memory(
        output_bytes=8, least_bytes=8, requested=Amount(bytes=24), touched=not_measured("It cannot be.")
    )  # fmt: skip
    assert flat(memory) == {
        "output_bytes": 8,
        "saved_bytes": None,
        "requested_bytes": 24,
        "touched_bytes": None,
        "least_bytes": 8,
        "saved_note": "",
        "requested_note": "",
        "touched_note": "not measured: It cannot be.",
    }
    assert tuple(flat(memory)) == tuple(flat(None)) == FLAT
    assert set(flat(None).values()) == {None, ""}
