"""Which core a process runs on: asked of the system itself."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from poolbench.api.gate import gate_method
from poolbench.backends import registry
from poolbench.measure.cores import allowed_cores, can_choose_cores, current_core, stay_on
from poolbench.measure.worker import Worker
from poolbench.model.method import Limits

pytestmark = pytest.mark.skipif(not can_choose_cores(), reason="This system does not let a process choose its cores.")


@pytest.fixture
def cores() -> Iterator[list[int]]:
    before = allowed_cores()
    yield sorted(before)
    stay_on(before)


def run_for_a_while() -> None:
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass


def test_a_process_stays_with_all_its_threads(cores: list[int]) -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        for core in cores:
            stay_on({core})
            run_for_a_while()
            assert current_core() == core
            assert os.sched_getaffinity(thread.native_id or 0) == {core}
    finally:
        done.set()
        thread.join()


def test_a_worker_is_held_and_let_go_to_where_it_was_allowed(cores: list[int]) -> None:
    worker = Worker(registry.create("fake"))
    assert worker.handle({"op": "core", "core": cores[-1]}) == {"core": cores[-1]}
    assert allowed_cores() == {cores[-1]}
    assert worker.handle({"op": "core", "core": None})["core"] in cores
    assert allowed_cores() == set(cores)


def test_a_gate_holds_its_pair_on_one_core_where_each_has_one_thread() -> None:
    assert gate_method(threads=1, memory=False, limits=Limits()).one_core
    assert not gate_method(threads=2, memory=False, limits=Limits()).one_core


def test_a_system_that_forbids_it_is_not_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbid)
    assert not can_choose_cores()
    assert not gate_method(threads=1, memory=False, limits=Limits()).one_core


def test_the_sides_of_a_gate_share_their_input_and_mirror_their_blocks_where_each_has_one_thread() -> None:
    one, two = (gate_method(threads=threads, memory=False, limits=Limits()) for threads in (1, 2))
    assert (one.shared, one.mirrored, two.shared, two.mirrored) == (True, True, False, False)
