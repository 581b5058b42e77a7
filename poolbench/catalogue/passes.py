"""The same layers in another pass: what inference computes, or what training does, as a whole or in its parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from poolbench.catalogue.tags import derivable_tags, derived_tags
from poolbench.errors import UnknownNameError, UsageError
from poolbench.model.ids import split_pass
from poolbench.model.workload import CONTIGUOUS, Pass, View, ViewKind, Workload, pass_text

_Name = TypeVar("_Name")


class GradientForm(StrEnum):
    """How the output's gradient lies in memory where a user asks for it by a word."""

    CONTIGUOUS = "contiguous"
    SLICED = "sliced"


SLICED_FROM = 2
"""A sliced gradient is the first channels of a buffer with so many times as many: as behind a concatenation of two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Workloads that were chosen, and a sentence for what was left out."""

    workloads: tuple[Workload, ...]
    notes: tuple[str, ...] = ()


def parse_passes(texts: Iterable[str]) -> tuple[Pass, ...]:
    """Return the passes that ``texts`` name. Raises UnknownNameError."""
    known = {pass_.value: pass_ for pass_ in Pass}
    return tuple(_named("pass", text, known) for text in texts)


def parse_gradients(texts: Iterable[str]) -> tuple[GradientForm, ...]:
    """Return the forms of a gradient that ``texts`` name. Raises UnknownNameError."""
    known = {form.value: form for form in GradientForm}
    return tuple(_named("form of a gradient", text, known) for text in texts)


def in_passes(
    workloads: Sequence[Workload], passes: Sequence[Pass] = (), gradients: Sequence[GradientForm] = ()
) -> Choice:
    """Return each of ``workloads`` in each of ``passes``, with a gradient in each of the forms; each once.

    Without ``passes`` each stays in its own, without ``gradients`` each keeps its gradient's view. What has no gradient
    is left out of training, with a note. Raises UsageError where nothing is left, or where ``gradients`` are asked for
    and no pass reads one.
    """
    chosen: dict[Workload, None] = {}
    without: list[str] = []
    for workload in workloads:
        for pass_ in passes or (workload.pass_,):
            if pass_.is_training and not workload.dtype.is_float:
                without.append(workload.name)
                continue
            views = [_view(workload, form) for form in gradients] or [workload.gradient_view]
            for view in views:
                chosen[in_pass(workload, pass_, view if pass_.runs_backward else CONTIGUOUS)] = None
    if gradients and not any(workload.pass_.runs_backward for workload in chosen):
        raise UsageError(
            "How the gradient lies matters to a pass that reads one, and none was chosen: ask for the pass "
            f"{Pass.TRAINING} or {Pass.TRAINING_BACKWARD} as well."
        )
    notes = _notes(list(dict.fromkeys(without)))
    if not chosen and workloads:
        raise UsageError(f"Nothing is left to compute. {' '.join(notes)}")
    return Choice(workloads=tuple(chosen), notes=notes)


def in_pass(workload: Workload, pass_: Pass, gradient_view: View = CONTIGUOUS) -> Workload:
    """Return ``workload`` in another pass; a name of the catalogue ends as the id does (``resnet50_stem.train``)."""
    made = replace(workload, pass_=pass_, gradient_view=gradient_view)
    own = [tag for tag in workload.tags if tag not in derivable_tags()]
    name = workload.origin.name
    if name:
        split = split_pass(name)
        name = (split[0] if split else name) + pass_text(pass_, gradient_view)
    tags = tuple(dict.fromkeys((*derived_tags(made), *own)))
    return replace(made, origin=replace(workload.origin, name=name), tags=tags)


def trained(text: str, known: Mapping[str, Workload]) -> Workload | None:
    """Return what a known name with the ending of a training pass stands for; None where ``text`` is no such thing.

    Raises InvalidSpecError where the view does not fit the workload, or it has no gradient.
    """
    split = split_pass(text)
    if split is None or split[0] not in known:
        return None
    return in_pass(known[split[0]], split[1], split[2])


def _view(workload: Workload, form: GradientForm) -> View:
    if form is GradientForm.CONTIGUOUS:
        return CONTIGUOUS
    return View(kind=ViewKind.CHANNEL_SLICE, channels=SLICED_FROM * workload.channels)


def _named(what: str, text: str, known: Mapping[str, _Name]) -> _Name:
    if text not in known:
        raise UnknownNameError(what, text, known, f"There are {', '.join(known)}.")
    return known[text]


def _notes(without: list[str]) -> tuple[str, ...]:
    if not without:
        return ()
    some = ", ".join(without[:3]) + (f" and {len(without) - 3} more" if len(without) > 3 else "")
    have = "has" if len(without) == 1 else "have"
    return (f"Left out of training, since only floating types have a gradient, which {some} {have} not.",)
