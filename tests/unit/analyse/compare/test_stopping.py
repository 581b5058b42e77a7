from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.analyse.compare.precision import workload_precision
from poolbench.analyse.compare.stopping import BudgetRule
from poolbench.analyse.estimate.ledger import Ledger
from poolbench.model.result import Status
from poolbench.model.sample import RejectionRule
from poolbench.model.verdict import Policy
from tests.unit.analyse.virtual import VirtualSession
from tests.unit.builders import AVG2D, MAX1D, MAX2D, Noise, RunBuilder, make_rows

SUBJECTS = ("a", "b", "limit")
USUAL = Noise()
TIMES = {w: {"a": 2e5, "b": 3e5, "limit": 1e5} for w in (MAX2D, AVG2D, MAX1D)}


def rule(times: Mapping[str, Any] = TIMES, *, budget_s: float = 100.0, **options: Any) -> BudgetRule:
    return BudgetRule(
        workloads=tuple(times),
        subjects=SUBJECTS,
        budget_s=budget_s,
        policy=Policy(),
        rejection=RejectionRule(),
        **options,
    )


def session(noise: Noise = USUAL, times: Mapping[str, Any] = TIMES, **options: Any) -> VirtualSession:
    builder = RunBuilder(times=times, noise=noise, failures=options.pop("failures", {}), slot_ns=1_000_000)
    return VirtualSession(builder=builder, **options)


@settings(max_examples=40, deadline=None)
@given(
    budget_s=st.floats(0.5, 200),
    block_s=st.floats(0.01, 3),
    start_s=st.floats(0, 20),
    slot_sd=st.floats(0, 0.08),
    seed=st.integers(0, 99),
    importers=st.integers(1, 3),
    max_launches=st.integers(1, 12),
)
def test_a_run_ends_in_time_and_never_returns_to_an_importer(
    budget_s: float, block_s: float, start_s: float, slot_sd: float, seed: int, importers: int, max_launches: int
) -> None:
    run = session(Noise(slot_sd=slot_sd), block_s=block_s, start_s=start_s)
    run.builder.seed = seed
    run.run(rule(budget_s=budget_s, importers=importers, max_launches=max_launches))
    first_launch_s = sum(run.fixed_s + blocks * block_s for blocks in run.plans[0].blocks.values()) + start_s
    assert run.now_s <= max(budget_s, min(1.5 * budget_s, first_launch_s)) + run.dearest_group_s + 1e-9
    used = [plan.importer for plan in run.plans]
    assert used == sorted(used)
    assert max(used) < importers
    assert [plan.launch for plan in run.plans] == list(range(len(run.plans)))
    assert all(len(run.launches(workload)) <= max(max_launches, 5) for workload in TIMES)


@settings(max_examples=12, deadline=None)
@given(start_s=st.floats(0, 20), block_s=st.floats(0.05, 1), slot_sd=st.floats(0.001, 0.1), seed=st.integers(0, 99))
def test_where_the_budget_allows_every_workload_gets_its_launches_from_two_importers(
    start_s: float, block_s: float, slot_sd: float, seed: int
) -> None:
    run = session(Noise(slot_sd=slot_sd), block_s=block_s, start_s=start_s)
    run.builder.seed = seed
    launch_s = 3 * (0.3 + 8 * block_s)
    run.run(rule(budget_s=2 * start_s + 14 * launch_s))
    for workload in TIMES:
        launches = run.launches(workload)
        assert len(launches) >= 5
        assert launches.count(1) >= 2


def test_a_quiet_run_ends_early_with_the_fewest_launches() -> None:
    run = session(Noise(launch_sd=0.002, slot_sd=0.002))
    run.run(rule(budget_s=1000))
    assert [run.launches(workload) for workload in TIMES] == [[0, 0, 0, 1, 1]] * 3
    assert run.now_s < 100


def test_a_noisy_run_uses_its_budget_half_of_it_on_each_importer() -> None:
    run = session(Noise(launch_sd=0.1, slot_sd=0.01))
    run.run(rule(budget_s=90, base_blocks=2))
    used = [plan.importer for plan in run.plans]
    assert 85 < run.now_s < 95
    assert 0.3 < used.count(0) / len(used) < 0.7


def test_what_is_known_is_left_out_and_what_is_not_gets_on() -> None:
    quiet = RunBuilder(times=TIMES, noise=Noise(launch_sd=0.001, slot_sd=0.001))
    noisy = RunBuilder(times=TIMES, noise=Noise(launch_sd=0.05))

    class Mixed(RunBuilder):
        def group(self, workload: str, launch: int, **options: Any) -> Any:
            return (noisy if workload == AVG2D else quiet).group(workload, launch, **options)

    run = VirtualSession(builder=Mixed(times=TIMES))
    run.run(rule(budget_s=60))
    assert len(run.launches(AVG2D)) > 10
    assert len(run.launches(MAX2D)) <= 12  # five, and those at the end that it needs from the second importer
    assert next(iter(run.plans[-1].blocks)) == AVG2D


def test_the_workloads_with_the_fewest_launches_come_first() -> None:
    builder = RunBuilder(times=TIMES)
    stored = [row for launch in range(3) for row in builder.launch(launch)]
    counts = {MAX2D: 3, AVG2D: 2, MAX1D: 1}
    stored = [row for row in stored if row.launch < counts[row.workload]]
    plan = rule(stored=stored).next_launch(stored, 0.0)
    assert plan is not None
    assert list(plan.blocks) == [MAX1D, AVG2D, MAX2D]


def test_more_blocks_where_the_noise_is_between_blocks_and_no_more_where_it_is_not() -> None:
    noisy_blocks = session(Noise(launch_sd=0.0, slot_sd=0.06))
    noisy_launches = session(Noise(launch_sd=0.06, slot_sd=0.001))
    for run in (noisy_blocks, noisy_launches):
        run.run(rule(budget_s=120, base_blocks=2))
    assert max(max(plan.blocks.values()) for plan in noisy_blocks.plans) == 8
    assert max(max(plan.blocks.values()) for plan in noisy_launches.plans) == 2


def test_failed_pairs_do_not_keep_a_workload_open() -> None:
    failures = {(MAX2D, "b"): (Status.CRASHED, "Signal 11."), (AVG2D, "a"): (Status.MISMATCH, "Wrong.")}
    run = session(Noise(launch_sd=0.001, slot_sd=0.001), failures=failures)
    run.run(rule(budget_s=1000))
    assert run.finished
    assert [len(run.launches(workload)) for workload in TIMES] == [5, 5, 5]


def test_a_workload_on_which_everything_failed_is_not_tried_again() -> None:
    failures = {(MAX2D, subject): (Status.UNSUPPORTED, "No.") for subject in SUBJECTS}
    run = session(failures=failures)
    run.run(rule(budget_s=60))
    assert len(run.launches(MAX2D)) == 1
    assert len(run.launches(AVG2D)) >= 5


def test_a_difference_that_is_seen_but_not_sure_enough_for_the_table_keeps_its_workload_open() -> None:
    times = {MAX2D: {"a": 2e5, "b": 2.12e5}}
    rows = make_rows(times, launches=5, noise=Noise(launch_sd=0.006, slot_sd=0.004))
    ledger = Ledger(rows, RejectionRule())
    in_a_large_table = workload_precision(ledger, MAX2D, Policy(), family=2000)
    alone = workload_precision(ledger, MAX2D, Policy(), family=1)
    assert in_a_large_table.worst == alone.worst < 0.05
    assert alone.is_enough(0.05)
    assert not in_a_large_table.is_enough(0.05)


@pytest.mark.parametrize("killed_after", [1, 4, 7, 10])
def test_a_resumed_run_goes_on_with_new_launches_from_a_new_importer(killed_after: int) -> None:
    killed = session(Noise(launch_sd=0.002, slot_sd=0.002))
    killed.run(rule(), most_groups=killed_after)
    stored = list(killed.rows)
    resumed = VirtualSession(builder=killed.builder, rows=list(stored))
    resumed.run(rule(stored=stored))
    last = max(row.launch for row in stored)
    assert [plan.launch for plan in resumed.plans] == list(range(last + 1, last + 1 + len(resumed.plans)))
    assert {plan.importer for plan in resumed.plans} == {max(row.importer for row in stored) + 1}
    keys = [row.key for row in resumed.rows]
    assert len(keys) == len(set(keys))
    assert all(len(resumed.launches(workload)) >= 5 for workload in TIMES)


def test_resuming_a_finished_run_measures_nothing() -> None:
    run = session(Noise(launch_sd=0.002, slot_sd=0.002))
    run.run(rule())
    assert rule(stored=run.rows).next_launch(run.rows, 0.0) is None


def test_the_first_launch_has_patience_and_the_others_do_not() -> None:
    the_rule = rule(budget_s=10)
    assert not the_rule.time_is_up(14.9, launch=0)
    assert the_rule.time_is_up(15.0, launch=0)
    assert the_rule.time_is_up(10.0, launch=1)
    assert not the_rule.time_is_up(9.9, launch=1)
    assert the_rule.next_launch([], 10.0) is None


def test_no_switch_that_would_leave_no_time_to_measure() -> None:
    run = session(Noise(launch_sd=0.1), start_s=20.0)
    run.run(rule(budget_s=36))
    assert {plan.importer for plan in run.plans} == {0}
    assert run.now_s > 30
