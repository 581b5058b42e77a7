"""Real importers, as the session starts them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from poolbench.environments.interpreter import PRESENT, Interpreter, grafts
from poolbench.measure.client import Importer, WorkerFailure
from poolbench.measure.protocol import PACKAGE
from poolbench.model.method import Method
from poolbench.model.result import Status


def start(interpreter: Interpreter) -> Importer:
    return Importer(backends=["fake"], environment={}, threads=1, limits=Method().limits, interpreter=interpreter)


def test_workers_of_another_poolbench_are_refused_in_a_sentence(tmp_path: Path) -> None:
    other = tmp_path / "poolbench"
    shutil.copytree(PACKAGE, other, ignore=shutil.ignore_patterns("*.so", "*.h", "*.cpp", "__pycache__"))
    importer = start(Interpreter(key="other", grafts=grafts(modules={"poolbench": tmp_path})))
    try:
        with pytest.raises(
            WorkerFailure, match=f"Workers run the poolbench in {other}, and this is .*{PACKAGE}"
        ) as caught:
            importer.wait_ready()
        assert caught.value.status is Status.FAILED
    finally:
        importer.close()
    same = start(PRESENT)
    try:
        same.wait_ready()
    finally:
        same.close()


@pytest.mark.parametrize("interpreter", [PRESENT, Interpreter(is_foreign=True), Interpreter(grafts=grafts())])
def test_no_python_below_a_worker_imports_from_the_current_folder(interpreter: Interpreter) -> None:
    variables = interpreter.variables({"PYTHONPATH": "mine", "PYTHONSAFEPATH": ""})
    assert variables["PYTHONSAFEPATH"] == "1"
    assert variables.get("PYTHONPATH") == (None if interpreter.is_foreign else "mine")
    assert "-P" in interpreter.command("a.module")
