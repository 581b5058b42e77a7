"""Which subjects and limits a run measures."""

from __future__ import annotations

import pytest

from poolbench.api.request import choose_subjects, with_limit
from poolbench.model.method import LayoutPolicy
from poolbench.model.subject import parse_subject


@pytest.mark.parametrize(
    ("layout", "expected"),
    [(LayoutPolicy.BEST, ["strided", "strided+layout=given"]), (LayoutPolicy.GIVEN, ["strided"])],
)
def test_the_default_subjects_have_the_kernel_in_both_layouts_and_none_twice(
    layout: LayoutPolicy, expected: list[str]
) -> None:
    chosen, _ = choose_subjects(None, layout=layout)
    assert [str(subject) for subject in chosen if subject.framework == "strided"] == expected
    assert len({(subject.backend, subject.layout or layout) for subject in chosen}) == len(chosen)


def test_subjects_that_are_named_stay_though_they_are_the_same_under_the_run_s_layout() -> None:
    chosen, _ = choose_subjects(["strided", "strided+layout=given"], layout=LayoutPolicy.GIVEN)
    assert [str(subject) for subject in chosen] == ["strided", "strided+layout=given"]


def test_every_run_has_the_limit_once_and_last() -> None:
    subjects = [parse_subject(text) for text in ("limit", "torch")]
    assert [str(subject) for subject in with_limit(subjects)] == ["torch", "limit"]


def test_a_limit_with_threads_of_its_own_is_measured_beside_it() -> None:
    subjects = [parse_subject(text) for text in ("torch", "limit+threads=2")]
    assert [str(subject) for subject in with_limit(subjects)] == ["torch", "limit+threads=2", "limit"]
