"""Pages opened in a real browser: from disk, without a network, in both widths and both colour schemes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poolbench.report.page.run import build_page
from poolbench.report.page.site import write_report
from tests.unit.report.stored import everything

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install -e '.[dev]')")
SYSTEMS_OWN = ("chromium", "chromium-browser")
NONE = (
    "there is no Chromium here: '.venv/bin/python -m playwright install --with-deps chromium' installs one for the "
    "tests; Debian has it as the package chromium"
)

WIDTHS = {"wide": 1280, "narrow": 390}
OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    if (getComputedStyle(svg).display === "none") continue;
    const frame = svg.getBoundingClientRect(), name = svg.closest("figure").id;
    const texts = [...svg.querySelectorAll("text")]
      .map((text) => [text.textContent.trim(), text.getBoundingClientRect()]).filter(([text]) => text);
    texts.forEach(([text, box], place) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
          box.bottom > frame.bottom + 1) found.push(`${name}: ${text} is cut off`);
      for (const [other, next] of texts.slice(place + 1))
        if (box.left < next.right - 1 && next.left < box.right - 1 && box.top < next.bottom - 2 &&
            next.top < box.bottom - 2) found.push(`${name}: ${text} covers ${other}`);
    });
  }
  return found;
}"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    header, rows = everything()
    page = build_page(header, rows)
    keys = [drawing.key for drawing in page.drawings]
    return write_report(page, tmp_path_factory.mktemp("reports")).page, keys


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        # Playwright's own first: on Ubuntu the system's may be a stub that asks for a snap.
        own = playwright.chromium.executable_path
        chromium = own if Path(own).exists() else next(filter(None, map(shutil.which, SYSTEMS_OWN)), None)
        if chromium is None:
            pytest.skip(NONE)
        opened = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, written: tuple[Path, list[str]]) -> Iterator[Any]:
    """Open the page in a width and a scheme; at the end, nothing may have complained or asked the network."""
    problems: list[str] = []
    contexts = []

    def visit(width: str, scheme: str) -> Any:
        context = browser.new_context(
            viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:"))
                else problems.append(request.url))  # fmt: skip
        page.goto(written[0].as_uri())
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_each_figure_is_there_and_legible(visit: Any, written: tuple[Path, list[str]], width: str, scheme: str) -> None:
    page = visit(width, scheme)
    for key in written[1]:
        figure = page.locator(f"#figure-{key}")
        assert figure.locator("svg:visible").count() == 1, key
        box = figure.locator("svg:visible").bounding_box()
        assert box["width"] > 0.8 * min(WIDTHS[width], 1072) - 60
        assert box["height"] > 60
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
    assert _lightness(ground) > 0.9 if scheme == "light" else _lightness(ground) < 0.2
    assert abs(_lightness(ground) - _lightness(ink)) > 0.3


def test_the_table_is_sorted_and_filtered(visit: Any) -> None:
    page = visit("wide", "light")
    table = page.locator("#table-results")
    rows = table.locator("tbody tr:visible")
    everyone = rows.count()
    table.get_by_role("button", name="time", exact=True).focus()
    page.keyboard.press("Enter")
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    times = [float(v) for v in _attributes(table, "median_ns")]
    assert times == sorted(times)
    assert table.locator("tbody tr").last.get_attribute("class") == "failed"  # what has no time comes last …
    page.keyboard.press("Enter")
    times = [float(v) for v in _attributes(table, "median_ns")]
    assert times == sorted(times, reverse=True)
    assert table.locator("tbody tr").last.get_attribute("class") == "failed"  # … either way
    form = page.locator("form[data-for=table-results]")
    form.locator("select[name=subject]").select_option("torch")
    assert 0 < rows.count() < everyone
    assert {row.get_attribute("data-subject") for row in rows.all()} == {"torch"}
    form.locator("input").fill("vgg16_pool1")
    assert rows.count() == 1
    assert page.locator("#table-results-count").inner_text() == f"1 of {everyone} rows"
    form.get_by_role("button").click()
    page.wait_for_function("document.querySelectorAll('#table-results tbody tr[hidden]').length === 0")
    assert rows.count() == everyone


def test_it_can_be_used_by_the_keyboard_and_printed(visit: Any) -> None:
    page = visit("wide", "dark")
    details = page.locator("#table-results details").first
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    assert "poolbench compare" in details.locator("code").inner_text()
    names = page.eval_on_selector_all("figure svg", "all => all.map((svg) => svg.querySelector('desc').textContent)")
    assert all(len(name) > 40 for name in names)
    page.emulate_media(media="print")
    assert page.locator("form:visible").count() == 0
    assert _lightness(page.evaluate("getComputedStyle(document.body).backgroundColor")) == 1.0
    assert page.locator("svg.figure-narrow:visible").count() == 0


def _attributes(table: Any, quantity: str) -> list[str]:
    script = "(cells) => cells.map((cell) => cell.dataset.v)"
    found: list[str] = table.locator(f"tbody td[data-q={quantity}]").evaluate_all(script)
    return found


def _lightness(colour: str) -> float:
    red, green, blue = (float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
    return (red + green + blue) / 765
