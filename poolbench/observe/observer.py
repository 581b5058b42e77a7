"""The process that a user's model runs in.

    python -m poolbench.observe.observer CHANNEL_FD SESSION_PID THREADS [PACKAGE…]

What is named is imported before the first fork. It serves forks as ``poolbench.measure.importer`` does, and so has the
limits and the end of a subject's worker.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from poolbench.errors import UsageError
from poolbench.measure.importer import open_channel, serve_forks
from poolbench.measure.protocol import Message
from poolbench.model.workload import Pass
from poolbench.observe import adviser
from poolbench.observe.inputs import InputSpec, parse_input
from poolbench.observe.sighting import Report
from poolbench.observe.target import Target, opened, parse_target

SERVER = "observer"
"""What the forked process is asked for by."""


def main(arguments: list[str]) -> int:
    """Serve fork requests until the session closes the channel."""
    channel = open_channel(arguments)
    for name in arguments[3:]:
        importlib.import_module(name)
    serve_forks(channel, {SERVER: Observer, adviser.SERVER: adviser.Adviser}, {})
    return 0


class Observer:
    """Runs one model and says what it pooled. What is wrong with the request is a sentence under ``usage``."""

    def handle(self, request: Message) -> Message:
        """Return the report of the model that ``request`` names, as a message."""
        try:
            report = observe(
                parse_target(request["target"]),
                [parse_input(text) for text in request["inputs"]],
                Pass(request["pass"]),
                framework=request["framework"],
                device=request["device"],
                diary=request["diary"],
            )
        except UsageError as error:
            return {"usage": str(error)}
        return {"report": report.as_message()}

    def close(self) -> None:
        """Nothing stays open."""


def observe(
    target: Target, inputs: Sequence[InputSpec], pass_: Pass, *, framework: str = "", device: str = "", diary: str = ""
) -> Report:
    """Run what ``target`` names in this process and return its pooling calls. Raises UsageError.

    ``diary`` is as for ``run_torch``; what is only traced needs none.
    """
    if target.is_onnx:
        from poolbench.observe.onnx_file import read_onnx

        return read_onnx(target.place, inputs, pass_)
    model, chosen = opened(target, inputs, framework)
    if device and chosen != "torch":
        raise UsageError(f"--device is for PyTorch, and {target} is a model of {chosen}: leave it out.")
    if chosen == "torch":
        from poolbench.observe.torch_run import run_torch

        return run_torch(str(target), model, inputs, pass_, device=device, diary=diary)
    if chosen == "tensorflow":
        from poolbench.observe.tensorflow_graph import trace_tensorflow

        return trace_tensorflow(str(target), model, inputs, pass_)
    from poolbench.observe.jax_trace import trace_jax

    return trace_jax(str(target), model, inputs, pass_)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
