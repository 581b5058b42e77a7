"""The backend that docs/backends.md shows is run as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from poolbench.backends.base import Prepared, Source
from poolbench.model.ids import parse_id
from poolbench.verify import fill
from tests.contract.checking import problems
from tests.contract.grid import workloads

PAGE = Path(__file__).resolve().parents[2] / "docs" / "backends.md"


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
