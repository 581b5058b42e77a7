"""The process that a user's model is profiled in, and that the small classifier is trained in.

    python -m poolbench.observe.effects.server CHANNEL_FD SESSION_PID THREADS

It serves forks as ``poolbench.measure.importer`` does, and so has the limits and the end of a subject's worker.
"""

from __future__ import annotations

import sys
from dataclasses import asdict

from poolbench.errors import UsageError
from poolbench.measure.importer import open_channel, serve_forks
from poolbench.measure.protocol import Message
from poolbench.model.effects import Alternative
from poolbench.model.workload import Pass
from poolbench.observe.inputs import parse_input
from poolbench.observe.target import first_line, opened, parse_target, where

KINDS, CLASSIFIER, WITHOUT = "kinds", "classifier", "without"
"""What a forked process is asked for by."""


def main(arguments: list[str]) -> int:
    """Serve fork requests until the session closes the channel."""
    threads = int(arguments[2])
    serve_forks(
        open_channel(arguments),
        {KINDS: lambda: Kinds(threads), CLASSIFIER: lambda: Classifier(threads), WITHOUT: Without},
        {},
    )
    return 0


class Kinds:
    """Profiles one model. What is wrong with the request is a sentence under ``usage``."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def handle(self, request: Message) -> Message:
        """Return the rounds of the model that ``request`` names, or a sentence."""
        try:
            return self._profiled(request)
        except UsageError as error:
            return {"usage": str(error)}

    def close(self) -> None:
        """Nothing stays open."""

    def _profiled(self, request: Message) -> Message:
        target = parse_target(request["target"])
        if target.is_onnx:
            raise UsageError(f"{target} is a graph without a profiler: name a model of PyTorch for --layers.")
        inputs = [parse_input(text) for text in request["inputs"]]
        model, framework = opened(target, inputs, request["framework"])
        if framework != "torch":
            raise UsageError(f"--layers reads PyTorch's profiler, and {target} computes with {framework}.")
        from poolbench.backends.torch_common import load
        from poolbench.observe.effects.torch_kinds import profile_step
        from poolbench.observe.torch_step import Step

        load(self._threads)
        try:
            step = Step(model, inputs, Pass(request["pass"]))
            step.take()
        except UsageError:
            raise
        except (Exception, SystemExit) as error:  # a user's model may do anything
            raise UsageError(f"{target} failed: {first_line(error)}{where(error)}.") from error
        return profile_step(step.take, request["budget_s"])


class Without:
    """Counts what a model's pooling layers save behind them. What cannot be counted is a sentence under ``why``."""

    def handle(self, request: Message) -> Message:
        """Return the savings of each pooling call of the model that ``request`` names."""
        target = parse_target(request["target"])
        try:
            if target.is_onnx:
                return {"why": "A file of a graph does not run without one of its layers."}
            inputs = [parse_input(text) for text in request["inputs"]]
            model, framework = opened(target, inputs, request["framework"])
            if framework != "torch":
                return {"why": f"A model of {framework} is not run without one of its layers."}
        except UsageError as error:
            return {"usage": str(error)}
        from poolbench.observe.effects.torch_without import savings

        try:
            found = savings(model, inputs)
        except (Exception, SystemExit) as error:  # a user's model may do anything
            return {"why": f"It does not run without data: {first_line(error)}{where(error)}."}
        return {"savings": [[identity, layer, asdict(saving)] for identity, layer, saving in found]}

    def close(self) -> None:
        """Nothing stays open."""


class Classifier:
    """Trains the small classifier, once for each request."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def handle(self, request: Message) -> Message:
        """Return the accuracies of one alternative and seed, or a sentence."""
        from poolbench.backends.torch_common import load
        from poolbench.observe.effects.torch_classifier import train_and_test

        load(self._threads)
        try:
            return {"found": train_and_test(Alternative(request["alternative"]), request["seed"])}
        except UsageError as error:
            return {"usage": str(error)}

    def close(self) -> None:
        """Nothing stays open."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
