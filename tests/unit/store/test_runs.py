from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.errors import StoreError, UnknownNameError
from poolbench.model.subject import parse_subject
from poolbench.store import runs
from poolbench.store.jsonl import RunFile, RunSummary, find_run, list_runs, new_run_name, read_run
from tests.unit.store.strategies import MACHINE, plain_header, plain_row

NOW = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def store(folder: Path, run: str, started_at: str = "2026-11-22T01:02:03+00:00", rows: int = 0) -> Path:
    with RunFile.create(folder, dataclasses.replace(plain_header(run), started_at=started_at)) as file:
        file.append([plain_row(launch, run=run) for launch in range(rows)])
    return file.path


def test_a_name_is_the_time_in_utc_and_four_digits() -> None:
    assert re.fullmatch(r"20261122-010203-[0-9a-f]{4}", new_run_name(NOW))
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    assert new_run_name(there).startswith("20261122-010203-")
    assert new_run_name(NOW.replace(tzinfo=None)).startswith("20261122-010203-")


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)),
    st.integers(min_value=1, max_value=10**9),
)
def test_names_sort_by_time(moment: datetime, seconds: int) -> None:
    assert new_run_name(moment) < new_run_name(moment + timedelta(seconds=seconds))


def test_a_name_that_is_taken_is_not_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, "20261122-010203-aaaa")
    (tmp_path / MACHINE.key / "20261122-010203-bbbb.jsonl.torn").write_text("")
    tokens = iter(["aaaa", "bbbb", "cccc"])
    monkeypatch.setattr(runs.secrets, "token_hex", lambda _: next(tokens))
    assert new_run_name(NOW, tmp_path) == "20261122-010203-cccc"


def test_listing_gives_the_earliest_first_with_counts(tmp_path: Path) -> None:
    late = store(tmp_path, "b", started_at="2026-11-22T02:00:00+00:00", rows=3)
    early = store(tmp_path, "c", started_at="2026-11-22T01:00:00+00:00")
    first, second = list_runs(tmp_path)
    assert first.path == early and first.rows == 0
    assert second == RunSummary(
        run="b",
        path=late,
        started_at="2026-11-22T02:00:00+00:00",
        machine=MACHINE.key,
        subjects=(parse_subject("numpy"), parse_subject("torch")),
        workloads=1,
        rows=3,
    )


def test_a_folder_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []
    (tmp_path / "file").write_text("")
    assert list_runs(tmp_path / "file") == []


def test_other_files_are_not_runs(tmp_path: Path) -> None:
    path = store(tmp_path, "a")
    (tmp_path / "loose.jsonl").write_text("x")
    (path.parent / "a.jsonl.torn").write_text("x")
    (path.parent / "a.csv").write_text("x")
    (tmp_path / "asv" / "machine").mkdir(parents=True)
    (tmp_path / "asv" / "machine" / "x.jsonl").write_text("x")
    assert [summary.path for summary in list_runs(tmp_path)] == [path]


def test_a_run_without_a_readable_header_is_listed_with_its_problem(tmp_path: Path) -> None:
    path = store(tmp_path, "a")
    broken = path.with_name("broken.jsonl")
    broken.write_text("{")
    first, second = list_runs(tmp_path)
    assert (first.run, first.path, first.machine) == ("broken", broken, MACHINE.key)
    assert str(broken) in first.problem
    assert second.problem == ""
    told: list[str] = []
    assert find_run(tmp_path, "latest", warn=told.append) == path
    (warning,) = told
    assert str(broken) in warning
    with pytest.warns(UserWarning, match=r"A run is left out\..*broken\.jsonl"):
        find_run(tmp_path, "latest")


def test_a_folder_that_cannot_be_listed_costs_its_own_runs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(tmp_path, "a")
    closed = tmp_path / "closed"
    closed.mkdir()
    iterdir = Path.iterdir

    def forbid(folder: Path) -> Iterator[Path]:
        if folder == closed:
            raise PermissionError(13, "Permission denied")
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", forbid)
    assert [(run.run, run.path, bool(run.problem)) for run in list_runs(tmp_path)] == [
        ("", closed, True),
        ("a", path, False),
    ]
    for text in ("a", "latest"):
        told: list[str] = []
        assert find_run(tmp_path, text, warn=told.append) == path
        assert len(told) == 1 and str(closed) in told[0]


def test_listing_reads_no_row(tmp_path: Path) -> None:
    path = store(tmp_path, "a", rows=1)
    with path.open("ab") as file:
        file.write(b"garbage\n" * 1000 + b"torn")
    assert list_runs(tmp_path)[0].rows == 1001
    assert len(read_run(path).rows) == 1


def test_a_run_is_found_by_name_path_and_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = store(tmp_path, "a", started_at="2026-11-22T02:00:00+00:00")
    early = store(tmp_path, "b", started_at="2026-11-22T01:00:00+00:00")
    assert find_run(tmp_path, "b") == find_run(tmp_path, "b.jsonl") == find_run(tmp_path, str(early)) == early
    assert find_run(tmp_path, "latest") == late
    monkeypatch.chdir(early.parent)
    assert find_run(tmp_path / "none", "b.jsonl") == Path("b.jsonl")


def test_an_unknown_run_gets_the_nearest_names(tmp_path: Path) -> None:
    store(tmp_path, "20261122-010203-abcd")
    with pytest.raises(UnknownNameError, match=r"'20261122-010203-abcf'.*Did you mean 20261122-010203-abcd\?"):
        find_run(tmp_path, "20261122-010203-abcf")
    with pytest.raises(UnknownNameError, match="There is no run"):
        find_run(tmp_path, str(tmp_path / "none.jsonl"))
    with pytest.raises(UnknownNameError, match="compare"):
        find_run(tmp_path / "none", "latest")


def test_one_name_on_two_machines_must_be_given_as_a_path(tmp_path: Path) -> None:
    path = store(tmp_path, "a")
    twin = tmp_path / "other" / "a.jsonl"
    twin.parent.mkdir()
    twin.write_bytes(path.read_bytes())
    with pytest.raises(StoreError, match="more than one machine"):
        find_run(tmp_path, "a")
    assert find_run(tmp_path, str(twin)) == twin
