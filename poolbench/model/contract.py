"""A semantic contract: how a backend answers where frameworks differ, found out by probing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import Workload


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
    GRADIENT_TIES = "gradient_ties"
    GRADIENT_TIES_3D = "gradient_ties_3d"
    GRADIENT_TIES_GLOBAL = "gradient_ties_global"
    GRADIENT_NEGATIVE_INFINITY = "gradient_of_negative_infinity"
    GRADIENT_OF_NAN = "gradient_of_nan"
    NAN_GRADIENT = "nan_gradient"


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
    if spec.kind is Kind.MAX and workload.pass_.is_training:
        clauses.add(_ties_clause(spec))
    return frozenset(clauses)


def _ties_clause(spec: PoolSpec) -> Clause:
    """Return which question about equal maxima it is: frameworks have other operators for global and 3D pooling."""
    if spec.is_global:
        return Clause.GRADIENT_TIES_GLOBAL
    return Clause.GRADIENT_TIES_3D if spec.rank == 3 else Clause.GRADIENT_TIES


def _overhangs(workload: Workload) -> bool:
    """Whether ceil mode makes a window reach beyond the padded input."""
    spec = workload.spec
    assert spec.window is not None
    return any(windows[-1].counted < k for windows, k in zip(spec.windows(workload.spatial), spec.window, strict=True))
