from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from poolbench.errors import ExitCode, RunLockedError, StoreError
from poolbench.store import lock as lock_module
from poolbench.store.lock import machine_lock

ROOT = Path(__file__).parents[3]

HOLD = """
import sys
from poolbench.store.lock import machine_lock
with machine_lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""

RACE = """
import sys
from poolbench.errors import RunLockedError
from poolbench.store.lock import machine_lock
import filelock, psutil
print("ready", flush=True)
sys.stdin.readline()
try:
    with machine_lock(sys.argv[1]):
        print("won", flush=True)
        sys.stdin.readline()
except RunLockedError as error:
    print("lost", error, flush=True)
"""


@pytest.fixture(autouse=True)
def lock_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "locks"
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", str(folder))
    return folder


@contextlib.contextmanager
def process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def line(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline()


def go(started: subprocess.Popen[str]) -> None:
    assert started.stdin is not None
    started.stdin.write("\n")
    started.stdin.flush()


def test_a_second_run_is_refused_with_the_holders_name(lock_dir: Path) -> None:
    with process(HOLD, "run-one") as holder:
        assert line(holder) == "held\n"
        with pytest.raises(RunLockedError) as caught, machine_lock("run-two"):
            raise AssertionError("both hold the lock")
        message = str(caught.value)
        assert f"run-one (process {holder.pid}, since 20" in message and "-c run-one" in message
        assert caught.value.exit_code is ExitCode.USAGE
        go(holder)
        assert holder.wait() == 0
    with machine_lock("run-two") as path:
        assert path.parent == lock_dir
    assert list(lock_dir.glob("*.json*")) == []


def test_the_lock_is_the_machines_not_the_results_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with process(HOLD, "run-one") as holder:
        line(holder)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        with pytest.raises(RunLockedError), machine_lock("run-two"):
            pass


def test_a_second_run_in_the_same_process_is_refused_too() -> None:
    refused: list[str] = []

    def second() -> None:
        try:
            with machine_lock("run-two"):
                pass
        except RunLockedError as error:
            refused.append(str(error))

    with machine_lock("run-one"):
        second()
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(refused) == 2 and all("run-one" in message for message in refused)


def test_a_killed_holder_is_not_obeyed(lock_dir: Path) -> None:
    with process(HOLD, "run-one") as holder:
        line(holder)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert list(lock_dir.glob("*.json"))  # its note is still there
    with machine_lock("run-two"):
        (note,) = lock_dir.glob("*.json")
        assert json.loads(note.read_text())["run"] == "run-two"


@pytest.mark.parametrize("stale", [None, "", "{", "[]", "{}", '{"run": 1}', "dead", "reused"])
def test_a_holder_without_a_true_note_stays_unnamed(
    lock_dir: Path, monkeypatch: pytest.MonkeyPatch, stale: str | None
) -> None:
    monkeypatch.setattr(lock_module, "_NOTE_WAIT_S", 0.05)
    with process(HOLD, "run-one") as holder:
        line(holder)
        (note,) = lock_dir.glob("*.json")
        truth = json.loads(note.read_text())
        if stale is None:
            note.unlink()
        elif stale == "dead":
            with subprocess.Popen([sys.executable, "-c", ""]) as gone:
                pass
            note.write_text(json.dumps({**truth, "run": "run-zero", "pid": gone.pid}))
        elif stale == "reused":
            note.write_text(json.dumps({**truth, "run": "run-zero", "born_s": truth["born_s"] - 1000}))
        else:
            note.write_text(stale)
        with pytest.raises(RunLockedError, match=r"^Another run is measuring on this machine") as caught:
            machine_lock("run-two").__enter__()
        assert "run-zero" not in str(caught.value)


def test_of_two_that_start_together_one_wins() -> None:
    for _ in range(3):
        with process(RACE, "run-a") as a, process(RACE, "run-b") as b:
            both = {"run-a": a, "run-b": b}
            for started in both.values():
                assert line(started) == "ready\n"
            for started in both.values():
                go(started)
            said = {name: line(started) for name, started in both.items()}
            (winner,) = (name for name, word in said.items() if word == "won\n")
            (loser,) = both.keys() - {winner}
            assert said[loser].startswith("lost") and winner in said[loser]


def test_an_error_inside_frees_the_lock() -> None:
    with pytest.raises(ZeroDivisionError), machine_lock("run-one"):
        raise ZeroDivisionError
    with machine_lock("run-two"):
        pass


def test_a_child_that_outlives_the_holder_does_not_keep_the_lock() -> None:
    with machine_lock("run-one"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with machine_lock("run-two"):
            assert child.poll() is None
    finally:
        child.communicate()


FORK = """
import os, signal
from poolbench.store.lock import machine_lock
with machine_lock("run-one"):
    worker = os.fork()
    if worker == 0:
        signal.pause()
    print(worker, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@contextlib.contextmanager
def lock_within(seconds: float) -> Iterator[None]:
    """Take the lock as soon as it is free: on a busy machine a fork may need a while to let go of it."""
    until = time.monotonic() + seconds
    while True:
        try:
            with machine_lock("run-two"):
                yield
            return
        except RunLockedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_a_forked_worker_that_outlives_a_killed_holder_does_not_keep_the_lock() -> None:
    with process(FORK) as holder:
        worker = int(line(holder))
        holder.wait()
        try:
            with lock_within(10.0):
                os.kill(worker, 0)  # it is alive
        finally:
            os.kill(worker, signal.SIGKILL)


def test_a_full_disk_for_the_note_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with machine_lock("run-one") as path:
        assert path.exists()


def test_the_argument_goes_before_the_variable(tmp_path: Path) -> None:
    with machine_lock("run-one", tmp_path / "given") as path:
        assert path.parent == tmp_path / "given"


def test_a_folder_that_cannot_be_made_is_named_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", str(tmp_path / "file" / "locks"))
    with pytest.raises(StoreError, match=r"file/locks: .*Set POOLBENCH_LOCK_DIR"):
        machine_lock("run-one").__enter__()


def test_without_a_writable_cache_the_temporary_folder_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POOLBENCH_LOCK_DIR")
    monkeypatch.setattr(lock_module.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _: tmp_path / "cache" / "poolbench")
    with machine_lock("run-one") as path:
        assert path.parent == tmp_path / "cache" / "poolbench"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _: path / "not a folder")
    with machine_lock("run-one") as fallback:
        assert fallback.parent == tmp_path / f"poolbench-{os.getuid()}"
        assert fallback.parent.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(lock_module.tempfile, "gettempdir", lambda: str(path))
    with pytest.raises(StoreError, match="POOLBENCH_LOCK_DIR"):
        machine_lock("run-one").__enter__()
