from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from poolbench.backends import registry
from poolbench.backends.base import Differentiated, Prepared, Source
from poolbench.backends.geometry import in_order
from poolbench.backends.training import TrainingCall
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy
from poolbench.model.workload import CONTIGUOUS, Pass, View, ViewKind
from poolbench.verify import fill, filling
from tests.contract.checking import source_of


def counted(pass_: Pass, *, own_step: bool = False) -> tuple[TrainingCall, list[str]]:
    """Return a call that writes down what of it is run."""
    log: list[str] = []

    def pullback() -> str:
        log.append("backward")
        return "gradient"

    def forward() -> tuple[str, Any]:
        log.append("forward")
        return "output", pullback

    def step() -> tuple[str, str]:
        log.append("step")
        return "output", "gradient"

    call = TrainingCall(
        layout="nchw",
        pass_=pass_,
        forward=forward,
        step=step if own_step else None,
        fetch=lambda found: np.array([found]),
        fetch_gradient=lambda found: np.array([found]),
    )
    return call, log


@pytest.mark.parametrize(
    ("pass_", "own_step", "prepared", "timed"),
    [
        (Pass.TRAINING, False, [], ["forward", "backward"]),
        (Pass.TRAINING, True, [], ["step"]),
        (Pass.TRAINING_FORWARD, False, [], ["forward"]),
        (Pass.TRAINING_BACKWARD, False, ["forward"], ["backward"]),
    ],
)
def test_each_pass_times_its_own_part(pass_: Pass, own_step: bool, prepared: list[str], timed: list[str]) -> None:
    call, log = counted(pass_, own_step=own_step)
    assert isinstance(call, Prepared) and isinstance(call, Differentiated)
    assert log == prepared
    log.clear()
    call.run()
    call.run()
    assert log == timed * 2
    assert call.output().tolist() == ["output"] and call.gradient().tolist() == ["gradient"]
    call.close()
    with pytest.raises(RuntimeError, match="closed"):
        call.run()


def test_a_forward_pass_is_no_training() -> None:
    with pytest.raises(ValueError, match="takes no gradient"):
        counted(Pass.FORWARD)


@pytest.mark.parametrize(
    "view",
    [
        CONTIGUOUS,
        View(kind=ViewKind.CHANNEL_SLICE, channels=7),
        View(kind=ViewKind.TRANSPOSED),
        View(kind=ViewKind.REVERSED),
    ],
)
@pytest.mark.parametrize("wanted", ["nchw", "nhwc", "wnch"])
def test_another_order_keeps_the_view(view: View, wanted: str) -> None:
    values = np.arange(2 * 5 * 4 * 6, dtype=np.float32).reshape(2, 5, 4, 6)
    array = fill.place(values, "nchw", view)
    found = in_order(array, "nchw", wanted, view)
    assert np.array_equal(fill.to_reference(found, wanted), values)
    assert found.strides == fill.place(values, wanted, view).strides
    if wanted == "nchw":
        assert found is array


@pytest.mark.parametrize("name", ["numpy:loops", "numpy:windows", "numpy:shifted"])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_half_types_add_up_in_float32(name: str, kind: str) -> None:
    """512 windows of ones meet in each element: bfloat16 would stop at 256."""
    workload = parse_id(f"{kind}1d-n1c1-w1023-k512s1-bf16-ncw.train")
    x = np.zeros(workload.input_shape, fill.numpy_dtype(workload.dtype))
    x[..., 511] = 1
    above = np.full(workload.output_shape, 1 if kind == "max" else 512, x.dtype)
    call = registry.create(name).prepare(workload, Source(array=x, gradient=above))
    assert call.gradient()[0, 0, 511] == 512


@pytest.mark.parametrize("layout", list(LayoutPolicy))
@pytest.mark.parametrize("ending", [".train.gc9", ".trainbwd.gc9", ".train.gt", ".train.gr"])
def test_torch_reads_the_gradient_as_it_lies(
    ending: str, layout: LayoutPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    workload = parse_id(f"max2d-n2c5-h9w12-k3s2p1-f32-nchw{ending}")
    seen: list[Any] = []
    grad = torch.autograd.grad
    monkeypatch.setattr("torch.autograd.grad", lambda y, x, g, **more: seen.append(g) or grad(y, x, g, **more))
    filled = filling.make(workload, 0, exact=True)
    call = registry.create("torch").prepare(workload, source_of(workload, filled, layout))
    assert np.array_equal(call.gradient(), filled["expected_gradient"])
    assert seen
    if workload.gradient_view.kind is not ViewKind.REVERSED:  # PyTorch has none: it is a copy in each call
        assert not any(g.is_contiguous() for g in seen)
