"""``poolbench.apply``: what it takes for an array, what it gives back, and the process that it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

import poolbench
from poolbench.backends import registry
from poolbench.errors import InvalidSpecError, UsageError
from poolbench.model.pooling import PoolSpec

ROOT = Path(__file__).parents[3]
RAMP = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
POOLED = [[[[6, 8], [14, 16]]]]
MAX = PoolSpec.windowed("max", (2, 2))
ID = "max2d-n1c1-h4w4-k2"
OWN = ("numpy", "numpy:loops", "numpy:windows", "strided", "strided:out")
FRAMEWORKS = ("torch", "tensorflow", "jax", "onnxruntime", "openvino", "onednn", "litert", "ncnn", "mnn")


@pytest.mark.parametrize("state", ["fresh", "used"])
@pytest.mark.parametrize("framework", [*FRAMEWORKS, "numpy", "strided"])
def test_each_type_and_byte_order_is_pooled_right_or_refused_and_the_process_stays_as_it_was(
    framework: str, state: str, tmp_path: Path
) -> None:
    if not registry.describe(framework).installed:
        pytest.skip(f"{framework} is not installed")
    if framework in ("numpy", "strided") and state == "fresh":
        pytest.skip("loaded by the test itself")
    result = tmp_path / "problems.json"
    command = [sys.executable, "-m", "tests.unit.api.applying", str(result), framework, state]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert json.loads(result.read_text(encoding="utf-8")) == []


def unaligned(x: NDArray[Any]) -> NDArray[Any]:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


def read_only(x: NDArray[Any]) -> NDArray[Any]:
    view = x.copy()
    view.flags.writeable = False
    return view


VIEWS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "reversed": lambda x: x[..., ::-1].copy()[..., ::-1],
    "transposed": lambda x: x.swapaxes(-1, -2).copy().swapaxes(-1, -2),
    "in Fortran's order": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "read-only": read_only,
    "unaligned": unaligned,
    "in the other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "reversed, in the other byte order": lambda x: x[..., ::-1].astype(x.dtype.newbyteorder())[..., ::-1],
}


@pytest.mark.parametrize("backend", OWN)
@pytest.mark.parametrize("view", VIEWS)
def test_an_array_may_lie_anyhow_and_is_not_written_to(view: str, backend: str) -> None:
    x = VIEWS[view](RAMP)
    y = poolbench.apply(ID, x, backend)
    assert y.tolist() == POOLED
    assert y.dtype == np.float32
    assert y.dtype.isnative
    np.testing.assert_array_equal(x, RAMP)


@pytest.mark.parametrize("backend", OWN)
def test_the_result_is_an_array_of_its_own(backend: str) -> None:
    x = RAMP.copy()
    y = poolbench.apply(PoolSpec.windowed("max", (1, 1)), x, backend)
    assert y.flags.owndata
    assert y.flags.writeable
    assert y.flags.c_contiguous
    assert not np.shares_memory(x, y)


def test_axes_in_another_order_and_another_byte_order() -> None:
    x = np.moveaxis(RAMP, 1, -1).astype(">f4")
    assert poolbench.apply(f"{ID}-f32-nhwc", x).tolist() == POOLED


@pytest.mark.parametrize("backend", OWN)
def test_lists_and_tuples_are_converted_as_numpy_does(backend: str) -> None:
    for given in (RAMP.tolist(), tuple(RAMP.tolist()), [RAMP[0]]):
        y = poolbench.apply(MAX, given, backend)
        assert y.tolist() == POOLED
        assert y.dtype == np.asarray(given).dtype
    assert poolbench.apply(MAX, RAMP.astype(int).tolist(), backend).dtype == np.int64


def test_a_list_is_not_narrowed_to_the_type_of_an_id() -> None:
    with pytest.raises(InvalidSpecError, match=r"float64 .*takes float32"):
        poolbench.apply(ID, RAMP.tolist())


class Exporter:
    """Speaks DLPack and nothing else."""

    def __init__(self, source: NDArray[Any]) -> None:
        self._source = source

    def __dlpack__(self, **options: Any) -> Any:
        return self._source.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._source.__dlpack_device__()


@pytest.mark.parametrize("backend", OWN)
def test_buffers_and_whatever_speaks_dlpack(backend: str, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "values", np.float32, "w+", shape=RAMP.shape)
    mapped[...] = RAMP
    for x in (memoryview(RAMP), Exporter(RAMP), Exporter(RAMP[..., ::-1].copy()[..., ::-1]), mapped):
        assert poolbench.apply(ID, x, backend).tolist() == POOLED
    swapped = np.memmap(tmp_path / "swapped", np.dtype(np.float32).newbyteorder(), "w+", shape=RAMP.shape)
    swapped[...] = RAMP
    assert poolbench.apply(ID, swapped, backend).tolist() == POOLED


def test_tensors_of_pytorch_and_those_that_cannot_be_read() -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(RAMP.copy())
    assert poolbench.apply(ID, x.flip(-1).flip(-1)).tolist() == POOLED
    y = poolbench.apply(MAX, x.bfloat16())
    assert y.dtype == ml_dtypes.bfloat16
    assert y.tolist() == POOLED
    with pytest.raises(InvalidSpecError, match=r"requires a gradient.*detach"):
        poolbench.apply(ID, x.clone().requires_grad_(True))
    with pytest.raises(InvalidSpecError, match="meta"):
        poolbench.apply(ID, x.to("meta"))
    with pytest.raises(InvalidSpecError, match="does not give out its memory"):
        poolbench.apply(ID, x.to_sparse())


def test_masks_are_refused() -> None:
    with pytest.raises(InvalidSpecError, match="filled"):
        poolbench.apply(ID, np.ma.masked_greater(RAMP, 3))


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.float32(3), "the shape|has shape|has 0 axes"),
        (np.array(3, np.float32), "needs 4 axes"),
        (RAMP[0], "needs 4 axes"),
        (RAMP[None], "needs 4 axes"),
        (np.zeros((0, 1, 4, 4), np.float32), "at least 1"),
        (np.zeros((1, 0, 4, 4), np.float32), "at least 1"),
        (np.zeros((1, 1, 0, 4), np.float32), "length 0|input 0"),
        (RAMP > 3, "bool cannot be pooled"),
        (RAMP.astype(complex), "complex128 cannot be pooled"),
        (RAMP.astype(np.uint16), "uint16 cannot be pooled"),
        (RAMP.astype(">u4"), "uint32 cannot be pooled"),
        (RAMP.astype(np.longdouble), "(longdouble|float128) cannot be pooled"),
        (RAMP.astype(object), "object cannot be pooled"),
        (RAMP.astype(str), "str.* cannot be pooled"),
        (np.zeros((1, 1, 4, 4), "M8[s]"), "datetime64.* cannot be pooled"),
        (np.zeros((1, 1, 4, 4), [("a", "f4")]), "void.* cannot be pooled"),
        (np.zeros((1, 1, 4, 4), [("a", ">f4")]), "void.* cannot be pooled"),
        ([[[[1, 2], [3]]]], "rows of one length"),
        ([], "needs 4 axes"),
        ([[[["a"]]]], "cannot be pooled"),
        (None, "NoneType"),
        (3, "int"),
        ("max", "str"),
        (b"bytes", "has shape|axes"),
        (iter([1]), "iterator"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.parametrize("backend", ["numpy", "strided"])
def test_what_cannot_be_pooled_is_refused_in_a_sentence(x: Any, sentence: str, backend: str) -> None:
    with pytest.raises(InvalidSpecError, match=sentence):
        poolbench.apply(MAX, x, backend)


@pytest.mark.parametrize("backend", ["limit", "fake", "fake:crash", "fake:hang", "fake:wrong", "fake:dies"])
def test_what_does_not_pool_is_not_run_in_the_callers_process(backend: str) -> None:
    with pytest.raises(UsageError, match="apply cannot use it"):
        poolbench.apply(ID, RAMP, backend)


def test_tensorflow_without_eager_execution_is_refused() -> None:
    pytest.importorskip("tensorflow")
    code = f"""
import numpy as np, tensorflow as tf, poolbench
from poolbench.errors import UsageError
tf.compat.v1.disable_eager_execution()
try:
    poolbench.apply("{ID}", np.zeros((1, 1, 4, 4), np.float32), "tensorflow")
except UsageError as error:
    assert "eager execution" in str(error), error
else:
    raise AssertionError("it was not refused")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
