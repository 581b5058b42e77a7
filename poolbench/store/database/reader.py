"""Asking a database: one SELECT that sees the views and nothing else.

Three things keep it there. Only a statement that selects is run at all; DuckDB may open the database's own files alone,
and no others, nor load extensions; and its configuration is locked before the statement is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.errors import UsageError
from poolbench.store.database.manifest import Manifest
from poolbench.store.database.parquet import first_line, sql_list, sql_text
from poolbench.store.database.place import Place
from poolbench.store.database.schema import TABLES
from poolbench.store.database.views import VIEWS

if TYPE_CHECKING:
    import duckdb

MANUAL = "docs/query.md"


class DamagedDatabase(Exception):
    """A file of the database cannot be read. ``parts`` are those that are damaged."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        super().__init__(", ".join(parts))
        self.parts = parts


def answer(place: Place, manifest: Manifest, sql: str) -> duckdb.DuckDBPyConnection:
    """Run ``sql`` and return the connection that holds its whole answer, for the caller to fetch and to close.

    Raises UsageError where ``sql`` is not one SELECT, reaches outside of the views, or cannot be answered; and
    DamagedDatabase where a file of the database cannot be read.
    """
    import duckdb

    connection = duckdb.connect(config={"temp_directory": "", "autoinstall_known_extensions": False})
    try:
        _shut(connection, place, manifest)
        try:
            statements = connection.extract_statements(sql)
            _require_select(statements, sql)
            return connection.execute(statements[0])
        except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
            if parts := _damaged(place, manifest):
                raise DamagedDatabase(parts) from error
            raise _refusal(error) from error
        except duckdb.Error as error:
            raise _refusal(error) from error
    except BaseException:
        connection.close()
        raise


def _shut(connection: duckdb.DuckDBPyConnection, place: Place, manifest: Manifest) -> None:
    """Make the views, and then shut everything else out."""
    import duckdb

    paths = [place.parts / Path(name).name for name in sorted(manifest.files)]
    connection.execute(f"SET allowed_paths = {sql_list(paths)}")
    try:
        for table, columns in TABLES.items():
            files = [place.parts / part.tables[table].file for part in manifest.parts.values()]
            none = ", ".join(f'CAST(NULL AS {column.type}) AS "{column.name}"' for column in columns)
            lines = f"FROM read_parquet({sql_list(files)})" if files else f"SELECT {none} WHERE false"
            connection.execute(f'CREATE VIEW "{table}" AS {lines}')
    except duckdb.Error as error:
        raise DamagedDatabase(_damaged(place, manifest) or tuple(manifest.parts)) from error
    for name, view in VIEWS.items():
        connection.execute(f'CREATE VIEW "{name}" AS {view.sql}')
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _require_select(statements: list[duckdb.Statement], sql: str) -> None:
    import duckdb

    if len(statements) != 1:
        raise UsageError(
            f"'{_short(sql)}' has {len(statements)} statements of SQL: a query is one SELECT ({MANUAL} has examples)."
        )
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        advice = " A PIVOT has to name its values, as ON column IN (…)." if kind == duckdb.StatementType.MULTI else ""
        raise UsageError(
            f"'{_short(sql)}' is no SELECT but {kind.name}: the database is read only, and a query is one SELECT on "
            f"{_views()}.{advice}"
        )


def _refusal(error: duckdb.Error) -> UsageError:
    import duckdb

    if isinstance(error, duckdb.PermissionException):
        return UsageError(
            f"The SQL reaches outside of the views, which is not allowed: {first_line(error)}. A query sees {_views()}."
        )
    return UsageError(f"The SQL cannot be answered: {first_line(error)}. The views are {_views()}: {MANUAL}.")


def _damaged(place: Place, manifest: Manifest) -> tuple[str, ...]:
    """Return the parts of which a file cannot be read to its end. It takes a while: all of them are."""
    import duckdb

    found = []
    with duckdb.connect() as connection:
        for name, part in manifest.parts.items():
            for parquet in part.tables.values():
                path = sql_text(place.parts / parquet.file)
                try:
                    connection.execute(f"SELECT sum(hash(COLUMNS(*))) FROM read_parquet({path})").fetchall()
                except duckdb.Error:
                    found.append(name)
                    break
    return tuple(found)


def _views() -> str:
    return ", ".join((*TABLES, *VIEWS))


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
