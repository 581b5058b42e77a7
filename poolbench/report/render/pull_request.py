"""A page in Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolbench.quantities import counted
from poolbench.report.render.markdown import escaped, markdown_table

if TYPE_CHECKING:
    from poolbench.report.content import Page, Section
    from poolbench.report.table import Table

MOST_CHARACTERS = 60_000
"""What fits into a comment, with room for the rest: forges refuse more than 65,536."""


def render_pull_request(page: Page) -> str:
    """Return the answer, then each section that has a table, folded; tables that would not fit are only named."""
    blocks = [f"## {page.title}", *(f"> {escaped(warning)}" for warning in page.warnings)]
    blocks += [" ".join(page.answer), f"<sub>{page.subtitle}</sub>"]
    left = MOST_CHARACTERS - sum(map(len, blocks))
    tables = [(section, table) for section in page.sections for table in section.tables]
    # The means first: they are short, and the first thing that a reviewer asks for.
    tables.sort(key=lambda entry: entry[1].key != "means")
    for section, table in tables:
        block = _folded(section, table)
        if len(block) > left:
            block = f"{table.title}: {counted(len(table.rows), 'row')}, in `tables/{table.key}.csv`."
        blocks.append(block)
        left -= len(block)
    code = next((section.code for section in page.sections if section.code), "")
    if code and len(code) < left:
        blocks.append(f"<details><summary>To measure this again</summary>\n\n```\n{code}\n```\n\n</details>")
    return "\n\n".join(blocks) + "\n"


def _folded(section: Section, table: Table) -> str:
    opened = " open" if table.key == "means" else ""
    words = "\n\n".join(escaped(text) for text in section.words) if table is section.tables[0] else ""
    parts = [f"<details{opened}><summary>{table.title}</summary>", words, markdown_table(table), "</details>"]
    return "\n\n".join(part for part in parts if part)
