"""A scheduler, a worker and a submitter, each a process of its own, with certificates that are made here."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from poolbench.store.reading import read_run

pytest.importorskip("distributed")
pytest.importorskip("cryptography")

PLAN = """
launches = 1
[[sweep]]
workloads = ["max2d-n1c4-h8w8-k2-f32-nchw"]
subjects = ["numpy:shifted"]
[[sweep]]
workloads = ["max2d-n1c4-h8w8-k2-f32-nchw"]
subjects = ["numpy@2.0.2"]
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def variables(tmp_path):
    from distributed.security import Security

    made = Security.temporary()
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(made.tls_ca_file)
    key.write_text(made.tls_client_key)
    names = {"CA_FILE": certificate}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        names |= {f"{role}__CERT": certificate, f"{role}__KEY": key}
    tls = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(path) for name, path in names.items()}
    return {
        **os.environ,
        **tls,
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
        "POOLBENCH_LOCK_DIR": str(tmp_path / "lock"),
        "POOLBENCH_MACHINE": "over-tls",
    }


def test_tasks_go_over_tls_to_a_worker_that_refuses_what_is_not_allowed_and_ends_in_order(tmp_path):
    plan, results, port = tmp_path / "plan.toml", tmp_path / "results", free_port()
    plan.write_text(PLAN)
    environment, address = variables(tmp_path), f"tls://127.0.0.1:{port}"
    poolbench = [sys.executable, "-m", "poolbench", "fleet"]
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--protocol", "tls", "--no-dashboard"]
    processes = [
        subprocess.Popen([*scheduler, "--host", "127.0.0.1", "--port", str(port)], env=environment),
        subprocess.Popen(
            [*poolbench, "worker", address, "--no-preflight", "--results", str(tmp_path / "own")], env=environment
        ),
    ]
    try:
        done = subprocess.run(
            [*poolbench, "run", str(plan), "--scheduler", address, "--results", str(results)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 3, done.stderr
        assert "1 of 2 tasks are in" in done.stdout
        assert "'numpy@2.0.2' is not allowed here" in done.stderr
        (path,) = results.glob("over-tls/fleet-*.jsonl")
        run = read_run(path)
        assert [row.subject for row in run.rows] == ["numpy:shifted", "limit"]
        assert run.header.fleet.findings == ("The machine was not examined before it got work.",)
        assert path.read_bytes() == (tmp_path / "own" / "over-tls" / path.name).read_bytes()

        with socket.create_connection(("127.0.0.1", port)) as plain:  # who has no certificate is told nothing
            plain.settimeout(5)
            plain.sendall(b"\0" * 64)
            assert answer(plain) in (b"", b"\x15")  # closed, or TLS's alert
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
            begin = time.monotonic()
            assert process.wait(60) in (0, -signal.SIGTERM), time.monotonic() - begin


def answer(plain):
    try:
        return plain.recv(1)
    except ConnectionResetError:
        return b""
