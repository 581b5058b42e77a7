"""The asv suite: what its cases are called, what importing it costs, and that it keeps batching."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from poolbench.backends import registry
from poolbench.backends.base import Support, refused
from poolbench.backends.fake import Fake
from poolbench.catalogue import select
from poolbench.model.workload import Workload

discovery = pytest.importorskip("asv_runner.discovery")

SUITE = Path(__file__).parents[2] / "benchmarks"
MODULES = sorted(path.stem for path in SUITE.glob("*.py") if not path.stem.startswith("_"))
FRAMEWORKS = {"torch", "tensorflow", "onnxruntime", "onnx", "openvino", "jax"}
SMALL = "max2d-n1c88-h11w11-k3s2-f32-nchw"


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The suite's own module, found as asv finds it."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    discovery.update_sys_path(str(SUITE))
    yield importlib.import_module("benchmarks._suite")
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def found(name: str) -> dict[str, list[str]]:
    """Return the parameters of a module's latencies, by their name."""
    module = importlib.import_module(f"benchmarks.{name}")
    return dict(zip(module.Latency.param_names, module.Latency.params, strict=True))


def test_the_cases_are_the_sets_ci_and_training_core(suite: ModuleType) -> None:
    expected = [workload.id for workload in select(["ci", "training-core"])]
    for name in MODULES:
        assert found(name)["workload"] == expected


def test_the_subjects_of_a_module_are_its_frameworks(suite: ModuleType) -> None:
    assert {"numpy", "torch", "tensorflow", "onnxruntime", "openvino", "jax", "strided"} <= set(MODULES)
    for name in MODULES:
        for subject in found(name)["subject"]:
            assert registry.resolve(subject) == subject and subject.split(":")[0] == name


def test_importing_the_suite_loads_no_framework() -> None:
    code = (
        f"import sys; from asv_runner.discovery import disc_benchmarks, update_sys_path; root = {str(SUITE)!r};"
        "update_sys_path(root); print(len(list(disc_benchmarks(root))));"
        f"print({{name.split('.')[0] for name in sys.modules}} & {FRAMEWORKS!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(4 * len(MODULES)), "set()"]


def test_a_short_call_is_timed_in_batches_though_its_preparation_is_long(
    suite: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = found("numpy")["workload"].index(SMALL)
    prepare = importlib.import_module("benchmarks._operators").prepare

    def slow(subject: str, workload: str) -> object:
        import time

        time.sleep(0.2)
        return prepare(subject, workload)

    monkeypatch.setattr("benchmarks._operators.prepare", slow)
    name = f"numpy.Latency.time_call-{place}"
    benchmark = discovery.get_benchmark_from_name(str(SUITE), name, extra_params={"repeat": 2})
    benchmark.set_cache(None)
    assert not benchmark.do_setup()
    result = benchmark.do_run()
    assert len(result["samples"]) == 2 and result["number"] > 1


def test_what_is_refused_is_a_skip_and_what_is_wrong_a_failure(
    suite: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asv_runner.benchmarks.mark import SkipNotImplemented

    operators = importlib.import_module("benchmarks._operators")
    with pytest.raises(SkipNotImplemented, match="no subject 'nowhere'"):
        operators.prepare("nowhere", SMALL)
    with pytest.raises(SkipNotImplemented, match="does not know the workload"):
        operators.prepare("numpy:shifted", "max9d-n1")
    with pytest.raises(RuntimeError, match="MISMATCH"):
        operators.prepare("fake:wrong", SMALL)

    class Refusing(Fake):
        def supports(self, workload: Workload) -> Support:
            return refused("It is not for me.")

    monkeypatch.setattr(operators.registry, "create", lambda name: Refusing())
    with pytest.raises(SkipNotImplemented, match=r"It is not for me\."):
        operators.prepare("fake", SMALL)


def test_memory_and_the_limit_are_those_of_the_worker(suite: ModuleType) -> None:
    # In a process of its own, as asv runs it: what is set for memory stays set.
    code = (
        f"import sys; from asv_runner.discovery import update_sys_path; update_sys_path({str(SUITE)!r});"
        "from benchmarks import _operators as o;"
        f"print(o.requested_bytes('numpy:shifted', {SMALL!r}), o.touched_bytes('numpy:shifted', {SMALL!r}),"
        f"o.times_limit('numpy:shifted', {SMALL!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    requested, touched, times = done.stdout.split()
    assert int(requested) >= 88 * 5 * 5 * 4 and int(touched) >= 0 and float(times) > 1
