"""Running the builders' commands: their output is kept for the reason of a failure, and they can be stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from poolbench.environments.interpreter import PRESENT
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
        self._leashes: set[IO[str]] = set()
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
        """Return what ``command`` prints, both streams together. All that it started has ended then, as it has.

        ``variables`` are its environment's, where they are not those of the present interpreter. Raises CommandError
        where it fails, BuildError where it takes longer than ``timeout_s`` or was stopped.
        """
        with self._guard:
            if self.is_stopped:
                raise BuildError("The build was stopped.")
            process = subprocess.Popen(
                leashed(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=folder,
                env=PRESENT.variables(os.environ) if variables is None else dict(variables),
                start_new_session=True,
            )
            leash, process.stdin = process.stdin, None  # communicate() would close it, and with it the leash
            assert leash is not None
            self._leashes.add(leash)
        try:
            output = process.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            raise BuildError(f"'{_shown(command)}' took longer than {timeout_s:.0f} s and was stopped.") from None
        finally:
            with self._guard:
                self._leashes.discard(leash)
            leash.close()
            process.communicate()
        if self.is_stopped:
            raise BuildError("The build was stopped.")
        if process.returncode < 0:
            raise BuildError(f"'{_shown(command)}' was killed.")
        if process.returncode:
            raise CommandError(output)
        return output

    def stop(self) -> None:
        """End what runs; what is asked for afterwards is refused."""
        with self._guard:
            self.is_stopped = True
            for leash in self._leashes:
                leash.close()


def leashed(command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` and ends it, with all that it started, when its stdin is closed.

    It is for ``Popen`` with a pipe as ``stdin`` and in a session of its own: however this process ends, the pipe does.
    """
    return [sys.executable, "-I", "-S", str(_LEASH), str(Path(psutil.__file__).parent.parent), *command]


def last_lines(output: str) -> str:
    """Return the last lines of ``output`` that say something, for a sentence's end."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(line[:_LINE_LENGTH] for line in lines[-_LAST_LINES:]) or "it printed nothing"


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:4]])
