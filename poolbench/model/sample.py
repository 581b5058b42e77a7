"""Samples: what one slot measured, kept raw; and the rule, fixed before a run, that rejects tainted ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Sample(NamedTuple):
    """One slot: a subject's loop timed as a whole. A tuple, since a store may hold a million of them.

    ``block`` counts within the launch, ``position`` within the block (both from 0). ``foreign_cpu_ns`` is how long
    the process was runnable but waited for a core. Faults and switches are counts over the slot.
    """

    block: int
    position: int
    loops: int
    elapsed_ns: int
    cpu_ns: int
    foreign_cpu_ns: int
    page_faults: int
    context_switches: int

    @property
    def call_ns(self) -> float:
        """Nanoseconds per call."""
        return self.elapsed_ns / self.loops


SAMPLE_FIELDS = Sample._fields


def samples_as_columns(samples: Iterable[Sample]) -> dict[str, list[int]]:
    """Return one list per field, as rows are stored."""
    rows = list(samples)
    return {name: [getattr(sample, name) for sample in rows] for name in SAMPLE_FIELDS}


def samples_from_columns(columns: dict[str, list[int]]) -> tuple[Sample, ...]:
    """Return the samples of stored columns. Raises ValueError where columns are missing or differ in length."""
    missing = [name for name in SAMPLE_FIELDS if name not in columns]
    if missing:
        raise ValueError(f"the samples lack the columns {', '.join(missing)}")
    return tuple(map(Sample._make, zip(*(columns[name] for name in SAMPLE_FIELDS), strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionRule:
    """When a slot counts as contaminated. It looks at causes, never at how long the slot took.

    A slot is rejected when its process went without a core for longer than ``max_wait_share`` of the slot (and longer
    than ``min_wait_ns``, below which the accounting's own grain shows): because it waited in the system's queue, or
    because the whole machine was taken from under it, which shows as wall time that is nobody's CPU time.
    """

    max_wait_share: float = 0.03
    min_wait_ns: int = 100_000

    def rejects(self, sample: Sample) -> bool:
        """Whether ``sample`` is contaminated."""
        without_core_ns = max(sample.foreign_cpu_ns, sample.elapsed_ns - sample.cpu_ns)
        return without_core_ns > max(self.max_wait_share * sample.elapsed_ns, self.min_wait_ns)
