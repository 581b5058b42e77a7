"""The views that follow from the tables, each a SELECT with a sentence of what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: what it shows, and the SELECT that it is."""

    meaning: str
    sql: str


VIEWS: Mapping[str, View] = {
    "memory": View(
        meaning="what a call of each subject takes of memory, where it was measured",
        sql="""
            SELECT file, run, machine, workload, name, pass, subject, backend, environment, started_at, output_bytes,
                saved_bytes, requested_bytes, touched_bytes, least_bytes, saved_note, requested_note, touched_note
            FROM cells WHERE output_bytes IS NOT NULL""",
    ),
    "machines": View(
        meaning="the machines, a line for each hardware that bore the key",
        sql="""
            SELECT machine, hardware, any_value(processor) AS processor, any_value(architecture) AS architecture,
                any_value(cores) AS cores, any_value(memory_gib) AS memory_gib,
                any_value(virtualisation) AS virtualisation, any_value(flags) AS flags, count(*) AS runs,
                sum("rows")::BIGINT AS "rows", sum(samples)::BIGINT AS samples, min(started_at) AS first_run_at,
                max(started_at) AS last_run_at
            FROM runs GROUP BY machine, hardware""",
    ),
    "history": View(
        meaning="each cell that was timed, with the one before it: the same machine, workload, subject and method",
        sql="""
            SELECT c.file, c.run, c.machine, c.workload, c.name, c.subject, c.backend, c.environment, c.started_at,
                r.revision, r.method_version, r.threads, r.cache, r.layout_policy, r.clock, c.median_ns,
                c.median_low_ns, c.median_high_ns, c.times_limit, c.times_limit_low, c.times_limit_high,
                lag(c.run) OVER earlier AS previous_run, lag(c.median_ns) OVER earlier AS previous_median_ns,
                lag(c.times_limit) OVER earlier AS previous_times_limit
            FROM cells c JOIN runs r USING (file) WHERE c.median_ns IS NOT NULL
            WINDOW earlier AS (
                PARTITION BY c.machine, r.hardware, c.workload, c.subject, r.method_version, r.threads, r.cache,
                    r.layout_policy, r.clock
                ORDER BY c.started_at, c.file)""",
    ),
}
