"""The folder of reports: one folder a report, ``latest`` for the newest, and ``index.html`` that lists them.

reports/index.html
reports/latest -> <run>
reports/<run>/index.html summary.md report.json tables/<table>.csv|parquet figures/<figure>.svg|png
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poolbench.errors import StoreError
from poolbench.report.figures.canvas import files as figure_files
from poolbench.report.render.csv import filed
from poolbench.report.render.html import render_index, render_page
from poolbench.report.render.pull_request import render_pull_request

if TYPE_CHECKING:
    from poolbench.report.content import Page

ENTRY = "report.json"
LATEST = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a report was written. ``has_parquet`` is False where pyarrow is not installed."""

    page: Path
    markdown: Path
    index: Path
    has_parquet: bool


def write_report(page: Page, folder: Path) -> Site:
    """Write ``page`` and its files below ``folder``, in place of an earlier report of the same run.

    Raises StoreError where they cannot be written.
    """
    target = folder / page.key
    try:
        if target.is_dir():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        has_parquet = importlib.util.find_spec("pyarrow") is not None
        written = _write_tables(page, target / "tables", has_parquet) + _write_figures(page, target / "figures")
        (target / "summary.md").write_text(render_pull_request(page), encoding="utf-8")
        (target / "index.html").write_text(render_page(page, ["summary.md", *written]), encoding="utf-8")
        entry = {
            "key": page.key,
            "subtitle": page.subtitle,
            "started_at": page.started_at,
            "machine": page.machine,
            "answer": list(page.answer),
        }
        (target / ENTRY).write_text(json.dumps(entry, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        index = _write_index(folder)
    except OSError as error:
        raise StoreError(
            f"The report cannot be written below {folder} ({error.strerror or error}): make room or name another "
            "folder with --output."
        ) from error
    return Site(page=target / "index.html", markdown=target / "summary.md", index=index, has_parquet=has_parquet)


def _write_tables(page: Page, folder: Path, has_parquet: bool) -> list[str]:
    written = []
    for table in page.tables:
        folder.mkdir(exist_ok=True)
        frame = filed(table)
        frame.to_csv(folder / f"{table.key}.csv", index=False)
        written.append(f"{folder.name}/{table.key}.csv")
        if has_parquet:
            frame.to_parquet(folder / f"{table.key}.parquet", index=False)
            written.append(f"{folder.name}/{table.key}.parquet")
    return written


def _write_figures(page: Page, folder: Path) -> list[str]:
    written = []
    for drawing in page.drawings:
        folder.mkdir(exist_ok=True)
        svg, png = figure_files(drawing)
        for suffix, content in (("svg", svg), ("png", png)):
            (folder / f"{drawing.key}.{suffix}").write_bytes(content)
            written.append(f"{folder.name}/{drawing.key}.{suffix}")
    return written


def _write_index(folder: Path) -> Path:
    """List all reports, and point ``latest`` to the newest, by when its run began."""
    reports = []
    for path in folder.glob(f"*/{ENTRY}"):
        if path.parent.is_symlink():
            continue
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            reports.append({name: entry[name] for name in ("key", "subtitle", "started_at", "machine", "answer")})
        except (ValueError, KeyError, TypeError):
            reports.append(_damaged(path))
    reports.sort(key=lambda entry: (entry["started_at"], entry["key"]), reverse=True)
    dated = [entry for entry in reports if entry["started_at"]]
    if dated:
        _point_to(folder / LATEST, str(dated[0]["key"]))
    index = folder / "index.html"
    index.write_text(render_index(reports), encoding="utf-8")
    return index


def _damaged(path: Path) -> dict[str, Any]:
    return {
        "key": path.parent.name,
        "subtitle": "",
        "started_at": "",
        "machine": "",
        "answer": [f"What {path.name} says of this report cannot be read: write the report again."],
    }


def _point_to(link: Path, key: str) -> None:
    """Make ``link`` lead to the report ``key``: as a link, or where there are none, as a page that leads on."""
    if link.is_symlink() or link.is_file():
        link.unlink()
    elif link.is_dir():
        shutil.rmtree(link)
    try:
        link.symlink_to(key, target_is_directory=True)
    except (OSError, NotImplementedError):
        link.mkdir()
        target = f"../{key}/index.html"
        (link / "index.html").write_text(
            f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>latest</title>'
            f'<meta http-equiv="refresh" content="0; url={target}"><a href="{target}">{key}</a></html>\n',
            encoding="utf-8",
        )
