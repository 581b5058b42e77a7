"""Writing a part's Parquet files: the lines that stay of the old ones, and the new."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from poolbench.errors import StoreError
from poolbench.store.database.manifest import Parquet, Part
from poolbench.store.database.place import Place, unwritable, unwritable_because
from poolbench.store.database.schema import TABLES, Column

if TYPE_CHECKING:
    import duckdb

Tables: TypeAlias = Mapping[str, Any]
"""By table, a data frame with its columns but for ``file``: the lines of one file of the store."""

WRITING = ".writing"
"""The ending of a file that is not complete."""

_COMPRESSION = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000"


class DamagedPart(Exception):
    """A part's file cannot be read, though it has the right size."""


def first_line(error: Exception) -> str:
    """Return what DuckDB says, without its drawing of where, and without a full stop."""
    return str(error).splitlines()[0].rstrip(".")


def sql_text(text: object) -> str:
    """Return ``text`` as a literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def sql_list(texts: Iterable[object]) -> str:
    """Return ``texts`` as a list of SQL."""
    return "[" + ", ".join(map(sql_text, texts)) + "]"


@dataclass(slots=True)
class PartWriter:
    """Writes one part after the other, by one connection. A part's lines are gathered in memory."""

    place: Place
    connection: duckdb.DuckDBPyConnection = field(init=False)

    def __post_init__(self) -> None:
        import duckdb

        self.connection = duckdb.connect(config={"temp_directory": ""})
        self.connection.execute("SET preserve_insertion_order = false")

    def begin(self) -> None:
        """Begin a part: no lines yet."""
        for table, columns in TABLES.items():
            typed = ", ".join(f'"{column.name}" {column.type}' for column in columns)
            self.connection.execute(f'CREATE OR REPLACE TEMP TABLE "{table}" ({typed})')

    def keep(self, old: Part, left_out: Iterable[str]) -> None:
        """Add the lines of ``old`` that come from other files than ``left_out``. Raises DamagedPart."""
        import duckdb

        for table in TABLES:
            path = sql_text(self.place.parts / old.tables[table].file)
            try:
                self.connection.execute(
                    f'INSERT INTO "{table}" BY NAME SELECT * FROM read_parquet({path}) '
                    f"WHERE NOT list_contains({sql_list(left_out)}::VARCHAR[], file)"
                )
            except duckdb.Error as error:
                raise DamagedPart(f"{old.tables[table].file}: {first_line(error)}") from error

    def add(self, source: str, tables: Tables) -> None:
        """Add the lines of one file of the store: all, or none. Raises StoreError for a value that fits no column."""
        import duckdb

        self.connection.begin()
        try:
            for table, columns in TABLES.items():
                frame = tables[table]
                if len(frame):
                    self.connection.register("lines", frame)
                    values = ", ".join(_cast(column, source) for column in columns)
                    self.connection.execute(f'INSERT INTO "{table}" SELECT {values} FROM lines')
                    self.connection.unregister("lines")
            self.connection.commit()
        except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
            self.connection.rollback()
            raise StoreError(f"{source} has a value that fits no column: {first_line(error)}.") from error

    def finish(self) -> Part | None:
        """Write the part, and return it; None where it has no lines.

        The files have their names when this returns. Raises StoreError where they cannot be written.
        """
        known = self.connection.execute('SELECT count(*) FROM "runs"').fetchone()
        return Part(tables={table: self._write(table) for table in TABLES}) if known and known[0] else None

    def close(self) -> None:
        """Let the connection go."""
        self.connection.close()

    def _write(self, table: str) -> Parquet:
        import duckdb

        path = self.place.parts / f"{table}-{secrets.token_hex(6)}.parquet"
        draft = path.with_name(path.name + WRITING)
        order = "file, workload, subject" if table != "runs" else "file"
        try:
            copied = self.connection.execute(
                f'COPY (FROM "{table}" ORDER BY {order}) TO {sql_text(draft)} ({_COMPRESSION})'
            ).fetchone()
            draft.rename(path)
            return Parquet(file=path.name, bytes=path.stat().st_size, rows=copied[0] if copied else 0)
        except duckdb.Error as error:
            raise self._failed(draft, error) from error
        except OSError as error:
            raise unwritable(self.place, error) from error

    def _failed(self, draft: Path, error: duckdb.Error) -> StoreError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        return unwritable_because(self.place, first_line(error))


def _cast(column: Column, source: str) -> str:
    value = sql_text(source) if column.name == "file" else f'"{column.name}"'
    return f'CAST({value} AS {column.type}) AS "{column.name}"'
