"""Which subjects may be compared on a workload: those that answer alike to all that it exercises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poolbench.model.contract import Clause, Contract, exercised_clauses
from poolbench.model.workload import Workload

NOT_PROBED = "not probed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A clause, what a subject answers to it, and what the subjects answer that are compared."""

    clause: str
    answer: str
    expected: str


def disagreements(
    workload: Workload, contracts: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[Disagreement, ...]]:
    """Return the subjects that may not be compared with the others on ``workload``, with the clauses that differ.

    ``contracts`` maps subjects to their answers by clause. The comparison follows the answers that most subjects
    give; of equally many, those of the subject that comes first. A clause that was not probed agrees with the like
    alone.
    """
    clauses = exercised_clauses(workload)
    if not clauses or not contracts:
        return {}
    known = {subject: _contract(answers) for subject, answers in contracts.items()}
    followers = {
        subject: sum(contract.agrees_with(other, clauses) for other in known.values())
        for subject, contract in known.items()
    }
    leader = known[max(followers, key=lambda subject: followers[subject])]
    return {
        subject: tuple(
            Disagreement(
                clause=clause.value,
                answer=contract.answers.get(clause, NOT_PROBED),
                expected=leader.answers.get(clause, NOT_PROBED),
            )
            for clause in sorted(clauses)
            if contract.answers.get(clause) != leader.answers.get(clause)
        )
        for subject, contract in known.items()
        if not contract.agrees_with(leader, clauses)
    }


def _contract(answers: Mapping[str, str]) -> Contract:
    clauses = {clause.value: clause for clause in Clause}
    # A later version may ask more: clauses that this one does not know are not exercised by what it can parse.
    return Contract(answers={clauses[name]: answer for name, answer in answers.items() if name in clauses})
