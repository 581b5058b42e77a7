"""``poolbench serve``: read stored runs, analyse, serve the explorer to this machine's browser."""

from __future__ import annotations

from typing import Annotated

import typer

from poolbench.cli.options import RESULTS, Quiet, Results
from poolbench.cli.output import print_warnings

PORT = 8733


def serve(
    results: Results = RESULTS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any that is free.")] = PORT,
    quiet: Quiet = False,
) -> None:
    """Show all stored runs in a browser on this machine, until Ctrl-C. Nothing is written."""
    from poolbench.report.needs import EXPLORER, need

    need("The explorer", EXPLORER)
    from poolbench.api.explore import Explorer, shortcomings
    from poolbench.cli.progress import runs_bar
    from poolbench.explore.server import Server

    with runs_bar(quiet=quiet) as advance:
        explorer = Explorer(results, progress=advance)
        server = Server(port, explorer.answer)
        collection = explorer.collection()
    print_warnings(shortcomings(collection, results))
    with server:
        typer.echo(f"{server.address}\nCtrl-C ends it.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("ended")
