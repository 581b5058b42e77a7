"""The pages keep what they promise: examples run, links lead somewhere, and commands exist as they are written."""

from __future__ import annotations

import pkgutil
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from poolbench.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def name_of(page):
    return str(page.relative_to(ROOT))


def text_of(page):
    return page.read_text(encoding="utf-8")


def without_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors_of(page):
    """The anchors that a forge makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(text_of(page)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/strided.md", ROOT / "docs/pooling.md"], ids=name_of)
def test_the_library_s_examples_run_in_order(page):
    blocks = re.findall(r"```python\n(.*?)```", text_of(page), flags=re.DOTALL)
    assert blocks
    if any("import torch" in block for block in blocks):
        pytest.importorskip("torch")
    names = {"__name__": "documented"}
    for block in blocks:
        exec(compile(block, name_of(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(page))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            broken.append(target)
    assert broken == []


def commands_of(page):
    """The lines of a page's indented blocks that call poolbench, without their comments."""
    is_code, before = False, ""
    for line in text_of(page).splitlines():
        is_code = line.startswith("    ") and (is_code or not before)  # a list goes on behind text, code behind a gap
        before = line.strip()
        if is_code and (found := re.match(r"(?:\.venv/bin/)?(poolbench .*)", before)):
            yield shlex.split(found[1].removesuffix("\\"), comments=True)


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands_of(page))], ids=name_of)
def test_every_command_has_the_verb_and_the_options_that_are_written(page):
    unknown = []
    for words in commands_of(page):
        command, rest = get_command(app), words[1:]
        while hasattr(command, "commands") and rest and rest[0] in command.commands:
            command, rest = command.commands[rest[0]], rest[1:]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = [word.partition("=")[0] for word in rest if re.match(r"-+[a-z]", word)]
        if hasattr(command, "commands") or not options.issuperset(given):
            unknown.append(shlex.join(words))
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_and_module_that_is_named_exists(page):
    text = text_of(page)
    files = re.findall(r"`((?:benchmarks|docs|examples|poolbench|tests)/[\w./-]+)`", text)
    files += re.findall(r"python (docs/tables/\w+\.py)", text)
    modules = re.findall(r"python -m ((?:tests|poolbench)(?:\.\w+)*)", text)
    places = [*files, *(module.replace(".", "/") for module in modules)]
    missing = [place for place in places if not any((ROOT / f"{place}{end}").exists() for end in ("", ".py"))]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_name_of_python_that_is_written_exists(page):
    missing = []
    for name in re.findall(r"`(poolbench(?:\.\w+)+)(?:\(.*?\))?`", without_code(text_of(page))):
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError):
            missing.append(name)
    assert missing == []
