"""Every installed backend against the reference, each framework in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poolbench.backends import registry
from poolbench.errors import MissingFrameworkError
from tests.contract import checking, support
from tests.contract.grid import workloads

ROOT = Path(__file__).resolve().parents[2]

Report = dict[str, Any]
_reports: dict[str, list[Report]] = {}


@pytest.mark.parametrize("name", support.built_in())
def test_every_answer_is_the_reference_s(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    backend = registry.create(name)
    try:
        registry.require(backend)
    except MissingFrameworkError as error:
        pytest.skip(str(error))
    if name in support.bound() and not (missing := backend.supports(workloads()[0])).ok:
        pytest.skip(missing.reason)
    if name not in _reports:
        _check_family(name, tmp_path_factory.mktemp("checking"))
    reports = _reports[name]
    problems = [problem for report in reports for problem in report["problems"]]
    assert not problems, f"{len(problems)} wrong answers:\n" + "\n".join(problems[:20])
    checked = {workload_id for report in reports for workload_id in report["ids"]}
    assert checked == {workload.id for workload in checking.shapes(backend)}
    assert len(checked) >= 4
    assert all(report["facts"] for report in reports)


def _check_family(member: str, folder: Path) -> None:
    """Run all the backends of one framework and environment in one process: importing it is what takes longest."""
    backends = {name: registry.create(name) for name in support.built_in()}
    keys = {name: (backend.framework, dict(backend.environment(1))) for name, backend in backends.items()}
    family = [name for name, key in keys.items() if key == keys[member]]
    variables = keys[member][1]
    results = folder / "results.jsonl"
    process = subprocess.run(
        [sys.executable, "-m", "tests.contract.checking", str(results), *family],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    _reports.update({name: [] for name in family})
    for line in results.read_text(encoding="utf-8").splitlines():
        report = json.loads(line)
        _reports[report["backend"]].append(report)
