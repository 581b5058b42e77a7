"""What about a machine makes its measurements worse, and what to do about each: the words of ``poolbench doctor``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import psutil

from poolbench.measure.cores import usable_cores
from poolbench.model.machine import Conditions, Hardware, MachineFingerprint

FRAMEWORKS = ("torch", "tensorflow", "onnxruntime", "openvino", "jax")

MAX_LOAD_PER_CORE = 0.5
MAX_STEAL_SHARE = 0.01
MAX_SWAP_BYTES = 64 << 20
MIN_MEMORY_GIB = 4
MIN_BANDWIDTH_GB_PER_S = 4.0
RELEVANT_AA_NOISE = 0.03
"""Half-width of an A/A interval beyond which a change of 3 %, the default of ``Policy``, is lost in it."""


class Level(StrEnum):
    """WARNING: times here are worse or less sure than they need be. NOTE: worth knowing when reading them."""

    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One finding: ``what`` was found and why it matters, and what to ``do``. Both are sentences."""

    level: Level
    what: str
    do: str


def advice(
    fingerprint: MachineFingerprint,
    bandwidth: float | None = None,
    aa_noise: float | None = None,
    *,
    swap_bytes: int | None = None,
) -> list[Advice]:
    """Return what to know and do about a machine, warnings first; nothing where all is well.

    ``bandwidth`` is that of one core's streaming in GB/s, ``aa_noise`` the half-width of the interval of a ratio of
    equals (0.02: ± 2 %), each None where it was not measured. ``swap_bytes`` is the swap in use; None asks the system.
    """
    hardware, conditions = fingerprint.hardware, fingerprint.conditions
    swap = psutil.swap_memory().used if swap_bytes is None else swap_bytes
    found = [
        *_about_conditions(conditions, hardware.cores),
        *_about_memory(hardware, conditions, swap),
        *_about_hardware(hardware),
        *_about_measurements(bandwidth, aa_noise),
        *_about_software(fingerprint.software),
    ]
    return sorted(found, key=lambda entry: entry.level is Level.NOTE)


def thread_notes(threads: int, asked: Iterable[int | None] = ()) -> tuple[str, ...]:
    """Return a note where more threads are asked for than can run at once.

    ``threads`` is for subjects that do not say their own; ``asked`` is what each says, None where it does not.
    """
    most, usable = max((number or threads for number in asked), default=threads), usable_cores()
    if most <= usable:
        return ()
    return (
        f"{most} threads are asked for, and {usable} can run here at once (by the process's affinity and CPU quota): "
        f"they will wait for each other. --threads {usable} is the most that is of use.",
    )


def _about_conditions(conditions: Conditions, cores: int) -> Iterator[Advice]:
    if conditions.governor is not None and conditions.governor != "performance":
        yield Advice(
            level=Level.WARNING,
            what=f"The frequency governor is {conditions.governor}: cores change their speed while they are measured.",
            do="Run 'sudo cpupower frequency-set --governor performance' before measuring.",
        )
    quota = conditions.cpu_quota
    if quota is not None and quota < cores:
        yield Advice(
            level=Level.WARNING,
            what=f"A CPU quota allows the time of {quota:g} processors, of the {_cores(cores)} that may be used: "
            "whoever has used it up stands still until the next period begins, some 100 ms later.",
            do="Lift it to the number of cores (--cpus of a container, limits.cpu of a pod, CPUQuota= of a service), "
            f"or measure with at most {_threads(quota)}.",
        )
    load = conditions.load_1min
    if load is not None and load > MAX_LOAD_PER_CORE * cores:
        yield Advice(
            level=Level.WARNING,
            what=f"The load of the last minute is {load:.2f} on {_cores(cores)}: other work competes for the machine.",
            do="Stop other programs (top shows them), wait a minute, and ask again.",
        )
    steal = conditions.steal_share
    if steal is not None and steal > MAX_STEAL_SHARE:
        yield Advice(
            level=Level.WARNING,
            what=f"The hypervisor gave {steal:.1%} of the core time to other machines.",
            do="Measure at a quieter time or on a machine with dedicated cores; or give a larger --budget, since more "
            "launches are then needed for the same certainty.",
        )


def _about_memory(hardware: Hardware, conditions: Conditions, swap: int) -> Iterator[Advice]:
    if swap > MAX_SWAP_BYTES:
        yield Advice(
            level=Level.WARNING,
            what=f"{swap / (1 << 20):.0f} MiB are swapped out: a measured call may wait for the disk.",
            do="Close programs that hold much memory, then run 'sudo swapoff -a && sudo swapon -a'.",
        )
    if conditions.huge_pages == "never":
        yield Advice(
            level=Level.NOTE,
            what="Transparent huge pages are off: fresh outputs of some MiB cost up to three times as much to fill.",
            do="Where your users have them, run 'echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled'.",
        )
    if 0 < hardware.memory_gib < MIN_MEMORY_GIB:
        yield Advice(
            level=Level.WARNING,
            what=f"There are {hardware.memory_gib} GiB of memory, and several frameworks are held in it at once.",
            do="Compare fewer subjects at a time, and leave out the sets full and heavy.",
        )


def _about_hardware(hardware: Hardware) -> Iterator[Advice]:
    if hardware.cores == 1:
        yield Advice(
            level=Level.WARNING,
            what="Only one core may be used: whatever else runs, poolbench's own parent process included, interrupts "
            "what is measured.",
            do="Give the machine, the container or taskset a second core.",
        )
    if hardware.virtualisation not in ("none", "unknown"):
        yield Advice(
            level=Level.NOTE,
            what=f"This is a virtual machine ({hardware.virtualisation}): its neighbours share caches and memory.",
            do="Trust ratios from interleaved runs, as poolbench makes them, and not times of different days.",
        )
    if not hardware.flags:
        yield Advice(
            level=Level.NOTE,
            what="The system does not tell which instruction sets the processor has, so that machines which differ in "
            "them cannot be told apart.",
            do="Keep the results of different machines in different folders.",
        )


def _about_measurements(bandwidth: float | None, aa_noise: float | None) -> Iterator[Advice]:
    if bandwidth is not None and bandwidth < MIN_BANDWIDTH_GB_PER_S:
        yield Advice(
            level=Level.WARNING,
            what=f"One core streams only {bandwidth:.1f} GB/s: the memory is slow, throttled or in use by others.",
            do="Ask again when the machine is quiet; if it stays, read times of large workloads as this memory's.",
        )
    if aa_noise is not None and aa_noise > RELEVANT_AA_NOISE:
        yield Advice(
            level=Level.WARNING,
            what=f"Equal subjects differ by up to {aa_noise:.1%} here: smaller differences cannot be claimed.",
            do="See to the other warnings first, then give a larger --budget.",
        )


def _about_software(software: dict[str, str]) -> Iterator[Advice]:
    # TensorFlow without GPU support is a distribution of its own.
    installed = {name.removesuffix("-cpu") for name in software}
    for name in FRAMEWORKS:
        if name not in installed:
            yield Advice(
                level=Level.NOTE,
                what=f"{name} is not installed, so its backends cannot be compared.",
                do=f"Run 'pip install \"poolbench[{name}]\"' to add it.",
            )


def _threads(quota: float) -> str:
    whole = max(math.floor(quota), 1)
    return "1 thread" if whole == 1 else f"{whole} threads"


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
