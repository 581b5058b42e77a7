"""``poolbench site``: read stored runs, analyse, write the explorer as files for any web server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Quiet, Results
from poolbench.cli.output import print_json, print_warnings

EARLIER = 20
"""All pairs of many runs would be too many files: their number grows with the square."""


def site(
    out: Annotated[Path, typer.Argument(help="The folder to write: new, empty, or an earlier site.")],
    results: Results = RESULTS,
    pairs: Annotated[int, typer.Option(min=0, help="How many of the runs before it a run is compared with.")] = EARLIER,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the explorer of all stored runs as files that any web server can serve."""
    from poolbench.report.needs import EXPLORER, need

    need("The explorer", EXPLORER)
    from poolbench.api.explore import Explorer, shortcomings, write_site
    from poolbench.cli.progress import runs_bar
    from poolbench.quantities import counted, size_text

    with runs_bar(quiet=quiet) as advance:
        collection = Explorer(results, progress=advance).collection()
    files, size = write_site(collection, out, earlier=pairs)
    print_warnings(shortcomings(collection, results))
    if json:
        print_json(
            {
                "folder": str(out),
                "files": files,
                "bytes": size,
                "runs": len(collection.runs),
                "problems": list(collection.problems),
            }
        )
    else:
        typer.echo(f"site  {out}: {counted(len(collection.runs), 'run')}, {counted(files, 'file')}, {size_text(size)}")
