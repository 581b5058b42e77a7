"""Marks the commands of a page that no test runs: MkDocs calls ``on_page_markdown``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTED = Path(__file__).parents[1] / "tests" / "e2e" / "documented.txt"
MARK = '<p class="unrun">{which} not run by a test; the verbs and options are checked.</p>'


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Say below each block of commands which of them no test runs."""
    tested = {line for line in TESTED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
    lines: list[str] = []
    for block, is_code in blocks(markdown):
        lines += block
        commands = list(commands_of(block)) if is_code else []
        unrun = [command for command in commands if command not in tested]
        if unrun:
            some = [] if len(unrun) == len(commands) else [f"<code>{escaped(command)}</code>" for command in unrun]
            which = (
                f"{', '.join(some)}: {'is' if len(some) == 1 else 'are'}"
                if some
                else "Is"
                if len(unrun) == 1
                else "Are"
            )
            while lines and not lines[-1]:
                lines.pop()
            lines += ["", MARK.format(which=which), ""]
    return "\n".join(lines)


def blocks(markdown: str) -> Iterator[tuple[list[str], bool]]:
    """Yield runs of lines, and whether they are an indented block of code; fences are text here."""
    block: list[str] = []
    is_code, before, is_fenced = False, "", False
    for line in markdown.splitlines():
        is_fenced ^= line.lstrip().startswith("```")
        is_indented = line.startswith("    ") and not is_fenced and (is_code or not before)
        if line.strip() and is_indented != is_code:
            yield block, is_code
            block, is_code = [], is_indented
        block.append(line)
        before = line.strip()
    yield block, is_code


def commands_of(block: list[str]) -> Iterator[str]:
    """Yield the commands of a block without their comments."""
    for line in block:
        if found := re.match(r"    (?:\.venv/bin/)?((?:poolbench|make|python3?|pip|asv) .*)", line):
            yield re.sub(r"\s+#.*$", "", found[1])


def escaped(text: str) -> str:
    """Return ``text`` for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
