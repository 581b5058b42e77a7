"""What a page is made of, apart from how it looks: sections with sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poolbench.report.figures.canvas import Drawing
    from poolbench.report.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page. ``missing`` says why there is nothing to show; a section with neither is left out.

    ``words`` are its sentences, before tables and figures.
    """

    key: str
    title: str
    words: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    lists: tuple[tuple[str, ...], ...] = ()
    code: str = ""
    missing: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show and nothing to say."""
        return not (self.words or self.drawings or self.tables or self.lists or self.code or self.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report. ``key`` is its folder's name; ``warnings`` stand above everything else."""

    key: str
    title: str
    subtitle: str
    started_at: str
    machine: str
    answer: tuple[str, ...]
    lead: Drawing | None
    sections: tuple[Section, ...]
    warnings: tuple[str, ...] = ()

    @property
    def drawings(self) -> Iterator[Drawing]:
        """All figures, in their order."""
        if self.lead is not None:
            yield self.lead
        for section in self.sections:
            yield from section.drawings

    @property
    def tables(self) -> Iterator[Table]:
        """All tables, in their order."""
        for section in self.sections:
            yield from section.tables
