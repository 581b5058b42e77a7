"""``poolbench doctor``: whether this machine is fit to measure on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from poolbench.cli.options import Json

if TYPE_CHECKING:
    from poolbench.api.diagnosis import Diagnosis


def doctor(json: Json = False) -> None:
    """Say what this machine is, how fast its memory is, how noisy it is, and what to do about each."""
    from poolbench.api.diagnosis import diagnose

    diagnosis = diagnose()
    if json:
        from dataclasses import asdict

        from poolbench.cli.output import print_json

        print_json(asdict(diagnosis))
    else:
        _print_text(diagnosis)


def _print_text(diagnosis: Diagnosis) -> None:
    from poolbench.cli.output import print_table

    hardware, conditions = diagnosis.machine.hardware, diagnosis.machine.conditions
    caches = ", ".join(f"{name} {_size(size)}" for name, size in hardware.cache_bytes.items())
    steal = None if conditions.steal_share is None else f"{conditions.steal_share:.1%}"
    facts = [
        ["machine", diagnosis.machine.key],
        ["processor", f"{hardware.processor} ({hardware.architecture})"],
        ["cores", str(hardware.cores)],
        ["CPU quota", "none" if conditions.cpu_quota is None else f"{conditions.cpu_quota:g} processors"],
        ["caches", caches or "not told"],
        ["vector units", " ".join(hardware.flags) or "not told"],
        ["memory", f"{hardware.memory_gib} GiB"],
        ["virtualisation", hardware.virtualisation],
        ["governor", conditions.governor or "not told"],
        ["frequency", "not told" if conditions.frequency_mhz is None else f"{conditions.frequency_mhz:.0f} MHz"],
        ["load (1 min)", "not told" if conditions.load_1min is None else f"{conditions.load_1min:.2f}"],
        ["steal", steal or "not told"],
        ["huge pages", conditions.huge_pages or "not told"],
        *([f"bandwidth, {name}", f"{speed:.1f} GB/s"] for name, speed in diagnosis.bandwidth.items()),
        ["A/A noise", _noise(diagnosis)],
        *([name, version] for name, version in diagnosis.machine.software.items()),
    ]
    print_table(["", ""], facts)
    for item in diagnosis.advice:
        typer.echo(f"\n{item.level.value}: {item.what}\n  {item.do}")
    if not diagnosis.advice:
        typer.echo("\nNothing stands in the way of good measurements.")


def _noise(diagnosis: Diagnosis) -> str:
    aa = diagnosis.aa
    if aa is None or aa.low <= 0:
        return "too few clean blocks to say: something else is using the machine"
    return (
        f"the same subject twice: ratio {aa.ratio:.3f}, 95 % interval {aa.low:.3f} to {aa.high:.3f}, "
        f"{aa.launches} launches, {aa.rejected:.0%} of blocks rejected"
    )


def _size(size: int) -> str:
    return f"{size // 2**20} MiB" if size >= 2**20 else f"{size // 2**10} KiB"
