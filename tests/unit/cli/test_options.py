"""From the text of options to workloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolbench.cli.options import chosen_workloads, split
from poolbench.errors import UsageError

ONE, TWO = "max1d-n1c1-w4-k2-f32-ncw", "max1d-n1c1-w6-k2-f32-ncw"


def ids(*selection: str) -> list[str]:
    return [workload.id for workload in chosen_workloads(list(selection), None, None)]


def test_left_out_means_the_core_set() -> None:
    assert chosen_workloads(None, None, None) == chosen_workloads(["core"], None, None)


@pytest.mark.parametrize("values", [[""], [","], [" , ", "\t"]])
def test_an_option_that_names_nothing_is_not_left_out(values: list[str]) -> None:
    with pytest.raises(UsageError, match=r"--workloads .* names nothing"):
        chosen_workloads(values, None, None)
    with pytest.raises(UsageError, match=r"--pass .* names nothing"):
        split("--pass", values)


def test_an_empty_entry_beside_others_says_nothing() -> None:
    assert ids(f"{ONE},", f" {TWO} ,,") == [ONE, TWO]


def test_a_text_that_is_the_name_of_a_file_is_not_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine,yours").write_text(ONE)
    Path(" mine .txt").write_text(TWO)
    assert ids("mine,yours", " mine .txt") == [ONE, TWO]
    assert ids(str(tmp_path / "mine,yours")) == [ONE]
    with pytest.raises(UsageError, match="mine"):
        ids(f"mine,yours,{ONE}")  # of several, such a file has an option of its own


@pytest.mark.parametrize("text", [f"{ONE}\n", f"# mine\r\n{ONE}\r\n"])
def test_a_byte_order_mark_at_the_beginning_is_skipped(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8-sig")
    assert ids(str(path)) == [ONE]
    path.write_text("", encoding="utf-8-sig")
    with pytest.raises(UsageError, match="holds no workload"):
        ids(str(path))
