"""Which limits a run measures."""

from __future__ import annotations

from poolbench.api.request import with_limit
from poolbench.model.subject import parse_subject


def test_every_run_has_the_limit_once_and_last() -> None:
    subjects = [parse_subject(text) for text in ("limit", "torch")]
    assert [str(subject) for subject in with_limit(subjects)] == ["torch", "limit"]


def test_a_limit_with_threads_of_its_own_is_measured_beside_it() -> None:
    subjects = [parse_subject(text) for text in ("torch", "limit+threads=2")]
    assert [str(subject) for subject in with_limit(subjects)] == ["torch", "limit+threads=2", "limit"]
