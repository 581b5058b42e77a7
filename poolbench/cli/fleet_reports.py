"""What is said of a fleet without measuring: a simulation, what placement saves, and who is fastest where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.options import RESULTS, Json, Results
from poolbench.cli.output import print_warning, print_warnings

if TYPE_CHECKING:
    from poolbench.fleet.across import Place
    from poolbench.model.estimate import Estimate


def simulate(
    machines: Annotated[int, typer.Option(min=1, max=100_000, help="How many machines there are.")] = 10_000,
    tasks: Annotated[int, typer.Option(min=1, max=5_000_000, help="How many tasks are measured.")] = 200_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="What a task takes on a usual machine.")] = 60.0,
    failing: Annotated[float, typer.Option(min=0, max=1, help="The share of machines that die or freeze once.")] = 0.05,
    preempted: Annotated[
        float, typer.Option(min=0, max=1, help="The share of machines that are taken away once, with notice.")
    ] = 0.05,
    straggling: Annotated[
        float, typer.Option(min=0, max=1, help="The share of tasks that take three times as long.")
    ] = 0.01,
    dispatch: Annotated[float, typer.Option(min=0, help="The scheduler's own milliseconds for a task.")] = 1.0,
    ttl: Annotated[float, typer.Option(min=0, help="Seconds after which a silent machine is given up.")] = 300.0,
    seed: Annotated[int, typer.Option(help="Where chance begins.")] = 1,
    json: Json = False,
) -> None:
    """Tell how well a fleet of so many machines is used, and how near it comes to the bound."""
    from dataclasses import asdict

    from poolbench.cli.output import print_json, print_table
    from poolbench.fleet.simulation import Scenario, simulate

    scenario = Scenario(
        machines=machines,
        tasks=tasks,
        task_s=seconds,
        failing=failing,
        preempted=preempted,
        straggling=straggling,
        dispatch_s=dispatch / 1000,
        ttl_s=ttl,
        seed=seed,
    )
    found = simulate(scenario)
    if json:
        print_json({"scenario": asdict(scenario), **asdict(found)})
        return
    rows = [
        ["makespan", f"{found.makespan_s:,.0f} s"],
        ["bound (all machines, no failure, no wait)", f"{found.bound_s:,.0f} s"],
        ["makespan over the bound", f"{found.makespan_s / found.bound_s:.3f}"],
        ["utilisation", f"{found.utilisation:.1%}"],
        ["tasks begun in vain", f"{found.lost:,} of {found.done:,} ({found.lost_s:,.0f} s of machines' time)"],
        ["the scheduler is at work", f"{found.scheduler_busy:.1%} of the time"],
        ["from the last task given away to the end", f"{found.tail_s:,.0f} s"],
    ]
    print_table(["", ""], rows)


def placement(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A stored run: its name, its file or 'latest'.")] = "latest",
    results: Results = RESULTS,
    json: Json = False,
) -> None:
    """Play a full sweep and placement by information on the launches of a stored run, at equal knowledge."""
    from dataclasses import asdict

    from poolbench.cli.output import print_json, print_table
    from poolbench.fleet.placement import replay
    from poolbench.store.reading import read_run
    from poolbench.store.runs import find_run

    stored = read_run(find_run(results, run, warn=print_warning))
    print_warnings(stored.warnings)
    found = replay(stored)
    if json:
        print_json(asdict(found))
        return
    typer.echo(f"run {found.run}: {found.workloads} workloads, {found.verdicts} verdicts against the fastest\n")
    rows = [
        [
            str(saving.each),
            *(f"{saving.sweep.seconds:.0f}", f"{saving.sweep.known}", f"{saving.sweep.wrong}"),
            *(f"{saving.placed.seconds:.0f}", f"{saving.placed.known}", f"{saving.placed.wrong}"),
            f"{saving.saved:.0%}",
        ]
        for saving in found.savings
    ]
    header = ["launches each", "sweep s", "known", "wrong", "placed s", "known ", "wrong ", "saved"]
    print_table(header, rows, right=len(header))
    if not rows:
        typer.echo("Its workloads have too few launches to choose among: measure with a larger --budget.")


def report(results: Results = RESULTS, json: Json = False) -> None:
    """Tell who is fastest where, where the ranking turns, what each takes of a machine's limit, and who is sick."""
    from dataclasses import asdict

    from poolbench.cli.output import print_json, print_table
    from poolbench.errors import PoolbenchError, UsageError
    from poolbench.fleet.across import across
    from poolbench.store.reading import StoredRun, read_run
    from poolbench.store.runs import list_runs

    runs: list[StoredRun] = []
    for listed in list_runs(results):
        try:
            runs.append(read_run(listed.path))
        except PoolbenchError as error:
            print_warning(f"a run is left out. {error}")
    found = across(runs)
    if len(found.machines) < 2:
        raise UsageError(
            f"{results} holds runs of {len(found.machines)} machine: across machines there is nothing yet."
        )
    if json:
        print_json(asdict(found))
        return
    numbers = {machine: f"[{number}]" for number, machine in enumerate(found.machines, start=1)}
    for machine, number in numbers.items():
        typer.echo(f"{number} {machine}")
    typer.echo("\nfastest, and its time over the machine's own limit:")
    rows = [
        [name, *(next((_place(place) for place in places if place.machine == one), "–") for one in found.machines)]
        for name, places in found.places.items()
    ]
    print_table(["", *numbers.values()], rows)
    typer.echo(f"\nthe ranking turns, and both sides are sure: {len(found.turns)}")
    turned = [
        [turn.name, turn.first, numbers[turn.faster_on], turn.second, numbers[turn.slower_on]] for turn in found.turns
    ]
    print_table(["", "fastest", "on", "fastest", "on"], turned)
    typer.echo("\ntime over the machine's own limit, a geometric mean over what the machines that are named share:")
    means = [
        [
            standing.subject,
            str(standing.workloads),
            *(f"{standing.machines[one]:.2f}" if one in standing.machines else "–" for one in found.machines),
            _interval(standing.over),
        ]
        for standing in found.standings
    ]
    print_table(["", "workloads", *numbers.values(), "over machines (95 %)"], means)
    for sick in found.sick:
        typer.echo(
            f"\n{sick.machine} takes {sick.ratio:.2f} times what is usual for {sick.kind}, as a median over "
            f"{sick.cells} times: look at it with 'poolbench doctor'."
        )


def _place(place: Place) -> str:
    return place.fastest + ("" if place.times_limit is None else f" {place.times_limit:.2f}")


def _interval(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"
