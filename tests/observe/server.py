"""A real Prometheus server on loopback, which scrapes one port.

    python -m tests.observe.server [SECONDS]

watches a training loop for a minute, scrapes it, and runs every query of the dashboard against the server.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "monitoring"


class Server:
    """A server that runs; ``query`` asks it."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> object:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._url}{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict]:
        """The series that an expression has now."""
        return self.get("/api/v1/query", query=expression)["result"]

    def wait(self, expression: str, seconds: float) -> list[dict]:
        """The series of an expression, once there are any."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                found = self.query(expression)
                if found or time.monotonic() > end:
                    return found
            if time.monotonic() > end:
                return []
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def prometheus(target: int, interval: str = "1s") -> Iterator[Server]:
    """Run a server with the example's rules that scrapes ``target``."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = (EXAMPLES / "prometheus.yml").read_text().replace("15s", interval).replace("9475", str(target))
        Path(folder, "prometheus.yml").write_text(config)
        shutil.copy(EXAMPLES / "alerts.yml", folder)
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
        process = subprocess.Popen(command, cwd=folder)
        try:
            yield Server(port)
        finally:
            process.terminate()
            process.wait(20)


def dashboard() -> dict:
    """What the script makes, not what is stored."""
    spec = importlib.util.spec_from_file_location("monitoring_dashboard", EXAMPLES / "dashboard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dashboard()


def expressions(rate_interval: str) -> list[str]:
    """Every query of the dashboard, with its variables filled in as Grafana does for "All"."""
    found = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    for name, value in (("$__rate_interval", rate_interval), ("$model", ".*"), ("$layer", ".*")):
        found = [each.replace(name, value) for each in found]
    return found


def main(seconds: float) -> int:
    port = free_port()
    loop = subprocess.Popen([sys.executable, str(EXAMPLES / "train.py"), str(port), str(seconds + 30)])
    try:
        with prometheus(port) as server:
            if not server.wait("poolbench_monitor_up == 1", 30):
                print("nothing was scraped")
                return 1
            time.sleep(seconds)
            empty = 0
            for expression in expressions("10s"):
                series = [each for each in server.query(expression) if each["value"][1] != "NaN"]
                empty += not series
                values = ", ".join(f"{float(each['value'][1]):.4g}" for each in series[:3])
                print(f"{len(series):3d} series  {values:<32}  {expression}")
            over = server.query("sum(increase(poolbench_monitor_sampled_steps_total[1m]))")[0]["value"][1]
            print(f"{empty} queries without data; {float(over):.0f} sampled steps in a minute")
            return int(bool(empty))
    finally:
        loop.terminate()
        loop.wait()


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
