"""What machine this is: a stable fingerprint, the conditions of the moment, and the software that matters.

Written for Linux, where all of it stands in /proc and /sys; ``root`` is where those are found, so that tests can plant
their own. Elsewhere, what Python and psutil tell is filled in, and the rest stays empty, None or "unknown".
"""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import re
import time
from pathlib import Path

import psutil

from poolbench.measure.advice import Advice, Level, advice
from poolbench.measure.quota import cpu_quota
from poolbench.measure.revision import revision
from poolbench.model.machine import Conditions, Hardware, MachineFingerprint, chosen_identity

__all__ = ["Advice", "Level", "advice", "conditions", "fingerprint", "hardware", "revision", "software"]

DISTRIBUTIONS = (
    "poolbench",
    "numpy",
    "ml_dtypes",
    "torch",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "onnxruntime",
    "onnx",
    "openvino",
    "jax",
    "jaxlib",
    "onednn-cpu-gomp",
    "ai-edge-litert",
    "ncnn",
    "MNN",
    "memray",
)
"""The distributions whose versions may move a number. Those that are not installed are left out."""

FLAGS = (
    *("sse2", "ssse3", "sse4_1", "sse4_2", "avx", "avx2", "avx_vnni", "fma", "f16c"),
    *("neon", "asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2", "sme"),
)
"""Instruction sets that pooling kernels are built for; besides these, all of avx512* and amx_* count."""

_FLAG_FAMILIES = ("avx512", "amx_")
_ROOT = Path("/")


def fingerprint(root: Path = _ROOT, *, steal_sample_s: float = 0.0) -> MachineFingerprint:
    """Return what this machine is, how it is doing, and what is installed. Imports no framework.

    Raises UsageError where POOLBENCH_MACHINE names it by what cannot be a name.
    """
    return MachineFingerprint(
        hardware=hardware(root),
        conditions=conditions(root, steal_sample_s=steal_sample_s),
        software=software(),
        identity=chosen_identity(),
    )


def hardware(root: Path = _ROOT) -> Hardware:
    """Return the stable part: what decides whether two results may be compared as times."""
    cpu = _cpuinfo(root)
    architecture = platform.machine() or "unknown"
    words = set((cpu.get("flags") or cpu.get("Features") or cpu.get("features") or "").split())
    return Hardware(
        processor=_processor(root, cpu) or architecture,
        architecture=architecture,
        cores=_cores(root),
        cache_bytes=_cache_bytes(root),
        flags=tuple(sorted(word for word in words if word in FLAGS or word.startswith(_FLAG_FAMILIES))),
        memory_gib=_memory_gib(root),
        virtualisation=_virtualisation(root, words),
    )


def conditions(root: Path = _ROOT, *, steal_sample_s: float = 0.0) -> Conditions:
    """Return what may change from run to run.

    ``steal_share`` is the part of all core time that a hypervisor gave to others: over the next ``steal_sample_s``
    seconds, or since the machine started where that is 0. It is counted in ticks of 10 ms, so that a sample of less
    than a second says little.
    """
    return Conditions(
        governor=_governor(root),
        frequency_mhz=_frequency_mhz(root),
        load_1min=_load(root),
        steal_share=_steal_share(root, steal_sample_s),
        huge_pages=_huge_pages(root),
        cpu_quota=cpu_quota(root),
    )


def software() -> dict[str, str]:
    """Return versions by name: Python, the system, the C library, and each of DISTRIBUTIONS that is installed."""
    versions = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
    }
    library, version = platform.libc_ver()
    if library:
        versions[library] = version
    for name in DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _cpuinfo(root: Path) -> dict[str, str]:
    """Return the fields of the first processor."""
    fields: dict[str, str] = {}
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields


def _processor(root: Path, cpu: dict[str, str]) -> str:
    # x86 names its model, POWER "cpu", RISC-V "uarch"; ARM gives numbers, and its board's name stands elsewhere.
    for field in ("model name", "cpu", "uarch"):
        if cpu.get(field):
            return cpu[field]
    board = _text(root / "proc/device-tree/model").strip("\0 ")
    if board:
        return board
    if "CPU part" in cpu:
        return f"ARM implementer {cpu.get('CPU implementer', '?')} part {cpu['CPU part']}"
    return platform.processor() if _is_live(root) else ""


def _cores(root: Path) -> int:
    if not _is_live(root):
        return len(re.findall(r"^processor\s*:", _text(root / "proc/cpuinfo"), flags=re.MULTILINE)) or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return psutil.cpu_count() or 1


def _cache_bytes(root: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for index in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind = _text(index / "level").strip(), _text(index / "type").strip()
        size = re.fullmatch(r"(\d+)([KMG]?)", _text(index / "size").strip())
        if not level or size is None or kind == "Instruction":
            continue
        name = f"L{level}" + ("d" if kind == "Data" else "")
        sizes[name] = int(size[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[size[2]]
    return sizes


def _memory_gib(root: Path) -> int:
    total = re.search(r"^MemTotal:\s*(\d+) kB", _text(root / "proc/meminfo"), flags=re.MULTILINE)
    if total is not None:
        return round(int(total[1]) / (1 << 20))
    return round(psutil.virtual_memory().total / (1 << 30)) if _is_live(root) else 0


_VENDORS = (
    ("Amazon EC2", "amazon"),
    ("Google", "google"),
    ("VMware", "vmware"),
    ("innotek", "virtualbox"),
    ("VirtualBox", "virtualbox"),
    ("Parallels", "parallels"),
    ("Xen", "xen"),
    ("OpenStack", "openstack"),
    ("KVM", "kvm"),
    ("QEMU", "qemu"),
    ("Microsoft Corporation Virtual Machine", "hyperv"),
)


def _virtualisation(root: Path, flags: set[str]) -> str:
    """Return "none", the hypervisor's name, "virtual" for one without a name, or "unknown"."""
    if "microsoft" in _text(root / "proc/sys/kernel/osrelease").lower():
        return "wsl"
    hypervisor = _text(root / "sys/hypervisor/type").strip()
    if hypervisor:
        return hypervisor
    # x86 processors say whether a hypervisor is there; elsewhere the maker of the board must tell.
    if flags and "hypervisor" not in flags and "sse2" in flags:
        return "none"
    dmi = root / "sys/class/dmi/id"
    board = f"{_text(dmi / 'sys_vendor').strip()} {_text(dmi / 'product_name').strip()}".strip()
    if board.endswith(".metal"):
        return "none"
    for mark, name in _VENDORS:
        if mark in board:
            return name
    clocks = _text(root / "sys/devices/system/clocksource/clocksource0/available_clocksource")
    for mark, name in (("kvm-clock", "kvm"), ("hyperv", "hyperv"), ("xen", "xen")):
        if mark in clocks:
            return name
    if "hypervisor" in flags:
        return "virtual"
    return "none" if board else "unknown"


def _governor(root: Path) -> str | None:
    """Return the frequency governors of all cores, each once; None where the system leaves the choice to no one."""
    found = {_text(path).strip() for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")}
    return ", ".join(sorted(found - {""})) or None


def _frequency_mhz(root: Path) -> float | None:
    """Return the mean over the cores of their present frequency."""
    each = re.findall(r"^cpu MHz\s*:\s*([\d.]+)", _text(root / "proc/cpuinfo"), flags=re.MULTILINE)
    mhz = [float(value) for value in each]
    if not mhz:
        paths = root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
        mhz = [float(text) / 1000 for text in (_text(path).strip() for path in paths) if text.isdigit()]
    if not mhz and _is_live(root) and hasattr(psutil, "cpu_freq"):
        told = float(getattr(psutil.cpu_freq(), "current", 0.0))  # None where psutil cannot tell
        mhz = [told] if told else []
    return round(math.fsum(mhz) / len(mhz), 1) if mhz else None


def _load(root: Path) -> float | None:
    text = _text(root / "proc/loadavg").split()
    if text:
        return float(text[0])
    return psutil.getloadavg()[0] if _is_live(root) else None


def _steal_share(root: Path, sample_s: float) -> float | None:
    before = _ticks(root) if sample_s > 0 else (0, 0)
    if sample_s > 0:
        time.sleep(sample_s)
    after = _ticks(root)
    if before is None or after is None or after[1] <= before[1]:
        return None
    return round((after[0] - before[0]) / (after[1] - before[1]), 4)


def _ticks(root: Path) -> tuple[int, int] | None:
    """Return the ticks stolen and all ticks, over all cores (proc_stat(5): user nice system idle … steal is the 8th).

    Guest time, which follows, is part of user time already.
    """
    match = re.search(r"^cpu ((?:\s*\d+){8})", _text(root / "proc/stat"), flags=re.MULTILINE)
    if match is None:
        return None
    counts = [int(word) for word in match[1].split()]
    return counts[7], sum(counts)


def _huge_pages(root: Path) -> str | None:
    """Return which transparent huge pages the kernel gives: always, madvise or never."""
    chosen = re.search(r"\[(\w+)\]", _text(root / "sys/kernel/mm/transparent_hugepage/enabled"))
    return chosen[1] if chosen else None


def _is_live(root: Path) -> bool:
    return root == _ROOT


def _text(path: Path) -> str:
    """Return a system file's text, or nothing where this system has no such file or keeps it to itself."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
