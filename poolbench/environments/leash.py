"""Run a command that ends, with all that it started, when whoever wants its result is gone.

    python leash.py COMMAND…

Stdin is a pipe that the other side keeps open and never writes to. When it closes, as it does however its holder ends,
the process group is killed, this process included. Executed as a script, in a session of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def _watch() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_watch, daemon=True).start()
    try:
        sys.exit(subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, check=False).returncode)
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error.strerror}")
