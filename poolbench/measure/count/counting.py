"""Counting a subject's call on the part of a workload that is short enough."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from typing import Any

from poolbench.backends import registry
from poolbench.environments.interpreter import PRESENT, Interpreter, Unavailable
from poolbench.measure.count.child import REPEATS, WARM
from poolbench.measure.count.mix import by_file, difference, has_mix, mix_of
from poolbench.measure.count.shapes import MOST_TAPS, scaled, taps
from poolbench.measure.count.tracing import AUTO, Region, Trace, TracingError, trace
from poolbench.model.count import Count, Counter
from poolbench.model.method import LayoutPolicy
from poolbench.model.subject import Subject
from poolbench.model.workload import Workload

LIMIT = 200_000
"""The most instructions that are stepped: some ten seconds where a step takes 50 µs."""

CHILD = "poolbench.measure.count.child"

BUSY_NS = 20_000
"""Other threads that were on a core for less than this looked whether there is work, and did none."""


def count(
    subject: Subject,
    workload: Workload,
    *,
    place: Interpreter | Unavailable = PRESENT,
    layout: LayoutPolicy = LayoutPolicy.BEST,
    limit: int = LIMIT,
    most_taps: int = MOST_TAPS,
    counter: str = AUTO,
    seed: int = 1,
    warm: int = WARM,
) -> Count:
    """Return what one call of ``subject`` executes on ``workload``, scaled down to ``most_taps``.

    What cannot be counted has a reason in place of a number. Raises TracingError where nothing can be counted on this
    system at all.
    """
    part = scaled(workload, most_taps)
    found = Count(
        workload=workload.id,
        counted=part.id,
        subject=str(subject),
        outputs=math.prod(part.output_shape),
        touched_bytes=part.read_bytes + part.written_bytes,
    )
    if (subject.threads or 1) > 1:
        return replace(found, reason=f"Counts are of one thread: leave +threads={subject.threads} out.")
    if isinstance(place, Unavailable):
        return replace(found, reason=place.reason)
    backend = registry.create(subject.backend)
    request = {
        "backend": subject.backend,
        "workload": part.id,
        "threads": 1,
        "layout": (subject.layout or layout).value,
        "seed": seed,
        "warm": warm,
        "repeats": REPEATS,
    }
    traced = trace(
        place.command(CHILD),
        {**place.variables(os.environ), **backend.environment(1)},
        limit=limit,
        counter=counter,
        request=json.dumps(request),
    )
    try:
        reply = json.loads(traced.printed)
    except ValueError:
        reason = traced.complaint or traced.end or "it said nothing"
        return replace(found, reason=f"The counted process ended before it could answer: {reason}.")
    if not reply["ok"]:
        return replace(found, reason=reply["note"])
    return _counted(found, traced, reply, part, limit)


def _counted(found: Count, traced: Trace, reply: dict[str, Any], part: Workload, limit: int) -> Count:
    found = replace(found, counter=traced.counter, path=reply["kernels"])
    calls = traced.regions[1:]
    complaint = next((text for region in calls if (text := _complaint(region, traced, part, limit))), "")
    if complaint or len(calls) < REPEATS:
        return replace(found, reason=complaint or f"The counted process ended too early ({traced.end}).")
    empty = traced.regions[0]
    numbers = [region.instructions for region in calls]
    # Once in many calls the interpreter tries to specialise its code again: the least is the call alone.
    last = min(calls, key=lambda region: region.instructions)
    beyond = difference(traced, 1 + numbers.index(last.instructions))
    is_stepped = traced.counter is Counter.STEP
    return replace(
        found,
        instructions=last.instructions - empty.instructions,
        is_exact=numbers.count(last.instructions) > 1,
        empty=empty.instructions,
        repeats=last.repeats - empty.repeats,
        system_calls=last.system_calls - empty.system_calls,
        libraries=by_file(beyond, traced),
        mix=mix_of(beyond, traced.codes) if is_stepped else None,
        notes=tuple(_notes(traced, calls)),
    )


def _complaint(region: Region, traced: Trace, part: Workload, limit: int) -> str:
    """Return why a region cannot stand for the call; "" where it can."""
    if region.end == "limit":
        half = scaled(part, max(taps(part) // 4, 1))
        hint = (
            f"--taps {taps(half)} would do, which counts on {half.id}"
            if half != part
            else "it has no smaller part, so only a larger --limit helps"
        )
        return f"A call takes more than {limit:,} instructions on {part.id}, too long to step: {hint}."
    if region.end == "thread":
        return "The call starts threads, and counts are of one thread."
    if region.end == "ended":
        return (
            f"The counted process ended within the call ({traced.end}{traced.complaint and ': ' + traced.complaint})."
        )
    if region.others_ns > BUSY_NS:
        return (
            f"Other threads worked while the call was counted ({region.threads - 1} of them, "
            f"{region.others_ns / 1e3:,.0f} µs): counts are of one thread."
        )
    return ""


def _notes(traced: Trace, calls: tuple[Region, ...]) -> list[str]:
    notes = []
    numbers = [region.instructions for region in calls]
    if numbers.count(min(numbers)) == 1:
        said = ", ".join(f"{number:,}" for number in numbers)
        notes.append(f"Calls in a row differ ({said}): the count is not exact.")
    if traced.is_randomised:
        notes.append(
            "This system does not let addresses stay the same from process to process: counts may differ by a few."
        )
    if traced.counter is Counter.STEP and not has_mix():
        notes.append("Instructions are told apart on x86-64 alone, with the extra 'count' (capstone).")
    return notes


__all__ = ["LIMIT", "TracingError", "count"]
