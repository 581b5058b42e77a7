"""Stores that come from elsewhere: taken over, merged, moved out; and nothing that is here is lost or replaced."""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poolbench.cli.app import app
from poolbench.errors import PoolbenchError, StoreError
from poolbench.model.method import Method
from poolbench.model.result import Status
from poolbench.store.exchange import Fate, known_in, offers, other_methods
from poolbench.store.jsonl import RunFile
from poolbench.store.pruning import Choice, chosen, move_out
from poolbench.store.reading import read_run
from tests.unit.builders import MAX2D, make_header, make_rows


@pytest.fixture(autouse=True)
def lock(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", str(tmp_path / "lock"))


def stored(
    results: Path, run: str, *, launches: int = 6, seed: int = 1, method: Method | None = None, **machine
) -> Path:
    header = replace(make_header(["numpy"], [MAX2D], method=method), run=run)
    hardware = replace(header.machine.hardware, **machine)
    header = replace(header, machine=replace(header.machine, hardware=hardware, identity="bench-1"))
    made = [row for row in make_rows({MAX2D: {"numpy": 1e6}}, seed=seed) if row.launch < launches]
    with RunFile.create(results, header) as file:
        file.append([replace(row, run=run, machine="bench-1") for row in made])
    return file.path


@pytest.fixture
def here(tmp_path):
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path):
    return tmp_path / "there"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def do(*words: object):
    return CliRunner().invoke(app, ["results", *map(str, words)])


def fates(there: Path, here: Path) -> dict[str, Fate]:
    return {offer.path.stem: offer.fate for offer in offers(there, here, known_in(here))}


def test_import_copies_what_is_not_here_and_leaves_the_rest(here, there):
    stored(here, "same"), stored(there, "same"), stored(there, "new")
    stored(here, "more", launches=4), stored(there, "more")
    stored(here, "other"), stored(there, "other", seed=2)
    before = contents(here)
    assert fates(there, here) == {"same": Fate.SAME, "new": Fate.NEW, "more": Fate.MORE, "other": Fate.CONFLICT}
    assert do("import", there, "--results", here, "--dry-run").exit_code == 2 and contents(here) == before
    done = do("import", there, "--results", here)
    assert done.exit_code == 2 and "left: 2 rows are missing here, which 'results merge' adds" in done.output
    assert "run other of bench-1 is here with other contents: 6 of its rows differ from those here." in done.output
    assert contents(here) == {**before, "bench-1/new.jsonl": (there / "bench-1" / "new.jsonl").read_bytes()}


def test_merge_adds_the_rows_that_are_missing_and_replaces_none(here, there):
    path = stored(here, "more", launches=4)
    stored(there, "more"), stored(here, "other"), stored(there, "other", seed=2)
    before, other = path.read_bytes(), (here / "bench-1" / "other.jsonl").read_bytes()
    done = json.loads(do("merge", there, "--results", here, "--json").stdout)
    assert {entry["run"]: (entry["fate"], entry["done"]) for entry in done} == {
        "more": ("more", "2 rows added"), "other": ("conflict", ""),
    }  # fmt: skip
    assert path.read_bytes().startswith(before) and (here / "bench-1" / "other.jsonl").read_bytes() == other
    assert read_run(path).rows == read_run(there / "bench-1" / "more.jsonl").rows
    assert fates(there, here)["more"] is Fate.SAME


def test_a_header_that_differs_is_a_conflict(here, there):
    stored(here, "a"), stored(there, "a", method=Method(threads=2))
    (offer,) = offers(there, here, known_in(here))
    assert offer.fate is Fate.CONFLICT and offer.reason.endswith(
        "its header differs from the one here. The one here stays."
    )


def test_another_machine_under_the_same_key_is_refused(here, there):
    stored(here, "a"), stored(there, "b", cores=64)
    before = contents(here)
    done = do("import", there, "--results", here)
    assert done.exit_code == 2 and contents(here) == before
    assert "run b comes from another machine that bears the key bench-1 too (cores 64 instead of 2)" in done.output


def test_two_machines_of_one_key_in_the_other_store_are_seen_too(here, there):
    stored(there, "a"), stored(there, "b", cores=64)
    assert fates(there, here) == {"a": Fate.NEW, "b": Fate.CONFLICT}


def test_other_methods_are_told_once_for_all_their_runs(here, there):
    stored(here, "a", method=Method(memory=False))
    for run in "bcdef":
        stored(there, run, method=Method(version=3, threads=2))
    stored(there, "g")
    known = known_in(here)
    (told,) = other_methods(list(offers(there, here, known)), known)
    assert told.startswith(
        "the runs b, c, d and 2 others were measured by another method than any run here (version 3 "
    )
    assert "threads 2 instead of 1" in told


@pytest.mark.parametrize(("field", "name"), [("run", "../../escaped"), ("identity", "../escaped"), ("identity", "..")])
def test_a_name_that_climbs_out_of_the_folder_is_refused(here, there, field, name):
    path = stored(there, "a")
    header, *rows = path.read_text().splitlines()
    record = json.loads(header)
    (record if field == "run" else record["machine"])[field] = name
    path.write_text("\n".join([json.dumps(record), *rows]) + "\n")
    done = do("import", there, "--results", here)
    assert done.exit_code == 2 and "cannot name a" in done.output
    assert not here.exists() and not list(here.parent.rglob("*escaped*"))


def test_what_cannot_be_read_is_told_and_the_rest_taken(here, there):
    stored(there, "a")
    (there / "bench-1" / "b.jsonl").write_text("{")
    assert do("import", there, "--results", here).exit_code == 2
    assert set(contents(here)) == {"bench-1/a.jsonl"}


def test_a_full_disk_leaves_no_part_of_a_run(here, there, monkeypatch):
    stored(there, "a")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    done = do("import", there, "--results", here)
    assert "cannot be copied to" in str(done.exception) and "No space left" in str(done.exception)
    assert contents(here) == {}


def test_a_run_that_appears_meanwhile_is_not_overwritten(here, there, monkeypatch):
    source = stored(there, "a")
    link = os.link

    def late(draft, target):
        Path(target).write_text("mine")
        link(draft, target)

    monkeypatch.setattr(os, "link", late)
    assert "nothing is overwritten" in str(do("import", there, "--results", here).exception)
    assert contents(here) == {"bench-1/a.jsonl": b"mine"} and source.exists()


@pytest.mark.parametrize(
    ("source", "said"), [("here", "is the results folder itself"), ("nowhere", "no results folder")]
)
def test_a_folder_that_is_no_other_store_is_refused(here, source, said):
    here.mkdir()
    assert said in str(do("import", here.parent / source, "--results", here).exception)


def test_prune_moves_runs_out_and_import_brings_them_back(here, tmp_path):
    path = stored(here, "a")
    stored(here, "b")
    path.with_suffix(".md").write_text("a table")
    before, out = contents(here), tmp_path / "out"
    listed = do("prune", "a", "--results", here)
    assert f"would move {path}" in listed.output and contents(here) == before
    moved = json.loads(do("prune", "a", "--results", here, "--to", out, "--json").stdout)
    assert moved[0]["moved_to"] == [str(out / "bench-1" / name) for name in ("a.jsonl", "a.md")]
    assert set(contents(here)) == {"bench-1/b.jsonl"}
    assert do("import", out, "--results", here).exit_code == 0
    assert contents(here)["bench-1/a.jsonl"] == before["bench-1/a.jsonl"]


def test_prune_overwrites_nothing(here, tmp_path):
    path = stored(here, "a")
    path.with_suffix(".md").write_text("a table")
    other = tmp_path / "out" / "bench-1" / "a.md"
    other.parent.mkdir(parents=True)
    other.write_text("another")
    before = contents(here)
    with pytest.raises(StoreError, match=r"a\.md exists already, and nothing is overwritten"):
        move_out(path, tmp_path / "out")
    assert contents(here) == before and contents(tmp_path / "out") == {"bench-1/a.md": b"another"}


def test_prune_chooses_what_meets_all_that_is_given(here):
    stored(here, "a")
    header = replace(make_header(["numpy"], [MAX2D]), run="failed", started_at="2026-01-01T00:00:00+00:00")
    rows = make_rows({MAX2D: {"numpy": 1e6}}, failures={(MAX2D, "numpy"): (Status.CRASHED, "gone")})
    with RunFile.create(here, header) as file:
        file.append([replace(row, run="failed", machine=header.machine.key) for row in rows])
    (here / "bench-1" / "x.jsonl").write_text("{")

    def runs(**choice):
        paths, problems = chosen(here, Choice(**choice))
        assert len(problems) == 1 and "x.jsonl stays" in problems[0]
        return {path.stem for path in paths}

    assert runs(unmeasured=True) == {"failed"}
    assert runs(machine="bench-1") == {"a"}
    assert runs(before=datetime(2026, 2, 1, tzinfo=UTC)) == {"failed"}
    assert runs(before=datetime(2026, 2, 1, tzinfo=UTC), machine="bench-1") == set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Say which runs are meant"),
        (["--before", "soon"], "--before takes a date such as 2026-01-31; 'soon' is none"),
        (["b"], "There is no run under .* 'b'"),
        (["a", "--to", "here/old"], "lies in the results folder"),
    ],
)
def test_prune_says_what_is_wrong(here, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    stored(here, "a")
    error = do("prune", *words, "--results", here).exception
    assert isinstance(error, PoolbenchError) and re.search(said, str(error))
