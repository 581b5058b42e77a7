"""A semantic contract: how a backend answers where frameworks differ, found out by probing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from poolbench.model.pooling import Kind
from poolbench.model.workload import Pass, Workload


class Clause(StrEnum):
    """The questions that a contract answers."""

    CEIL_RULE = "ceil_rule"
    DIVISOR_PADDED = "divisor_padded"
    DIVISOR_CEIL = "divisor_ceil"
    PADDING_VALUE = "padding_value"
    NAN = "nan"
    ALL_NEGATIVE_INFINITY = "all_negative_infinity"
    TIES = "ties"
    INDEX = "index"


NOT_OFFERED = "not offered"
"""The answer of a backend that cannot be asked: it refuses the probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Answers by clause, such as ``{NAN: "propagates"}``. A clause that was not probed is absent."""

    answers: dict[Clause, str] = field(default_factory=dict)

    def agrees_with(self, other: Contract, clauses: frozenset[Clause]) -> bool:
        """Whether both give the same answer to each of ``clauses``."""
        return all(self.answers.get(clause) == other.answers.get(clause) for clause in clauses)


def exercised_clauses(workload: Workload) -> frozenset[Clause]:
    """Return the clauses on which the result of ``workload`` (on finite input) depends."""
    spec = workload.spec
    clauses: set[Clause] = set()
    overhangs = spec.ceil_mode and _overhangs(workload)
    if overhangs:
        clauses.add(Clause.CEIL_RULE)
    if spec.kind is Kind.AVG and spec.divisor is None:
        if spec.is_padded:
            clauses.add(Clause.DIVISOR_PADDED)
        if overhangs:
            clauses.add(Clause.DIVISOR_CEIL)
    if spec.kind is Kind.MAX and workload.pass_ is Pass.TRAINING:
        clauses.add(Clause.TIES)
    return frozenset(clauses)


def _overhangs(workload: Workload) -> bool:
    """Whether ceil mode makes a window reach beyond the padded input."""
    spec = workload.spec
    assert spec.window is not None
    return any(windows[-1].counted < k for windows, k in zip(spec.windows(workload.spatial), spec.window, strict=True))
