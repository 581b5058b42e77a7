"""``poolbench monitor --self-test``: what watching a model costs on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from poolbench.cli.options import Json
from poolbench.cli.output import print_json
from poolbench.errors import ExitCode, UsageError

MOST_OVERHEAD = 0.01
"""What watching may cost at most, of a step's time."""


def monitor(
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Run a small model with a monitor and without, in turn.")
    ] = False,
    steps: Annotated[int, typer.Option(min=1000, help="Steps with the monitor, and twice as many without.")] = 10_000,
    fraction: Annotated[float, typer.Option(help="The fraction of steps to sample.")] = 0.005,
    json: Json = False,
) -> None:
    """Measure what poolbench.monitor costs here, and whether anything is left behind when it is off."""
    if not self_test:
        raise UsageError(
            "A model is watched from Python: poolbench.monitor(model, prometheus=9475). What that costs here tells "
            "poolbench monitor --self-test."
        )
    from poolbench.api.monitor import self_test as run

    found = run(steps, fraction)
    is_good = not found.problem and found.high < MOST_OVERHEAD and not found.threads_left and not found.hooks_left
    mib = 1 << 20
    if json:
        print_json({**asdict(found), "is_good": is_good})
    else:
        typer.echo(f"steps        {found.steps:,} watched, {found.sampled} sampled, twice as many without a monitor")
        typer.echo(f"a step       {found.step_s * 1e3:.3g} ms of CPU time")
        typer.echo(f"overhead     {found.overhead:+.2%} ({found.low:+.2%} to {found.high:+.2%}), 1 % is allowed")
        typer.echo(
            f"of it        {found.hooks:+.2%} by the hooks of each step, {found.samples:+.2%} by sampled steps "
            f"({found.sampled_step_s * 1e3:.2g} ms each)"
        )
        typer.echo(
            f"control      {found.control:+.2%} ({found.control_low:+.2%} to {found.control_high:+.2%}) between steps "
            "without a monitor"
        )
        typer.echo(f"own work     {found.own_share:.2%} of the time, by the monitor's own clock")
        typer.echo(
            f"growth       {found.growth_bytes / mib:+.2f} MiB ({found.growth_low / mib:+.2f} to "
            f"{found.growth_high / mib:+.2f}) over as many steps more"
        )
        typer.echo(f"left behind  {found.threads_left} threads, {found.hooks_left} hooks, {found.files_left} files")
        if found.problem:
            typer.echo(f"problem      {found.problem}")
    if not is_good:
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED)
