"""Machines of a kind: network namespaces with an address, a lock and a name of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

BRIDGE = "pbfleet"
NETWORK = "10.77.31"
PORT = 8786
WORKER_TTL = "20s"


def can_make_namespaces() -> bool:
    """Whether this user can make network namespaces, by trying."""
    try:
        made = subprocess.run(["ip", "netns", "add", f"{BRIDGE}-try"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    subprocess.run(["ip", "netns", "del", f"{BRIDGE}-try"], capture_output=True, check=False)
    return made.returncode == 0


def ip(*arguments: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *arguments], check=True)


class Network:
    """A bridge with the scheduler's and the submitter's address, and a namespace for each machine; or loopback."""

    def __init__(self, machines: int) -> None:
        self.is_apart = can_make_namespaces()
        self.machines = machines
        self.address = f"tcp://{NETWORK}.1:{PORT}" if self.is_apart else f"tcp://127.0.0.1:{PORT}"

    def __enter__(self) -> Network:
        if self.is_apart:
            self._remove()
            ip("link", "add", BRIDGE, "type", "bridge")
            ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
            ip("link", "set", BRIDGE, "up")
            for number in range(self.machines):
                space, link = f"{BRIDGE}-{number}", f"{BRIDGE}{number}"
                ip("netns", "add", space)
                ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
                ip("link", "set", link, "master", BRIDGE, "up")
                ip("-n", space, "addr", "add", f"{NETWORK}.{number + 2}/24", "dev", "eth0")
                ip("-n", space, "link", "set", "eth0", "up")
                ip("-n", space, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_apart:
            self._remove()

    def _remove(self) -> None:
        for number in range(self.machines):
            subprocess.run(["ip", "netns", "del", f"{BRIDGE}-{number}"], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)

    def host(self, machine: int | None) -> str:
        """Return the address of a machine; None is that of the scheduler."""
        if not self.is_apart:
            return "127.0.0.1"
        return f"{NETWORK}.{1 if machine is None else machine + 2}"

    def command(self, machine: int | None, *words: str) -> list[str]:
        """Return the command that runs ``words`` on a machine."""
        if machine is None or not self.is_apart:
            return list(words)
        return ["ip", "netns", "exec", f"{BRIDGE}-{machine}", *words]


class Fleet:
    """Starts and harms the processes of a fleet. Everything lies in ``folder``; logs are beside the results."""

    def __init__(self, network: Network, folder: Path, plan: Path) -> None:
        self.network, self.folder, self.plan = network, folder, plan
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, log: str, command: list[str], **variables: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{log}.log").open("ab") as file:
            process = subprocess.Popen(
                command,
                env={**os.environ, "POOLBENCH_LOCK_DIR": str(self.folder / "locks"), **variables},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def scheduler(self) -> subprocess.Popen[bytes]:
        host = self.network.host(None)
        words = (sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", host, "--port", str(PORT))
        return self.start("scheduler", [*words, "--no-dashboard"], DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=WORKER_TTL)

    def worker(self, machine: int) -> subprocess.Popen[bytes]:
        words = (
            *(sys.executable, "-m", "poolbench", "fleet", "worker", self.network.address, "--no-preflight"),
            *("--host", self.network.host(machine), "--results", str(self.folder / f"machine-{machine}")),
        )
        return self.start(
            f"worker-{machine}", self.network.command(machine, *words), POOLBENCH_MACHINE=f"chaos-{machine}"
        )

    def submitter(self, results: Path) -> subprocess.Popen[bytes]:
        words = (sys.executable, "-m", "poolbench", "fleet", "run", str(self.plan))
        return self.start("submitter", [*words, "--scheduler", self.network.address, "--results", str(results)])

    def end(self) -> None:
        for process in self.started:
            for each in family(process):
                try:
                    each.kill()
                except psutil.NoSuchProcess:
                    continue
            process.wait()


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return a process and all below it; none where it has ended."""
    try:
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def part(process: subprocess.Popen[bytes], word: str) -> psutil.Process | None:
    """Return the process below ``process`` whose command has ``word``."""
    for each in family(process):
        try:
            if any(word in argument for argument in each.cmdline()):
                return each
        except psutil.NoSuchProcess:
            continue
    return None


def send(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to all of ``processes`` that are there."""
    for each in processes:
        try:
            each.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def wait_until(condition: object, what: str, seconds: float) -> None:
    """Wait until ``condition()``; raise TimeoutError with ``what`` where it takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)
