"""What ``--base`` and ``--head`` mean."""

from __future__ import annotations

import pytest

import poolbench.api.gate
from poolbench.api.gate import gate_subjects
from poolbench.errors import UsageError
from poolbench.model.subject import parse_subject


@pytest.mark.parametrize(
    ("base", "head", "asked"),
    [
        ("rev:main", ".", ["strided@rev:main", "strided@rev:."]),
        ("rev:v1", "rev:v2", ["strided@rev:v1", "strided@rev:v2"]),
        ("numpy@2.2.6", "torch+threads=1", ["numpy@2.2.6", "torch+threads=1"]),
    ],
)
def test_revisions_are_the_kernels_and_anything_else_is_a_subject(base, head, asked, monkeypatch):
    def choose(texts):
        assert texts == asked
        return tuple(parse_subject(text) for text in texts), ()

    monkeypatch.setattr(poolbench.api.gate, "choose_subjects", choose)
    assert [str(subject) for subject in gate_subjects(base, head)] == asked


def test_a_subject_may_be_compared_with_itself():
    assert [str(subject) for subject in gate_subjects("fake", "fake")] == ["fake", "fake#2"]


def test_the_limit_is_refused():
    with pytest.raises(UsageError, match="no implementation"):
        gate_subjects("limit", "fake")
