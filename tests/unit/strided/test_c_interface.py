"""The plain C functions: a C program gets what Python gets."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from poolbench import strided
from poolbench.strided import training
from tests.unit.strided.c_structs import (
    AVERAGE,
    MAX,
    OK,
    SAME_SIZE,
    TYPES,
    Library,
    Pooling,
    array_of,
    empty,
    pooling_of,
)

ROOT = Path(__file__).parents[3]
OPTIONS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
NAMES = (
    "kind", "rank", "adaptive", "channels_last", "ceil_mode", "count_include_pad", "has_pairs", "divisor_override",
    "kernel_size", "stride", "dilation", "padding", "padding_behind", "output_size",
)  # fmt: skip


def compile_program(source: Path, folder: Path, *options: str) -> Path:
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    library = strided.get_library()
    program = folder / source.stem
    subprocess.run(
        [compiler, *options, "-I", strided.get_include(), str(source), library,
         f"-Wl,-rpath,{Path(library).parent}", "-o", str(program)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(Path(__file__).with_name("c_program.c"), tmp_path_factory.mktemp("c"), *OPTIONS)


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


def numbers(*values: int) -> bytes:
    return struct.pack(f"={len(values)}q", *values)


def bytes_of(view: NDArray[Any]) -> tuple[bytes, int]:
    """Return the memory that a view's elements lie in, and where its first one is there."""
    low, high = np.lib.array_utils.byte_bounds(view)
    return ctypes.string_at(low, high - low), view.ctypes.data - low


class Answer:
    """What the program wrote."""

    def __init__(self, text: bytes, dtype: Any, indices: bool, shape: tuple[int, ...] | None) -> None:
        (dims,) = struct.unpack_from("=q", text)
        self.shape = struct.unpack_from(f"={dims}q", text, 8)
        strides = struct.unpack_from(f"={dims}q", text, 8 + 8 * dims)
        at, elements = 8 + 16 * dims, int(np.prod(self.shape))
        memory = np.frombuffer(text, dtype, elements, at)
        self.output = as_strided(memory, self.shape, strides)
        at += memory.nbytes
        if indices:
            self.indices = np.frombuffer(text, np.int64, elements, at).reshape(self.shape)
            at += 8 * elements
        if shape is not None:
            (self.kept_type,) = struct.unpack_from("=q", text, at)
            self.gradient = np.frombuffer(text, dtype, int(np.prod(shape)), at + 8).reshape(shape)
            at += 8 + self.gradient.nbytes
        assert at == len(text)


def run(
    program: Path,
    folder: Path,
    pooling: Pooling,
    x: NDArray[Any],
    *,
    indices: bool = False,
    gradient: NDArray[Any] | None = None,
    threads: int = 1,
) -> Answer:
    fields: list[int] = []
    for name in NAMES:
        value = getattr(pooling, name)
        fields += [value] if isinstance(value, int) else list(value)
    memory, first = bytes_of(x)
    content = [
        numbers(*fields, threads, indices, gradient is not None, TYPES.index(x.dtype.name) + 1, x.ndim),
        numbers(*x.shape, *x.strides, len(memory), first),
        memory,
        b"" if gradient is None else np.ascontiguousarray(gradient).tobytes(),
    ]
    (folder / "in").write_bytes(b"".join(content))
    done = subprocess.run([program, folder / "in", folder / "out"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shape = None if gradient is None else x.shape
    return Answer((folder / "out").read_bytes(), x.dtype, indices, shape)


def random_array(shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
    random = np.random.default_rng(7)
    if np.issubdtype(dtype, np.integer):
        bounds = np.iinfo(dtype)
        return random.integers(bounds.min, bounds.max, shape, dtype)
    return random.standard_normal(shape).astype(dtype)


def same(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()


WINDOWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("plain", {"kernel_size": (2, 2, 2)}, {"kernel_size": 2}),
    ("stride", {"kernel_size": (3, 2, 2), "stride": (2, 1, 3)}, {"kernel_size": (3, 2, 2), "stride": (2, 1, 3)}),
    (
        "padding",
        {"kernel_size": (3, 3, 3), "stride": (2, 2, 2), "padding": (1, 1, 1)},
        {"kernel_size": 3, "stride": 2, "padding": 1},
    ),
    (
        "dilation, ceil",
        {"kernel_size": (2, 2, 2), "stride": (3, 3, 3), "dilation": (2, 2, 2), "ceil_mode": 1},
        {"kernel_size": 2, "stride": 3, "dilation": 2, "ceil_mode": True},
    ),
    (
        "pairs",
        {"kernel_size": (3, 3, 3), "padding": (0, 2, 1), "padding_behind": (2, 0, 1), "has_pairs": 1},
        {"kernel_size": 3, "padding": ((0, 2), (2, 0), (1, 1))},
    ),
]


def of_rank(rank: int, options: dict[str, Any]) -> dict[str, Any]:
    return {name: value[:rank] if isinstance(value, tuple) else value for name, value in options.items()}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("name", "fields", "options"), WINDOWS, ids=[name for name, *_ in WINDOWS])
def test_windows(
    program: Path, tmp_path: Path, rank: int, kind: str, name: str, fields: dict[str, Any], options: dict[str, Any]
) -> None:
    x = random_array((2, 3, 9, 8, 7)[: rank + 2])
    pooling = pooling_of(MAX if kind == "max" else AVERAGE, rank, **fields)
    output, pullback = getattr(training, f"{kind}_pool{rank}d")(x, **of_rank(rank, options))
    gradient = random_array(output.shape)
    actual = run(program, tmp_path, pooling, x, indices=kind == "max", gradient=gradient)
    same(actual.output, output)
    same(actual.gradient, pullback(gradient))
    assert actual.kept_type == (TYPES.index("uint8") + 1 if kind == "max" else 0)
    if kind == "max":
        same(actual.indices, strided_call(f"max_pool{rank}d", x, **of_rank(rank, options), return_indices=True)[1])


def strided_call(name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(strided, name)(*args, **kwargs)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("size", [1, 3, None])
def test_adaptive_and_global(program: Path, tmp_path: Path, rank: int, kind: str, size: int | None) -> None:
    x = random_array((2, 3, 8, 7, 6)[: rank + 2])
    sizes = ((SAME_SIZE if size is None else size),) * 3
    pooling = pooling_of(MAX if kind == "max" else AVERAGE, rank, adaptive=1, output_size=sizes)
    output, pullback = getattr(training, f"adaptive_{kind}_pool{rank}d")(x, size)
    gradient = random_array(output.shape)
    actual = run(program, tmp_path, pooling, x, gradient=gradient)
    same(actual.output, output)
    same(actual.gradient, pullback(gradient))


@pytest.mark.parametrize("dtype", TYPES)
def test_types(program: Path, tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    x = random_array((1, 4, 9, 20), kind)
    actual = run(program, tmp_path, pooling_of(MAX, 2, kernel_size=(3, 3, 0), stride=(2, 2, 0)), x, indices=True)
    expected, places = strided.max_pool2d(x, 3, 2, return_indices=True)
    same(actual.output, expected)
    same(actual.indices, places)
    if "float" in dtype:
        average = run(program, tmp_path, pooling_of(AVERAGE, 2, kernel_size=(3, 3, 0)), x)
        same(average.output, strided.avg_pool2d(x, 3))


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"count_include_pad": 0}, {"count_include_pad": False}),
        ({"divisor_override": -5}, {"divisor_override": -5}),
    ],
)
def test_divisors(program: Path, tmp_path: Path, fields: dict[str, Any], options: dict[str, Any]) -> None:
    x = random_array((2, 3, 9, 8))
    pooling = pooling_of(AVERAGE, 2, kernel_size=(3, 3, 0), padding=(1, 1, 0), **fields)
    same(run(program, tmp_path, pooling, x).output, strided.avg_pool2d(x, 3, padding=1, **options))


def test_views_are_read_where_they_lie(program: Path, tmp_path: Path) -> None:
    whole = random_array((3, 10, 12, 8))
    pooling = pooling_of(MAX, 2, kernel_size=(2, 2, 0))
    for view in (whole[:, 2:9:3], whole[..., ::-1], whole.transpose(0, 3, 1, 2), whole[0], whole[:, :, ::-2, 1:]):
        expected = strided.max_pool2d(view, 2)
        actual = run(program, tmp_path, pooling, view, threads=2)
        same(actual.output, expected)
        assert actual.output.strides == expected.strides
    last = run(program, tmp_path, pooling_of(MAX, 2, kernel_size=(2, 2, 0), channels_last=1), whole)
    same(last.output, strided.max_pool2d(whole, 2, layout="NHWC"))
    same(run(program, tmp_path, pooling, whole[:0]).output, strided.max_pool2d(whole[:0], 2))


def test_wide_windows_keep_more_bytes(program: Path, tmp_path: Path) -> None:
    x = random_array((1, 2, 20, 20))
    output, pullback = training.max_pool2d(x, 17, 1)
    gradient = random_array(output.shape)
    actual = run(program, tmp_path, pooling_of(MAX, 2, kernel_size=(17, 17, 0), stride=(1, 1, 0)), x, gradient=gradient)
    same(actual.gradient, pullback(gradient))
    assert actual.kept_type == TYPES.index("int16") + 1


def test_the_header_is_one_for_c_plus_plus_too(tmp_path: Path) -> None:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler here")
    source = tmp_path / "one.cpp"
    source.write_text("#include <poolbench/pooling.h>\nint main() { return poolbench_pooling_of(1, 2).rank - 2; }\n")
    command = [compiler, "-std=c++11", "-Wall", "-Wextra", "-Werror", "-I", strided.get_include(), "-fsyntax-only"]
    subprocess.run([*command, str(source)], check=True)


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "strided.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```c\n(.*?)```", page, re.DOTALL)
    (told,) = re.findall(r"It prints `(.*?)`", page)
    source = tmp_path / "example.c"
    source.write_text(example, encoding="utf-8")
    done = subprocess.run([compile_program(source, tmp_path, *OPTIONS)], check=True, capture_output=True, text=True)
    assert done.stdout == told + "\n"
    assert len(example.splitlines()) <= 20


def test_what_comes_out_is_told_without_memory(library: Library) -> None:
    source = empty((2, 9, 9, 3)).transpose(0, 3, 1, 2)
    told = library.describe(pooling_of(MAX, 2, kernel_size=(3, 3, 0)), array_of(source, data=None))
    assert (told.dims, tuple(told.shape[:4]), tuple(told.strides[:4])) == (4, (2, 3, 3, 3), (108, 4, 36, 12))
    assert TYPES[told.kept_type - 1] == "uint8"
    assert library.describe(pooling_of(AVERAGE, 2, kernel_size=(2, 2, 0)), array_of(source)).kept_type == 0
    assert (
        library.call("describe", pooling_of(MAX, 2, kernel_size=(2, 2, 0)), array_of(source), None)[1]
        == "output is NULL."
    )


def test_arrays_in_each_others_gaps(library: Library) -> None:
    buffer = random_array((1, 8, 6, 4))  # the right half of the rows is pooled into the left one
    x = buffer[..., 2:].copy()
    source, target = buffer[..., 2:], buffer[:, :, :3, :1]
    assert library.call(
        "pool", pooling_of(MAX, 2, kernel_size=(2, 2, 0)), array_of(source), array_of(target), None, None, 1
    ) == (
        OK,
        "",
    )
    same(target.copy(), strided.max_pool2d(x, 2))


def test_calls_from_several_threads(library: Library) -> None:
    x = random_array((4, 16, 64, 64))
    expected = strided.max_pool2d(x, 3, 2, 1)
    pooling = pooling_of(MAX, 2, kernel_size=(3, 3, 0), stride=(2, 2, 0), padding=(1, 1, 0))

    def call(threads: int) -> bool:  # ctypes gives up the interpreter's lock meanwhile
        out = empty(expected.shape)
        assert library.call("pool", pooling, array_of(x), array_of(out), None, None, threads) == (OK, "")
        return bool(np.array_equal(out, expected))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, [0, 1, 2, 3] * 5))
    assert library.functions.poolbench_processors() == strided._pool.processors()  # type: ignore[attr-defined]


def test_a_package_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poolbench.strided.linking.LIBRARY", "libmissing.so")
    with pytest.raises(FileNotFoundError, match=r"has no library for C, which would be .*libmissing\.so"):
        strided.get_library()
    assert (Path(strided.get_include()) / "poolbench" / "pooling.h").is_file()
