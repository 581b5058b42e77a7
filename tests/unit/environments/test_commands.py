"""Whatever ends a command ends all that it started, however far it has got away."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from poolbench.environments.commands import CommandError, Commands
from poolbench.errors import BuildError
from tests.unit.environments.planted_jobs import JOBS, READY, command, running

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0


@pytest.fixture
def token() -> Iterator[str]:
    token = f"planted-{secrets.token_hex(8)}"
    yield token
    for process in running(token):
        process.kill()


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Wait until it is so, or patience is at an end; return whether it is."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def jobs(token: str) -> list[psutil.Process]:
    """Return the planted processes, without leash and holder."""
    return [each for each in running(token) if not {"leash.py", "hold"} & set(_last_parts(each))]


def _last_parts(process: psutil.Process) -> list[str]:
    try:
        return [word.rpartition("/")[2] for word in process.cmdline()]
    except psutil.NoSuchProcess:
        return []


def is_planted(token: str) -> bool:
    return len(jobs(token)) >= JOBS


def test_what_is_stopped_is_gone_with_all_that_it_started(token: str) -> None:
    commands = Commands()

    def stop() -> None:
        wait_until(lambda: is_planted(token))
        commands.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(BuildError, match="stopped"):
        commands.run(command(token), timeout_s=600, folder=ROOT)
    stopper.join()
    assert running(token) == []
    with pytest.raises(BuildError, match="stopped"):
        commands.run(command(token), timeout_s=600, folder=ROOT)


def test_what_takes_too_long_is_gone_with_all_that_it_started(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = subprocess.Popen.communicate

    def impatient(process: subprocess.Popen[str], timeout: float | None = None) -> tuple[str, str]:
        """The time is up when all is planted, however slow the machine is."""
        if timeout is not None:
            assert wait_until(lambda: is_planted(token))
            timeout = 0.01
        return patient(process, timeout=timeout)

    monkeypatch.setattr(subprocess.Popen, "communicate", impatient)
    with pytest.raises(BuildError, match="took longer than 600 s and was stopped"):
        Commands().run(command(token), timeout_s=600, folder=ROOT)
    assert running(token) == []


def test_what_a_command_leaves_behind_ends_with_it(token: str) -> None:
    assert Commands().run(command(token, "leave"), timeout_s=600, folder=ROOT) == f"{READY}\n"
    assert running(token) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_the_holder_ends_all(token: str, number: signal.Signals) -> None:
    def hear() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, and so all that it starts, ignores it

    with subprocess.Popen(command(token, "hold"), cwd=ROOT, stderr=subprocess.DEVNULL, preexec_fn=hear) as holder:
        assert wait_until(lambda: is_planted(token))
        os.kill(holder.pid, number)
        holder.wait(timeout=PATIENCE_S)
    assert wait_until(lambda: running(token) == []), [each.cmdline() for each in running(token)]


def test_a_leash_that_is_told_to_end_ends_all(token: str) -> None:
    def end() -> None:
        wait_until(lambda: is_planted(token))
        (leash,) = [each for each in running(token) if "leash.py" in _last_parts(each)]
        leash.terminate()

    ender = threading.Thread(target=end)
    ender.start()
    with pytest.raises(CommandError):
        Commands().run(command(token), timeout_s=600, folder=ROOT)
    ender.join()
    assert running(token) == []


def test_a_leash_that_was_killed_is_told_as_that_and_not_as_a_failure_of_the_command() -> None:
    kills = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    with pytest.raises(BuildError, match="was killed"):
        Commands().run([sys.executable, "-c", kills], timeout_s=60)


def test_a_command_s_end_is_its_own() -> None:
    assert Commands().run(["sh", "-c", "echo one; echo two >&2"], timeout_s=60) == "one\ntwo\n"
    with pytest.raises(CommandError, match="bad") as caught:
        Commands().run(["sh", "-c", "echo bad; exit 3"], timeout_s=60)
    assert caught.value.output == "bad\n"
    with pytest.raises(CommandError, match="nosuchcommand: No such file"):
        Commands().run(["nosuchcommand"], timeout_s=60)


def test_a_command_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong one')")
    asking = [sys.executable, "-c", "import random; print(random.random() < 1)"]
    assert Commands().run(asking, timeout_s=60, folder=tmp_path) == "True\n"
