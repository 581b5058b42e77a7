"""What disturbed a run: the evidence of its slots and blocks, added up."""

from __future__ import annotations

from collections.abc import Sequence

from poolbench.model.gate import Disturbance
from poolbench.model.result import ResultRow
from poolbench.model.sample import RejectionRule


def disturbance(rows: Sequence[ResultRow], rejection: RejectionRule, *, threads: int = 1) -> Disturbance:
    """Return the evidence of ``rows``. ``threads`` is how many cores a subject may keep busy by itself."""
    samples = [sample for row in rows for sample in row.samples]
    if not samples:
        return Disturbance()
    elapsed = sum(sample.elapsed_ns for sample in samples)
    # All rows of a group carry the same blocks: each group counts once.
    blocks = [block for row in {row.group: row for row in rows if row.evidence}.values() for block in row.evidence]
    wall = sum(block.wall_ns for block in blocks)
    # Of our own processes one is at work at any time, so that what is wanted beyond its cores is somebody else's doing:
    # what was busy, and what would have been, had the host not taken the core.
    others = sum(block.busy_ns + block.steal_ns for block in blocks) - wall * threads
    return Disturbance(
        slots=len(samples),
        rejected=sum(rejection.rejects(sample) for sample in samples) / len(samples),
        waited=sum(sample.foreign_cpu_ns for sample in samples) / max(elapsed, 1),
        # Subjects on several threads use more CPU time than wall time, which hides what one of them lost.
        lost=sum(max(sample.elapsed_ns - sample.cpu_ns, 0) for sample in samples) / max(elapsed, 1),
        switches=sum(sample.context_switches for sample in samples) / len(samples),
        stolen=sum(block.steal_ns for block in blocks) / wall if wall else 0.0,
        pressure=sum(block.pressure_ns for block in blocks) / wall if wall else 0.0,
        others=max(others / wall, 0.0) if wall else 0.0,
        has_evidence=bool(blocks),
    )
