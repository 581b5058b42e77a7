"""What poolbench measures, in the terms of asv: a machine, its software, a benchmark, a project.

The forms are those of ``machine.json``, ``benchmarks.json`` and ``asv.conf.json`` of asv 0.6. Nothing here needs asv.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from poolbench.model.machine import MachineFingerprint

TIME, REQUESTED, TOUCHED, LIMIT = "time_call", "track_requested_bytes", "track_touched_bytes", "track_times_limit"
"""What the benchmarks are called, here and in the suite; a name of the suite has module and class before it."""

PARAMETERS = ("subject", "workload")
RESULTS, PAGES = "results", "html"
"""asv's folders in the one that holds its configuration."""

_VERSION = "1"
_UNITS = {TIME: "seconds", REQUESTED: "bytes", TOUCHED: "bytes", LIMIT: "times the streaming limit"}
_PREFIX = "compare"
_NOT_SOFTWARE = ("python", "system", "poolbench")


def machine_entry(machine: MachineFingerprint) -> dict[str, str]:
    """Return what asv keeps of a machine."""
    hardware = machine.hardware
    return {
        "machine": machine.key,
        "os": machine.software.get("system", ""),
        "arch": hardware.architecture,
        "cpu": hardware.processor,
        "num_cpu": str(hardware.cores),
        "ram": f"{hardware.memory_gib} GiB",
    }


def software_of(machine: MachineFingerprint) -> tuple[str, dict[str, str]]:
    """Return Python's version as asv writes it, such as 3.11, and the versions of everything else.

    What stands behind a single subject's environment (NAME@VERSION, with all its distributions) is not the run's, and
    would be a folder's name that no file system takes: the subject, a parameter, tells versions apart.
    """
    version = machine.software.get("python", "").split()[-1:] or [""]
    python = ".".join(version[0].split(".")[:2])
    of_run = {name: text for name, text in machine.software.items() if "@" not in name}
    return python, {name: text for name, text in of_run.items() if name not in _NOT_SOFTWARE}


def full_name(benchmark: str) -> str:
    """Return what TIME, REQUESTED, TOUCHED or LIMIT is called among the benchmarks of all suites."""
    return f"{_PREFIX}.{benchmark}"


def benchmark_entry(benchmark: str, parameters: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return how asv describes a benchmark; ``parameters`` are the values of PARAMETERS, as ``repr``."""
    name = full_name(benchmark)
    return {
        "name": name,
        "pretty_name": name,
        "code": "",
        "type": "time" if benchmark == TIME else "track",
        "unit": _UNITS[benchmark],
        "param_names": list(PARAMETERS),
        "params": [list(values) for values in parameters],
        "version": _VERSION,
        "timeout": 60.0,
    }


def configuration(repository: Path) -> dict[str, Any]:
    """Return the configuration by which asv shows results of commits of ``repository``."""
    return {
        "version": 1,
        "project": "poolbench",
        "repo": str(repository.resolve()),
        "dvcs": "git",
        "branches": ["HEAD"],
        "environment_type": "virtualenv",
        "benchmark_dir": ".",
        "results_dir": RESULTS,
        "html_dir": PAGES,
    }
