"""The scheduler of a fleet on a virtual clock: thousands of machines, of which some fail, are slow or are taken away.

What is simulated is what ``submitter`` and ``supervisor`` do: a free machine takes the next task, what is in hand is
lost with its machine and given to the next, and a machine that only went silent is given up after the scheduler's time
to live. The scheduler handles so many tasks a second, one after the other.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is simulated; times in seconds.

    A task takes ``task_s``, times a factor of the machine's own and of the moment: both log-normal, with ``machine_sd``
    and ``task_sd`` on the log scale. ``straggling`` is the share of tasks that take ``straggle`` times as long.
    ``failing`` of the machines fail once, at any time of the ideal makespan: half die and are noticed when their
    connection breaks, half freeze and are noticed after ``ttl_s``. Each is back after ``repair_s``. ``preempted`` of
    the machines are taken away with notice: a task that ends within ``grace_s`` is kept. ``dispatch_s`` is the
    scheduler's own time for a task.
    """

    machines: int = 10_000
    tasks: int = 200_000
    task_s: float = 60.0
    machine_sd: float = 0.1
    task_sd: float = 0.05
    straggling: float = 0.01
    straggle: float = 3.0
    failing: float = 0.05
    preempted: float = 0.05
    repair_s: float = 300.0
    ttl_s: float = 300.0
    grace_s: float = 20.0
    dispatch_s: float = 0.001
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What came of it. ``bound_s`` is what no scheduler can beat: the work over all machines that never fail.

    ``utilisation`` is the share of the machines' time, until the makespan, that went into runs that were kept.
    ``lost`` are tasks that were begun in vain, ``lost_s`` the time that went into them. ``scheduler_busy`` is the share
    of the makespan that the scheduler was at work. ``tail_s`` is how long the end took, from
    when the last task was given away.
    """

    makespan_s: float
    bound_s: float
    utilisation: float
    done: int
    lost: int
    lost_s: float
    scheduler_busy: float
    tail_s: float


class _Kind(IntEnum):
    """What happens at a moment. A task's end comes before its machine's failure at the same time."""

    ENDED = 0
    FAILED = 1
    NOTICED = 2
    BACK = 3


def simulate(scenario: Scenario) -> Simulated:
    """Play ``scenario`` to the end of its last task; equal scenarios give equal results."""
    return _Play(scenario).run()


class _Play:
    """One play. A machine's ``turn`` is raised whenever its task is taken from it: a late end is known by it."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        rng = random.Random(scenario.seed)
        self._rng = rng
        self._slowness = [rng.lognormvariate(0.0, scenario.machine_sd) for _ in range(scenario.machines)]
        self._work = [self._drawn_s() for _ in range(scenario.tasks)]
        # The bound: all speeds together do all the work, with no failure, no wait and no tail.
        self._bound_s = sum(self._work) / sum(1 / slowness for slowness in self._slowness)
        self._events: list[tuple[float, int, int, int]] = []
        self._waiting = deque(range(scenario.tasks))
        self._hand: list[int | None] = [None] * scenario.machines
        self._begun = [0.0] * scenario.machines
        self._turn = [0] * scenario.machines
        self._is_up = [True] * scenario.machines
        self._idle = deque(range(scenario.machines))
        self._scheduler_free_s = 0.0
        self._given = 0
        self._useful_s = self._lost_s = self._last_given_s = 0.0
        self._done = self._lost = 0

    def run(self) -> Simulated:
        """Play to the end."""
        self._plan_failures()
        self._give(0.0)
        now = 0.0
        while self._done < self._scenario.tasks:
            if not self._events:
                raise AssertionError("tasks are left, and nothing will happen any more")
            now, kind, machine, turn = heapq.heappop(self._events)
            if kind == _Kind.ENDED:
                self._ended(now, machine, turn)
            elif kind == _Kind.FAILED:
                self._failed(now, machine, turn)
            elif kind == _Kind.NOTICED:
                self._waiting.appendleft(turn)
            else:
                self._is_up[machine] = True
                self._idle.append(machine)
            self._give(now)
        machine_s = now * self._scenario.machines
        return Simulated(
            makespan_s=now,
            bound_s=self._bound_s,
            utilisation=self._useful_s / machine_s,
            done=self._done,
            lost=self._lost,
            lost_s=self._lost_s,
            scheduler_busy=self._given * self._scenario.dispatch_s / now,
            tail_s=now - self._last_given_s,
        )

    def _drawn_s(self) -> float:
        slow = self._scenario.straggle if self._rng.random() < self._scenario.straggling else 1.0
        return self._scenario.task_s * slow * self._rng.lognormvariate(0.0, self._scenario.task_sd)

    def _plan_failures(self) -> None:
        """Say which machines fail, when and how. The third part of an event is how: 0 dies, 1 freezes, 2 has notice."""
        machines = list(range(self._scenario.machines))
        failing = self._rng.sample(machines, round(self._scenario.failing * len(machines)))
        preempted = self._rng.sample(machines, round(self._scenario.preempted * len(machines)))
        for ways, chosen in (((0, 1), failing), ((2,), preempted)):
            for number, machine in enumerate(chosen):
                moment = self._rng.uniform(0.0, self._bound_s)
                heapq.heappush(self._events, (moment, _Kind.FAILED, machine, ways[number % len(ways)]))

    def _give(self, now: float) -> None:
        """Give waiting tasks to free machines, as fast as the scheduler can."""
        while self._waiting and self._idle:
            machine = self._idle.popleft()
            if not self._is_up[machine]:
                continue  # it failed while it was idle; it comes back by itself
            task = self._waiting.popleft()
            self._scheduler_free_s = max(self._scheduler_free_s, now) + self._scenario.dispatch_s
            begin = self._scheduler_free_s
            self._given += 1
            self._last_given_s = begin
            self._hand[machine], self._begun[machine] = task, begin
            end = begin + self._work[task] * self._slowness[machine]
            heapq.heappush(self._events, (end, _Kind.ENDED, machine, self._turn[machine]))

    def _ended(self, now: float, machine: int, turn: int) -> None:
        if turn != self._turn[machine]:
            return  # the machine failed amid it
        self._hand[machine] = None
        self._done += 1
        self._useful_s += now - self._begun[machine]
        if self._is_up[machine]:
            self._idle.append(machine)

    def _failed(self, now: float, machine: int, way: int) -> None:
        if not self._is_up[machine]:
            return
        self._is_up[machine] = False
        heapq.heappush(self._events, (now + self._scenario.repair_s, _Kind.BACK, machine, 0))
        task = self._hand[machine]
        if task is None:
            return
        end = self._begun[machine] + self._work[task] * self._slowness[machine]
        if way == 2 and end - now <= self._scenario.grace_s:
            return  # it ends within the notice, and its run is delivered
        self._turn[machine] += 1
        self._hand[machine] = None
        self._lost += 1
        self._lost_s += max(now - self._begun[machine], 0.0)
        noticed_s = now + (self._scenario.ttl_s if way == 1 else 0.0)
        heapq.heappush(self._events, (noticed_s, _Kind.NOTICED, machine, task))
