"""The derived database: what is read again, what is made anew, and that the truth is never touched."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import poolbench
from poolbench.api import query as asking
from poolbench.api.query import up_to_date
from poolbench.api.tables import tables_of
from poolbench.errors import StoreError, UsageError
from poolbench.store.database import update as updating
from poolbench.store.database.place import place_of, writing
from poolbench.store.database.schema import SCHEMA_VERSION, TABLES
from poolbench.store.database.views import VIEWS
from poolbench.store.jsonl import RunFile
from tests.store.million import killed_updates
from tests.unit.builders import AVG2D, MAX2D, make_header, make_rows

TIMES = {MAX2D: {"numpy": 2e6, "torch": 1e6}, AVG2D: {"numpy": 3e6, "torch": 3e6}}


def stored(results: Path, run: str, started_at: str = "2026-03-01T12:00:00+00:00", machine: str = "") -> Path:
    header = replace(make_header(["numpy", "torch"], [MAX2D, AVG2D]), run=run, started_at=started_at)
    header = replace(header, machine=replace(header.machine, identity=machine))
    rows = [replace(row, run=run, machine=header.machine.key) for row in make_rows(TIMES)]
    with RunFile.create(results, header) as file:
        file.append(rows)
    return file.path


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_DATABASES", str(tmp_path / "databases"))
    return four_runs(tmp_path / "results")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store whose database is there already, for questions that change nothing."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POOLBENCH_DATABASES", str(folder / "databases"))
        place, manifest = up_to_date(four_runs(folder / "results"))
        yield place, manifest


def four_runs(folder: Path) -> Path:
    for run, began, machine in (
        ("a", "2026-03-01T12:00:00+00:00", ""),
        ("b", "2026-04-01T01:00:00+02:00", ""),  # in UTC still March
        ("c", "2026-04-05T12:00:00+00:00", ""),
        ("d", "2026-04-05T12:00:00+00:00", "bench-1"),
    ):
        stored(folder, run, began, machine)
    return folder


@pytest.fixture
def read(monkeypatch):
    """The runs that are read again, by name."""
    names: list[str] = []

    def derive(run):
        names.append(run.header.run)
        return tables_of(run)

    monkeypatch.setattr(asking, "tables_of", derive)
    return names


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def runs_in(results: Path) -> list[str]:
    return sorted(poolbench.query("SELECT run FROM runs", results)["run"])


def test_answers_are_those_of_the_stored_samples(results):
    frame = poolbench.load_results(results)
    asked = poolbench.query("SELECT * FROM samples ORDER BY file, workload, subject, launch, block, position", results)
    assert len(asked) == len(frame) > 0
    assert asked["elapsed_ns"].sum() == frame["elapsed_ns"].sum()
    mine = frame.rename(columns={"group": "block_group", "order": "axes"})
    for column in TABLES["samples"]:
        if column.type in ("INTEGER", "BIGINT", "DOUBLE"):
            assert asked[column.name].sum() == pytest.approx(mine[column.name].astype(float).sum()), column.name
        elif column.name not in ("file", "started_at"):
            assert set(asked[column.name]) == set(mine[column.name]), column.name
    wins = poolbench.query("SELECT run, subject FROM cells WHERE is_fastest AND workload LIKE 'max2d%'", results)
    assert set(wins["subject"]) == {"torch"} and len(wins) == 4
    slower = poolbench.query("SELECT * FROM verdicts WHERE outcome = 'slower' AND question = 'fastest'", results)
    assert set(slower["subject"]) == {"numpy"} and slower["ratio"].between(1.8, 2.2).all()


def test_every_view_and_column_can_be_asked_by_its_bare_name(results):
    for table, columns in TABLES.items():
        assert len(poolbench.query(f"SELECT {', '.join(column.name for column in columns)} FROM {table}", results))
    for view in VIEWS:
        if view != "memory":  # of these rows none was measured
            assert len(poolbench.query(f"FROM {view}", results)), view
    machines = poolbench.query("FROM machines ORDER BY machine", results)
    assert machines["machine"][0] == "bench-1" and list(machines["runs"]) == [1, 3]
    before = poolbench.query(
        "SELECT run, previous_run FROM history WHERE machine != 'bench-1' AND subject = 'torch' AND name LIKE 'max2d%' "
        "ORDER BY run", results,
    )  # fmt: skip
    assert before.fillna("").values.tolist() == [["a", ""], ["b", "a"], ["c", "b"]]


def test_parts_are_of_a_machine_and_a_month_in_utc(results):
    _, manifest = up_to_date(results)
    key = make_header(["numpy"], [MAX2D]).machine.key
    assert sorted(manifest.parts) == sorted([f"{key}/2026-03", f"{key}/2026-04", "bench-1/2026-04"])
    assert manifest.parts[f"{key}/2026-03"].tables["runs"].rows == 2


def test_only_what_is_new_or_changed_is_read_again(results, read):
    assert runs_in(results) == ["a", "b", "c", "d"] and sorted(read) == ["a", "b", "c", "d"]
    read.clear()
    assert runs_in(results) == ["a", "b", "c", "d"] and read == []
    path = stored(results, "e", "2026-03-09T00:00:00+00:00")
    assert runs_in(results) == ["a", "b", "c", "d", "e"] and read == ["e"]
    read.clear()
    with path.open("ab") as file:
        file.write(b"torn")
    with pytest.warns(UserWarning, match=r"e\.jsonl:\d+: this line is left out"):
        assert runs_in(results) == ["a", "b", "c", "d", "e"]
    assert read == ["e"]
    read.clear()
    path.unlink()
    assert runs_in(results) == ["a", "b", "c", "d"] and read == []
    assert set(poolbench.query("SELECT DISTINCT run FROM samples", results)["run"]) == {"a", "b", "c", "d"}


def test_a_file_that_cannot_be_read_costs_itself_alone(results):
    (results / "bench-1" / "x.jsonl").write_text("{")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"bench-1/x\.jsonl is left out: .*header cannot be read"):
            assert runs_in(results) == ["a", "b", "c", "d"]


def test_a_value_that_fits_no_column_costs_its_file_alone(results):
    path = stored(results, "e", "2026-03-09T00:00:00+00:00")
    sound = path.read_text()
    path.write_text(sound.replace("2026-03-01T12:00:00.000000+00:00", "yesterday"))
    with pytest.warns(UserWarning, match=r"e\.jsonl is left out: .* has a value that fits no column: .*yesterday"):
        assert runs_in(results) == ["a", "b", "c", "d"]
    path.write_text(sound.replace("2026-03-09T00:00:00+00:00", "tomorrow"))
    with pytest.warns(UserWarning, match=r"e\.jsonl is left out: 'tomorrow' is no moment that it began"):
        assert runs_in(results) == ["a", "b", "c", "d"]
    with pytest.warns(UserWarning, match="tomorrow"):
        assert set(poolbench.query("FROM cells", results)["run"]) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("cut short", r"made anew: samples-\w+\.parquet has \d+ bytes instead of"),
        ("gone", r"made anew: samples-\w+\.parquet cannot be read \(No such file"),
        ("overwritten", "made anew: it could not be read"),
    ],
)
def test_a_damaged_parquet_file_is_made_anew(results, read, damage, said):
    sql = "SELECT sum(elapsed_ns + cpu_ns) AS total, min(subject || workload) FROM samples"
    before, truth = poolbench.query(sql, results), contents(results)
    place, manifest = up_to_date(results)
    path = place.parts / manifest.parts["bench-1/2026-04"].tables["samples"].file
    read.clear()
    if damage == "gone":
        path.unlink()
    elif damage == "cut short":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.write_bytes(b"\x00" * path.stat().st_size)
    with pytest.warns(UserWarning, match=said):
        assert poolbench.query(sql, results).equals(before)
    assert read == ["d"] and contents(results) == truth


def test_a_damaged_part_that_is_to_be_added_to_is_made_anew(results, read):
    place, manifest = up_to_date(results)
    path = place.parts / manifest.parts["bench-1/2026-04"].tables["cells"].file
    path.write_bytes(b"\x00" * path.stat().st_size)
    stored(results, "e", "2026-04-09T00:00:00+00:00", "bench-1")
    read.clear()
    with pytest.warns(UserWarning, match=r"part bench-1/2026-04 .* is made anew: cells-"):
        assert len(poolbench.query("SELECT DISTINCT run FROM cells WHERE machine = 'bench-1'", results)) == 2
    assert sorted(read) == ["d", "e"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": SCHEMA_VERSION - 1}, f"it has schema {SCHEMA_VERSION - 1}, and this poolbench makes"),
        ({"schema": SCHEMA_VERSION + 1}, f"it has schema {SCHEMA_VERSION + 1}, and this poolbench makes"),
        ({"maker": "0.0.0"}, "poolbench 0.0.0 made it"),
        ({"host": "elsewhere"}, "it belongs to .* on elsewhere"),
        ({"store": "/elsewhere"}, "it belongs to /elsewhere"),
        ({"sources": 3}, "its list of files cannot be read"),
    ],
)
def test_a_database_of_another_version_or_store_is_made_anew(tmp_path, monkeypatch, read, change, said):
    monkeypatch.setenv("POOLBENCH_DATABASES", str(tmp_path / "databases"))
    results = stored(tmp_path / "results", "a").parents[1]
    place, _ = up_to_date(results)
    record = json.loads(place.manifest.read_text())
    place.manifest.write_text(json.dumps({**record, **change}))
    read.clear()
    with pytest.warns(UserWarning, match=f"is made anew: {said}"):
        assert runs_in(results) == ["a"]
    assert read == ["a"]


OUTSIDE = "reaches outside of the views"
NO_SELECT = "is no SELECT but"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE TABLE t (a INT)", NO_SELECT),
        ("INSERT INTO runs SELECT * FROM runs", NO_SELECT),
        ("DROP VIEW runs", NO_SELECT),
        ("COPY runs TO '{parquet}' (USE_TMP_FILE false)", NO_SELECT),
        ("COPY runs TO '{outside}'", NO_SELECT),
        ("EXPLAIN ANALYZE COPY runs TO '{parquet}' (USE_TMP_FILE false)", NO_SELECT),
        ("COPY (PIVOT cells ON subject USING count(*)) TO '{parquet}' (USE_TMP_FILE false)", NO_SELECT),
        ("ATTACH '{outside}'", NO_SELECT),
        ("SET enable_external_access = true", NO_SELECT),
        ("PRAGMA database_list", NO_SELECT),
        ("INSTALL httpfs", NO_SELECT),
        ("EXPORT DATABASE '{outside}'", NO_SELECT),
        ("PIVOT cells ON subject USING count(*)", r"A PIVOT has to name its values, as ON column IN \(…\)"),
        ("SELECT 1; SELECT 2", "has 2 statements"),
        ("", "has 0 statements"),
        ("SELECT * FROM read_text('{truth}')", OUTSIDE),
        ("SELECT * FROM read_json('{truth}')", OUTSIDE),
        ("SELECT * FROM read_text('{manifest}')", OUTSIDE),
        ("SELECT * FROM '{truth}'", OUTSIDE),
        ("SELECT * FROM glob('/etc/*')", OUTSIDE),
        ("SELECT * FROM read_csv('https://example.org/a.csv')", "reaches outside|cannot be answered"),
        ("WITH x AS (INSERT INTO runs SELECT * FROM runs RETURNING *) FROM x", "cannot be answered"),
        ("SELECT getenv('HOME')", "cannot be answered"),
        ("SELECT machin FROM runs", 'cannot be answered: .*"machin".* The views are runs, samples'),
        ("SELEKT", "cannot be answered: .*syntax error"),
        ("SELECT * FROM frame", "cannot be answered"),
    ],
)
def test_sql_neither_writes_nor_reads_outside_of_the_views(made, sql, said):
    place, manifest = made
    results = place.store
    frame = [1]  # a variable that DuckDB would find, were it allowed to
    before = contents(results), contents(place.parts)
    outside = results.parent / "outside"
    text = sql.format(
        parquet=place.parts / min(manifest.files), outside=outside, truth=next(results.glob("*/a.jsonl")),
        manifest=place.manifest,
    )  # fmt: skip
    with pytest.raises(UsageError, match=said):
        poolbench.query(text, results)
    assert (contents(results), contents(place.parts)) == before and not outside.exists() and frame == [1]


def test_a_second_writer_waits_and_is_told(results):
    place = place_of(results)
    told: list[str] = []
    with writing(place):
        with pytest.raises(
            StoreError, match=r"brought up to date by another process .* Its lock is .*lock, which ends"
        ):
            up_to_date(results, tell=told.append, timeout_s=0.2)
        assert told == [f"another process brings the database of {place.store} up to date: waiting for it."]
        second = threading.Thread(target=up_to_date, args=(results,), kwargs={"tell": told.append})
        second.start()
        while len(told) < 2:
            second.join(0.01)
    second.join()
    assert place.manifest.exists()


FULL = """
import resource, signal, sys, poolbench
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    poolbench.query("FROM runs", sys.argv[1])
except poolbench.errors.StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [0, 1500])
def test_a_full_disk_is_a_sentence_and_leaves_the_old_answers(results, limit):
    place, before = up_to_date(results)
    stored(results, "e", "2026-04-09T00:00:00+00:00", "bench-1")
    truth = contents(results)
    command = [sys.executable, "-c", FULL, str(results), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"The database of {results} cannot be written to {place.folder}: " in done.stdout, done.stderr
    assert "The results are not touched." in done.stdout
    assert contents(results) == truth
    kept = updating.read_manifest(place, before.maker)[0]
    assert kept == before and not any(map(str, place.parts.glob("*.writing")))
    assert runs_in(results) == ["a", "b", "c", "d", "e"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


WHOLE = (
    "SELECT s.file, count(*), sum(elapsed_ns), max(median_ns) FROM samples s JOIN cells USING (file) "
    "GROUP BY ALL ORDER BY ALL"
)


def test_kill_9_leaves_the_old_or_the_new(results):
    databases = Path(os.environ["POOLBENCH_DATABASES"])
    up_to_date(results)
    for number in range(3):
        stored(results, f"k{number}", f"2026-0{number + 4}-02T00:00:00+00:00", "bench-1")
    told: list[str] = []
    killed_updates(results, databases, 3, questions=[WHOLE], tell=told.append)
    assert sum("killed" in text for text in told) == 3


def test_files_that_no_longer_count_go_after_a_while(results, monkeypatch):
    place, before = up_to_date(results)
    stored(results, "e", "2026-04-09T00:00:00+00:00", "bench-1")
    _, after = up_to_date(results)
    retired = before.files - after.files
    assert len(retired) == len(TABLES) and all((place.parts / name).exists() for name in retired)
    monkeypatch.setattr(updating, "KEPT_S", 0.0)
    up_to_date(results)
    assert {path.name for path in place.parts.iterdir()} == after.files


def test_a_store_without_runs_has_empty_views(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_DATABASES", str(tmp_path / "databases"))
    (tmp_path / "results").mkdir()
    assert poolbench.query("SELECT count(*) AS n FROM history", tmp_path / "results")["n"].tolist() == [0]
    with pytest.raises(StoreError, match="There is no results folder"):
        poolbench.query("FROM runs", tmp_path / "nowhere")


def test_the_manual_has_every_view_and_column():
    manual = (Path(__file__).parents[3] / "docs" / "query.md").read_text(encoding="utf-8")
    for table, columns in TABLES.items():
        section = manual.partition(f"### `{table}`\n")[2].partition("\n### ")[0]
        lines = [f"| `{column.name}` | {column.type} | {column.meaning} |" for column in columns]
        assert [line for line in section.splitlines() if line.startswith("| `")] == lines
    assert all(f"### `{view}`\n" in manual for view in VIEWS)
    assert f"The schema has version {SCHEMA_VERSION}." in manual
