"""What ``--base`` and ``--head`` mean."""

from __future__ import annotations

import pytest

import poolbench.api.gate
from poolbench.api.gate import gate_subjects
from poolbench.backends.declaration import REPOSITORY_VARIABLE
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


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Give a function that makes a project which declares subjects of these names."""
    monkeypatch.setenv(REPOSITORY_VARIABLE, str(tmp_path))

    def write(*names):
        lines = [f'{name} = "module:function"\n' for name in names]
        (tmp_path / "pyproject.toml").write_text("".join(["[tool.poolbench.subjects]\n", *lines]))

    return write


def test_revisions_are_those_of_the_one_subject_that_the_project_declares(declare):
    declare("mine")
    assert [str(subject) for subject in gate_subjects("rev:main", ".")] == ["mine@rev:main", "mine@rev:."]


def test_revisions_are_those_of_the_subject_beside(declare):
    declare("mine", "other")
    assert [str(subject) for subject in gate_subjects("other@rev:v1", ".")] == ["other@rev:v1", "other@rev:."]
    assert [str(subject) for subject in gate_subjects("rev:v1", "mine@rev:v2")] == ["mine@rev:v1", "mine@rev:v2"]


def test_of_several_subjects_one_must_be_said(declare):
    declare("mine", "other")
    with pytest.raises(UsageError, match=r"declares mine, other: say which .* --base mine@rev:main"):
        gate_subjects("rev:main", ".")


def test_a_subject_may_be_compared_with_itself():
    assert [str(subject) for subject in gate_subjects("fake", "fake")] == ["fake", "fake#2"]


def test_the_limit_is_refused():
    with pytest.raises(UsageError, match="no implementation"):
        gate_subjects("limit", "fake")
