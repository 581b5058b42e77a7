import pytest

from poolbench.model.contract import Clause, Contract, exercised_clauses
from poolbench.model.ids import parse_id


@pytest.mark.parametrize(
    ("workload_id", "clauses"),
    [
        ("max2d-n1c1-h8w8-k2", set()),
        ("max2d-n1c1-h8w8-k3s1p1", set()),  # padding never wins a maximum of finite values
        ("max2d-n1c1-h8w8-k2.train", {Clause.GRADIENT_TIES}),
        ("max2d-n1c1-h8w8-k2.trainbwd", {Clause.GRADIENT_TIES}),
        ("max2d-n1c1-h8w8-a1.train", {Clause.GRADIENT_TIES_GLOBAL}),
        ("max3d-n1c1-d8h8w8-k2.train", {Clause.GRADIENT_TIES_3D}),
        ("avg2d-n1c1-h8w8-k2.train", set()),
        ("max2d-n1c1-h7w7-k3s2-ceil", set()),  # ceil mode without an overhang
        ("max2d-n1c1-h8w8-k3s2-ceil", {Clause.CEIL_RULE}),
        ("avg2d-n1c1-h8w8-k2", set()),
        ("avg2d-n1c1-h8w8-k3s1p1", {Clause.DIVISOR_PADDED}),
        ("avg2d-n1c1-h8w8-k3s1p1-div9", set()),
        ("avg2d-n1c1-h8w8-k3s2-ceil", {Clause.CEIL_RULE, Clause.DIVISOR_CEIL}),
        ("avg2d-n1c1-h8w8-k3s2p1-ceil-xpad", {Clause.CEIL_RULE, Clause.DIVISOR_CEIL, Clause.DIVISOR_PADDED}),
        ("avg2d-n1c1-h8w8-a3", set()),
    ],
)
def test_a_workload_exercises_what_its_result_depends_on(workload_id: str, clauses: set[Clause]) -> None:
    assert exercised_clauses(parse_id(workload_id)) == clauses


def test_contracts_agree_on_the_clauses_that_are_asked() -> None:
    one = Contract(answers={Clause.NAN: "propagates", Clause.TIES: "first"})
    other = Contract(answers={Clause.NAN: "ignored", Clause.TIES: "first"})
    assert one.agrees_with(other, frozenset({Clause.TIES}))
    assert not one.agrees_with(other, frozenset({Clause.TIES, Clause.NAN}))
    assert one.agrees_with(other, frozenset())
    assert not one.agrees_with(Contract(), frozenset({Clause.NAN}))
