"""What identifies a machine, and what about it may change from run to run."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass


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
    """The volatile part: facts that explain noise. None where the system does not tell."""

    governor: str | None = None
    frequency_mhz: float | None = None
    load_1min: float | None = None
    steal_share: float | None = None
    huge_pages: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFingerprint:
    """Hardware, conditions, and software (Python and every installed distribution that matters, by name)."""

    hardware: Hardware
    conditions: Conditions
    software: dict[str, str]

    @property
    def key(self) -> str:
        """The hardware's key."""
        return self.hardware.key
