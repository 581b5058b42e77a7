"""Where arrays may lie and who may own them: views, foreign arrays, given outputs, threads and forks."""

from __future__ import annotations

import array
import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from poolbench import strided
from poolbench.strided import _pool

MEBIBYTE = 1 << 20


def random_array(shape: tuple[int, ...], seed: int = 0, dtype: str = "float32") -> NDArray[Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_pools_like_its_copy(x: Any, **options: Any) -> None:
    copy = np.array(x, order="C")
    for function, arguments in [
        (strided.max_pool2d, (3, 2, 1)),
        (strided.max_pool2d, (2, 1)),
        (strided.max_pool2d, (5, 1, 2)),
        (strided.adaptive_max_pool2d, (3,)),
        (strided.avg_pool2d, (3, 2, 1)),
        (strided.adaptive_avg_pool2d, (1,)),
    ]:
        actual, expected = function(x, *arguments, **options), function(copy, *arguments, **options)
        if function in (strided.avg_pool2d, strided.adaptive_avg_pool2d):  # the order of the sum may differ
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6, strict=True)
        else:
            np.testing.assert_array_equal(actual, expected, strict=True)


VIEWS: dict[str, Any] = {
    "channel slice": lambda b: b[:, 2:5],
    "every second channel": lambda b: b[:, ::2],
    "rows": lambda b: b[:, :, 3:12],
    "columns": lambda b: b[..., 2:13],
    "every second column": lambda b: b[..., ::2],
    "every third row": lambda b: b[:, :, ::3],
    "columns reversed": lambda b: b[..., ::-1],
    "all reversed": lambda b: b[::-1, ::-1, ::-1, ::-1],
    "every second column reversed": lambda b: b[..., ::-2],
    "rows and columns swapped": lambda b: b.swapaxes(2, 3),
    "channels innermost": lambda b: np.moveaxis(b, 3, 1),
    "Fortran order": np.asfortranarray,
    "one channel for all": lambda b: np.broadcast_to(b[:, :1], b.shape),
    "one row for all": lambda b: np.broadcast_to(b[:, :, :1], b.shape),
    "one column for all": lambda b: np.broadcast_to(b[..., :1], b.shape),
    "one value for all": lambda b: np.broadcast_to(b[0, 0, 0, 0], b.shape),
    "read-only": lambda b: np.frombuffer(b.tobytes(), b.dtype).reshape(b.shape),
    "memory-mapped subclass": lambda b: b.view(np.memmap),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_views_are_read_where_they_lie(name: str, layout: str) -> None:
    assert_pools_like_its_copy(VIEWS[name](random_array((2, 6, 13, 16))), layout=layout)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_view(data: st.DataObject) -> None:
    x = random_array((4, 6, 11, 12), dtype=data.draw(st.sampled_from(["float32", "float64"])))
    x = x.transpose(data.draw(st.permutations(range(4))))
    cuts = tuple(
        slice(start, None, step) if step > 0 else slice(-1 - start, None, step)
        for start, step in data.draw(st.tuples(*[st.tuples(st.integers(0, 1), st.sampled_from([1, 2, -1, -2]))] * 4))
    )
    assert_pools_like_its_copy(x[cuts], layout=data.draw(st.sampled_from(["NCHW", "NHWC"])))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int16"])
def test_elements_need_not_be_aligned(dtype: str) -> None:
    records = np.zeros((2, 3, 9, 20), np.dtype([("flag", "u1"), ("value", dtype), ("rest", "u1", 2)]))
    records["value"] = 10 * random_array(records.shape)
    view = records["value"]
    assert view.strides[-1] % view.itemsize
    expected, places = strided.max_pool2d(view.copy(), 3, 2, 1, return_indices=True)
    values, indices = strided.max_pool2d(view, 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(values, expected, strict=True)
    np.testing.assert_array_equal(indices, places, strict=True)
    out = np.zeros(expected.shape, records.dtype)["value"]
    assert strided.max_pool2d(view, 3, 2, 1, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_pytorchs_tensors() -> None:
    torch = pytest.importorskip("torch")
    x = torch.randn(2, 6, 9, 10)
    for view in (x, x[:, 1:4], x.transpose(2, 3), x[..., ::2], x[:, :1].expand(2, 6, 9, 10)):
        expected = torch.nn.functional.max_pool2d(view, 3, 2, 1).numpy()
        np.testing.assert_array_equal(strided.max_pool2d(view, 3, 2, 1), expected)
    assert strided.max_pool2d(x.bfloat16(), 2).dtype == ml_dtypes.bfloat16
    assert strided.max_pool2d(x.to(torch.int16), 2).dtype == np.int16
    assert strided.max_pool2d(torch.nn.Parameter(x).detach(), 2).shape == (2, 6, 4, 5)


def test_pytorchs_tensors_as_outputs() -> None:
    torch = pytest.importorskip("torch")
    x = torch.randn(2, 3, 8, 8)
    out = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert strided.max_pool2d(x, 2, out=out) is out
    assert torch.equal(out, torch.nn.functional.max_pool2d(x, 2))
    half = torch.zeros(2, 3, 4, 4, dtype=torch.bfloat16)
    assert strided.max_pool2d(x.bfloat16(), 2, out=half) is half
    assert torch.equal(half, torch.nn.functional.max_pool2d(x.bfloat16(), 2))


def test_tensorflows_tensors() -> None:
    tf = pytest.importorskip("tensorflow")
    x = random_array((2, 8, 9, 3))
    expected = strided.max_pool2d(x, 2, layout="NHWC")
    np.testing.assert_array_equal(strided.max_pool2d(tf.constant(x), 2, layout="NHWC"), expected)
    half = strided.max_pool2d(tf.cast(x, tf.bfloat16), 2, layout="NHWC")
    np.testing.assert_array_equal(half, expected.astype(ml_dtypes.bfloat16), strict=True)


def test_bfloat16_arrays_of_numpys() -> None:
    x = random_array((2, 3, 8, 12)).astype(ml_dtypes.bfloat16)
    expected = strided.max_pool2d(x.astype(np.float32), 3, 2, 1).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(strided.max_pool2d(x, 3, 2, 1), expected, strict=True)
    np.testing.assert_array_equal(
        strided.max_pool2d(x[..., ::-1], 3, 1, 1), strided.max_pool2d(x[..., ::-1].copy(), 3, 1, 1)
    )
    out = np.zeros(expected.shape, ml_dtypes.bfloat16)
    assert strided.max_pool2d(x, 3, 2, 1, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_buffers_that_are_not_numpys() -> None:
    row = array.array("f", [3, 1, 2, 5, 4, 0])
    shaped = memoryview(row).cast("B").cast("f", (1, 6))
    assert strided.max_pool1d(shaped, 2).tolist() == [[3, 5, 4]]
    assert strided.max_pool1d(shaped, 2, out=np.zeros((1, 3), np.float32)).tolist() == [[3, 5, 4]]
    out = memoryview(bytearray(3)).cast("B", (1, 3))
    assert strided.max_pool1d(memoryview(bytes([1, 2, 3])).cast("B", (1, 3)), 1, out=out) is out
    assert out.tolist() == [[1, 2, 3]]


def test_a_buffer_that_is_refused_is_given_back() -> None:
    view = memoryview(bytearray(4)).cast("B", (1, 1, 1, 1, 1, 4))
    with pytest.raises(ValueError, match="input has 6 axes"):
        strided.max_pool1d(view, 2)
    view.release()  # an error, while it is lent


class Exporter:
    """Speaks DLPack and nothing else, and counts what it has lent."""

    def __init__(self, source: NDArray[Any], version: bool = True) -> None:
        self.source = source
        self.version = version

    def __dlpack__(self, **options: Any) -> Any:
        if not self.version and options:
            raise TypeError("__dlpack__() takes no arguments")
        return self.source.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.source.__dlpack_device__()


@pytest.mark.parametrize("version", [True, False])
def test_dlpack_tensors_are_given_back(version: bool) -> None:
    x = random_array((1, 2, 6, 6))
    before = sys.getrefcount(x)
    actual = strided.max_pool2d(Exporter(x[..., ::-1], version), 2)
    np.testing.assert_array_equal(actual, strided.max_pool2d(x[..., ::-1].copy(), 2))
    with pytest.raises(ValueError, match="kernel_size"):
        strided.max_pool2d(Exporter(x, version), 9)
    del actual
    gc.collect()
    assert sys.getrefcount(x) == before


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("make", [lambda o: o, lambda o: o[..., ::-1], np.asfortranarray])
def test_given_outputs_may_lie_anyhow(layout: str, make: Any) -> None:
    x = random_array((2, 2, 9, 10))
    expected, places = strided.max_pool2d(x, 2, 1, return_indices=True, layout=layout)
    buffer = np.full((*expected.shape[:3], 2 * expected.shape[3]), 7, np.float32)
    out = make(buffer[..., ::2])
    assert strided.max_pool2d(x, 2, 1, layout=layout, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert (buffer[..., 1::2] == 7).all()
    indices = make(np.zeros(expected.shape, np.int64))
    answer = strided.max_pool2d(x, 2, 1, return_indices=True, layout=layout, out=(out, indices))
    assert answer[0] is out
    assert answer[1] is indices
    np.testing.assert_array_equal(indices, places)
    values, fresh = strided.max_pool2d(x, 2, 1, return_indices=True, layout=layout, out=out)
    assert values is out
    np.testing.assert_array_equal(fresh, places)


def test_input_and_output_may_be_slices_of_one_buffer() -> None:
    buffer = random_array((3, 8, 5, 5))
    expected = strided.max_pool2d(buffer[:, 4:].copy(), 3, 1, 1)
    strided.max_pool2d(buffer[:, 4:], 3, 1, 1, out=buffer[:, :4])
    np.testing.assert_array_equal(buffer[:, :4], expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 64])
@pytest.mark.parametrize("shape", [(1, 1, 900, 1000), (4, 64, 56, 56), (1, 3, 8, 8)])
def test_threads_change_nothing(threads: int, shape: tuple[int, ...]) -> None:
    x = random_array(shape)
    expected, places = strided.max_pool2d(x, 3, 2, 1, return_indices=True, threads=1)
    values, indices = strided.max_pool2d(x, 3, 2, 1, return_indices=True, threads=threads)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_array_equal(strided.max_pool2d(x, 3, 2, 1, threads=threads), expected)
    np.testing.assert_array_equal(
        strided.avg_pool2d(x, 3, 2, 1, threads=threads), strided.avg_pool2d(x, 3, 2, 1, threads=1)
    )


def test_calls_from_several_threads() -> None:
    inputs = [random_array((2, 16, 60 + i, 64), seed=i) for i in range(4)]
    expected = [strided.max_pool2d(x, 3, 2, 1, threads=1) for x in inputs]
    start = threading.Barrier(4)

    def work(i: int) -> bool:
        start.wait()
        return all(np.array_equal(strided.max_pool2d(inputs[i], 3, 2, 1), expected[i]) for _ in range(50))

    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(work, range(4)))


def test_a_forked_child_pools_and_allocates() -> None:
    x = random_array((4, 32, 112, 112))
    expected = strided.max_pool2d(x, 2, threads=2)
    stop = threading.Event()

    def keep_busy() -> None:  # so that forks happen while another thread is inside
        while not stop.is_set():
            strided.max_pool2d(x, 2, threads=2)

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                same = np.array_equal(strided.max_pool2d(x, 2, threads=2), expected)
                strided.max_pool2d(x[:1], 2)
                os._exit(0 if same else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()


def test_freed_outputs_are_kept_within_bounds_and_can_be_dropped() -> None:
    _pool.clear_outputs()
    assert _pool.kept_output_bytes() == 0
    x = np.zeros((1, 1, 1024, 1024), np.float32)
    kept = [strided.max_pool2d(x[:, :, : 64 * i], 1) for i in range(1, 17)]
    assert _pool.kept_output_bytes() == 0  # they are all in use
    del kept
    assert 0 < _pool.kept_output_bytes() <= 258 * MEBIBYTE
    first = strided.max_pool2d(x, 1)
    address = first.ctypes.data
    assert address % 64 == 0
    del first
    again = strided.max_pool2d(x, 1)
    assert again.ctypes.data == address
    assert strided.max_pool2d(x, 1).ctypes.data != address
    del again
    _pool.clear_outputs()
    assert _pool.kept_output_bytes() == 0


def test_of_large_outputs_a_sixteenth_of_the_memory_is_kept_where_the_system_can_take_it_back() -> None:
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    gives_back = enabled.exists() and "[never]" not in enabled.read_text()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = max(256 * MEBIBYTE, memory // 16) if gives_back else 64 * MEBIBYTE
    for mebibytes in (256, 257):
        _pool.clear_outputs()
        x = np.zeros((mebibytes, 1, 512, 512), np.float32)
        size = strided.max_pool2d(x, 1).nbytes
        assert _pool.kept_output_bytes() == (size if size <= most else 0)
    _pool.clear_outputs()


def test_what_goes_beyond_64_mebibytes_can_be_taken_back_and_what_was_freed_last_is_held() -> None:
    rollup, enabled = Path("/proc/self/smaps_rollup"), Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not (rollup.exists() and enabled.exists()) or "[never]" in enabled.read_text():
        pytest.skip("this system cannot take pages back, or does not tell which it can")

    def offered() -> int:
        line = next(line for line in rollup.read_text().splitlines() if line.startswith("LazyFree:"))
        return int(line.split()[1]) // 1024

    _pool.clear_outputs()
    before = offered()
    x = np.zeros((1, 1, 1024 * 40, 256), np.float32)  # 40 MiB
    first, second = strided.max_pool2d(x, 1), strided.max_pool2d(x, 1)
    del first
    assert offered() == before
    del second  # together they are 80 MiB: what was freed first is offered
    assert 38 <= offered() - before <= 42
    third = strided.max_pool2d(x, 1)  # the one that was freed last
    assert 38 <= offered() - before <= 42
    np.testing.assert_array_equal(third, x)
    del third
    _pool.clear_outputs()


def test_an_output_lives_as_long_as_its_views() -> None:
    x = random_array((1, 4, 256, 256))
    row = strided.max_pool2d(x, 2)[0, 1, 5]
    expected = row.copy()
    for _ in range(8):
        strided.max_pool2d(-x, 2)
    np.testing.assert_array_equal(row, expected)


def test_outputs_own_exactly_their_bytes() -> None:
    for shape in [(1, 1, 6, 6), (1, 3, 100, 100), (2, 64, 128, 128)]:
        out = strided.max_pool2d(np.zeros(shape, np.float32), 2)
        assert out.flags.writeable
        assert out.flags.aligned
        assert out.flags.c_contiguous


@pytest.mark.parametrize(
    ("isa", "expected"), [("baseline", "baseline"), ("", None), ("sse9", "POOLBENCH_ISA is 'sse9'")]
)
def test_the_environment_overrides_the_instruction_set(isa: str, expected: str | None) -> None:
    code = (
        "import numpy as np\n"
        "from poolbench import strided\n"
        "from poolbench.strided import _pool\n"
        "x = np.zeros((1, 1, 4, 4), np.float32)\n"
        "for _ in range(2):\n"
        "    try:\n"
        "        print(_pool.max_pool(2, x, 2, None, 0, 1, False, False, None, None, 'NCHW', None, None)[1])\n"
        "        print(_pool.isa())\n"
        "    except ValueError as error:\n"
        "        print(error)\n"
    )
    environment = {**os.environ, "POOLBENCH_ISA": isa}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    lines = result.stdout.splitlines()
    if expected is None:
        assert lines[1] == _pool.isa()
    else:
        assert all(line.startswith(expected) for line in lines)


def test_importing_the_package_loads_neither_numpy_nor_the_compiled_modules() -> None:
    code = (
        "import sys, poolbench.strided\n"
        "print('numpy' in sys.modules, 'poolbench.strided._pool' in sys.modules)\n"
        "poolbench.strided.max_pool2d\n"
        "print('numpy' in sys.modules, 'ml_dtypes' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["False False", "True False"]
