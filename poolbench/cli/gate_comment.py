"""``poolbench gate-comment``: a gate's JSON document, as data, → the one comment on its pull request.

It is for jobs on GitHub, and works without NumPy: typer is all that it needs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from poolbench.errors import UsageError


def gate_comment(
    report: Annotated[Path, typer.Argument(help="What 'poolbench gate --json' wrote, whoever ran it.")],
    author: Annotated[
        str, typer.Option(help="Whose comment it is: the user that the token belongs to.")
    ] = "github-actions[bot]",
) -> None:
    """Write a gate's result as a comment on its pull request, or anew where it is there. For jobs on GitHub."""
    from poolbench.api.comment import GitHub, pull_request_of, run_of, write_comment
    from poolbench.report.render import comment
    from poolbench.store.received import read_received

    event = _event(Path(_given("GITHUB_EVENT_PATH")))
    github = GitHub(
        api=_given("GITHUB_API_URL").rstrip("/"), repository=_given("GITHUB_REPOSITORY"), token=_given("GITHUB_TOKEN")
    )
    found = read_received(report)
    number = pull_request_of(event, github)
    if number is None:
        typer.echo("No open pull request has the commit that was measured: nothing is commented.")
        return
    here = f"{_given('GITHUB_SERVER_URL')}/{github.repository}/actions/runs/{_given('GITHUB_RUN_ID')}"
    address, is_new = write_comment(github, number, comment.gate_comment(found, run_of(event, here)), author)
    typer.echo(f"{'commented' if is_new else 'updated'}  {address}")


def _given(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(
            f"The variable {name} is not set: gate-comment runs in a job on GitHub, which sets it. GITHUB_TOKEN is to "
            "be given to the step (docs/ci.md)."
        )
    return value


def _event(path: Path) -> dict[str, Any]:
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"The event {path}, which GITHUB_EVENT_PATH names, cannot be read ({error}).") from error
    if not isinstance(event, dict):
        raise UsageError(f"The event {path}, which GITHUB_EVENT_PATH names, is no JSON object.")
    return event
