"""The table of verbs, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from poolbench.cli.advise import advise
from poolbench.cli.bisect import bisect
from poolbench.cli.calibrate import calibrate
from poolbench.cli.capture import capture
from poolbench.cli.compare import compare
from poolbench.cli.count import count
from poolbench.cli.doctor import doctor
from poolbench.cli.effects import effects
from poolbench.cli.env import env
from poolbench.cli.export import export
from poolbench.cli.fleet import fleet
from poolbench.cli.gate import gate
from poolbench.cli.gate_comment import gate_comment
from poolbench.cli.history import history
from poolbench.cli.listing import listing
from poolbench.cli.monitor import monitor
from poolbench.cli.query import query
from poolbench.cli.report import report
from poolbench.cli.results import results
from poolbench.cli.serve import serve
from poolbench.cli.show import show
from poolbench.cli.site import site
from poolbench.cli.streams import unfailing_streams
from poolbench.cli.verify import verify
from poolbench.errors import ExitCode, PoolbenchError

# Plain help: typer's rich help would double the time that `poolbench --help` takes.
app = typer.Typer(
    name="poolbench",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 a regression or a failed verification, 2 wrong usage, "
    "3 the measurement failed, 4 undecided (gate --strict), 130 interrupted, 141 output lost (as on a full disk).",
)
app.command(short_help="Measure subjects on workloads; tell which is fastest.")(compare)
app.command(short_help="Tell whether a change made anything slower; made for CI.")(gate)
app.command(short_help="Comment a gate's result on its pull request, in a job on GitHub.", hidden=True)(gate_comment)
app.command(short_help="Count the instructions of one call, exactly.")(count)
app.command(short_help="Measure how often the gate errs on this machine.")(calibrate)
app.command(short_help="Write down which pooling a model of your own does.")(capture)
app.command(short_help="Tell whether pooling slows a model of your own, and what to change.")(advise)
app.command(short_help="Measure what watching a model costs here.")(monitor)
app.command(short_help="Print the table of a stored run.")(show)
app.command(short_help="Check outputs against the reference, without timing.")(verify)
app.command(short_help="Write a stored run as a page with tables and figures.")(report)
app.command(short_help="Show all stored runs in a browser on this machine.")(serve)
app.command(short_help="Write all stored runs as a site for any web server.")(site)
app.command(short_help="Tell what pooling buys and costs, beside its alternatives.")(effects)
app.command(short_help="Write a stored run for asv, or as tables.")(export)
app.command(short_help="Tell in which release or revision a subject became faster or slower.")(history)
app.command(short_help="Find the commit that made a subject slower or faster.")(bisect)
app.add_typer(fleet, name="fleet", short_help="Measure a plan on many machines, or on this one.")
app.command(short_help="Ask all stored runs in SQL.")(query)
app.add_typer(listing, name="list", short_help="List workloads, backends or runs.")
app.add_typer(results, name="results", short_help="Take over runs of other results folders, or move runs out.")
app.add_typer(env, name="env", short_help="List or remove subjects' environments.")
app.command(short_help="Tell whether this machine is fit to measure on.")(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        from poolbench import __version__

        typer.echo(f"poolbench {__version__}")
        raise typer.Exit


@app.callback()
def poolbench(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Tell which pooling is fastest here, by how much, and whether that is sure."""


def main() -> None:
    """Run the command line, and end with what it found: lost output and readers that go away are no findings."""
    with unfailing_streams() as lost:
        code = _run()
        sys.stdout.flush()
        if lost.why:
            print(f"poolbench: not all of the output could be written: {lost.why}.", file=sys.stderr)
            code = code or int(ExitCode.OUTPUT_LOST)
    sys.exit(code)


def _run() -> int:
    """Run a verb, and return its exit code. An error that poolbench raised on purpose is one sentence and a code.

    Any other is a defect. Python would end with 1 then, which a script would take for a regression.
    """
    try:
        app()
    except PoolbenchError as error:
        print(f"poolbench: {error}", file=sys.stderr)
        return int(error.exit_code)
    except SystemExit as end:
        # typer ends with 1 where any pipe breaks, taking it for stdout; ours does not break.
        if not isinstance(end.__context__, BrokenPipeError):
            return end.code if isinstance(end.code, int) else int(ExitCode.DONE)
        traceback.print_exception(end.__context__)
    except Exception:
        traceback.print_exc()
    print("poolbench: this is a defect of poolbench; please report it with the lines above.", file=sys.stderr)
    return int(ExitCode.MEASUREMENT_FAILED)
