from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from poolbench.measure import machine
from poolbench.measure.machine import conditions, fingerprint, hardware, software
from poolbench.model.machine import Conditions

X86 = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Gold 6338
cpu MHz\t\t: 2000.000
flags\t\t: fpu sse2 ssse3 hypervisor avx avx2 fma avx512f avx512_fp16 amx_tile lahf_lm

processor\t: 1
model name\t: Intel(R) Xeon(R) Gold 6338
cpu MHz\t\t: 3000.000
flags\t\t: fpu sse2
"""

ARM = """\
processor\t: 0
Features\t: fp asimd asimdhp crc32 sve
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def cache(index: int, level: int, kind: str, size: str) -> dict[str, str]:
    folder = f"sys/devices/system/cpu/cpu0/cache/index{index}"
    return {f"{folder}/level": f"{level}\n", f"{folder}/type": f"{kind}\n", f"{folder}/size": f"{size}\n"}


def test_hardware_of_a_planted_x86_server(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "proc/cpuinfo": X86,
            "proc/meminfo": "MemTotal:       24684084 kB\nMemFree: 1 kB\n",
            "sys/class/dmi/id/sys_vendor": "QEMU\n",
            "sys/class/dmi/id/product_name": "Standard PC\n",
            **cache(0, 1, "Data", "48K"),
            **cache(1, 1, "Instruction", "32K"),
            **cache(2, 2, "Unified", "2048K"),
            **cache(3, 3, "Unified", "105M"),
        },
    )
    found = hardware(root)
    assert found.processor == "Intel(R) Xeon(R) Gold 6338"
    assert found.cores == 2
    assert found.cache_bytes == {"L1d": 48 << 10, "L2": 2 << 20, "L3": 105 << 20}
    assert found.flags == ("amx_tile", "avx", "avx2", "avx512_fp16", "avx512f", "fma", "sse2", "ssse3")
    assert found.memory_gib == 24
    assert found.virtualisation == "qemu"


def test_an_arm_processor_is_named_by_its_numbers_or_its_board(tmp_path: Path) -> None:
    root = plant(tmp_path, {"proc/cpuinfo": ARM})
    assert hardware(root).processor == "ARM implementer 0x41 part 0xd40"
    assert hardware(root).flags == ("asimd", "asimdhp", "sve")
    plant(tmp_path, {"proc/device-tree/model": "Raspberry Pi 5 Model B\0"})
    assert hardware(root).processor == "Raspberry Pi 5 Model B"


@pytest.mark.parametrize(
    ("flags", "files", "expected"),
    [
        ("sse2", {}, "none"),
        ("sse2", {"sys/class/dmi/id/sys_vendor": "Amazon EC2"}, "none"),
        ("sse2 hypervisor", {}, "virtual"),
        ("sse2 hypervisor", {"sys/class/dmi/id/sys_vendor": "VMware, Inc."}, "vmware"),
        ("sse2 hypervisor", {"sys/hypervisor/type": "xen\n"}, "xen"),
        (
            "sse2 hypervisor",
            {"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc kvm-clock \n"},
            "kvm",
        ),
        ("sse2 hypervisor", {"proc/sys/kernel/osrelease": "5.15.90.1-microsoft-standard-WSL2"}, "wsl"),
        (
            "sse2 hypervisor",
            {
                "sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n",
                "sys/class/dmi/id/product_name": "Virtual Machine\n",
            },
            "hyperv",
        ),
        ("asimd", {}, "unknown"),
        ("asimd", {"sys/class/dmi/id/sys_vendor": "Ampere\n"}, "none"),
        (
            "asimd",
            {"sys/class/dmi/id/sys_vendor": "Amazon EC2", "sys/class/dmi/id/product_name": "c7g.metal"},
            "none",
        ),
        ("asimd", {"sys/class/dmi/id/sys_vendor": "Amazon EC2"}, "amazon"),
        ("", {}, "unknown"),
    ],
)
def test_virtualisation(tmp_path: Path, flags: str, files: dict[str, str], expected: str) -> None:
    plant(tmp_path, {"proc/cpuinfo": f"processor: 0\nflags : {flags}\n", **files})
    assert hardware(tmp_path).virtualisation == expected


def test_conditions_of_a_planted_machine(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "proc/cpuinfo": X86,
            "proc/loadavg": "1.25 0.50 0.10 1/100 4711\n",
            # user nice system idle iowait irq softirq steal guest guest_nice: guest is part of user already
            "proc/stat": "cpu  100 0 50 800 0 0 25 25 90 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
            "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
        },
    )
    found = conditions(root)
    assert found.governor == "performance, powersave"
    assert found.frequency_mhz == 2500.0
    assert found.load_1min == 1.25
    assert found.steal_share == 0.025
    assert found.huge_pages == "madvise"


def test_steal_is_the_difference_over_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, {"proc/stat": "cpu 100 0 0 900 0 0 0 500 0 0\n"})
    slept: list[float] = []

    def later(seconds: float) -> None:
        slept.append(seconds)
        plant(tmp_path, {"proc/stat": "cpu 110 0 0 980 0 0 0 510 0 0\n"})

    monkeypatch.setattr(machine.time, "sleep", later)
    assert conditions(tmp_path, steal_sample_s=1.0).steal_share == 0.1
    assert slept == [1.0]


def test_frequency_from_sysfs_where_cpuinfo_has_none(tmp_path: Path) -> None:
    plant(tmp_path, {"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n"})
    assert conditions(tmp_path).frequency_mhz == 2400.0


def test_a_system_that_tells_nothing_gets_honest_blanks(tmp_path: Path) -> None:
    found = fingerprint(tmp_path)
    assert found.conditions == Conditions()
    assert (found.hardware.cache_bytes, found.hardware.flags, found.hardware.memory_gib) == ({}, (), 0)
    assert found.hardware.virtualisation == "unknown"
    assert found.hardware.processor and found.key


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu 1 2 3\n", "nonsense"])
def test_a_stat_file_without_steal_gives_none(tmp_path: Path, text: str) -> None:
    plant(tmp_path, {"proc/stat": text})
    assert conditions(tmp_path).steal_share is None


def test_this_machine_has_a_stable_key() -> None:
    first, second = fingerprint(), fingerprint()
    assert first.key == second.key
    assert first.hardware.cores >= 1 and first.hardware.memory_gib >= 1


def test_software_lists_python_and_what_is_installed_only() -> None:
    found = software()
    assert found["python"].split()[1] == ".".join(map(str, sys.version_info[:3]))
    assert "numpy" in found and "no-such-thing" not in found
    assert all(found.values())


def test_a_fingerprint_imports_no_framework() -> None:
    code = (
        "import sys; from poolbench.measure.machine import fingerprint; fingerprint();"
        "frameworks = {'torch', 'tensorflow', 'onnxruntime', 'onnx', 'openvino', 'jax', 'keras'};"
        "heavy = (frameworks | {'numpy', 'pandas'}) & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
