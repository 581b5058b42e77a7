"""The figures of the memory ledger against calls whose memory is known to the byte."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from poolbench.measure import memory
from poolbench.measure.memory import held_bytes, requested_peak, touched_peak
from poolbench.model.memory import NOT_MEASURED
from tests.memory.build import build
from tests.memory.planted import COMPILED, ELSEWHERE, ROUTES

MB = 1_000_000
CASES = [(size, touched) for size in (MB + 3, 64 * MB + 1) for touched in (size, size // 3, 1)]
CASES.append((1000 * MB + 7, 400 * MB))

OWN_BYTES = {"torch": 1 << 10, "tensorflow": 16 << 10}
"""What a framework may request beside its tensor; the others request what they were told to, to the byte."""

PRECISION = {"small": 0.5 * MB, "huge": 2.5 * MB}


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("planted"))


def measured(library: Path, route: str, pages: str, cases: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the touched and the requested peak of each case, from a process of their own."""
    texts = [f"{size}:{touched}" for size, touched in cases]
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory.planted", str(library), route, pages, *texts],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(pair) for pair in json.loads(done.stdout.splitlines()[-1])]


@pytest.mark.parametrize("pages", ["small", "huge"])
@pytest.mark.parametrize("route", ROUTES)
def test_what_is_planted_is_found(library: Path, route: str, pages: str) -> None:
    if route not in (*COMPILED, "numpy") and find_spec(route) is None:
        pytest.skip(f"{route} is not installed here")
    for (size, touched), (found_touched, found_requested) in zip(
        CASES, measured(library, route, pages, CASES), strict=True
    ):
        assert 0 <= found_requested - size <= OWN_BYTES.get(route, 0), (size, found_requested)
        assert abs(found_touched - touched) <= PRECISION[pages], (size, touched, found_touched)


@pytest.mark.parametrize("route", ["malloc", ELSEWHERE])
def test_freed_memory_is_not_found_again(library: Path, route: str) -> None:
    """Sizes that the C library keeps, once a block of that size has been freed."""
    cases = [(20 * MB, 20 * MB), (3 * MB, 3 * MB)] * 2
    for (_, touched), (found, _) in zip(cases, measured(library, route, "small", cases), strict=True):
        assert abs(found - touched) <= PRECISION["small"], (touched, found)


def test_a_call_that_takes_nothing_takes_nothing() -> None:
    assert requested_peak(lambda: None).bytes == 0
    assert touched_peak(lambda: None, small_pages=True).bytes in range(300_000)


def test_small_objects_of_python_are_not_counted() -> None:
    def many() -> list[bytes]:
        return [bytes(index % 300) for index in range(2000)]

    many()
    found = requested_peak(many).bytes
    assert found is not None and found < 64_000  # the list itself, and no arena


def test_what_a_result_still_holds_is_told_from_what_is_gone() -> None:
    def keep() -> tuple[object, object]:
        np.empty(5 * MB, np.uint8)
        return np.empty(MB, np.uint8), np.empty(30_000, np.uint8)

    keep()
    held = held_bytes(keep).bytes
    assert held is not None
    assert 0 <= held - (MB + 30_000) < 128  # an array's shape is a few bytes of its own
    assert requested_peak(keep).bytes == 5 * MB


@pytest.mark.parametrize(("pool", "saved"), [("max_pool2d", 8), ("avg_pool2d", 0)])
def test_what_pytorch_saves_for_backward_is_its_indices(pool: str, saved: int) -> None:
    """An int64 index for each element of the output, beside the output; the input is the caller's."""
    torch = pytest.importorskip("torch")
    x = torch.rand(1, 8, 64, 64, requires_grad=True)
    elements = 8 * 32 * 32
    call = functools.partial(getattr(torch.nn.functional, pool), x, 2)
    call()
    found = held_bytes(call).bytes
    assert found is not None
    assert 0 <= found - (4 + saved) * elements < 2048


def test_an_error_of_the_call_comes_through_and_leaves_nothing_switched_on() -> None:
    def fail() -> None:
        raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        requested_peak(fail)
    with pytest.raises(ValueError, match="planted"):
        touched_peak(fail, small_pages=True)
    assert requested_peak(lambda: None).bytes == 0


def test_without_memray_the_note_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "memray", None)
    amount = requested_peak(lambda: None)
    assert amount.bytes is None
    assert amount.note.startswith(NOT_MEASURED)
    assert "pip install 'poolbench[memory]'" in amount.note


def test_where_the_peak_cannot_be_reset_the_note_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_CLEAR_REFS", str(tmp_path / "missing" / "clear_refs"))
    amount = touched_peak(lambda: None, small_pages=True)
    assert (amount.bytes, amount.note[: len(NOT_MEASURED)]) == (None, NOT_MEASURED)
    assert "No such file" in amount.note


def test_where_huge_pages_stay_on_the_figure_says_so() -> None:
    assert "2 MiB" in touched_peak(lambda: None, small_pages=False).note
