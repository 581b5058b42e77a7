from dataclasses import replace

import pytest

from poolbench.fleet.simulation import Scenario, simulate

CALM = Scenario(
    machines=10, tasks=100, task_s=60.0, machine_sd=0.0, task_sd=0.0, straggling=0.0, failing=0.0, preempted=0.0,
    dispatch_s=0.0,
)  # fmt: skip
ROUGH = replace(Scenario(), machines=200, tasks=4000)


def test_equal_machines_that_never_fail_reach_the_bound():
    found = simulate(CALM)
    assert (found.makespan_s, found.bound_s) == pytest.approx((600.0, 600.0))
    assert found.utilisation == pytest.approx(1.0)
    assert (found.done, found.lost) == (100, 0)


def test_every_task_is_done_once_whatever_fails_and_equal_scenarios_give_equal_results():
    found = simulate(replace(ROUGH, failing=0.5, preempted=0.5))
    assert found == simulate(replace(ROUGH, failing=0.5, preempted=0.5))
    assert found != simulate(replace(ROUGH, failing=0.5, preempted=0.5, seed=2))
    assert found.done == ROUGH.tasks and found.lost > 0
    assert found.makespan_s > found.bound_s
    spent_s = found.utilisation * found.makespan_s * ROUGH.machines + found.lost_s
    assert spent_s <= found.makespan_s * ROUGH.machines  # no machine does two tasks at a time


def test_notice_saves_what_silence_costs():
    dying, warned = (simulate(replace(ROUGH, **change)) for change in (
        {"failing": 1.0, "preempted": 0.0}, {"failing": 0.0, "preempted": 1.0, "grace_s": 1e9},
    ))  # fmt: skip
    assert warned.lost == 0 < dying.lost
    assert warned.makespan_s < dying.makespan_s


def test_a_scheduler_that_is_slower_than_its_machines_is_the_limit():
    found = simulate(replace(CALM, dispatch_s=12.0))  # ten machines ask for one each 6 s
    assert found.scheduler_busy > 0.9
    assert found.makespan_s >= 100 * 12.0
