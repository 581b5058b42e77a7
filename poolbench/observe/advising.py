"""The session's side of timing a user's model: processes of its own, forked one after the other, each a launch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from poolbench.measure.client import Importer, WorkerFailure
from poolbench.measure.worker import OUT_OF_MEMORY_WORDS
from poolbench.model.method import Limits
from poolbench.model.workload import Pass
from poolbench.observe.adviser import SERVER

LEAST_SECONDS = 0.5
"""For the steps of a launch: less has too few blocks."""

MOST_LAUNCHES, LEAST_LAUNCHES = 8, 3
_AIMED_SECONDS = 1.0


@dataclass(slots=True)
class Answers:
    """What the launches of a round replied, and the sentence on the one that failed, "" where none did."""

    replies: list[dict[str, Any]]
    problem: str = ""


class ModelProcess:
    """Forks processes that each load the user's model and time it. What the model prints goes nowhere."""

    def __init__(self, importer: Importer, limits: Limits, request: Mapping[str, Any]) -> None:
        self._importer = importer
        self._limits = limits
        self._request = request
        self._setup_s = 0.0

    def round(self, op: str, round_s: float, **content: Any) -> Answers:
        """Ask ``op`` of as many launches as fit into ``round_s`` seconds, three at least and eight at most.

        The first one that fails ends the round. After it comes what the others have replied.
        """
        answers = Answers([])
        wanted, begin = MOST_LAUNCHES, time.perf_counter()
        while len(answers.replies) < wanted:
            wanted = self._launches(round_s)
            left_s = round_s - (time.perf_counter() - begin)
            seconds = max(left_s / max(wanted - len(answers.replies), 1) - self._setup_s, LEAST_SECONDS)
            reply, problem = self._launch(op, seconds, content)
            if problem:
                answers.problem = problem
                break
            answers.replies.append(reply)
        return answers

    def _launches(self, round_s: float) -> int:
        fitting = int(round_s / (self._setup_s + _AIMED_SECONDS))
        return min(max(fitting, LEAST_LAUNCHES), MOST_LAUNCHES)

    def _launch(self, op: str, seconds: float, content: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        begin = time.perf_counter()
        try:
            with closing(self._importer.fork(SERVER)) as worker:
                reply = worker.ask(
                    op, deadline_s=self._limits.request_s + seconds, seconds=seconds, **self._request, **content
                )
        except WorkerFailure as failure:
            return {}, f"{self._request['target']} did not come to its end. {failure.note}"
        self._setup_s = max(time.perf_counter() - begin - seconds, 0.0)
        problem = str(reply.get("problem", ""))
        if any(words in problem for words in OUT_OF_MEMORY_WORDS):
            problem += " It may take a third of this machine's memory."
        return reply, problem


@contextmanager
def model_process(
    target: str, inputs: Sequence[str], pass_: Pass, *, threads: int, limits: Limits
) -> Iterator[ModelProcess]:
    """Open what forks processes for ``target``. Raises WorkerFailure where PyTorch cannot be imported."""
    environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    importer = Importer(
        backends=("torch",), environment=environment, threads=threads, limits=limits,
        module="poolbench.observe.observer",
    )  # fmt: skip
    with closing(importer):
        importer.wait_ready()
        yield ModelProcess(
            importer, limits, {"target": target, "inputs": list(inputs), "pass": pass_.value, "threads": threads}
        )
