"""The documents that a browser loads: their form, the same facts as in reports, and whose folder is written."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache

import pytest

from poolbench.analyse.compare.summary import summarise
from poolbench.api.explore import Explorer, analysed, write_site
from poolbench.errors import UsageError
from poolbench.explore.collection import SCHEMA, SHOWN, Collection
from poolbench.explore.columns import coded, number
from poolbench.explore.files import document_at, site_files, static_files
from poolbench.report.run_table import results_table, without_limits
from poolbench.store.jsonl import RunFile
from poolbench.store.runs import list_runs
from tests.explore.many import MARKUP, hostile_collection
from tests.unit.builders import WORKLOADS, make_header, make_rows

DAYS = 6


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Six days of runs of one machine; from the fourth on `strided` takes 1.3 times as long."""
    folder = tmp_path_factory.mktemp("explored") / "results"
    for day in range(DAYS):
        scale = 1.3 if day >= 3 else 1.0
        times = {id: {"strided": 1e5 * scale, "torch": 3e5, "limit": 5e4} for id in WORKLOADS[:2]}
        header = make_header(("strided", "torch", "limit"), WORKLOADS[:2], names={WORKLOADS[0]: "first"})
        header = replace(header, run=f"2026030{day}-120000-aaaa", started_at=f"2026-03-0{day + 1}T12:00:00+00:00")
        with RunFile.create(folder, header) as file:
            file.append(
                [replace(row, run=header.run, machine=header.machine.key) for row in make_rows(times, seed=day)]
            )
    return folder


@lru_cache
def explored(results):
    return Explorer(results).collection()


def loaded(collection, path):
    return json.loads(document_at(collection, path))


def test_cells_are_columns_of_the_reports_own_table(results):
    found = loaded(explored(results), "data/cells.json")
    assert found["schema"] == SCHEMA
    assert set(found["columns"]) == set(SHOWN)
    lengths = {len(column["codes"]) for column in (*found["columns"].values(), *found["facets"].values())}
    assert lengths == {found["rows"], len(found["run"]), len(found["series"])} == {DAYS * 4}
    run = analysed(list_runs(results)[0])
    rows = without_limits(results_table(run.summary, run.models)).rows
    for place, row in enumerate(rows):
        for key, column in found["columns"].items():
            assert column["texts"][column["codes"][place]] == row[key].full
            if "numbers" in column:
                assert column["numbers"][place] == number(row[key].number)
    assert found["columns"]["times_limit"]["low"][0] < found["columns"]["times_limit"]["numbers"][0]


def test_a_row_in_full_says_how_to_measure_it_again(results):
    found = loaded(explored(results), "data/rows/0.json")
    assert len(found["rows"]) == 4
    assert all(row["command"].startswith("poolbench compare ") for row in found["rows"])
    assert len({len(row["values"]) for row in found["rows"]} | {len(found["titles"])}) == 1


def test_a_pair_says_what_changed_and_what_differs(results):
    collection = explored(results)
    found = loaded(collection, "data/pairs/0-5.json")
    subjects = [found["columns"]["subject"]["texts"][code] for code in found["columns"]["subject"]["codes"]]
    apart = [found["columns"]["apart"]["texts"][code] for code in found["columns"]["apart"]["codes"]]
    assert {answer for subject, answer in zip(subjects, apart, strict=True) if subject == "strided"} == {"yes"}
    assert all(
        low < high for low, high in zip(*(found["columns"]["change"][end] for end in ("low", "high")), strict=True)
    )
    assert found["differences"] == []
    other = replace(collection.runs[5], summary=_on_another_machine(collection.runs[5].summary))
    found = json.loads(Collection(runs=(collection.runs[0], other)).pair(0, 1))
    assert found["differences"][0].startswith("The machines differ")


def _on_another_machine(summary):
    machine = summary.header.machine
    hardware = replace(machine.hardware, processor="Another Processor")
    return replace(summary, header=replace(summary.header, machine=replace(machine, hardware=hardware)))


def test_a_change_over_runs_is_found_where_it_was_planted(results):
    found = loaded(explored(results), "data/history.json")
    cells = loaded(explored(results), "data/cells.json")
    subject = cells["columns"]["subject"]
    slow = {
        code
        for code, place in zip(cells["series"], subject["codes"], strict=True)
        if subject["texts"][place] == "strided"
    }
    assert {change["series"] for change in found["changes"]} == slow
    assert {(change["before"], change["after"], change["direction"]) for change in found["changes"]} == {
        (2, 3, "slower")
    }
    assert "over the limit. The time itself was 100 µs" in found["changes"][0]["text"]


def test_runs_of_other_machines_and_methods_are_other_histories(results):
    collection = explored(results)
    other = replace(collection.runs[5], summary=_on_another_machine(collection.runs[5].summary))
    series = json.loads(Collection(runs=(collection.runs[0], collection.runs[4], other)).cells())["series"]
    assert series[:4] == series[4:8]
    assert not set(series[8:]) & set(series[:8])


def test_the_same_name_on_two_machines_is_told_apart(results):
    run = explored(results).runs[0]
    other = replace(run, summary=_on_another_machine(run.summary))
    first, second = Collection(runs=(run, other)).keys
    assert first != second
    assert first.startswith("20260300-120000-aaaa@")


@pytest.mark.parametrize(
    "path",
    ["data/rows/6.json", "data/pairs/1-0.json", "data/pairs/0-6.json", "data/rows/-1.json", "../a", "", "/"],
)
def test_what_there_is_none_of_is_none(results, path):
    assert document_at(explored(results), path) is None


def test_a_site_is_the_same_bytes_again_and_forgets_what_is_gone(results, tmp_path):
    write_site(explored(results), tmp_path / "site", earlier=2)
    first = {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert {path.name for path in first} >= {"index.html", "report.css", "LICENSE", "uPlot.iife.min.js", "4-5.json"}
    write_site(Explorer(results).collection(), tmp_path / "site", earlier=2)
    assert {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()} == first
    write_site(Collection(runs=explored(results).runs[:1]), tmp_path / "site", earlier=2)
    assert [path.name for path in sorted((tmp_path / "site" / "data").rglob("*.json"))] == [
        "cells.json", "history.json", "index.json", "0.json"
    ]  # fmt: skip


def test_pairs_of_a_site_are_those_of_the_runs_before(results):
    files = dict(site_files(explored(results), earlier=2))
    pairs = json.loads(files["data/index.json"])["pairs"]
    assert json.loads(files["data/index.json"])["usual"] == [4, 5]
    assert pairs == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [2, 4], [3, 4], [3, 5], [4, 5]]
    assert {f"data/pairs/{first}-{second}.json" for first, second in pairs} <= files.keys()


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 2}', "[]"])
def test_a_folder_of_somebody_elses_is_left_alone(tmp_path, content):
    folder = tmp_path / "theirs"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "index.json").write_text(content)
    with pytest.raises(UsageError, match="is no site that 'poolbench site' wrote"):
        write_site(Collection(runs=()), folder, earlier=2)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["index.json"]


def test_what_changes_in_the_results_is_seen_and_the_rest_not_read_again(results, tmp_path, monkeypatch):
    import poolbench.api.explore as module

    copy = tmp_path / "results"
    for path in results.rglob("*.jsonl"):
        (copy / path.parent.name).mkdir(parents=True, exist_ok=True)
        (copy / path.parent.name / path.name).write_bytes(path.read_bytes())
    asked = []
    monkeypatch.setattr(module, "analysed", lambda run: asked.append(run.run) or analysed(run))
    explorer = Explorer(copy)
    before = explorer.answer("data/index.json")
    assert explorer.answer("data/index.json") is before
    assert len(asked) == DAYS
    path = next(iter(sorted(copy.rglob("*.jsonl"))))
    path.write_text("torn")
    found = json.loads(explorer.answer("data/index.json"))
    assert len(found["runs"]) == DAYS - 1
    assert str(path) in found["problems"][0]
    assert len(asked) == DAYS + 1


def test_no_results_are_no_runs(tmp_path):
    collection = Explorer(tmp_path / "none").collection()
    assert loaded(collection, "data/cells.json")["rows"] == 0
    assert loaded(collection, "data/index.json")["runs"] == []


def test_a_history_of_releases_has_its_points_changes_and_command():
    (found,) = loaded(hostile_collection(), "data/history.json")["histories"]
    assert (found["key"], len(found["points"])) == ("numpy 1.0.0..1.5.0", 6)
    stem, trans, mean = found["workloads"]
    assert (stem["name"], trans["name"], mean["isMean"]) == ("stem", "trans", True)
    assert [len(workload["cells"]) for workload in found["workloads"]] == [6, 6, 6]
    assert stem["cells"][3]["low"] < stem["cells"][3]["ratio"] < stem["cells"][3]["high"]
    assert [(change["before"], change["after"], change["workloads"]) for change in found["changes"]] == [
        (2, 3, [stem["id"]])
    ]
    assert found["command"].startswith(
        "poolbench history numpy --releases 1.0.0,1.1.0,1.2.0,1.3.0,1.4.0,1.5.0 --anchor 1.0.0"
    )


def test_markup_goes_through_as_text_alone():
    collection = hostile_collection()
    page = static_files()["index.html"].decode()
    assert MARKUP not in page
    assert MARKUP in json.loads(collection.index())["runs"][0]["machine"]
    scripts = [content.decode() for path, content in static_files().items() if path.startswith("js/")]
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "srcdoc"):
        assert not [script for script in scripts if way in script], way


def test_scripts_and_styles_stay_short_and_ask_nobody_else():
    for path, content in static_files().items():
        if path.endswith((".js", ".css", ".html")) and not path.startswith("uplot/") and path != "report.css":
            text = content.decode()
            assert text.count("\n") < 300, path
            assert "//cdn" not in text and "https:" not in text, path
    policy = static_files()["index.html"].decode()
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_texts_are_coded_in_the_order_in_which_they_came():
    assert coded(["b", "a", "b"]) == {"texts": ["b", "a"], "codes": [0, 1, 0]}
    assert [number(value) for value in (1.0, 1.23456789, float("nan"), float("inf"), None)] == [
        1,
        1.23457,
        None,
        None,
        None,
    ]


def test_a_summary_is_the_same_with_its_ledger_given(results):
    from poolbench.store.reading import read_run

    stored = read_run(list_runs(results)[0].path)
    assert summarise(stored.header, stored.rows) == analysed(list_runs(results)[0]).summary
