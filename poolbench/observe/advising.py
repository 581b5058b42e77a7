"""The session's side of timing a user's model: processes of its own, forked one after the other, each a launch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from poolbench.errors import CaptureError
from poolbench.model.method import Limits
from poolbench.model.workload import Pass
from poolbench.observe.adviser import SERVER
from poolbench.observe.apart import Origin, origin, with_memory

LEAST_SECONDS = 0.5
"""For the steps of a launch: less has too few blocks."""

MOST_LAUNCHES, LEAST_LAUNCHES = 8, 3
MOST_OF_ALL = 16
"""Launches of a round that goes on because it has not said enough."""

_AIMED_SECONDS = 1.0

Replies = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Answers:
    """What the launches of a round replied, and the sentence on the one that failed, "" where none did."""

    replies: list[dict[str, Any]]
    problem: str = ""


class ModelProcess:
    """Forks processes that each load the user's model and time it. What the model prints goes nowhere."""

    def __init__(self, source: Origin, limits: Limits, request: Mapping[str, Any]) -> None:
        self._source = source
        self._limits = limits
        self._request = request
        self._setup_s = 0.0

    def round(
        self,
        op: str,
        round_s: float,
        *,
        extra_s: float = 0.0,
        is_enough: Callable[[Replies], bool] = lambda replies: True,
        **content: Any,
    ) -> Answers:
        """Ask ``op`` of as many launches as fit into ``round_s`` seconds, three at least and eight at most.

        Where they are not enough, further ones follow for up to ``extra_s`` seconds. The first one that fails ends the
        round. After it comes what the others have replied.
        """
        answers = Answers([])
        wanted, begin, seconds = MOST_LAUNCHES, time.perf_counter(), LEAST_SECONDS
        while not answers.problem and len(answers.replies) < wanted:
            wanted = self._launches(round_s)
            left_s = round_s - (time.perf_counter() - begin)
            seconds = max(left_s / max(wanted - len(answers.replies), 1) - self._setup_s, LEAST_SECONDS)
            self._launch(answers, op, seconds, content)
        end = time.perf_counter() + extra_s
        while not answers.problem and len(answers.replies) < MOST_OF_ALL and not is_enough(answers.replies):
            if time.perf_counter() + self._setup_s + seconds > end:
                break
            self._launch(answers, op, seconds, content)
        return answers

    def _launches(self, round_s: float) -> int:
        fitting = int(round_s / (self._setup_s + _AIMED_SECONDS))
        return min(max(fitting, LEAST_LAUNCHES), MOST_LAUNCHES)

    def _launch(self, answers: Answers, op: str, seconds: float, content: Mapping[str, Any]) -> None:
        """Add the reply of one more launch, or what went wrong with it."""
        begin = time.perf_counter()
        try:
            with self._source.process(SERVER) as process:
                reply = process.ask(op, seconds, seconds=seconds, **self._request, **content)
        except CaptureError as failure:
            answers.problem = str(failure)
            return
        self._setup_s = max(time.perf_counter() - begin - seconds, 0.0)
        answers.problem = with_memory(str(reply.get("problem", "")), self._limits)
        if not answers.problem:
            answers.replies.append(reply)


@contextmanager
def model_process(
    target: str, inputs: Sequence[str], pass_: Pass, *, threads: int, limits: Limits
) -> Iterator[ModelProcess]:
    """Open what forks processes for ``target``. Raises CaptureError where PyTorch cannot be imported."""
    environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with origin(
        target, limits, imports=("torch",), environment=environment, threads=threads, failed="was not timed"
    ) as source:
        request = {"target": target, "inputs": list(inputs), "pass": pass_.value, "threads": threads}
        yield ModelProcess(source, limits, request)
