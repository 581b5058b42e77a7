"""Pages: one self-contained HTML file each, which needs no network, no server and no fonts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from poolbench.report.figures.canvas import Width, inline
from poolbench.report.figures.palette import TONES

if TYPE_CHECKING:
    from jinja2 import Environment

    from poolbench.report.content import Page
    from poolbench.report.figures.canvas import Drawing
    from poolbench.report.table import Table


def render_page(page: Page, files: Sequence[str] = ()) -> str:
    """Return a page's HTML; ``files`` are what it links to, relative to its folder."""
    return _environment().get_template("page.html.j2").render(page=page, files=files, **_shared())


def render_index(reports: Sequence[Mapping[str, Any]]) -> str:
    """Return the list of reports as HTML; each has key, subtitle, started_at, machine and answer."""
    return _environment().get_template("index.html.j2").render(reports=reports, **_shared())


def style_sheet() -> str:
    """Return the style of all pages, dark and light, wide and narrow, on screen and on paper."""
    return str(_shared()["style"])


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("poolbench.report.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["repr"] = repr
    environment.filters["facet_choices"] = _facet_choices
    environment.globals["svg"] = _svg
    return environment


@cache
def _shared() -> dict[str, Any]:
    from markupsafe import Markup

    environment = _environment()
    style = environment.get_template("style.css").render(tones=TONES)
    script = environment.get_template("page.js").render()
    return {"style": Markup(style), "script": Markup(script)}


def _svg(drawing: Drawing, width: str) -> Any:
    from markupsafe import Markup

    return Markup(inline(drawing, Width(width)))


def _facet_choices(table: Table) -> list[tuple[str, str, list[str]]]:
    """Return the facets that tell rows apart, each with its heading and its values."""
    choices = []
    for name, title in table.facets.items():
        values = sorted({row.facets.get(name, "") for row in table.rows} - {""})
        if len(values) > 1:
            choices.append((name, title, values))
    return choices
