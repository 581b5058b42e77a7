"""A capture as a catalogue file, which every verb takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from poolbench.errors import StoreError, UsageError
from poolbench.model.capture import Capture, CapturedCall
from poolbench.model.workload import Workload


def catalogue_text(capture: Capture) -> str:
    """Return the workloads of ``capture``, one a line, in the grammar of ``poolbench.catalogue.load``."""
    return "".join(f"{line}\n" for line in _lines(capture))


def write_catalogue(capture: Capture, path: Path) -> None:
    """Write ``catalogue_text`` to ``path``.

    Raises UsageError where there is no workload to write, StoreError where the file cannot be written.
    """
    if not capture.workloads:
        raise UsageError(
            f"Nothing is written to '{path}': {capture.target} makes no pooling call that can be measured."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(catalogue_text(capture), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The workloads cannot be written to '{path}': {error.strerror}.") from error


def _lines(capture: Capture) -> Iterator[str]:
    yield f"# The pooling calls of {_one_line(capture.target)} in one step of {capture.pass_.value}."
    yield f"# {capture.framework} {capture.version}; inputs: {' '.join(capture.inputs) or 'its own'}."
    yield "# One workload a line:  id name key=value … # source; weight is how often a step makes the call."
    yield ""
    for call in capture.calls:
        if call.workload is not None and call.is_supported:
            yield _line(call, call.workload, capture)
        else:
            what = call.workload.id if call.workload is not None else call.places[0].function
            yield f"# left out, {call.count} a step: {what} ({call.name}): {_one_line(call.reason)}"


def _line(call: CapturedCall, workload: Workload, capture: Capture) -> str:
    origin = workload.origin
    keys = {
        "model": origin.model,
        "layer": origin.layer,
        "weight": str(workload.weight) if workload.weight > 1 else "",
        "tags": "reduction" if "reduction" in workload.tags else "",
        "note": call.note,
    }
    words = [workload.id, origin.name, *(f"{key}={_quoted(value)}" for key, value in keys.items() if value)]
    source = f"{_one_line(capture.target)}, captured by poolbench from {capture.framework} {capture.version}"
    return f"{' '.join(words)} # {source}"


def _quoted(value: str) -> str:
    text = _one_line(value).replace('"', "'")
    return f'"{text}"' if " " in text or "#" in text else text


def _one_line(text: str) -> str:
    return " ".join(text.split())
