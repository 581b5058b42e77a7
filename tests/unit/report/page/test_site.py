"""The folder of reports: every file there, the same bytes each time, and the newest found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from poolbench.report.content import Page, Section
from poolbench.report.page.comparison import build_comparison
from poolbench.report.page.run import build_page
from poolbench.report.page.site import write_report
from poolbench.report.render.html import render_page
from poolbench.report.render.pull_request import MOST_CHARACTERS, render_pull_request
from tests.unit.builders import MAX2D, make_header, make_rows
from tests.unit.report.stored import everything

TWO = {MAX2D: {"a": 2e5, "b": 3e5, "limit": 1e5}}


@pytest.fixture(scope="module")
def small() -> Page:
    return build_page(make_header(("a", "b", "limit"), (MAX2D,)), make_rows(TWO))


def test_every_table_and_figure_is_a_file_and_the_bytes_are_the_same_again(small: Page, tmp_path: Path) -> None:
    first, second = (write_report(small, tmp_path / name).page.parent for name in ("one", "two"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    for table in small.tables:
        assert Path(f"tables/{table.key}.csv") in files
    for drawing in small.drawings:
        assert {Path(f"figures/{drawing.key}.svg"), Path(f"figures/{drawing.key}.png")} <= set(files)
    html = (first / "index.html").read_text()
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file
        assert str(file) in html or file.name in ("index.html", "report.json")


def test_a_page_needs_nothing_but_itself(small: Page) -> None:
    html = render_page(small)
    assert "http://" not in html.replace("http://www.w3.org/", "")
    assert "https://" not in html
    assert '<link rel="stylesheet"' not in html
    assert "src=" not in html


def test_parquet_says_what_csv_says(small: Page, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    folder = write_report(small, tmp_path).page.parent / "tables"
    for table in small.tables:
        csv, parquet = pd.read_csv(folder / f"{table.key}.csv"), pd.read_parquet(folder / f"{table.key}.parquet")
        assert list(csv.columns) == list(parquet.columns)
        assert len(csv) == len(parquet) == len(table.rows)


def test_latest_is_the_run_that_began_last_whichever_was_written_last(small: Page, tmp_path: Path) -> None:
    newer = replace(small, key="newer", started_at="2026-03-02T00:00:00+00:00", sections=(), lead=None)
    write_report(newer, tmp_path)
    index = write_report(replace(small, sections=(), lead=None), tmp_path).index
    assert (tmp_path / "latest").resolve() == tmp_path / "newer"
    html = index.read_text()
    assert html.index('href="newer/index.html"') < html.index(f'href="{small.key}/index.html"')
    (tmp_path / "newer" / "report.json").write_text(json.dumps({"key": 1}))
    assert "write the report again" in write_report(replace(small, sections=(), lead=None), tmp_path).index.read_text()


def test_the_markdown_fits_into_a_comment() -> None:
    page = build_page(*everything())
    text = render_pull_request(page)
    assert len(text) < 65_536
    assert "Geometric means" in text
    table = next(page.tables)
    long = replace(table, rows=table.rows * (MOST_CHARACTERS // 2000))
    text = render_pull_request(replace(page, sections=(Section(key="x", title="x", tables=(long,)),)))
    assert f"{len(long.rows)} rows, in `tables/results.csv`" in text


def test_two_runs_side_by_side_claim_nothing_and_name_what_differs() -> None:
    first = make_header(("a", "b", "limit"), (MAX2D,))
    hardware = replace(first.machine.hardware, processor="Another Processor")
    machine = replace(first.machine, hardware=hardware, software={**first.machine.software, "torch": "2.14.0"})
    second = replace(first, run="second", machine=machine)
    page = build_comparison(first, make_rows(TWO, seed=1), second, make_rows(TWO, seed=2))
    html = render_page(page)
    assert "The machines differ" in page.warnings[0]
    assert "torch: 2.13.0 in the first run, 2.14.0 in the second." in html
    assert "no difference is claimed" in page.answer[0]
    change = next(page.tables).rows[0]["change"]
    assert change.number == pytest.approx(1, abs=0.05)
    assert change.low is not None and change.high is not None and change.low < 1 < change.high
