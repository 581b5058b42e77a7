"""Running the builders' commands: their output is kept for the reason of a failure, and they can be stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from poolbench.errors import BuildError

_LEASH = Path(__file__).with_name("leash.py")
_LAST_LINES = 3
_LINE_LENGTH = 300


class CommandError(Exception):
    """A command failed; ``output`` is all that it printed."""

    def __init__(self, output: str) -> None:
        super().__init__(last_lines(output))
        self.output = output


class Commands:
    """Runs commands, on several threads at once where wanted, until it is stopped."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._guard = threading.Lock()
        self.is_stopped = False

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Return what ``command`` prints, both streams together.

        Raises CommandError where it fails, BuildError where it takes longer than ``timeout_s`` or was stopped.
        """
        with self._guard:
            if self.is_stopped:
                raise BuildError("The build was stopped.")
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LEASH), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=folder,
                env=None if variables is None else dict(variables),
                start_new_session=True,
            )
            self._running.add(process)
        leash, process.stdin = process.stdin, None  # communicate() would close it, and with it the leash
        try:
            output = process.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            _kill_group(process)
            process.communicate()
            raise BuildError(f"'{_shown(command)}' took longer than {timeout_s:.0f} s and was stopped.") from None
        finally:
            with self._guard:
                self._running.discard(process)
            if leash is not None:
                leash.close()
        if self.is_stopped:
            raise BuildError("The build was stopped.")
        if process.returncode:
            raise CommandError(output)
        return output

    def stop(self) -> None:
        """Kill what runs; what is asked for afterwards is refused."""
        with self._guard:
            self.is_stopped = True
            for process in self._running:
                _kill_group(process)


def last_lines(output: str) -> str:
    """Return the last lines of ``output`` that say something, for a sentence's end."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(line[:_LINE_LENGTH] for line in lines[-_LAST_LINES:]) or "it printed nothing"


def _kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:4]])
