"""``poolbench env``: the environments that were made for subjects such as numpy@2.0.2."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from poolbench.cli.options import Json
from poolbench.cli.output import print_json, print_table
from poolbench.errors import UsageError

env = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List or remove subjects' environments.")


@env.command("list")
def list_environments(json: Json = False) -> None:
    """List the environments that are kept, with their size and when they were last used."""
    from poolbench.environments.cache import Cache
    from poolbench.environments.upkeep import kept

    cache = Cache()
    found = kept(cache)
    if json:
        print_json(
            [
                {
                    "what": each.what,
                    "key": each.key,
                    "bytes": each.bytes,
                    "used_at": _moment(each.used_at),
                    "path": str(each.path),
                }
                for each in found
            ]
        )
    elif not found:
        typer.echo(f"No environment is kept in {cache.root}: 'poolbench compare numpy@2.0.2' makes one.")
    else:
        print_table(
            ["what", "key", "last used", "path", "MB"],
            [[each.what, each.key, _moment(each.used_at), str(each.path), f"{each.bytes / 1e6:.0f}"] for each in found],
            right=1,
        )


@env.command()
def clean(
    names: Annotated[list[str] | None, typer.Argument(help="What 'env list' shows: numpy@2.0.2, numpy, a key.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove all that is kept.")] = False,
    unused_for: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Remove what was not used for so many days.")
    ] = None,
) -> None:
    """Remove environments. They are made anew when a subject next names them."""
    from poolbench.environments import upkeep
    from poolbench.environments.cache import Cache
    from poolbench.store.lock import machine_lock

    if bool(names) + everything + (unused_for is not None) != 1:
        raise UsageError(
            "Say what to remove, in one way: names ('poolbench env list' shows them), --all, or --unused-for."
        )
    cache = Cache()
    # What is being measured in must stay, and removing files would disturb it.
    with machine_lock("poolbench env clean"):
        things = upkeep.kept(cache)
        if names:
            things = upkeep.called(things, names)
        elif unused_for is not None:
            things = upkeep.unused(things, unused_for, time.time())
        upkeep.remove(cache, things)
    for each in things:
        typer.echo(f"removed {each.what} ({each.key}), {each.bytes / 1e6:.0f} MB")
    if not things:
        typer.echo("There was nothing to remove.")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
