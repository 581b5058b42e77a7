"""The side that has the plan: gives tasks to a Dask scheduler, and stores what comes back, each once.

Nothing is remembered but what is stored. What the results lack is asked of the machines first, which may have measured
it for a submitter that was gone; the rest is submitted by key. Where the scheduler ends, all begins again from the
store.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import distributed

from poolbench.api.run import Tell
from poolbench.fleet.dask_worker import fetch, held, measure
from poolbench.fleet.outcome import ABOUT, About, Outcome, resources, speech
from poolbench.fleet.plan import FleetPlan
from poolbench.fleet.progress import Progress
from poolbench.fleet.shelf import Shelf
from poolbench.fleet.sparing import Spares, nothing
from poolbench.model.fleet import ANY, FleetTask
from poolbench.store import typed

LEAST_WINDOW = 100
TASKS_PER_MACHINE = 3
"""So many tasks for each machine are with the scheduler at a time: its memory grows with them, and none shall wait."""

MOST_TRIES = 5
"""A task that ended this often with its machine, or for a reason of the moment, is given up, and told."""

POLL_S = 0.3
ANSWER_S = 20.0
"""How long the scheduler, or a machine, is waited for: a frozen one would never answer."""

TOLD_EACH_S = 10.0
RETRY_S = 2.0


@dataclass(slots=True, kw_only=True)
class Submitter:
    """Has ``plan`` measured by the machines of the scheduler at ``address``; ``problems`` say what was given up."""

    plan: FleetPlan
    shelf: Shelf
    address: str
    progress: Progress
    tell: Tell
    spares: Spares = nothing
    spared: int = field(default=0, init=False)
    problems: dict[str, str] = field(default_factory=dict, init=False)
    duplicates: int = field(default=0, init=False)
    _missing: dict[str, FleetTask] = field(default_factory=dict, init=False)
    _tries: Counter[str] = field(default_factory=Counter, init=False)
    _told: set[str] = field(default_factory=set, init=False)
    _told_s: float = field(default=0.0, init=False)

    def run(self) -> None:
        """Go on until every task's run is stored, or its problem is known."""
        with self.shelf.alone():
            self._missing = {task.key: task for task in self.shelf.lacking(self.plan.tasks)}
            asyncio.run(self._until_done())

    async def _until_done(self) -> None:
        while self._missing:
            try:
                client = distributed.Client(
                    self.address, asynchronous=True, set_as_default=False, timeout=ANSWER_S, name="poolbench-fleet"
                )
                async with client:
                    await self._serve(client)
            except (OSError, TimeoutError, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and _is_ours():
                    raise
                if self._missing:
                    self.tell(f"the scheduler at {self.address} does not answer; trying again ({error})")
                    await asyncio.sleep(RETRY_S)

    async def _serve(self, client: Any) -> None:
        """Work with one scheduler until all is done. Raises OSError or TimeoutError where it ends."""
        known: set[str] = set()
        futures: dict[str, Any] = {}
        scheduler = ""
        while self._missing:
            identity = await asyncio.wait_for(client.scheduler.identity(), ANSWER_S)
            if scheduler not in ("", identity["id"]):
                raise OSError("it was started anew")
            scheduler = identity["id"]
            about = self._fit(identity["workers"])
            for address in about.keys() - known:
                await self._collect(client, address)
            known = set(about)
            self._submit(client, futures, max(LEAST_WINDOW, TASKS_PER_MACHINE * len(about)))
            await self._gather(client, futures)
            self._say(about)
            if self._missing:
                await asyncio.sleep(POLL_S)

    def _fit(self, workers: Mapping[str, Any]) -> dict[str, About]:
        """Return what the workers say of themselves that can get work; tell once of each other one why it gets none."""
        fit = {}
        for address, facts in workers.items():
            try:
                about = typed.load(About, json.loads(facts.get(ABOUT, "")))
            except (typed.FieldError, ValueError):
                about = None
            if about is None:
                self._once(f"the worker at {address} is not poolbench's: it gets no work")
            elif about.speech != speech():
                self._once(
                    f"the worker on {about.machine} has {about.speech}, and this is {speech()}: it gets no work, since "
                    "their rows could not be compared. Install the same version on both"
                )
            elif about.unfit:
                self._once(f"the machine {about.machine} gets no work. {about.unfit}")
            else:
                fit[address] = about
        return fit

    async def _collect(self, client: Any, address: str) -> None:
        """Take over what a machine has measured already of what is missing."""
        try:
            keys = await self._ask(client, address, held)
            wanted = [key for key in keys if key in self._missing]
            for start in range(0, len(wanted), 100):
                for key, data in (await self._ask(client, address, fetch, wanted[start : start + 100])).items():
                    self._store(key, data, measured=False)
        except TimeoutError:
            self._once(f"the worker at {address} does not answer")

    async def _ask(self, client: Any, address: str, what: Callable[..., Any], *arguments: Any) -> Any:
        answers = await asyncio.wait_for(client.run(what, *arguments, workers=[address], on_error="return"), ANSWER_S)
        answer = answers.get(address)
        if isinstance(answer, BaseException) or answer is None:
            raise TimeoutError
        return answer

    def _submit(self, client: Any, futures: dict[str, Any], window: int) -> None:
        for key, task in list(self._missing.items()):
            if len(futures) >= window:
                return
            if key in futures:
                continue
            if self.spares(task):
                del self._missing[key]
                self.spared += 1
                self.progress.known(task.kind)
            else:
                futures[key] = client.submit(
                    measure, typed.dump(FleetTask, task), key=key, resources=resources(task), pure=False
                )

    async def _gather(self, client: Any, futures: dict[str, Any]) -> None:
        """Store what has ended, as one batch. What was lost on the way is forgotten, to be submitted again."""
        ended = {key: future for key, future in futures.items() if future.status != "pending"}
        finished = {key: future for key, future in ended.items() if future.status == "finished"}
        batch = await asyncio.wait_for(client.gather(list(finished.values()), errors="skip"), ANSWER_S)
        for record, data in batch:
            self._take(typed.load(Outcome, record), data)
        for key in ended:
            future = futures.pop(key)
            if future.status == "error" and key in self._missing:
                self._try_again(key, f"its machines ended amid it: {await future.exception()}")
            future.release()

    def _take(self, outcome: Outcome, data: bytes) -> None:
        if not outcome.problem:
            self._store(outcome.key, data, measured=outcome.seconds > 0)
        elif outcome.may_pass:
            self._try_again(outcome.key, outcome.problem)
        else:
            self._give_up(outcome.key, f"on {outcome.machine}: {outcome.problem}")

    def _store(self, key: str, data: bytes, *, measured: bool) -> None:
        if not self.shelf.put(key, data):
            self.duplicates += 1
        task = self._missing.pop(key, None)
        if task is not None:
            (self.progress.ended if measured else self.progress.known)(task.kind)

    def _try_again(self, key: str, why: str) -> None:
        self._tries[key] += 1
        if self._tries[key] >= MOST_TRIES:
            self._give_up(key, f"after {MOST_TRIES} tries: {why}")

    def _give_up(self, key: str, why: str) -> None:
        if self._missing.pop(key, None) is not None:
            self.problems[key] = why
            self._once(f"a task is left out {why}")

    def _say(self, about: Mapping[str, About]) -> None:
        machines = Counter(kind for one in about.values() for kind in (ANY, one.machine, *one.kinds))
        for kind, count in self.progress.left.items():
            if count > 0 and not machines[kind]:
                self._once(f"no machine of the kind '{kind}' is there: its tasks wait for one")
        now = time.monotonic()
        if now - self._told_s >= TOLD_EACH_S or not self._missing:
            self._told_s = now
            asked = {kind: machines[kind] for kind in self.progress.left if self.progress.left[kind] > 0}
            self.tell(self.progress.text(asked))

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.tell(text)


def _is_ours() -> bool:
    """Whether this task itself is being cancelled, as by Ctrl-C: Dask says the same of a future that it lost."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
