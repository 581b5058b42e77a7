"""The files that a browser asks for, by path: what is the same for every store, and the documents of this one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from poolbench.report.render.html import style_sheet

if TYPE_CHECKING:
    from poolbench.explore.collection import Collection

PAGE = "index.html"
INDEX = "data/index.json"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""What the page may load: its own files, and nothing from elsewhere."""

TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}

_ROWS = re.compile(r"data/rows/(\d{1,9})\.json")
_PAIR = re.compile(r"data/pairs/(\d{1,9})-(\d{1,9})\.json")


@cache
def static_files() -> dict[str, bytes]:
    """Return page, scripts, styles and licence by path."""
    found = {path: file.read_bytes() for path, file in _walk(files("poolbench.explore") / "static", "")}
    page = found[PAGE].decode().replace("{{ policy }}", POLICY)
    return {**found, PAGE: page.encode(), "report.css": style_sheet().encode()}


def document_at(collection: Collection, path: str) -> bytes | None:
    """Return the document of ``path``, such as data/cells.json; None where there is none. Any two runs are a pair."""
    fixed = {INDEX: collection.index, "data/cells.json": collection.cells, "data/history.json": collection.history}
    if path in fixed:
        return fixed[path]()
    count = len(collection.runs)
    if (found := _ROWS.fullmatch(path)) and int(found[1]) < count:
        return collection.rows(int(found[1]))
    if (found := _PAIR.fullmatch(path)) and int(found[1]) < int(found[2]) < count:
        return collection.pair(int(found[1]), int(found[2]))
    return None


def site_files(collection: Collection, *, earlier: int) -> Iterator[tuple[str, bytes]]:
    """Yield all files of a site, by path; each run is compared with up to ``earlier`` runs before it."""
    yield from static_files().items()
    pairs = collection.related(earlier)
    yield INDEX, collection.index(pairs)
    yield "data/cells.json", collection.cells()
    yield "data/history.json", collection.history()
    for run in range(len(collection.runs)):
        yield f"data/rows/{run}.json", collection.rows(run)
    for first, second in pairs:
        yield f"data/pairs/{first}-{second}.json", collection.pair(first, second)


def content_type(path: str) -> str:
    """Return what a browser is told that a file is."""
    return TYPES.get(path.rpartition(".")[2], TYPES["txt"])


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        elif not entry.name.startswith("."):
            yield path, entry
