"""The site has every page, its links lead somewhere, and it can be built."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from poolbench import strided

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SCROLLS = {"table"}


@pytest.fixture
def hook(monkeypatch):
    """Import a file of docs/ that MkDocs or the build of the wheel calls."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module


def entries(navigation):
    for entry in navigation:
        if isinstance(entry, str):
            yield entry
        for value in entry.values() if isinstance(entry, dict) else ():
            yield from [value] if isinstance(value, str) else entries(value)


def test_every_page_is_in_the_navigation_once():
    yaml = pytest.importorskip("ruamel.yaml")
    listed = sorted(entries(yaml.YAML(typ="safe").load(ROOT / "mkdocs.yml")["nav"]))
    pages = sorted([*(path.name for path in DOCS.glob("*.md")), "decisions/index.md"])
    assert listed == pages, "a page needs one line below 'nav' in mkdocs.yml"


def test_the_reference_has_every_function_of_the_library(hook):
    text = hook("reference").on_page_markdown((DOCS / "reference.md").read_text(encoding="utf-8"))
    missing = [name for name in strided.__all__ if f"### strided.{name}\n" not in text]
    assert missing == []
    assert ":::" not in text


def test_a_docstring_reads_as_markdown(hook):
    text = hook("reference").in_markdown(
        "All share:\n\n``size``\n    An integer,\n    or two.\n\n    >>> f(1)\n    2\n\nSee ``g``."
    )
    assert text.split("\n\n")[1].strip() == "- `size`: An integer, or two."
    assert "```pycon\n>>> f(1)\n2\n```" in text
    assert text.endswith("See `g`.")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[a](docs/gate.md#exit-codes)", "[a]({source}/blob/main/docs/gate.md#exit-codes)"),
        ("![a](reports/x.png)", "![a]({source}/raw/main/reports/x.png)"),
        ("[a](docs/decisions)", "[a]({source}/tree/main/docs/decisions)"),
        ("[a](https://example.org/x) [b](#c)", "[a](https://example.org/x) [b](#c)"),
        ("`[a](docs/gate.md)`", "`[a](docs/gate.md)`"),
    ],
)
def test_an_index_gets_links_written_out(hook, link, expected):
    hooks = hook("hooks")
    assert hooks.absolute(link) == expected.format(source=hooks.SOURCE)


def test_the_readme_of_the_package_has_no_link_that_leads_on_in_a_folder(hook):
    readme = hook("hooks").dynamic_metadata({}, {})["readme"]["text"]
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", readme, flags=re.DOTALL))
    assert len(targets) > 20
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_on_the_site_links_to_the_example_stay_there(hook):
    hooks = hook("hooks")
    page = f"[a](../reports/{hooks.EXAMPLE}/summary.md) [b](../CONTRIBUTING.md) [c](gate.md)"
    assert (
        hooks.for_site(page, "docs")
        == f"[a](example/index.html) [b]({hooks.SOURCE}/blob/main/CONTRIBUTING.md) [c](gate.md)"
    )


def test_commands_that_no_test_runs_are_marked(hook):
    page = "# A\n\n    poolbench show latest  # again\n    poolbench compare -w x<y\n\nB\n\n    poolbench show latest\n"
    marked = hook("commands").on_page_markdown(page)
    assert marked.count("not run by a test") == 1
    assert "<code>poolbench compare -w x&lt;y</code>: is not run" in marked


class Elements(HTMLParser):
    """Counts items, blocks of code, rows of tables, headings and what is emphasised in a page."""

    counted = ("li", "pre", "tr", "em", "strong", "h1", "h2", "h3")

    def __init__(self, text):
        super().__init__()
        self.counts = dict.fromkeys(self.counted, 0)
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag in self.counts:
            self.counts[tag] += 1


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="could not import 'material', which builds the site")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def article(page):
    text = page.read_text(encoding="utf-8")
    return text[text.index("<article") : text.index("</article>")]


def test_the_site_builds_and_has_the_example_report(site):
    assert (site / "example" / "index.html").is_file()
    assert (site / "search" / "search_index.js").is_file()
    fetched = [f"{page.name}: {url}" for page in site.glob("*.html") for url in fetches(page)]
    assert fetched == []


def fetches(page):
    return re.findall(
        r"<(?:script|img|iframe)[^>]* src=\"(https?://[^\"]+)|<link rel=\"stylesheet\" href=\"(https?://[^\"]+)",
        page.read_text("utf-8"),
    )


def test_a_page_reads_on_the_site_as_on_a_code_host(site):
    markdown_it = pytest.importorskip("markdown_it")
    host = markdown_it.MarkdownIt("gfm-like", {"linkify": False})
    different = {}
    for page in sorted({*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md")} - {DOCS / "reference.md"}):
        built = (site / page.relative_to(DOCS)).with_suffix(".html")
        there = Elements(host.render(page.read_text(encoding="utf-8"))).counts
        here = Elements(article(built)).counts
        if there != here:
            different[page.name] = (there, here)
    assert different == {}
