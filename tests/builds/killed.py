"""Kill a build of the real kernel at random moments; nothing of it may be left, and the next build must work.

    python -m tests.builds.killed [--kills 10] [--seed N]

Each build is that of ``poolbench verify strided@rev:HEAD`` in a cache of its own, ended by SIGTERM, SIGINT and SIGKILL
in turns. Whatever it started carries a variable of its environment, by which it is found two seconds later, wherever
it has got to. After the last kill the same command must build the kernel in the tree that was left, and find its
answers right. Takes some minutes; exit code 1 where anything does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

MARK = "POOLBENCH_KILLED_BUILD"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
EARLIEST_S, LATEST_S = 1.0, 20.0
GONE_AFTER_S = 2.0
COMMAND = (sys.executable, "-m", "poolbench", "verify", "strided@rev:HEAD", "--workloads", "smoke")


def main() -> int:
    """Kill, look, and build to the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options = parser.parse_args()
    print(f"{options.kills} kills, seed {options.seed}", flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background would hand on that it is ignored
    draw, mark = random.Random(options.seed), secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="poolbench-killed-") as folder:
        variables = {**os.environ, MARK: mark, "POOLBENCH_ENVIRONMENTS": folder}
        holds = [
            _kill(draw.uniform(EARLIEST_S, LATEST_S), SIGNALS[number % len(SIGNALS)], variables, mark)
            for number in range(options.kills)
        ]
        return 0 if _builds(variables, Path(folder), mark) and all(holds) else 1


def _kill(moment_s: float, number: signal.Signals, variables: dict[str, str], mark: str) -> bool:
    """Start a build, end it after ``moment_s``, and say whether nothing is left when it should have gone."""
    with subprocess.Popen(COMMAND, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as build:
        time.sleep(moment_s)
        running = Counter(_names(mark))
        build.send_signal(number)
        time.sleep(GONE_AFTER_S)
        left = _names(mark)
    what = ", ".join(f"{count} {name}" for name, count in sorted(running.items()))
    found = f"LEFT: {', '.join(left)}" if left else "nothing left"
    print(f"{number.name:8} after {moment_s:4.1f} s, running {what}: {found}", flush=True)
    return not left


def _builds(variables: dict[str, str], cache: Path, mark: str) -> bool:
    """Build in what the kills left, and say whether the module answers right and nothing half-made lies about."""
    begin = time.monotonic()
    done = subprocess.run(COMMAND, env=variables, capture_output=True, text=True, check=False)
    kept = sorted(path.name.rpartition("-")[0] for path in cache.iterdir() if path.name != ".locks")
    is_right = done.returncode == 0 and kept == [".tree", "strided"] and not _names(mark)
    print(f"then a build to its end: {time.monotonic() - begin:.0f} s, exit code {done.returncode}, kept {kept}")
    print(done.stdout[-2000:] if is_right else f"DOES NOT HOLD\n{done.stdout}\n{done.stderr}")
    return is_right


def _names(mark: str) -> list[str]:
    """Return the names of the processes that carry ``mark``; those that have ended do not count."""
    names = []
    for process in psutil.process_iter(["name", "status"]):
        with contextlib.suppress(psutil.Error):
            if process.info["status"] != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                names.append(process.info["name"])
    return names


if __name__ == "__main__":
    sys.exit(main())
