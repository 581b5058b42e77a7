from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from poolbench.measure.advice import FRAMEWORKS
from poolbench.measure.machine import Level, advice
from poolbench.model.machine import Conditions, Hardware, MachineFingerprint

QUIET = MachineFingerprint(
    hardware=Hardware(
        processor="Test",
        architecture="x86_64",
        cores=4,
        cache_bytes={},
        flags=("avx2",),
        memory_gib=16,
        virtualisation="none",
    ),
    conditions=Conditions(governor="performance", load_1min=0.3, steal_share=0.0, huge_pages="madvise"),
    software={"torch": "2", "tensorflow": "2", "onnxruntime": "1", "openvino": "1", "jax": "1"},
)


def varied(**changes: Any) -> MachineFingerprint:
    parts = {}
    for part in ("hardware", "conditions"):
        whole: Any = getattr(QUIET, part)
        own = {name: value for name, value in changes.items() if name in type(whole).__dataclass_fields__}
        parts[part] = dataclasses.replace(whole, **own)
    return dataclasses.replace(QUIET, **parts)


def test_a_quiet_machine_needs_no_advice() -> None:
    assert advice(QUIET, bandwidth=12.0, aa_noise=0.01, swap_bytes=0) == []


def test_what_the_system_does_not_tell_is_no_finding() -> None:
    blank = dataclasses.replace(QUIET, conditions=Conditions())
    assert advice(blank, swap_bytes=0) == []


@pytest.mark.parametrize(
    ("changes", "level", "word"),
    [
        ({"governor": "powersave"}, Level.WARNING, "governor is powersave"),
        ({"governor": "performance, powersave"}, Level.WARNING, "governor"),
        ({"load_1min": 2.1}, Level.WARNING, "load of the last minute is 2.10 on 4 cores"),
        ({"steal_share": 0.025}, Level.WARNING, "2.5%"),
        ({"cores": 1}, Level.WARNING, "Only one core"),
        ({"cpu_quota": 1.5}, Level.WARNING, "A CPU quota allows the time of 1.5 processors, of the 4 cores"),
        ({"memory_gib": 2}, Level.WARNING, "2 GiB"),
        ({"huge_pages": "never"}, Level.NOTE, "huge pages"),
        ({"virtualisation": "kvm"}, Level.NOTE, "virtual machine (kvm)"),
        ({"flags": ()}, Level.NOTE, "instruction sets"),
    ],
)
def test_each_finding_alone(changes: dict[str, Any], level: Level, word: str) -> None:
    (found,) = advice(varied(**changes), swap_bytes=0)
    assert found.level is level
    assert word in found.what
    assert found.what.endswith(".") and found.do.endswith(".")


@pytest.mark.parametrize(
    "changes", [{"load_1min": 2.0}, {"steal_share": 0.01}, {"virtualisation": "unknown"}, {"cpu_quota": 4.0}]
)
def test_nothing_is_found_at_the_limit(changes: dict[str, Any]) -> None:
    assert advice(varied(**changes), swap_bytes=0) == []


def test_measurements_and_swap() -> None:
    found = advice(QUIET, bandwidth=1.5, aa_noise=0.05, swap_bytes=1 << 30)
    assert len(found) == 3
    text = " ".join(entry.what for entry in found)
    assert "1024 MiB" in text and "1.5 GB/s" in text and "5.0%" in text


def test_a_missing_framework_names_the_extra_and_the_cpu_build_counts() -> None:
    others = {name: "1" for name in FRAMEWORKS if name not in ("torch", "tensorflow")}
    machine = dataclasses.replace(QUIET, software={"tensorflow-cpu": "2", **others})
    (found,) = advice(machine, swap_bytes=0)
    assert found.level is Level.NOTE
    assert "torch is not installed" in found.what and "poolbench[torch]" in found.do


def test_warnings_come_first() -> None:
    levels = [entry.level for entry in advice(varied(huge_pages="never", cores=1), swap_bytes=1 << 30)]
    assert levels == [Level.WARNING, Level.WARNING, Level.NOTE]
