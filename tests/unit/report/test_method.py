"""How a run says in which layouts its subjects computed."""

from __future__ import annotations

import pytest

from poolbench.analyse.compare.summary import summarise
from poolbench.report.method import conditions, method_paragraphs
from tests.unit.builders import make_header


@pytest.mark.parametrize(
    ("subjects", "words"),
    [
        (("strided", "torch"), "hot cache, best layout"),
        (("strided", "strided+layout=best"), "hot cache, best layout"),
        (("strided", "strided+layout=given"), "hot cache, best layout (given layout for strided+layout=given)"),
        (
            ("torch+layout=given", "strided+layout=given"),
            "hot cache, best layout (given layout for torch+layout=given, strided+layout=given)",
        ),
    ],
)
def test_a_run_names_the_subjects_whose_layout_is_not_its_own(subjects: tuple[str, ...], words: str) -> None:
    summary = summarise(make_header(subjects=subjects), ())
    assert conditions(summary).endswith(words)
    assert f"{words}, slots of" in next(method_paragraphs(summary))
