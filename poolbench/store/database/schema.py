"""The tables that are derived from a results folder, column by column, and the version of that.

A file of the store gives each table some lines; ``file`` says which file a line came from. Times are UTC. Texts that
are not known are empty, and figures that are not known are NULL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA_VERSION = 1
"""Raised whenever a table's columns, or how they are worked out, change: a database of another version is made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its name, its type in SQL, and what it holds."""

    name: str
    type: str
    meaning: str


def _columns(*columns: tuple[str, str, str]) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=type_, meaning=meaning) for name, type_, meaning in columns)


_SOURCE = _columns(
    ("file", "VARCHAR", "the file in the results folder, as machine/run.jsonl"),
    ("run", "VARCHAR", "the run's name"),
    ("machine", "VARCHAR", "the machine's key"),
)

_WORKLOAD = _columns(
    ("workload", "VARCHAR", "the workload's id"),
    ("name", "VARCHAR", "its name in the catalogue, else the id"),
    ("kind", "VARCHAR", "max or avg"),
    ("rank", "INTEGER", "spatial axes: 1, 2 or 3"),
    ("dtype", "VARCHAR", "the element's type, as f32"),
    ("axes", "VARCHAR", "the order of the axes, as nchw"),
)

RUNS = _SOURCE + _columns(
    ("started_at", "TIMESTAMP", "when it began"),
    ("command", "VARCHAR", "compare or gate"),
    ("revision", "VARCHAR", "poolbench's revision, or unknown"),
    ("dirty", "BOOLEAN", "whether its sources had uncommitted changes"),
    ("method_version", "INTEGER", "the harness's version"),
    ("threads", "INTEGER", "threads that a subject may use, where it says none itself"),
    ("cache", "VARCHAR", "hot or cold"),
    ("layout_policy", "VARCHAR", "best or given"),
    ("clock", "VARCHAR", "wall or cpu"),
    ("budget_s", "DOUBLE", "seconds that were asked for"),
    ("subjects", "INTEGER", "how many subjects were asked for"),
    ("workloads", "INTEGER", "how many workloads were asked for"),
    ("rows", "BIGINT", "stored rows that can be read"),
    ("samples", "BIGINT", "samples in them"),
    ("hardware", "VARCHAR", "the key of the hardware, which differs from the machine's where that has a name"),
    ("processor", "VARCHAR", "the processor's name"),
    ("architecture", "VARCHAR", "as x86_64"),
    ("cores", "INTEGER", "cores"),
    ("memory_gib", "INTEGER", "memory in GiB"),
    ("virtualisation", "VARCHAR", "what the machine is hosted by"),
    ("flags", "VARCHAR", "instruction sets, separated by spaces"),
    ("governor", "VARCHAR", "how the frequency was chosen"),
    ("load_1min", "DOUBLE", "load when the run began"),
    ("steal_share", "DOUBLE", "share of the cores that the host took then"),
    ("cpu_quota", "DOUBLE", "processors' time that control groups allowed"),
    ("software", "VARCHAR", "distributions and their versions, as a JSON object"),
)

SAMPLES = (
    _SOURCE
    + _WORKLOAD
    + _columns(
        ("subject", "VARCHAR", "the subject, as it was written"),
        ("started_at", "TIMESTAMP", "when the sample's row began"),
        ("launch", "INTEGER", "the launch, from 0"),
        ("importer", "INTEGER", "the interpreter that the launch was forked from"),
        ("block_group", "VARCHAR", "which blocks it stood in: only samples of one group were interleaved"),
        ("block", "INTEGER", "the block within the launch"),
        ("position", "INTEGER", "the place within the block"),
        ("loops", "BIGINT", "calls in the slot"),
        ("call_ns", "DOUBLE", "ns of one call"),
        ("elapsed_ns", "BIGINT", "ns of the slot"),
        ("cpu_ns", "BIGINT", "ns of CPU time in the slot"),
        ("foreign_cpu_ns", "BIGINT", "ns in which the process waited for a core"),
        ("page_faults", "BIGINT", "page faults in the slot"),
        ("context_switches", "BIGINT", "context switches in the slot"),
        ("rejected", "BOOLEAN", "whether the slot counts as contaminated"),
        ("layout", "VARCHAR", "the subject's own order of axes"),
    )
)

CELLS = (
    _SOURCE
    + _WORKLOAD
    + _columns(
        ("pass", "VARCHAR", "forward, training, training-forward or training-backward"),
        ("subject", "VARCHAR", "the subject, as it was written"),
        ("backend", "VARCHAR", "the subject's backend"),
        ("environment", "VARCHAR", "its release, revision or interpreter"),
        ("started_at", "TIMESTAMP", "when the run began"),
        ("status", "VARCHAR", "OK, or how it failed"),
        ("note", "VARCHAR", "why it failed"),
        ("layout", "VARCHAR", "the subject's own order of axes"),
        ("kernels", "VARCHAR", "who computed by pass, as a JSON object"),
        ("median_ns", "DOUBLE", "ns of one call"),
        ("median_low_ns", "DOUBLE", "the lower end of its 95 % interval"),
        ("median_high_ns", "DOUBLE", "the upper end"),
        ("launches", "INTEGER", "launches with a clean slot"),
        ("slots", "INTEGER", "slots, contaminated ones included"),
        ("rejected_share", "DOUBLE", "share of the slots that was contaminated"),
        ("ratio", "DOUBLE", "time over that of the run's fastest on the workload, from the same blocks"),
        ("ratio_low", "DOUBLE", "the lower end of its 95 % interval"),
        ("ratio_high", "DOUBLE", "the upper end"),
        ("is_fastest", "BOOLEAN", "whether it is that fastest"),
        ("is_tie", "BOOLEAN", "whether it cannot be told from the fastest"),
        ("times_limit", "DOUBLE", "time over that of reading and writing alone, from the same blocks"),
        ("times_limit_low", "DOUBLE", "the lower end of its 95 % interval"),
        ("times_limit_high", "DOUBLE", "the upper end"),
        ("output_bytes", "BIGINT", "bytes of the result"),
        ("saved_bytes", "BIGINT", "bytes that the forward pass keeps for the backward one"),
        ("requested_bytes", "BIGINT", "the peak of what a call holds of the allocators"),
        ("touched_bytes", "BIGINT", "the peak of pages that it makes resident"),
        ("least_bytes", "BIGINT", "the least that it could do with"),
        ("saved_note", "VARCHAR", "what is special about it, or why it is missing"),
        ("requested_note", "VARCHAR", "the same"),
        ("touched_note", "VARCHAR", "the same"),
    )
)

VERDICTS = _SOURCE + _columns(
    ("workload", "VARCHAR", "the workload's id"),
    ("name", "VARCHAR", "its name in the catalogue, else the id"),
    ("started_at", "TIMESTAMP", "when the run began"),
    ("question", "VARCHAR", "fastest: against the workload's fastest. gate: a head against its base"),
    ("subject", "VARCHAR", "who is judged"),
    ("reference", "VARCHAR", "against whom"),
    ("outcome", "VARCHAR", "faster, slower, same, undecided or invalid"),
    ("reason", "VARCHAR", "why, in words"),
    ("ratio", "DOUBLE", "the subject's time over the reference's"),
    ("ratio_low", "DOUBLE", "the lower end of its 95 % interval"),
    ("ratio_high", "DOUBLE", "the upper end"),
    ("p_value", "DOUBLE", "of the hypothesis that the ratio is 1"),
    ("blocks", "INTEGER", "blocks that were compared"),
    ("launches", "INTEGER", "launches that were compared"),
    ("launch_spread", "DOUBLE", "standard deviation of log ratios between launches"),
    ("drift", "DOUBLE", "trend of the log ratio from the first launch to the last"),
    ("rejected_share", "DOUBLE", "share of the blocks that was contaminated"),
    ("is_regression", "BOOLEAN", "gate: whether it is slower by the tolerance at least"),
    ("is_memory_regression", "BOOLEAN", "gate: whether a call requests more memory"),
)

TABLES: Mapping[str, tuple[Column, ...]] = {"runs": RUNS, "samples": SAMPLES, "cells": CELLS, "verdicts": VERDICTS}
"""What is stored as Parquet. Each is a view of the same name; ``views`` has those that follow from them."""
