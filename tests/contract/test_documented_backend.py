"""The backend that docs/backends.md shows is the example package: it is installed, found, checked and measured."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poolbench.backends.base import Prepared, Source
from poolbench.model.ids import parse_id
from poolbench.verify import fill
from tests.contract.checking import problems
from tests.contract.grid import workloads

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "backends.md"
PACKAGE = ROOT / "examples" / "tiles"


@pytest.fixture(scope="module")
def source_text() -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 1
    return blocks[0]


@pytest.fixture(scope="module")
def backend(source_text: str) -> Any:
    names: dict[str, Any] = {"__name__": "documented"}
    exec(compile(source_text, str(PAGE), "exec"), names)
    made = names["Tiles"]()
    made.load(1)
    return made


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install a copy of the package, built without a network, and return the environment in which it is found."""
    folder = tmp_path_factory.mktemp("example")
    copy = shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    target = folder / "site"
    options = ("--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--target", str(target))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(copy)], check=True, capture_output=True)
    path = os.pathsep.join(filter(None, [str(target), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "POOLBENCH_LOCK_DIR": str(folder / "lock")}


def poolbench(installed: dict[str, str], folder: Path, *arguments: str) -> Any:
    """Return the JSON document of a command."""
    command = [sys.executable, "-m", "poolbench", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, env=installed, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_shows_the_package(source_text: str) -> None:
    assert source_text == (PACKAGE / "poolbench_tiles.py").read_text(encoding="utf-8")


def test_the_package_is_found_and_verified_once_it_is_installed(installed: dict[str, str], tmp_path: Path) -> None:
    document = poolbench(installed, tmp_path, "verify", "tiles", "-w", "max2d-n1c2-h4w6-k2,avg2d-n1c2-h4w6-k2")
    assert [case["status"] for case in document["cases"]] == ["OK", "OK"]


def test_the_package_is_measured_beside_the_built_in_ones(installed: dict[str, str], tmp_path: Path) -> None:
    arguments = ("compare", "tiles", "numpy", "-w", "max2d-n1c8-h16w16-k2", "--budget", "3", "--no-memory")
    cells = poolbench(installed, tmp_path, *arguments)["cells"]
    assert {cell["subject"] for cell in cells} >= {"tiles", "numpy"}


def test_it_is_short(source_text: str) -> None:
    assert len(source_text.splitlines()) < 60


def test_it_has_what_the_protocol_asks_for(backend: Any) -> None:
    assert isinstance(backend.name, str) and isinstance(backend.framework, str)
    assert dict(backend.environment(2)) and dict(backend.facts())
    workload = parse_id("max2d-n1c2-h4w6-k2-f32-nhwc")
    prepared = backend.prepare(workload, Source(array=fill.arrange(fill.exact_values(workload, 1), workload)))
    assert isinstance(prepared, Prepared)


def test_every_answer_is_the_reference_s(backend: Any) -> None:
    supported = [workload for workload in workloads() if backend.supports(workload).ok]
    assert len(supported) > 40
    assert [problem for workload in supported for problem in problems(backend, workload)] == []


def test_it_refuses_the_rest_with_a_sentence(backend: Any) -> None:
    reasons = {support.reason for workload in workloads() if not (support := backend.supports(workload)).ok}
    assert len(reasons) >= 4
    assert all(reason.endswith(".") for reason in reasons)
