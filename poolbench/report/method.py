"""How a run was measured, in words, and the command that measures the same again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from poolbench.quantities import counted, percent

if TYPE_CHECKING:
    from poolbench.analyse.estimate.findings import RunSummary
    from poolbench.model.gate import GateTerms
    from poolbench.model.result import RunHeader
    from poolbench.model.subject import Subject


def command(header: RunHeader, subjects: Sequence[Subject] = (), workloads: Sequence[str] = ()) -> str:
    """Return the command line that measures the same again: the run, or these subjects and workloads of it alone.

    A part of a run has the default budget: the run's own was meant for all of it. A gate's whole run is a gate again.
    """
    method = header.method
    if header.gate is not None and not subjects and not workloads:
        return _gate_command(header, header.gate)
    chosen = [subject for subject in subjects or header.subjects if not subject.is_plain_limit]
    words = ["poolbench", "compare", *(str(replace(subject, copy=1)) for subject in chosen)]
    words += ["--workloads", ",".join(workloads or [workload.id for workload in header.workloads])]
    words += [] if workloads else ["--budget", f"{header.budget_s:g}"]
    words += ["--threads", str(method.threads), "--cache", method.cache.value, "--layout", method.layout.value]
    words += [] if method.memory else ["--no-memory"]
    return shlex.join(words)


def _gate_command(header: RunHeader, terms: GateTerms) -> str:
    policy, method = terms.policy, header.method
    words = ["poolbench", "gate", "--base", str(terms.base), "--head", str(replace(terms.head, copy=1))]
    words += ["--workloads", ",".join(workload.id for workload in header.workloads)]
    words += ["--tolerance", f"{policy.tolerance:g}", "--confidence", f"{policy.confidence:g}"]
    words += ["--budget", f"{header.budget_s:g}", "--threads", str(method.threads)]
    words += [] if method.memory else ["--no-memory"]
    return shlex.join(words)


def conditions(summary: RunSummary) -> str:
    """Say in one line which run this is, on which machine, and how it measured."""
    header = summary.header
    hardware, method = header.machine.hardware, header.method
    return (
        f"{header.run} on {hardware.processor or hardware.architecture}, {counted(hardware.cores, 'core')}: "
        f"{counted(method.threads, 'thread')}, {method.cache} cache, {_layouts(header)}"
    )


def _layouts(header: RunHeader) -> str:
    """Say which layout the run gives its subjects, and which of them have the other one: their names say so too."""
    text = f"{header.method.layout} layout"
    others = [subject for subject in header.subjects if subject.layout not in (None, header.method.layout)]
    if not others:
        return text
    return f"{text} ({others[0].layout} layout for {', '.join(str(subject) for subject in others)})"


def machine_lines(header: RunHeader) -> Iterator[str]:
    """Yield what is known of the machine, a line each."""
    hardware, conditions = header.machine.hardware, header.machine.conditions
    caches = ", ".join(f"{name} {_bytes(size)}" for name, size in hardware.cache_bytes.items())
    yield f"{hardware.processor or 'unknown processor'} ({hardware.architecture}), {counted(hardware.cores, 'core')}"
    yield f"caches that one core reaches: {caches or 'unknown'}; memory: {hardware.memory_gib} GiB"
    yield f"instruction sets: {', '.join(hardware.flags) or 'unknown'}"
    yield f"virtualisation: {hardware.virtualisation or 'none'}"
    facts = {
        "governor": conditions.governor,
        "frequency": None if conditions.frequency_mhz is None else f"{conditions.frequency_mhz:.0f} MHz",
        "load": None if conditions.load_1min is None else f"{conditions.load_1min:.2f}",
        "steal": None if conditions.steal_share is None else percent(conditions.steal_share),
        "huge pages": conditions.huge_pages,
    }
    known = [f"{name} {fact}" for name, fact in facts.items() if fact is not None]
    if known:
        yield f"when it began: {', '.join(known)}"


def method_paragraphs(summary: RunSummary) -> Iterator[str]:
    """Yield how the run was measured, a paragraph each."""
    header, policy = summary.header, summary.policy
    method, rule = header.method, header.method.rejection
    dirty = ", with uncommitted changes" if header.dirty else ""
    yield (
        f"Run {header.run}, {header.started_at}, poolbench revision {header.revision or 'unknown'}{dirty}, method "
        f"version {method.version}: {counted(method.threads, 'thread')}, {method.cache} cache, {_layouts(header)}, "
        f"slots of {method.slot_ns / 1e6:g} ms, seed {method.seed}, a budget of {header.budget_s:g} s."
    )
    yield (
        "Before it is timed, each subject's output is compared with a float64 reference on the same input. Each "
        "subject has a process of its own, one active at a time; they take turns in blocks, forward and then backward "
        "(A B C C B A), so that a drift of the machine cancels. A slot is rejected when its process was without a core "
        f"longer than {percent(rule.max_wait_share)} of it (and {rule.min_wait_ns / 1000:g} µs), however long it took."
    )
    yield (
        f"A launch ({summary.launches} in all, from {counted(summary.importers, 'freshly started importer')}) gives "
        "one ratio per workload and pair: the median over all pairings of their slots within its blocks. The interval "
        f"is a t interval around Huber's estimate of location over launches, at {percent(policy.confidence)}. A "
        "difference is claimed only where the interval excludes 1 and Holm's method keeps the chance of even one false "
        f"claim, among all {counted(summary.comparisons, 'pair')} of subjects in the table, below "
        f"{percent(policy.family_error)}: so choosing the fastest after the fact cannot make a claim. “The same” means "
        f"that the whole interval lies within ±{percent(policy.relevant_change)}."
    )
    if method.memory:
        yield _memory_method()


def _memory_method() -> str:
    return (
        "Memory is that of one warmed-up call in a process of its own, which is not timed: the peak of what the call "
        "requests of the allocators (memray), and the peak of the pages that it touches (the kernel's high-water mark, "
        "with huge pages off). What earlier calls freed is given back before, so that nothing is found again."
    )


def _bytes(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
