import subprocess
import sys

import pytest

from poolbench.backends import registry
from tests.contract import support
from tests.contract.grid import few, workloads


@pytest.mark.parametrize("name", support.listed())
def test_what_a_backend_supports_is_what_its_list_says(name: str) -> None:
    kept = support.path(name).read_text(encoding="utf-8")
    assert support.listing(registry.create(name)).splitlines() == kept.splitlines(), (
        f"{name} supports other workloads than {support.path(name).name} lists; if that is meant, run "
        "'python -m tests.contract.support' and read the difference."
    )


def test_there_is_no_list_without_a_backend() -> None:
    assert {path.name for path in support.FOLDER.iterdir()} == {support.path(name).name for name in support.listed()}


@pytest.mark.parametrize(("name", "free"), support.bound().items())
def test_an_instruction_set_narrows_nothing_or_is_missing_altogether(name: str, free: str) -> None:
    lines = support.listing(registry.create(name)).splitlines()
    if lines != support.listing(registry.create(free)).splitlines():
        assert {line.split("  ")[0] for line in lines} == {"no"}
        (reason,) = {line.split("  ", 2)[2] for line in lines}
        assert reason.startswith("This processor, or this build of poolbench, has no ")


@pytest.mark.parametrize("name", support.built_in())
def test_a_refusal_is_one_sentence(name: str) -> None:
    backend = registry.create(name)
    reasons = {refusal.reason for workload in workloads() if not (refusal := backend.supports(workload)).ok}
    assert reasons
    for reason in reasons:
        assert reason[0].isupper() and reason.endswith(".") and "\n" not in reason and ". " not in reason, reason


def test_the_basic_shapes_are_distinct_and_their_ids_parse_back() -> None:
    ids = [workload.id for workload in workloads()]
    assert len(ids) == len(set(ids)) > 600
    assert len({workload.id for workload in few()}) == len(few())


def test_asking_for_support_loads_no_framework() -> None:
    script = (
        "import sys\n"
        "from tests.contract import support\n"
        "from poolbench.backends import registry\n"
        "for name in support.built_in():\n"
        "    support.listing(registry.create(name))\n"
        "frameworks = {'torch', 'tensorflow', 'onnxruntime', 'onnx', 'openvino', 'jax'}\n"
        "frameworks |= {'ai_edge_litert', 'ncnn', 'MNN'}\n"
        "print(sorted(frameworks & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
