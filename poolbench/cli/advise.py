"""``poolbench advise``: whether pooling is a model's bottleneck, what to change, and what that brings."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolbench.cli.options import Quiet
from poolbench.cli.output import print_json, print_warning
from poolbench.cli.progress import teller
from poolbench.errors import ExitCode, StoreError

if TYPE_CHECKING:
    from poolbench.model.advice import Advice


class Format(StrEnum):
    """How the advice is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def advise(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="MODULE:CALLABLE or FILE.py:CALLABLE: a model of PyTorch's, or what makes one."
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="[NAME=]SHAPE[:TYPE]",
            help="An input's shape, such as 8x3x224x224 or mask=8x128:int64. Repeat it for several arguments.",
        ),
    ] = None,
    pass_: Annotated[str, typer.Option("--pass", help="What a step is: forward, or training (and the gradients).")] = (
        "forward"
    ),
    allow_dtype: Annotated[
        str, typer.Option("--allow-dtype", metavar="bf16,f16", help="Smaller types that may be tried.")
    ] = "",
    compile: Annotated[
        bool, typer.Option("--compile", help="Try torch.compile around each call too; compiling takes its time.")
    ] = False,
    attempt: Annotated[
        str, typer.Option("--try", metavar="CHANGE", help="Try this on the whole model, whatever is advised: strided …")
    ] = "",
    device: Annotated[str, typer.Option("--device", help="Where the model runs: the CPU alone is timed.")] = "",
    threads: Annotated[int, typer.Option(min=1, help="Threads that the model may use.")] = 1,
    budget: Annotated[float, typer.Option(min=5, help="Seconds to measure for, altogether, about.")] = 60.0,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which a silent model is ended.")] = 300.0,
    format: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.TEXT,
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Write it as a page, too.")] = None,
    quiet: Quiet = False,
) -> None:
    """Tell whether pooling is your model's bottleneck, which layers, what to change, and what the model gains."""
    from poolbench.api.advise import advise
    from poolbench.report.needs import PAGES, need

    if page is not None:
        need("A page", PAGES)
    found = advise(
        target,
        inputs or (),
        pass_=pass_,
        allow_dtypes=[name.strip() for name in allow_dtype.split(",") if name.strip()],
        compile=compile,
        attempt=attempt,
        device=device,
        threads=threads,
        budget_s=budget,
        timeout_s=timeout,
        tell=teller(quiet=quiet),
    )
    _print(found, format)
    if page is not None:
        _write_page(found, page)
    if found.problem:
        print_warning(found.problem)
        raise typer.Exit(ExitCode.MEASUREMENT_FAILED)


def _print(found: Advice, form: Format) -> None:
    from poolbench.report.render.advice import advice_document, advice_markdown, render_advice

    if form is Format.JSON:
        print_json(advice_document(found))
    else:
        typer.echo((advice_markdown if form is Format.MARKDOWN else render_advice)(found), nl=False)


def _write_page(found: Advice, path: Path) -> None:
    from datetime import UTC, datetime

    from poolbench.measure.machine import fingerprint
    from poolbench.report.advice import advice_page
    from poolbench.report.render.html import render_page

    made = advice_page(found, started_at=datetime.now(UTC).isoformat(timespec="seconds"), machine=fingerprint().key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_page(made), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The page cannot be written to '{path}': {error.strerror}.") from error
    typer.echo(f"page  {path}", err=True)
