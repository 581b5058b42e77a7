"""The explorer's server: this machine's own browser alone, read only, from memory.

A request names a document, never a file: nothing on the disk is opened for one, so that no path can climb. The Host
header must be one that this server has, or a page of somebody else could read results through a name of its own that
it lets point here (DNS rebinding).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from poolbench.errors import PoolbenchError, UsageError
from poolbench.explore.files import PAGE, POLICY, content_type

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
WAIT_S = 30
"""Seconds after which a connection that says nothing is closed."""

Answer: TypeAlias = Callable[[str], bytes | None]
"""Returns the content of a path, such as data/index.json; None where there is none."""


class Server(ThreadingHTTPServer):
    """Serves what ``answer`` returns, on the loopback interface. Raises UsageError where the port is taken."""

    daemon_threads = True

    def __init__(self, port: int, answer: Answer) -> None:
        try:
            super().__init__((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"Port {port} of {HOST} cannot be had ({reason}): name another with --port, or 0 for a free one."
            ) from error
        self.answer = answer

    @property
    def address(self) -> str:
        """The address for a browser."""
        return f"http://{HOST}:{self.server_port}/"

    def knows(self, host: str) -> bool:
        """Whether a Host header is one of this server's own."""
        return host.lower() in {f"{name}:{self.server_port}" for name in NAMES} or (
            self.server_port == 80 and host.lower() in NAMES
        )


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    server: Server
    server_version = "poolbench"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = WAIT_S

    def do_GET(self) -> None:
        """Answer with a document."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer with a document's headers."""
        self._answer()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer that it cannot be: what http.server itself refuses, such as other methods, comes here as well."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, "This server only reads: GET and HEAD are understood."
        self.close_connection = True
        self._send(code, f"{message or HTTPStatus(code).phrase}\n".encode(), "refused.txt")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests are no news."""

    def _answer(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not self.server.knows(hosts[0].strip()):
            self.send_error(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"This server answers to {self.server.address} alone, not to other names.",
            )
            return
        path = unquote(urlsplit(self.path).path, errors="replace").removeprefix("/") or PAGE
        try:
            content = self.server.answer(path)
        except PoolbenchError as error:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except Exception:
            traceback.print_exc(file=sys.stderr)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a defect of poolbench: its terminal says more.")
        else:
            if content is None:
                self.send_error(HTTPStatus.NOT_FOUND, "There is no such page or document here.")
            else:
                self._send(HTTPStatus.OK, content, path)

    def _send(self, code: int, content: bytes, path: str) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": content_type(path),
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            **({"Allow": "GET, HEAD"} if code == HTTPStatus.METHOD_NOT_ALLOWED else {}),
            **({"Connection": "close"} if self.close_connection else {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
