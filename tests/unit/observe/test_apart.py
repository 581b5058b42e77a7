"""Asking a process of its own, and how often one is asked; the processes and the clock are planted here."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from poolbench.errors import CaptureError, UsageError
from poolbench.measure.client import WorkerFailure
from poolbench.model.method import Limits
from poolbench.model.result import Status
from poolbench.observe import advising, apart
from poolbench.observe.advising import MOST_OF_ALL, ModelProcess
from poolbench.observe.apart import Apart, origin, with_memory

LIMITS = Limits(memory_bytes=8 << 30)


class Planted:
    """An importer, and a worker of it, of which one fails at ``fails``."""

    def __init__(self, fails="", reply=None):
        self.fails, self.reply, self.is_closed, self.asked = fails, reply or {}, False, []

    def _fail_at(self, stage):
        if self.fails == stage:
            raise WorkerFailure(Status.CRASHED, "It fell.")

    def wait_ready(self):
        self._fail_at("start")

    def fork(self, server):
        self._fail_at("fork")
        return self

    def ask(self, op, *, deadline_s, **content):
        self.asked.append((op, deadline_s, content))
        self._fail_at("ask")
        return self.reply

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize(
    ("stage", "said"),
    [("start", "net was not timed."), ("fork", "net was not timed."), ("ask", "net did not come to its end.")],
)
def test_a_process_that_fails_is_a_sentence_and_is_ended(stage, said, monkeypatch):
    planted = Planted(stage)
    monkeypatch.setattr(apart, "Importer", lambda **settings: planted)
    with (
        pytest.raises(CaptureError) as raised,
        origin("net", LIMITS, failed="was not timed") as source,
        source.process("adviser") as process,
    ):
        process.ask("steps")
    assert str(raised.value) == f"{said} It fell." and planted.is_closed


def test_what_is_wrong_with_the_request_is_the_caller_s():
    with pytest.raises(UsageError, match="no such model"):
        Apart(Planted(reply={"usage": "no such model"}), LIMITS, "net").ask("capture")


def test_a_question_may_take_as_long_as_it_asks_for():
    planted = Planted()
    Apart(planted, LIMITS, "net").ask("steps", 7.0, seconds=7.0)
    assert planted.asked == [("steps", LIMITS.request_s + 7.0, {"seconds": 7.0})]


def test_what_failed_for_memory_says_how_much_there_is():
    said = with_memory("It failed: bad_alloc.", LIMITS)
    assert said == "It failed: bad_alloc. It may take 8 GiB, a third of this machine's memory."
    assert with_memory("ValueError: no", LIMITS) == "ValueError: no"


@pytest.fixture
def timed(monkeypatch):
    """A model's process that takes a second to set up; ``now`` is the clock's time."""
    now = [0.0]
    monkeypatch.setattr(advising, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def ask(op, longer_s, /, *, seconds, **content):
        now[0] += 1.0 + seconds
        return {"problem": "it failed"} if content.get("fails") else {"seconds": seconds}

    @contextmanager
    def process(server):
        yield SimpleNamespace(ask=ask)

    return ModelProcess(SimpleNamespace(process=process), LIMITS, {"target": "net"}), now


def test_a_round_has_as_many_launches_as_fit(timed):
    process, now = timed
    answers = process.round("trial", 12.5)
    assert len(answers.replies) == 6 and now[0] == pytest.approx(12.5, abs=1.5)


def test_a_round_goes_on_while_it_has_not_said_enough(timed):
    process, now = timed
    assert len(process.round("trial", 12.0, extra_s=100.0, is_enough=lambda replies: len(replies) >= 9).replies) == 9
    begin = now[0]
    assert len(process.round("trial", 12.0, extra_s=5.0, is_enough=lambda replies: False).replies) < 9
    assert now[0] - begin <= 12.0 + 5.0 + 1.5
    assert len(process.round("trial", 12.0, extra_s=1e9, is_enough=lambda replies: False).replies) == MOST_OF_ALL


def test_a_launch_that_fails_ends_the_round(timed):
    answers = timed[0].round("trial", 12.0, extra_s=100.0, is_enough=lambda replies: False, fails=True)
    assert (answers.replies, answers.problem) == ([], "it failed")
