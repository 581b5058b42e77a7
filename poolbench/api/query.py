"""``poolbench.query``: a question in SQL to all the runs of a results folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.api.tables import tables_of
from poolbench.errors import StoreError
from poolbench.report.needs import need
from poolbench.store.database.place import DIRECTORY_VARIABLE, LOCK_WAIT_S, Place, place_of
from poolbench.store.database.reader import DamagedDatabase, answer
from poolbench.store.database.update import update

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from poolbench.store.database.manifest import Manifest

PACKAGES = ("duckdb", "pandas")


def query(sql: str, results: str | Path) -> pd.DataFrame:
    """Return the answer as a frame; ``poolbench.query`` documents the arguments."""

    def tell(text: str) -> None:
        warnings.warn(text, stacklevel=5)

    with closing(asked(sql, Path(results), tell=tell)) as connection:
        return connection.df()


def asked(
    sql: str, results_dir: Path, *, tell: Callable[[str], object] = lambda text: None
) -> duckdb.DuckDBPyConnection:
    """Bring the database up to date, run ``sql``, and return the connection that holds the answer; it is to be closed.

    ``tell`` is given a sentence for each thing that is to be known though there is an answer. A damaged database is
    mended once. Raises UsageError for SQL that is not one SELECT on the views, StoreError where there are no results or
    the database cannot be written, and MissingExtraError where a package of the extra ``query`` is not installed.
    """
    place, manifest = up_to_date(results_dir, tell=tell)
    try:
        return answer(place, manifest, sql)
    except DamagedDatabase as damaged:
        manifest = update(place, tables_of, maker=_version(), tell=tell, again=damaged.parts)
    try:
        return answer(place, manifest, sql)
    except DamagedDatabase as damaged:
        raise StoreError(
            f"The database of {place.store} was just made and cannot be read ({damaged}): look at the disk that holds "
            f"{place.folder}, or name another folder in {DIRECTORY_VARIABLE}."
        ) from damaged


def up_to_date(
    results_dir: Path, *, tell: Callable[[str], object] = lambda text: None, timeout_s: float = LOCK_WAIT_S
) -> tuple[Place, Manifest]:
    """Bring the database of ``results_dir`` up to date; return where it lies and what it holds. Raises as ``asked``."""
    need("Asking the results in SQL", PACKAGES, extra="query")
    if not results_dir.is_dir():
        raise StoreError(
            f"There is no results folder {results_dir}: 'poolbench compare' makes one, --results names it."
        )
    place = place_of(results_dir)
    return place, update(place, tables_of, maker=_version(), tell=tell, timeout_s=timeout_s)


def _version() -> str:
    from poolbench import __version__

    return __version__
