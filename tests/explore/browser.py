"""The explorer in headless Chromium: ``python -m tests.explore.browser [FOLDER]``.

Serves the stored runs, opens every view in both widths and both colour schemes, goes through them by keyboard alone,
prints, and fails where the console says anything, a request goes elsewhere, or a page is wider than its window. Then it
serves so many cells, made of the stored runs, and prints how long the view and its filters take. Screenshots go to
FOLDER (build/explorer, if it isn't said). It needs the extra ``dev`` and a Chromium. No test: its times are those of
the machine at that moment.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from poolbench.api.explore import Explorer
from poolbench.explore.files import document_at, static_files
from poolbench.explore.server import Server
from tests.explore.many import hostile_collection, many_cells

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")  # else playwright's own
WIDTHS = {"wide": (1280, 900), "narrow": (390, 844)}
VIEWS = {
    "cells": "view=cells",
    "compare": "view=compare&apart=1",
    "history": "view=history",
    "runs": "view=runs",
}
REPEATS = 5


def main() -> None:
    """Go through all of it; raises AssertionError at what is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/explorer"))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--cells", type=int, default=100_000, help="0 leaves the times out")
    parser.add_argument("--times-only", action="store_true", help="leave the views out")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    explorer = Explorer(chosen.results)
    collection = explorer.collection()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        if not chosen.times_only:
            views(browser, explorer, chosen.folder)
        if chosen.cells:
            many = many_cells(collection, chosen.cells)
            documents = {path: document_at(many, path) for path in ("data/index.json", "data/cells.json")}
            size = sum(len(content or b"") for content in documents.values())

            def answer(path: str) -> bytes | None:
                return static_files().get(path) or documents.get(path)

            with serving(answer) as address, visiting(browser, address, "wide", "light") as page:
                times(page, address, size)
                page.screenshot(path=chosen.folder / "many.png")
        browser.close()


def views(browser: Any, explorer: Explorer, folder: Path) -> None:
    """Go through every view of the stored runs, and of a store whose texts are markup."""
    with serving(explorer.answer) as address:
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                with visiting(browser, address, width, scheme) as page:
                    pictures(page, address, folder, f"{width}-{scheme}")
        with visiting(browser, address, "wide", "light") as page:
            by_keyboard(page, address)
            on_paper(page, address, folder)
    hostile = hostile_collection()
    with (
        serving(lambda path: static_files().get(path) or document_at(hostile, path)) as address,
        visiting(browser, address, "wide", "light") as page,
    ):
        as_text(page, address, folder)


@contextlib.contextmanager
def serving(answer: Callable[[str], bytes | None]) -> Iterator[str]:
    """Serve until the end of the block; gives the address."""
    with Server(0, answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.address
        server.shutdown()


@contextlib.contextmanager
def visiting(browser: Any, address: str, width: str, scheme: str) -> Iterator[Any]:
    """Give a page; at the end nothing may have complained, and nothing been asked of anybody else."""
    columns, rows = WIDTHS[width]
    context = browser.new_context(viewport={"width": columns, "height": rows}, color_scheme=scheme)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("request", lambda request: None if request.url.startswith((address, "data:"))
            else problems.append(f"asked for {request.url}"))  # fmt: skip
    yield page
    context.close()
    assert problems == [], problems


def pictures(page: Any, address: str, folder: Path, name: str) -> None:
    """Open every view and the dialog of a row, each with a screenshot."""
    for view, state in VIEWS.items():
        page.goto("about:blank")
        page.goto(f"{address}#{state}")
        page.wait_for_selector("canvas" if view == "history" else ".vrow, .missing")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / f"{view}-{name}.png", full_page=True)
        within(page, view)
    page.goto(f"{address}#{VIEWS['cells']}")
    page.locator(".vrow").nth(2).click()
    page.wait_for_selector("dialog pre")
    page.screenshot(path=folder / f"row-{name}.png")
    within(page, "row")
    page.keyboard.press("Escape")
    page.locator("details.pick summary").nth(2).click()
    page.wait_for_selector("details.pick[open] .boxes label")
    page.screenshot(path=folder / f"filter-{name}.png")
    within(page, "filter")
    print(f"{name}: {len(VIEWS) + 2} screenshots, nothing on the console, nothing asked of anybody else")


def within(page: Any, what: str) -> None:
    """Fail where the page is wider than its window."""
    wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= room, f"{what}: the page is {wide} pixels wide in a window of {room}"


def by_keyboard(page: Any, address: str) -> None:
    """Find a cell, open it, go on to its history, back, and to every view: without a pointer."""
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(".vrow")
    everything = page.locator(".count").inner_text()
    tab_to(page, "document.activeElement.type === 'search'")
    page.keyboard.type("resnet50")
    assert "words=resnet50" in page.url
    assert page.locator(".count").inner_text() != everything
    tab_to(page, "document.activeElement.matches('.pick:nth-of-type(3) summary')")
    page.keyboard.press("Enter")
    page.wait_for_selector("details.pick[open] .boxes label")
    tab_to(page, "document.activeElement.matches('.panel input[type=search]')")
    page.keyboard.type("strided")
    tab_to(page, "document.activeElement.type === 'checkbox'")
    page.keyboard.press("Space")
    chosen = page.locator("details.pick.is-set .value").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("details.pick[open]").count() == 0
    tab_to(page, "document.activeElement.matches('.vtable')")
    for key in ("ArrowDown", "End", "Home", "ArrowDown"):
        page.keyboard.press(key)
    place = page.evaluate("document.activeElement.getAttribute('aria-activedescendant').split('-').at(-1)")
    assert place == "1", place
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog pre")
    sent = page.url
    tab_to(page, "document.activeElement.matches('dialog a')")
    page.keyboard.press("Enter")
    page.wait_for_selector("canvas")
    page.go_back()
    page.wait_for_selector("dialog pre")
    page.keyboard.press("Escape")
    assert page.locator("dialog").count() == 0
    for view in ("compare", "history", "runs"):
        tab_to(page, f"document.activeElement.hash === '#view={view}'")
        page.keyboard.press("Enter")
        page.wait_for_selector(f"a[aria-current][href='#view={view}']")
        page.wait_for_selector("canvas" if view == "history" else ".vrow, .missing")
    other = page.context.new_page()
    other.goto(sent)
    other.wait_for_selector("dialog pre")
    assert other.locator("details.pick.is-set .value").inner_text() == chosen
    print("keyboard alone: words, filter, rows, a row, its history, back, every view; the address brings the view back")


def tab_to(page: Any, condition: str) -> None:
    """Press Tab until the focus is where ``condition`` holds."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(condition):
            return
    raise AssertionError(f"Tab never comes to where {condition}")


def on_paper(page: Any, address: str, folder: Path) -> None:
    """Print the cells: light, without filters, more rows than the window shows."""
    page.goto("about:blank")
    page.goto(f"{address}#view=cells")
    page.wait_for_selector(".vrow")
    page.pdf(path=folder / "cells.pdf", format="A4", landscape=True)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".filters:visible").count() == 0
    assert page.locator(".vrow").count() > 100
    page.screenshot(path=folder / "print.png")
    print(f"print: {page.locator('.vrow').count()} rows")


def as_text(page: Any, address: str, folder: Path) -> None:
    """Open every view of a store whose texts are markup: they stand there as texts, and make no element."""
    points = "view=history&points=numpy%201.0.0..1.5.0"
    for state in ("view=cells", "view=compare", "view=history", points, "view=runs"):
        page.goto("about:blank")
        page.goto(f"{address}#{state}&words=%3Cb%3E")
        page.wait_for_selector("canvas, .vrow, .missing")
        page.wait_for_load_state("networkidle")
        if page.locator(".vrow").count():
            page.locator(".vrow").first.click()
            page.wait_for_selector("dialog pre")
        assert page.locator("img, b, main script, dialog script").count() == 0, state
        if "points" in state:
            page.wait_for_selector("canvas")
            assert "numpy: 6 points from 1.0.0 to 1.5.0" in page.locator("main").text_content()
            page.screenshot(path=folder / "points.png", full_page=True)
        assert "<img src=x" in page.locator("body").text_content(), state
    page.goto(f"{address}#view=cells")
    page.locator("details.pick summary").nth(0).click()
    assert page.locator("img, b").count() == 0
    print("markup in every text: shown as text")


def times(page: Any, address: str, size: int) -> None:
    """Print how long the view takes to appear and to filter."""
    shown, filters = [], {}
    for _ in range(REPEATS):
        page.goto("about:blank")
        page.goto(address)
        shown.append(page.evaluate(SHOWN))
        field = page.locator("input[type=search]").first
        for words in ("r", "resnet", "resnet slower", ""):
            filters.setdefault(words or "none", []).append(page.evaluate(FILTER, words))
        assert field.input_value() == ""
    total = page.locator(".count").inner_text()
    print(f"{total}, {size / 1e6:.1f} MB: shown after {median(shown):.0f} ms (of {REPEATS}: {min(shown):.0f} to "
          f"{max(shown):.0f} ms)")  # fmt: skip
    for words, found in filters.items():
        print(f"filter by words '{words}', until it is painted: {median(found):.0f} ms, at most {max(found):.0f} ms")
    assert median(shown) < 1000
    assert max(map(median, filters.values())) < 100


SHOWN = """new Promise((done) => {
  const look = () => {
    const [mark] = performance.getEntriesByName("shown");
    if (mark) done(mark.startTime); else setTimeout(look, 20);
  };
  look();
})"""
"""Milliseconds from the call for the page until its rows were painted, as the page itself marks it."""

FILTER = """(words) => new Promise((done) => {
  const field = document.querySelector("input[type=search]"), begin = performance.now();
  field.value = words;
  field.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
})"""

if __name__ == "__main__":
    main()
