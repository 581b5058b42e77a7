"""Addresses of schedulers and workers: what they may be, and who can reach them."""

from __future__ import annotations

import ipaddress
from importlib import util
from urllib.parse import urlsplit

from poolbench.errors import MissingExtraError, UsageError

SCHEMES = ("tls", "tcp")


def need_dask() -> None:
    """Raise MissingExtraError where Dask is not installed. Imports nothing."""
    lacking = [name for name in ("dask", "distributed") if util.find_spec(name) is None]
    if lacking:
        raise MissingExtraError(
            f"A fleet of machines needs {' and '.join(lacking)}, not installed here: pip install 'poolbench[fleet]'."
        )


def require_address(address: str) -> tuple[str, ...]:
    """Return warnings about a scheduler's address. Raises UsageError where it is none."""
    scheme, name = _parts(address)
    if scheme == "tls" or is_loopback(name):
        return ()
    return (
        f"{address} is neither encrypted nor on this machine alone: whoever reaches a Dask scheduler can run code "
        "on its workers. Use tls:// with Dask's certificates, or a network that nobody else is on (docs/fleet.md).",
    )


def require_reachable(address: str, host: str) -> None:
    """Raise UsageError where a worker on ``host`` could not be reached from the scheduler's machine."""
    _, name = _parts(address)
    if is_loopback(host) and not is_loopback(name):
        raise UsageError(
            f"{address} is another machine, and this worker would listen on {host} alone, where that cannot reach it: "
            "give the address of this machine in their network with --host."
        )


def is_loopback(name: str) -> bool:
    """Whether ``name`` is an address that only this machine reaches."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _parts(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
        name, port = parts.hostname, parts.port
    except ValueError:
        name, port, parts = None, None, urlsplit("")
    if parts.scheme not in SCHEMES or not name or not port:
        raise UsageError(
            f"'{address}' is no scheduler's address: write tls://HOST:PORT or tcp://HOST:PORT, such as "
            "tcp://127.0.0.1:8786."
        )
    return parts.scheme, name
