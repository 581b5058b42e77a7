"""What identifies a machine, and what about it may change from run to run."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass

from poolbench.errors import UsageError

IDENTITY_VARIABLE = "POOLBENCH_MACHINE"
"""The environment variable that gives this machine a name of its own, for the run lock and the results alike."""

_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def chosen_identity() -> str:
    """Return the name that POOLBENCH_MACHINE gives this machine, or nothing where the hardware's key is to count.

    The name becomes part of folder and file names. Raises UsageError where it is no such text.
    """
    text = os.environ.get(IDENTITY_VARIABLE, "")
    if text and not _IDENTITY.fullmatch(text):
        valid = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:64] or "bench-1"
        raise UsageError(
            f"{IDENTITY_VARIABLE} is {text!r}, which cannot name a folder everywhere: begin with a letter or a digit, "
            f"and use at most 64 letters, digits, '.', '_' and '-', such as {valid}."
        )
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """The stable part: results of machines that differ here are never compared as times.

    ``cache_bytes`` maps "L1d", "L2", "L3" to the bytes that one core can reach. ``flags`` are the instruction
    sets that matter for pooling, sorted.
    """

    processor: str
    architecture: str
    cores: int
    cache_bytes: dict[str, int]
    flags: tuple[str, ...]
    memory_gib: int
    virtualisation: str

    @property
    def key(self) -> str:
        """A folder name: readable, and distinct for distinct hardware."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:8]
        words = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", self.processor.lower())).strip("-")
        return f"{words or self.architecture}-{self.cores}c-{self.memory_gib}g-{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The volatile part: facts that explain noise. None where the system does not tell.

    ``cpu_quota`` is how many processors' time the control groups allow, such as 1.5; None where they set no limit.
    """

    governor: str | None = None
    frequency_mhz: float | None = None
    load_1min: float | None = None
    steal_share: float | None = None
    huge_pages: str | None = None
    cpu_quota: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFingerprint:
    """Hardware, conditions, and software (Python and every installed distribution that matters, by name).

    ``identity`` is the name that its user gave the machine (``chosen_identity``), or nothing.
    """

    hardware: Hardware
    conditions: Conditions
    software: dict[str, str]
    identity: str = ""

    @property
    def key(self) -> str:
        """What results are filed under: the machine's name where its user gave one, else the hardware's key."""
        return self.identity or self.hardware.key
