"""Arrays that their type lends in C, by DLPack's exchange: what is taken so, and what is left to ``__dlpack__``."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench import strided
from poolbench.strided import training

CPU, CUDA = 1, 2
READ_ONLY = 1


class Lent(ctypes.Structure):
    """DLManagedTensorVersioned of dlpack.h."""


Deleter = ctypes.PYFUNCTYPE(None, ctypes.POINTER(Lent))
Lent._fields_ = [
    ("major", ctypes.c_uint32),
    ("minor", ctypes.c_uint32),
    ("manager", ctypes.c_void_p),
    ("deleter", Deleter),
    ("flags", ctypes.c_uint64),
    ("data", ctypes.c_void_p),
    ("device_type", ctypes.c_int32),
    ("device_id", ctypes.c_int32),
    ("dims", ctypes.c_int32),
    ("code", ctypes.c_uint8),
    ("bits", ctypes.c_uint8),
    ("lanes", ctypes.c_uint16),
    ("shape", ctypes.POINTER(ctypes.c_int64)),
    ("strides", ctypes.POINTER(ctypes.c_int64)),
    ("byte_offset", ctypes.c_uint64),
]
Lend = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(ctypes.POINTER(Lent)))


class Table(ctypes.Structure):
    """DLPackExchangeAPI of dlpack.h."""


Table._fields_ = [
    ("major", ctypes.c_uint32),
    ("minor", ctypes.c_uint32),
    ("older", ctypes.POINTER(Table)),
    ("allocate", ctypes.c_void_p),
    ("lend", Lend),
    ("take", ctypes.c_void_p),
    ("describe", ctypes.c_void_p),
    ("stream", ctypes.c_void_p),
]


class Framework:
    """A framework with one type of arrays, which count how they were asked for their memory."""

    def __init__(
        self, *, device: int = CPU, flags: int = 0, fails: bool = False, majors: tuple[int, ...] = (1,)
    ) -> None:
        self.lent = self.returned = self.asked = 0
        self.kept: list[Any] = []
        framework = self

        class Array:
            def __init__(self, source: NDArray[np.float32]) -> None:
                self.source = source

            def __dlpack__(self, **options: Any) -> Any:
                framework.asked += 1
                return self.source.__dlpack__(**options)

            def __dlpack_device__(self) -> Any:
                return (device, 0)

        def lend(array: Array, to: Any) -> int:
            if fails:
                return -1
            framework.lent += 1
            source = array.source
            sizes = ctypes.c_int64 * source.ndim
            strides = sizes(*(step // source.itemsize for step in source.strides))
            lent = Lent(
                1, 3, None, Deleter(give_back), flags, source.ctypes.data, device, 0, source.ndim, 2, 32, 1,
                sizes(*source.shape), strides, 0,
            )  # fmt: skip
            framework.kept.append((source, lent))
            to[0] = ctypes.pointer(lent)
            return 0

        def give_back(lent: Any) -> None:
            framework.returned += 1

        self.lender = Lend(lend)
        older: Any = None
        for major in reversed(majors):
            # What is of another version is of another layout too: nothing but its header may be read.
            table = Table(major, 0, older, None, self.lender if major == 1 else Lend(), None, None, None)
            older = ctypes.pointer(table)
            self.kept.append(table)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        self.name = ctypes.c_char_p(b"dlpack_exchange_api")
        Array.__dlpack_c_exchange_api__ = make(  # type: ignore[attr-defined]
            ctypes.cast(older, ctypes.c_void_p), self.name, None
        )
        self.array = Array


def ramp(*shape: int) -> NDArray[np.float32]:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_what_is_lent_in_c_is_read_where_it_lies_and_given_back() -> None:
    framework = Framework()
    source = ramp(1, 2, 6, 6)[..., ::-1]
    pooled = strided.max_pool2d(framework.array(source), 2)
    np.testing.assert_array_equal(pooled, strided.max_pool2d(source.copy(), 2))
    out = np.zeros((1, 2, 3, 3), np.float32)
    strided.avg_pool2d(framework.array(source), 2, out=framework.array(out))
    np.testing.assert_array_equal(out, strided.avg_pool2d(source.copy(), 2))
    assert (framework.lent, framework.returned, framework.asked) == (3, 3, 0)


def test_what_is_lent_is_given_back_after_an_error() -> None:
    framework = Framework()
    with pytest.raises(ValueError, match="kernel_size"):
        strided.max_pool2d(framework.array(ramp(1, 1, 4, 4)), 9)
    assert (framework.lent, framework.returned, framework.asked) == (1, 1, 0)


def test_an_older_table_behind_one_of_another_version_is_found() -> None:
    framework = Framework(majors=(3, 2, 1))
    assert strided.max_pool1d(framework.array(ramp(1, 4)), 2).tolist() == [[1, 3]]
    assert (framework.lent, framework.asked) == (1, 0)


@pytest.mark.parametrize("options", [{"majors": (2,)}, {"fails": True}])
def test_what_is_not_lent_is_asked_for(options: Any) -> None:
    framework = Framework(**options)
    assert strided.max_pool1d(framework.array(ramp(1, 4)), 2).tolist() == [[1, 3]]
    assert (framework.lent, framework.asked) == (0, 1)


def test_memory_of_other_devices_is_refused_and_given_back() -> None:
    framework = Framework(device=CUDA)
    with pytest.raises(ValueError, match="input is a Array on DLPack device type 2: only arrays in the CPU's memory"):
        strided.max_pool1d(framework.array(ramp(1, 4)), 2)
    assert (framework.lent, framework.returned) == (1, 1)


def test_what_is_lent_to_be_read_is_not_written_to() -> None:
    framework = Framework(flags=READ_ONLY)
    source = ramp(1, 2)
    source.flags.writeable = False
    with pytest.raises(ValueError, match="out is a Array, which does not let others write to it"):
        strided.max_pool1d(ramp(1, 4), 2, out=framework.array(source))
    assert strided.max_pool1d(framework.array(source), 2).tolist() == [[1]]
    assert framework.returned == framework.lent == 2


def test_a_derived_type_gives_its_memory_out_its_own_way() -> None:
    framework = Framework()

    class Doubled(framework.array):  # type: ignore[name-defined, misc]
        def __dlpack__(self, **options: Any) -> Any:
            return (2 * self.source).__dlpack__(**options)

    assert strided.max_pool1d(Doubled(ramp(1, 4)), 2).tolist() == [[2, 6]]
    assert framework.lent == 0


def test_a_type_that_tells_of_gradients_in_another_way_is_asked_itself() -> None:
    framework = Framework()
    framework.array.stop_gradient = False
    assert strided.max_pool1d(framework.array(ramp(1, 4)), 2).tolist() == [[1, 3]]
    assert (framework.lent, framework.asked) == (0, 1)


def test_pytorchs_tensors_are_taken_without_a_call_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    if not hasattr(torch.Tensor, "__dlpack_c_exchange_api__"):
        pytest.skip("this PyTorch lends nothing in C")
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    calls: list[Callable[[], Any]] = [
        lambda: strided.max_pool2d(x, 2),
        lambda: strided.avg_pool2d(x[..., ::2], 2),
        lambda: strided.adaptive_avg_pool2d(x.transpose(2, 3), 1),
        lambda: training.max_pool2d(x, 2)[1](torch.ones(1, 2, 2, 2).expand(1, 2, 2, 2)),
        lambda: strided.max_pool2d(x.to(torch.bfloat16), 2),
        lambda: strided.max_pool2d(x, 2, out=torch.empty(1, 2, 2, 2)).numpy(),
    ]
    expected = [call() for call in calls]

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a call in Python")

    monkeypatch.setattr(torch.Tensor, "__dlpack__", refuse)
    monkeypatch.setattr(torch.Tensor, "__dlpack_device__", refuse)
    for call, answer in zip(calls, expected, strict=True):
        np.testing.assert_array_equal(call(), answer)


def test_pytorchs_tensors_that_mean_more_than_their_memory_are_refused_as_before() -> None:
    torch = pytest.importorskip("torch")
    wants = torch.ones(1, 4, requires_grad=True)
    for tensor in (wants, wants * 2, torch.nn.Parameter(torch.ones(1, 4))):
        with pytest.raises(TypeError, match=r"input is a tensor that requires a gradient.*input\.detach\(\)"):
            strided.max_pool1d(tensor, 2)
    with pytest.raises(TypeError, match="conjugate bit set"):
        strided.max_pool1d(torch.ones(1, 4, dtype=torch.complex64).conj(), 2)
    with pytest.raises(TypeError, match="input is a Tensor that does not give out its memory"):
        strided.max_pool1d(torch.ones(1, 4).to_sparse(), 2)
    assert strided.max_pool1d(wants.detach(), 2).tolist() == [[1, 1]]
    with torch.inference_mode():
        assert strided.max_pool1d(torch.ones(1, 4), 2).tolist() == [[1, 1]]


def test_pytorchs_tensors_are_given_back() -> None:
    torch = pytest.importorskip("torch")
    source = ramp(1, 2, 4, 4)
    before = sys.getrefcount(source)
    x = torch.from_numpy(source)  # holds the array until nobody holds the tensor
    for _ in range(10):
        strided.max_pool2d(x, 2)
        training.max_pool2d(x, 2)
    del x
    gc.collect()
    assert sys.getrefcount(source) == before
