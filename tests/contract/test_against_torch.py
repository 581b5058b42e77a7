"""A few of the random calls that ``python -m tests.contract.against_torch`` compares with PyTorch."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

pytest.importorskip("torch")

from tests.contract.against_torch import EQUAL, REFUSED, RULES, compare, outcome
from tests.contract.torch_answers import Answer, Differs, ours_of, theirs_of
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


@pytest.mark.parametrize("part", ["output", "indices", "gradient"])
@pytest.mark.parametrize("name", ["training.max_pool2d", "training.avg_pool2d", "training.adaptive_avg_pool1d"])
def test_the_comparison_sees_one_wrong_element(name: str, part: str) -> None:
    call = next(
        call for call in (draw(SEED, n) for n in range(10_000)) if str(call).startswith(name) and _is_full(call)
    )
    theirs = theirs_of(call)
    ours = ours_of(call, theirs)
    assert isinstance(ours, Answer)
    assert isinstance(theirs, Answer)
    compare(call, ours, theirs)
    values = getattr(ours, part)
    if values is None:
        pytest.skip("averages have no indices")
    wrong = values.copy()
    wrong.flat[-1] += 1 if part == "indices" else 1e-5
    with pytest.raises(Differs, match=part):
        compare(call, replace(ours, **{part: wrong}), theirs)


def _outcome(call: Call, number: int) -> str:
    again = f"python -m tests.contract.against_torch --seed {SEED} --call {number}"
    try:
        return outcome(call)
    except Differs as error:
        message = f"{call}: {error}\n{again}"
    pytest.fail(message, pytrace=False)


def _is_full(call: Call) -> bool:
    """Whether the call has an output of ordinary numbers, and indices where it can."""
    answer = theirs_of(call) if (call.dtype, call.fill) == ("float32", "normal") and call.elements else None
    has_indices = not call.is_max or "return_indices" in call.options
    return has_indices and isinstance(answer, Answer) and isinstance(ours_of(call, answer), Answer)
