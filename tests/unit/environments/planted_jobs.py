"""A command that starts long jobs as ninja and worse do, and a holder that runs it.

    python -m tests.unit.environments.planted_jobs TOKEN            waits for its jobs
    python -m tests.unit.environments.planted_jobs TOKEN leave      ends before them
    python -m tests.unit.environments.planted_jobs TOKEN hold       runs the first by Commands

It prints READY when all of its jobs run: one in a process group of its own, as ninja starts them, one in a session, one
whose parent has ended, and one that goes on starting others; all ignore what would end them politely. TOKEN is an
argument of each.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil

from poolbench.environments.commands import Commands

READY = "all jobs run"
JOBS = 8
"""Processes that carry the token when all run: this one, the four that it starts, and what they start in turn."""

_DEAF = "import signal as s, time; [s.signal(n, s.SIG_IGN) for n in (s.SIGTERM, s.SIGINT, s.SIGHUP)]; "
_SLEEP = f"{_DEAF}time.sleep(600)"
_PARENT = f"{_DEAF}import subprocess, sys; subprocess.run([sys.executable, '-c', {_SLEEP!r}, sys.argv[1]])"
_ORPHAN = (
    f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_SLEEP!r}, sys.argv[1]], start_new_session=True)"
)
_RESTARTER = (
    f"{_DEAF}import subprocess, sys\n"
    f"while True: subprocess.run([sys.executable, '-c', {_SLEEP!r}, sys.argv[1]], process_group=0)"
)


def command(token: str, *words: str) -> list[str]:
    """Return the command that plants."""
    return [sys.executable, "-m", __spec__.name if __spec__ else __name__, token, *words]


def running(token: str) -> list[psutil.Process]:
    """Return the processes that carry the token, but for this one; those that have ended do not count."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        is_dead = process.info["status"] == psutil.STATUS_ZOMBIE
        if process.pid != os.getpid() and not is_dead and token in (process.info["cmdline"] or ()):
            found.append(process)
    return found


def main(arguments: list[str]) -> int:
    """Plant the jobs, or hold them."""
    token, *words = arguments
    if words == ["hold"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        Commands().run(command(token), timeout_s=600)
        return 0
    python = (sys.executable, "-c")
    jobs = [
        subprocess.Popen([*python, _PARENT, token], process_group=0),
        subprocess.Popen([*python, _PARENT, token], start_new_session=True),
        subprocess.Popen([*python, _RESTARTER, token], process_group=0),
    ]
    subprocess.run([*python, _ORPHAN, token], check=True)
    while len([each for each in running(token) if "leash.py" not in " ".join(each.cmdline())]) < JOBS - 1:
        time.sleep(0.05)
    print(READY, flush=True)
    if "leave" not in words:
        for job in jobs:
            job.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
