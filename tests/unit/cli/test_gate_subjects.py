"""What ``--base`` and ``--head`` mean."""

from __future__ import annotations

import pytest

import poolbench.api.gate
from poolbench.api.gate import gate_subjects
from poolbench.errors import UsageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def meant(
    monkeypatch: pytest.MonkeyPatch, base: str, head: str, *, revision: tuple[str, bool]
) -> tuple[list[str], int]:
    monkeypatch.setattr(poolbench.api.gate, "revision", lambda: revision)
    asked: list[str] = []

    def choose(texts):
        from poolbench.model.subject import number_copies, parse_subject

        asked.extend(texts)
        return tuple(number_copies([parse_subject(text) for text in texts])), ()

    monkeypatch.setattr(poolbench.api.gate, "choose_subjects", choose)
    _, notes = gate_subjects(base, head)
    return asked, len(notes)


def test_revisions_and_a_clean_working_tree_are_built_in_the_same_way(monkeypatch):
    assert meant(monkeypatch, "rev:main", ".", revision=(COMMIT, False)) == (
        ["strided@rev:main", "strided@rev:HEAD"],
        0,
    )


def test_a_changed_working_tree_is_measured_as_built_with_a_note(monkeypatch):
    assert meant(monkeypatch, "rev:main", ".", revision=(COMMIT, True)) == (["strided@rev:main", "strided"], 1)
    assert meant(monkeypatch, "rev:main", ".", revision=("0.1.0", False)) == (["strided@rev:main", "strided"], 1)


def test_any_subjects_may_be_compared_and_one_with_itself(monkeypatch):
    assert meant(monkeypatch, "numpy", "torch+threads=1", revision=("", False)) == (["numpy", "torch+threads=1"], 0)
    (first, second), _ = gate_subjects("fake", "fake")
    assert (str(first), str(second)) == ("fake", "fake#2")


def test_the_limit_is_refused():
    with pytest.raises(UsageError, match="no implementation"):
        gate_subjects("limit", "fake")
