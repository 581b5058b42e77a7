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

import psutil
import pytest

from poolbench.errors import ExitCode, RunLockedError, StoreError, UsageError
from poolbench.store import holder as holder_module
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
    monkeypatch.delenv("POOLBENCH_MACHINE", raising=False)
    return folder


def note_of(folder: Path) -> str:
    (file,) = folder.glob("*.lock")
    return file.read_text()


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
    assert note_of(lock_dir) == ""


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
    assert json.loads(note_of(lock_dir))["run"] == "run-one"  # its note is still there
    with machine_lock("run-two"):
        assert json.loads(note_of(lock_dir))["run"] == "run-two"


@pytest.mark.parametrize("stale", ["", "{", "[]", "{}", '{"run": 1}', "[" * 4000, "dead", "reused", "innocent"])
def test_a_holder_without_a_true_note_stays_unnamed(
    lock_dir: Path, monkeypatch: pytest.MonkeyPatch, stale: str
) -> None:
    monkeypatch.setattr(holder_module, "WAIT_S", 0.05)
    with process(HOLD, "run-one") as holder:
        line(holder)
        truth = {**json.loads(note_of(lock_dir)), "run": "run-zero"}
        if stale == "dead":
            with subprocess.Popen([sys.executable, "-c", ""]) as gone:
                pass
            stale = json.dumps({**truth, "pid": gone.pid})
        elif stale == "reused":
            stale = json.dumps({**truth, "born_s": truth["born_s"] - 1000})
        elif stale == "innocent":
            born_s = psutil.Process().create_time()
            stale = json.dumps({**truth, "pid": os.getpid(), "born_s": born_s})
        (file,) = lock_dir.glob("*.lock")
        file.write_text(stale)
        with pytest.raises(RunLockedError, match=r"^Another run is measuring on this machine") as caught:
            machine_lock("run-two").__enter__()
        assert "run-zero" not in str(caught.value)


def test_a_note_cannot_write_to_a_terminal(lock_dir: Path) -> None:
    with process(HOLD, "run-one") as holder:
        line(holder)
        (file,) = lock_dir.glob("*.lock")
        file.write_text(json.dumps({**json.loads(file.read_text()), "command": "\x1b[2J\n" + "x" * 1000}))
        with pytest.raises(RunLockedError) as caught:
            machine_lock("run-two").__enter__()
        assert "'?[2J?xxx" in str(caught.value) and len(str(caught.value)) < 900


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

    monkeypatch.setattr(os, "pwrite", full)
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


TAKE = """
import os, sys
import filelock, psutil  # before it becomes a user that cannot enter the environment
from poolbench.errors import PoolbenchError
from poolbench.store.lock import machine_lock
if len(sys.argv) > 2:
    os.setgroups([])
    os.setresuid(*[int(sys.argv[2])] * 3)
try:
    with machine_lock(sys.argv[1]) as path:
        print("took", path)
except PoolbenchError as error:
    print(error)
"""


def take(name: str, user: int | None = None, **environment: str) -> str:
    """Try to take the lock in a process of its own, perhaps as another user."""
    done = subprocess.run(
        [sys.executable, "-c", TAKE, name, *([] if user is None else [str(user)])],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rstrip()


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "TMPDIR"])
def test_another_home_is_no_way_around_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv("POOLBENCH_LOCK_DIR")
    monkeypatch.setenv("POOLBENCH_MACHINE", f"test-{tmp_path.name}-{os.getpid()}")  # not the user's own runs
    (tmp_path / "other").mkdir()
    with process(HOLD, "run-one") as holder:
        assert line(holder) == "held\n"
        said = take("run-two", **{variable: str(tmp_path / "other")})
    assert said.startswith(f"The run run-one (process {holder.pid}")
    with machine_lock("run-three") as path:
        assert path.parent in lock_module.SHARED_FOLDERS
    path.unlink()


def shared(folder: Path, mode: int = 0o1777) -> Path:
    folder.mkdir()
    folder.chmod(mode)
    return folder


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /run/lock."""
    monkeypatch.delenv("POOLBENCH_LOCK_DIR")
    folder = shared(tmp_path / "common")
    monkeypatch.setattr(lock_module, "SHARED_FOLDERS", (folder,))
    return folder


def test_the_first_folder_that_all_may_write_to_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POOLBENCH_LOCK_DIR")
    closed, everybodys = shared(tmp_path / "closed", 0o755), shared(tmp_path / "open")
    monkeypatch.setattr(lock_module, "SHARED_FOLDERS", (tmp_path / "none", closed, everybodys))
    with machine_lock("run-one") as path:
        assert path == everybodys / "poolbench.lock"
    monkeypatch.setattr(lock_module, "SHARED_FOLDERS", (tmp_path / "none", closed))
    with pytest.raises(
        StoreError, match=r"none nor .*closed is a folder that all users may write to. Set POOLBENCH_LO"
    ):
        machine_lock("run-one").__enter__()


@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
def test_any_user_may_lock_the_file_whatever_the_umask(common: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with machine_lock("run-one") as path:
            assert path.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


def plant(kind: str, path: Path, other: Path) -> None:
    other.write_text("precious")
    if kind == "link":
        path.symlink_to(other)
    elif kind == "dangling link":
        other.unlink()
        path.symlink_to(other)
    elif kind == "hard link":
        path.hardlink_to(other)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("link", "it is a link"),
        ("dangling link", "it is a link"),
        ("hard link", "the file has 2 names (hard links)"),
        ("folder", "it is a folder"),
        ("pipe", "it is no regular file"),
    ],
)
def test_what_was_put_in_the_locks_place_is_refused_and_left_as_it_is(
    common: Path, tmp_path: Path, kind: str, reason: str
) -> None:
    path, other = common / "poolbench.lock", tmp_path / "other"
    plant(kind, path, other)
    with pytest.raises(StoreError) as caught:
        machine_lock("run-one").__enter__()
    message = str(caught.value)
    assert f"is not taken at {path}: {reason}. Remove it" in message and "POOLBENCH_LOCK_DIR" in message
    if kind == "dangling link":
        assert not other.exists()
    else:
        assert other.read_text() == "precious" and other.stat().st_mode & 0o777 != 0o666
    assert path.is_symlink() or path.exists()


def test_an_empty_file_of_ones_own_that_is_closed_to_others_is_opened_to_them(common: Path) -> None:
    (common / "poolbench.lock").touch(mode=0o600)
    with machine_lock("run-one") as path:
        assert path.stat().st_mode & 0o777 == 0o666


def test_a_private_file_of_ones_own_that_was_moved_there_is_neither_opened_nor_emptied(common: Path) -> None:
    path = common / "poolbench.lock"
    path.write_text("precious")
    path.chmod(0o600)
    with pytest.raises(StoreError, match="its permissions are 600 instead of 666"):
        machine_lock("run-one").__enter__()
    assert path.read_text() == "precious" and path.stat().st_mode & 0o777 == 0o600


def test_a_lock_that_is_removed_while_it_is_taken_is_not_taken(common: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fstat = os.fstat

    def replaced(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        path = common / "poolbench.lock"
        if path.exists() and path.stat().st_ino == found.st_ino:
            path.rename(common / "moved")
            path.touch()
        return found

    monkeypatch.setattr(lock_module.os, "fstat", replaced)
    with pytest.raises(StoreError, match="removed or replaced just now; try again"):
        machine_lock("run-one").__enter__()


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users, so that this needs a run as root")
ALICE, BOB = 4711, 4712


@pytest.fixture
def reachable() -> Iterator[str]:
    """A machine's name of its own in the real folder: other users cannot enter pytest's."""
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    yield name
    for folder in lock_module.SHARED_FOLDERS:
        (folder / f"poolbench-{name}.lock").unlink(missing_ok=True)


@as_root
def test_users_share_the_lock(reachable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POOLBENCH_LOCK_DIR")
    monkeypatch.setenv("POOLBENCH_MACHINE", reachable)
    first = take("run-one", ALICE)
    assert first.startswith("took ")
    assert Path(first.removeprefix("took ")).stat().st_uid == ALICE
    assert take("run-two", BOB) == first
    with machine_lock("run-three"):  # root's, in a file of Alice's
        said = take("run-four", BOB)
    assert said.startswith("The run run-three (process") and "of root" in said
    assert "have its user stop it" in said and "kill" not in said


@as_root
def test_a_file_that_its_owner_keeps_to_himself_is_refused(reachable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POOLBENCH_LOCK_DIR")
    monkeypatch.setenv("POOLBENCH_MACHINE", reachable)
    path = Path(take("run-one", ALICE).removeprefix("took "))
    path.chmod(0o600)
    closed = f"{path}: it belongs to user number {ALICE}, who has not opened it to all"
    assert closed in take("run-two", BOB)
    said = take("run-two")  # root may open it, and must not be led to
    assert f"{closed}: its permissions are 600 instead of 666" in said


def test_two_names_are_two_machines(lock_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLBENCH_MACHINE", "bench-1")
    with machine_lock("run-one") as one:
        with pytest.raises(RunLockedError, match="run-one"):
            machine_lock("run-two").__enter__()
        monkeypatch.setenv("POOLBENCH_MACHINE", "bench-2")
        with machine_lock("run-two") as two:
            assert one != two
    assert {path.name for path in lock_dir.iterdir()} == {"poolbench-bench-1.lock", "poolbench-bench-2.lock"}


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "a b", "-x", "é", "a" * 65, "a\n"])
def test_a_machines_name_that_is_no_file_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("POOLBENCH_MACHINE", name)
    with pytest.raises(UsageError, match=r"^POOLBENCH_MACHINE is .*such as "):
        machine_lock("run-one").__enter__()
