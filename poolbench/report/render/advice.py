"""Advice on a terminal, in Markdown and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from poolbench.report.advice import advised_lines, answer, layers_table, notes, options_table, title, trials_table
from poolbench.report.render.markdown import escaped, markdown_table
from poolbench.report.render.terminal import PLAIN_WIDTH, table_lines

if TYPE_CHECKING:
    from poolbench.model.advice import Advice


def render_advice(advice: Advice, *, width: int = PLAIN_WIDTH) -> str:
    """Return the whole advice as plain text that ends in a newline."""
    lines = [title(advice), "", *_wrapped(" ".join(answer(advice)), width), ""]
    if advice.is_worthwhile:
        for number, line in enumerate(advised_lines(advice), 1):
            lines += textwrap.wrap(f"{number}. {line}", width, subsequent_indent="   ", break_on_hyphens=False)
        lines.append("")
    for table in (layers_table(advice), trials_table(advice)):
        if table.rows:
            lines += [*table_lines(table), ""]
    for sentence in notes(advice):
        lines += _wrapped(sentence, width)
    return "\n".join(lines).rstrip() + "\n"


def advice_markdown(advice: Advice) -> str:
    """Return the whole advice in Markdown."""
    blocks = [f"## poolbench advise {escaped(advice.target)}", escaped(" ".join(answer(advice))), f"{title(advice)}."]
    if advice.is_worthwhile:
        blocks.append("\n".join(f"1. {escaped(line)}" for line in advised_lines(advice)))
    for table in (layers_table(advice), trials_table(advice), options_table(advice)):
        if table.rows:
            blocks += [f"### {table.title}", markdown_table(table)]
    blocks += ["\n".join(f"- {escaped(sentence)}" for sentence in notes(advice))]
    return "\n\n".join(block for block in blocks if block) + "\n"


def advice_document(advice: Advice) -> dict[str, Any]:
    """Return the document of ``advise``."""
    content = asdict(advice)
    content["pass"] = content.pop("pass_").value
    return {"answer": list(answer(advice)), **content, "notes": list(notes(advice))}


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
