"""A few of the random calls that ``python -m tests.contract.against_torch`` compares with PyTorch."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("torch")

from tests.contract.against_torch import EQUAL, REFUSED, RULES, outcome
from tests.contract.torch_answers import Differs
from tests.contract.torch_calls import FUNCTIONS, Call, draw

SEED = 0
CALLS = 1200


@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_random_calls_are_answered_as_by_pytorch(name: str, training: bool) -> None:
    passed: Counter[str] = Counter()
    first = FUNCTIONS.index(name) + len(FUNCTIONS) * training
    for number in range(first, CALLS, 2 * len(FUNCTIONS)):
        call = draw(SEED, number)
        assert (call.name, call.training) == (name, training)
        passed[_outcome(call, number)] += 1
    assert passed.keys() <= {EQUAL, REFUSED, *RULES}
    assert passed[EQUAL] >= sum(passed.values()) * 0.4  # of calls that are refused nothing is learnt


def test_the_comparison_sees_a_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from poolbench import strided

    right = strided.max_pool1d
    number = next(n for n in range(0, 10_000, 2 * len(FUNCTIONS)) if _is_plain(draw(SEED, n)))
    assert outcome(draw(SEED, number)) == EQUAL
    monkeypatch.setattr(strided, "max_pool1d", lambda *arguments, **options: right(*arguments, **options) + 1)
    with pytest.raises(Differs, match="output"):
        outcome(draw(SEED, number))


def _outcome(call: Call, number: int) -> str:
    again = f"python -m tests.contract.against_torch --seed {SEED} --call {number}"
    try:
        return outcome(call)
    except Differs as error:
        message = f"{call}: {error}\n{again}"
    pytest.fail(message, pytrace=False)


def _is_plain(call: Call) -> bool:
    return (
        call.dtype == "float32"
        and call.fill == "normal"
        and call.elements > 0
        and list(call.options) == ["kernel_size"]
    )
