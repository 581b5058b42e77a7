"""Counting a subject: a process of its own, from the request to the number."""

from __future__ import annotations

import pytest

from poolbench.api.count import counts
from poolbench.environments.interpreter import Unavailable
from poolbench.errors import UsageError
from poolbench.measure.count.counting import count
from poolbench.model.ids import parse_id
from poolbench.model.subject import parse_subject

SMALL = parse_id("max2d-n1c4-h4w8-k2-f32-nchw")


def test_two_processes_count_the_same():
    first, second = (count(parse_subject("strided"), SMALL, counter="step") for _ in range(2))
    assert first == second
    assert first.is_exact and first.instructions is not None and 1_000 < first.instructions < 20_000
    assert sum(first.libraries.values()) == first.instructions
    assert any(name.startswith("_pool") for name in first.libraries)
    assert first.outputs == 4 * 2 * 4 and first.touched_bytes == 4 * (4 * 32 + 32)


def test_a_call_that_is_too_long_names_the_part_that_would_do():
    found = count(parse_subject("numpy:loops"), parse_id("max2d-n1c4-h16w8-k2-f32-nchw"), counter="step", limit=9_000)
    assert found.instructions is None
    assert "more than 9,000 instructions" in found.reason and "--taps" in found.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [("strided+threads=2", "one thread"), ("fake:wrong", "On the exact filling"), ("fake:dies", "ended")],
)
def test_what_cannot_be_counted_has_a_reason(text: str, reason: str):
    found = count(parse_subject(text), SMALL, counter="step")
    assert found.instructions is None and reason in found.reason


def test_an_environment_that_was_not_made_is_the_reason():
    assert count(parse_subject("numpy"), SMALL, place=Unavailable(reason="No git.")).reason == "No git."


@pytest.mark.parametrize("text", ["limit", "strided+slow=1.1"])
def test_what_is_no_implementation_is_refused(text: str):
    with pytest.raises(UsageError, match="count"):
        list(counts([parse_subject(text)], [SMALL]))
