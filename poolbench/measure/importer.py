"""The importer: imports a framework once, then forks a fresh worker whenever it is asked to.

    python -m poolbench.measure.importer CHANNEL_FD SESSION_PID THREADS BACKEND…

It never runs an operator itself, so that every worker starts from the state right after the import.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial

from poolbench.backends import registry
from poolbench.backends.base import Backend
from poolbench.errors import PoolbenchError
from poolbench.measure.lifetime import cap_memory, die_with_parent
from poolbench.measure.protocol import FORK_FDS, PACKAGE, Channel, ChannelClosedError, Message
from poolbench.measure.worker import Server, Worker, serve


def main(arguments: list[str]) -> int:
    """Serve fork requests until the session closes the channel."""
    channel = open_channel(arguments)
    threads = int(arguments[2])
    try:
        backends = {name: registry.create(name) for name in arguments[3:]}
        for backend in backends.values():
            backend.load(threads)
    except Exception as error:
        # Whatever an import raises is for the session to report; its traceback goes where the output is kept.
        traceback.print_exc()
        is_ours = isinstance(error, PoolbenchError)
        said = str(error) if is_ours else f"{type(error).__name__}: {error}"
        channel.send({"ok": False, "note": said, "is_sentence": is_ours})
        return 1
    facts = {name: _facts(backend) for name, backend in backends.items()}
    serve_forks(channel, {name: partial(Worker, backend) for name, backend in backends.items()}, facts)
    return 0


def open_channel(arguments: list[str]) -> Channel:
    """Return the channel to the session, whose descriptor and process the first two arguments are; end with it."""
    channel = Channel(socket.socket(fileno=int(arguments[0])))
    die_with_parent(int(arguments[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the session's to handle
    return channel


def _facts(backend: Backend) -> dict[str, str]:
    """Return what a backend says of itself. An old release that cannot say something can be measured all the same."""
    try:
        return dict(backend.facts())
    except Exception as error:
        traceback.print_exc()
        return {"facts": f"not told: {type(error).__name__}: {error}"}


def serve_forks(
    channel: Channel, servers: Mapping[str, Callable[[], Server]], facts: Mapping[str, Mapping[str, str]]
) -> None:
    """Say that all is imported, and fork a process for one of ``servers`` whenever asked to, until the channel closes.

    A server is made in its own process.
    """
    channel.send({"ok": True, "facts": facts, "package": PACKAGE})
    while True:
        try:
            request, fds = channel.receive_with_fds(FORK_FDS)
        except ChannelClosedError:
            return
        if request["op"] == "fork":
            pid = _fork(channel, servers[request["backend"]], request, fds)
            for fd in fds:
                os.close(fd)
            reply: Message = {"pid": pid}
        else:
            reply = _reap(request["pid"])
        channel.send(reply)


def _fork(channel: Channel, make: Callable[[], Server], request: Message, fds: list[int]) -> int:
    importer = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        die_with_parent(importer)
        channel.close()
        os.dup2(fds[1], 1)
        os.dup2(fds[1], 2)
        os.close(fds[1])
        cap_memory(request["memory_bytes"])
        serve(Channel(socket.socket(fileno=fds[0])), make())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        # Not sys.exit: the importer's handlers at exit must not run in its children.
        os._exit(status)


def _reap(pid: int) -> Message:
    """Wait for a worker's end; say by which signal or with which code, and how large it had become."""
    try:
        _, status, usage = os.wait4(pid, 0)
    except ChildProcessError:
        return {"signal": None, "code": None, "peak_bytes": 0}
    killed = os.WIFSIGNALED(status)
    return {
        "signal": os.WTERMSIG(status) if killed else None,
        "code": None if killed else os.WEXITSTATUS(status),
        "peak_bytes": usage.ru_maxrss * 1024,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
