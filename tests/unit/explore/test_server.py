"""The server answers this machine's own browser alone, reads alone, and opens no file for a request."""

from __future__ import annotations

import socket
import threading
from http.client import HTTPConnection

import pytest

from poolbench.errors import StoreError, UsageError
from poolbench.explore.server import Server


def answer(path):
    if path == "data/broken.json":
        raise StoreError("The results in results cannot be read: no.")
    if path == "data/defect.json":
        raise RuntimeError("a defect")
    return {"index.html": b"<!DOCTYPE html>", "data/index.json": b"{}\n"}.get(path)


@pytest.fixture(scope="module")
def server():
    with Server(0, answer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def ask(server, path="/", method="GET", host=None, headers=None):
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    for name in [f"127.0.0.1:{server.server_port}"] if host is None else host:
        connection.putheader("Host", name)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@pytest.mark.parametrize("path", ["/", "/index.html", "/?x=1", "/data/index.json"])
def test_its_own_documents_come_with_the_policy(server, path):
    response, body = ask(server, path)
    assert response.status == 200
    assert body
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in response.headers


def test_localhost_is_this_machine_too(server):
    assert ask(server, host=[f"localhost:{server.server_port}"])[0].status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:{port}", ""]
)
def test_another_host_name_is_refused(server, host):
    response, body = ask(server, "/data/index.json", host=[host.format(port=server.server_port)])
    assert response.status == 421
    assert b"answers to http://127.0.0.1:" in body
    assert b"{}" not in body


def test_no_host_and_two_hosts_are_refused(server):
    own = f"127.0.0.1:{server.server_port}"
    assert ask(server, host=[])[0].status == 421
    assert ask(server, host=[own, "evil.example"])[0].status == 421
    assert ask(server, host=[own, own])[0].status == 421


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/data/../index.html",
        "/data/", "/data", "/js", "/./index.html", "/index.html%00", "/data/rows/../index.json", "/\\..\\x",
    ],
)  # fmt: skip
def test_a_path_that_climbs_and_a_folder_are_nothing(server, path):
    response, body = ask(server, path)
    assert response.status == 404
    assert body == b"There is no such page or document here.\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"])
def test_it_only_reads(server, method):
    response, body = ask(server, "/data/index.json", method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert b"only reads" in body


def test_a_head_has_no_body(server):
    response, body = ask(server, "/data/index.json", "HEAD")
    assert (response.status, response.headers["Content-Length"], body) == (200, "3", b"")


def test_an_error_is_a_sentence_and_a_defect_tells_a_stranger_nothing(server, capsys):
    response, body = ask(server, "/data/broken.json")
    assert (response.status, body) == (500, b"The results in results cannot be read: no.\n")
    response, body = ask(server, "/data/defect.json")
    assert response.status == 500
    assert b"RuntimeError" not in body
    assert "RuntimeError: a defect" in capsys.readouterr().err


def test_it_listens_on_the_loopback_interface_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(1000).startswith(b"Bad request")  # as before HTTP had headers


def test_a_port_that_is_taken_is_said(server):
    with pytest.raises(UsageError, match="name another with --port"):
        Server(server.server_port, answer)
