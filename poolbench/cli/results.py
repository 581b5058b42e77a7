"""``poolbench results``: taking over runs of other stores, and moving runs out. Nothing is overwritten or deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Results
from poolbench.cli.output import print_json, print_table, print_warning, print_warnings
from poolbench.errors import ExitCode, StoreError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from poolbench.store.exchange import Offer

results = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Take over runs of other results folders, or move runs out."
)

Source = Annotated[Path, typer.Argument(metavar="FOLDER", help="The results folder that the runs come from.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]


@results.command("import")
def import_runs(source: Source, results: Results = RESULTS, dry_run: DryRun = False, json: Json = False) -> None:
    """Copy the runs that are not here. What is here stays as it is; conflicts and other methods are told."""
    _take_over(source, results, adds_rows=False, dry_run=dry_run, json=json)


@results.command()
def merge(source: Source, results: Results = RESULTS, dry_run: DryRun = False, json: Json = False) -> None:
    """Do what import does, and add rows to runs that are here and lack them. No row is replaced."""
    from poolbench.store.lock import machine_lock

    if dry_run:
        _take_over(source, results, adds_rows=True, dry_run=True, json=json)
        return
    with machine_lock("poolbench results merge"):  # a run that is being measured must not be written to
        _take_over(source, results, adds_rows=True, dry_run=False, json=json)


@results.command()
def prune(
    runs: Annotated[list[str] | None, typer.Argument(help="Runs by name ('poolbench list runs').")] = None,
    to: Annotated[
        Path | None, typer.Option(help="The folder to move them to.", show_default="none: they are only listed")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="DATE", help="Runs that began before: 2026-01-31 (UTC).")
    ] = None,
    machine: Annotated[str, typer.Option(metavar="KEY", help="Runs of this machine.")] = "",
    unmeasured: Annotated[bool, typer.Option("--unmeasured", help="Runs of which nothing was measured.")] = False,
    results: Results = RESULTS,
    json: Json = False,
) -> None:
    """Move runs out of the results folder into another one, from which 'results import' brings them back."""
    from poolbench.store.lock import machine_lock
    from poolbench.store.pruning import Choice, chosen, move_out

    if not (runs or before or machine or unmeasured):
        raise UsageError("Say which runs are meant: names, --before DATE, --machine KEY or --unmeasured.")
    if to is not None and to.resolve().is_relative_to(results.resolve()):
        raise UsageError(f"--to {to} lies in the results folder {results} itself: name a folder outside of it.")
    choice = Choice(runs=tuple(runs or ()), machine=machine, before=_moment(before), unmeasured=unmeasured)
    paths, problems = chosen(results, choice)
    print_warnings(problems)
    _require_known(results, choice.runs)
    moved: list[dict[str, object]] = []
    if to is None:
        moved = [{"run": path.stem, "path": str(path), "moved_to": []} for path in paths]
    else:
        with machine_lock("poolbench results prune"):
            for path in paths:
                files = move_out(path, to)
                moved.append({"run": path.stem, "path": str(path), "moved_to": list(map(str, files))})
    if json:
        print_json(moved)
        return
    for path in paths:
        typer.echo(f"{'moved' if to else 'would move'} {path}{f' to {to}' if to else ''}")
    typer.echo(f"{len(paths)} runs{'' if to else '; name a folder with --to to move them'}.")


def _take_over(source: Path, results: Path, *, adds_rows: bool, dry_run: bool, json: bool) -> None:
    from poolbench.store.exchange import Fate, add_rows, known_in, offers, other_methods, take

    known = known_in(results)
    found = list(offers(source, results, known))
    print_warnings(other_methods(found, known))
    done = []
    for offer in found:
        action = ""
        if offer.fate is Fate.NEW:
            action = "copied"
        elif offer.fate is Fate.MORE and adds_rows:
            action = f"{len(offer.rows)} rows added"
        if action and not dry_run:
            if offer.fate is Fate.NEW:
                take(offer)
            else:
                print_warnings(add_rows(offer))
        done.append((offer, action))
    if json:
        print_json([_document(offer, action, dry_run=dry_run) for offer, action in done])
    else:
        print_table(
            ["run", "machine", "is", "was" if not dry_run else "would be"],
            [[*_named(offer), offer.fate.value, action or _left(offer)] for offer, action in done],
        )
    for offer in found:
        if offer.reason:
            print_warning(offer.reason)
    if any(offer.fate in (Fate.CONFLICT, Fate.UNREADABLE) for offer in found):
        raise typer.Exit(ExitCode.USAGE)


def _document(offer: Offer, action: str, *, dry_run: bool) -> dict[str, object]:
    run, machine = _named(offer)
    return {
        "run": run,
        "machine": machine,
        "path": str(offer.path),
        "fate": offer.fate.value,
        "rows_missing": len(offer.rows),
        "done": "" if dry_run else action,
        "reason": offer.reason,
    }


def _left(offer: Offer) -> str:
    return f"left: {len(offer.rows)} rows are missing here, which 'results merge' adds" if offer.rows else "left"


def _named(offer: Offer) -> tuple[str, str]:
    if offer.header is None:
        return offer.path.stem, offer.path.parent.name
    return offer.header.run, offer.header.machine.key


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--before takes a date such as 2026-01-31; '{text}' is none.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _require_known(results: Path, runs: tuple[str, ...]) -> None:
    from poolbench.store.runs import run_files

    if not results.is_dir():
        raise StoreError(f"There is no results folder {results}.")
    known = {path.stem for path in run_files(results)}
    for run in runs:
        if run not in known:
            raise UnknownNameError(f"run under {results}", run, known, "'poolbench list runs' lists them.")
