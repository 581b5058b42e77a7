"""The process that a user's model is timed in: a server beside the observer's, forked by the same importer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poolbench.errors import UsageError
from poolbench.measure.protocol import Message
from poolbench.model.workload import Pass
from poolbench.observe.inputs import parse_input
from poolbench.observe.target import first_line, opened, parse_target, where

SERVER = "adviser"
"""What the forked process is asked for by."""


class Adviser:
    """Times one model. What goes wrong in the user's code is a sentence under ``problem``."""

    def handle(self, request: Message) -> Message:
        """Carry out one request: ``steps`` times the pooling calls, ``trial`` the step before and after changes."""
        from poolbench.observe.torch_advise import steps, trial

        try:
            return {"steps": steps, "trial": trial}[request["op"]](self._step(request), request)
        except UsageError as error:
            return {"problem": str(error)}
        except (Exception, SystemExit) as error:  # a user's model may do anything
            return {"problem": f"{request['target']} failed: {first_line(error)}{where(error)}."}

    def close(self) -> None:
        """Nothing stays open."""

    def _step(self, request: Mapping[str, Any]) -> Any:
        import importlib

        # No file but those of a framework imports it by name.
        importlib.import_module("torch").set_num_threads(request["threads"])
        from poolbench.observe.torch_step import Step

        target = parse_target(request["target"])
        inputs = [parse_input(text) for text in request["inputs"]]
        model, _ = opened(target, inputs, "torch")
        return Step(model, inputs, Pass(request["pass"]))
