"""The gate's verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from poolbench.analyse.estimate import ledger
from poolbench.analyse.estimate.ledger import Ledger, reduce_row
from poolbench.analyse.gate.judge import gate, weigh, weigh_ledger
from poolbench.analyse.gate.stopping import GateRule, launches_to_confirm
from poolbench.model.evidence import BlockEvidence
from poolbench.model.gate import GatePolicy
from poolbench.model.memory import Amount, not_measured
from poolbench.model.method import Clock, Method
from poolbench.model.result import ResultRow, Status
from poolbench.model.sample import RejectionRule
from poolbench.model.stage import Stage
from poolbench.model.subject import Subject, parse_subject
from poolbench.model.verdict import Outcome
from tests.unit.analyse.gate.simulation import rates, verdict
from tests.unit.builders import AVG2D, GLOBAL, MAX2D, Noise, RunBuilder

NOISE = Noise(launch_sd=0.008, slot_sd=0.01)
DISTURBED = Noise(launch_sd=0.008, slot_sd=0.01, disturbed=0.05)


def sides(base: str, head: str) -> dict[str, Subject]:
    return {"base": parse_subject(base), "head": parse_subject(head)}


def rows_of(builder: RunBuilder, *, survey: int = 8, confirmation: int = 8) -> list[ResultRow]:
    rows = [row for launch in range(survey) for row in builder.launch(launch)]
    for launch in range(survey, survey + confirmation):
        rows += [replace(row, stage=Stage.CONFIRMATION) for row in builder.launch(launch, importer=1)]
    return rows


def judged(builder: RunBuilder, method: Method | None = None, **counts: int):
    return gate(
        rows_of(builder, **counts),
        base=parse_subject("base"),
        head=parse_subject("head"),
        policy=GatePolicy(),
        method=method or Method(memory=False),
    )


def test_false_alarms_are_rare_and_planted_slowdowns_are_found():
    equal = rates(1.0, 150, noise=DISTURBED)
    assert equal["slower"] + equal["faster"] == 0
    assert equal["same"] >= 135
    assert rates(1.05, 60, noise=DISTURBED, survey=12, confirmation=12)["slower"] >= 55
    assert rates(1.02, 60, noise=NOISE, survey=14, confirmation=14)["slower"] >= 36


def test_a_small_slowdown_is_told_and_does_not_fail():
    small = verdict(1.02, 1, noise=Noise(launch_sd=0.001, slot_sd=0.002))
    assert (small.outcome, small.is_regression) == (Outcome.SLOWER, False)
    assert "below the tolerance" in small.reason
    large = verdict(1.1, 1, noise=NOISE)
    assert (large.outcome, large.is_regression) == (Outcome.SLOWER, True)
    assert verdict(0.9, 1, noise=NOISE).outcome is Outcome.FASTER


def test_differences_below_what_importers_leave_are_never_claimed():
    assert verdict(1.004, 1, noise=Noise(launch_sd=0.0001, slot_sd=0.0001)).outcome is Outcome.SAME


@pytest.mark.parametrize(
    ("factors", "is_claimed"),
    [
        ((1.03, 1.025, 1.0, 1.03, 1.02, 1.0), False),
        ((1.02, 1.015, 1.018, 1.02, 1.015, 1.017), True),
    ],
)
def test_what_some_importers_alone_show_is_not_claimed(factors, is_claimed):
    rows = []
    for importer, factor in enumerate(factors):
        builder = RunBuilder(
            times={MAX2D: {"base": 100_000.0, "head": 100_000.0 * factor}},
            noise=Noise(launch_sd=0.002, slot_sd=0.005),
            seed=3,
        )
        stage = Stage.SURVEY if importer < 3 else Stage.CONFIRMATION
        for launch in range(4 * importer, 4 * importer + 4):
            rows += [replace(row, stage=stage) for row in builder.launch(launch, importer=importer, blocks=12)]
    result = gate(rows, **sides("base", "head"), policy=GatePolicy(), method=Method(memory=False))
    assert (result.verdicts[0].outcome is Outcome.SLOWER) == is_claimed


def test_a_suspicion_that_fresh_processes_do_not_confirm_is_no_verdict():
    slow = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1.08e5}}, noise=NOISE)
    equal = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1e5}}, noise=NOISE, seed=2)
    rows = [row for launch in range(8) for row in slow.launch(launch)]
    rows += [replace(r, stage=Stage.CONFIRMATION) for n in range(8, 16) for r in equal.launch(n, importer=1)]
    (found,) = gate(rows, **sides("base", "head"), policy=GatePolicy(), method=Method()).verdicts
    assert found.outcome is Outcome.UNDECIDED
    assert "not confirmed in fresh processes" in found.reason


def test_only_the_workloads_that_changed_are_named():
    times = {MAX2D: {"base": 1e5, "head": 1.1e5}, AVG2D: {"base": 1e5, "head": 1e5}, GLOBAL: {"base": 9e3, "head": 9e3}}
    result = judged(RunBuilder(times=times, noise=NOISE))
    assert {v.workload for v in result.verdicts if v.is_regression} == {MAX2D}
    assert {v.outcome for v in result.verdicts if v.workload != MAX2D} == {Outcome.SAME}


def test_a_failure_and_too_much_contamination_are_invalid():
    times = {MAX2D: {"base": 1e5, "head": 1e5}}
    wrong = {(MAX2D, "head"): (Status.MISMATCH, "At (0, 0) it is 3 and should be 2.")}
    (found,) = judged(RunBuilder(times=times, failures=wrong)).verdicts
    assert (found.outcome, "should be 2" in found.reason) == (Outcome.INVALID, True)
    (found,) = judged(RunBuilder(times=times, noise=Noise(contaminated=0.6))).verdicts
    assert (found.outcome, "contaminated" in found.reason) == (Outcome.INVALID, True)
    (found,) = judged(RunBuilder(times=times), survey=2, confirmation=0).verdicts
    assert (found.outcome, "Only 2 launches" in found.reason) == (Outcome.INVALID, True)


def test_what_neither_side_supports_is_left_out():
    times = {MAX2D: {"base": 1e5, "head": 1e5}, AVG2D: {"base": 1e5, "head": 1e5}}
    refused = {(MAX2D, side): (Status.UNSUPPORTED, "No maxima.") for side in ("base", "head")}
    result = judged(RunBuilder(times=times, failures=refused))
    assert [v.workload for v in result.verdicts] == [AVG2D]
    assert result.skipped == (f"{MAX2D}: No maxima.",)


@pytest.mark.parametrize(("more", "is_regression"), [(0, False), (-512, False), (1, True), (4096, True)])
def test_memory_is_gated_to_the_byte(more, is_regression):
    times = {MAX2D: {"strided": 1e5, "strided#2": 1e5}}
    requests = {"strided": Amount(bytes=200_704), "strided#2": Amount(bytes=200_704 + more)}
    rows = rows_of(RunBuilder(times=times, noise=NOISE, requests=requests))
    (found,) = gate(rows, **sides("strided", "strided#2"), policy=GatePolicy(), method=Method()).verdicts
    assert found.is_memory_regression is is_regression


@pytest.mark.parametrize("sizes", [(None, 4096), (4096, None)])
def test_memory_that_one_side_alone_does_not_tell_is_invalid(sizes):
    times = {MAX2D: {"strided": 1e5, "strided#2": 1e5}}
    amounts = [Amount(bytes=size) if size is not None else not_measured("CRASHED: it ended.") for size in sizes]
    rows = rows_of(
        RunBuilder(times=times, noise=NOISE, requests=dict(zip(("strided", "strided#2"), amounts, strict=True)))
    )
    (found,) = gate(rows, **sides("strided", "strided#2"), policy=GatePolicy(), method=Method()).verdicts
    side = "base" if sizes[0] is None else "head"
    assert found.outcome is Outcome.INVALID
    assert f"memory of {side} alone was not measured: CRASHED: it ended." in found.reason and "Within ±" in found.reason


def test_memory_that_neither_side_tells_is_a_note():
    times = {MAX2D: {"strided": 1e5, "strided#2": 1e5}}
    requests = dict.fromkeys(("strided", "strided#2"), not_measured("memray is not installed."))
    rows = rows_of(RunBuilder(times=times, noise=NOISE, requests=requests))
    (found,) = gate(rows, **sides("strided", "strided#2"), policy=GatePolicy(), method=Method()).verdicts
    assert (found.outcome, "memray" in found.memory_reason) == (Outcome.SAME, True)


def test_a_confirmation_of_too_few_launches_is_none():
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1.08e5}}, noise=NOISE)
    (found,) = judged(builder, survey=8, confirmation=2).verdicts
    assert found.outcome is Outcome.UNDECIDED
    assert "left no time to confirm it" in found.reason


def test_the_slack_of_a_framework_is_no_finding():
    requests = {"torch": Amount(bytes=200_704), "torch#2": Amount(bytes=201_304)}
    rows = rows_of(RunBuilder(times={MAX2D: {"torch": 1e5, "torch#2": 1e5}}, noise=NOISE, requests=requests))
    (found,) = gate(rows, **sides("torch", "torch#2"), policy=GatePolicy(), method=Method()).verdicts
    assert not found.is_memory_regression


def test_by_cpu_time_what_the_host_took_is_not_the_heads():
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1e5}}, noise=Noise(launch_sd=0.002, slot_sd=0.002))
    rows = []
    for row in rows_of(builder):
        taken = 1.2 if row.subject == "head" else 1.0
        samples = tuple(s._replace(elapsed_ns=round(s.elapsed_ns * taken)) for s in row.samples)
        rows.append(replace(row, samples=samples))
    by_cpu = Method(clock=Clock.CPU, rejection=RejectionRule(max_wait_share=0.3))
    (found,) = gate(rows, **sides("base", "head"), policy=GatePolicy(), method=by_cpu).verdicts
    assert found.outcome is Outcome.SAME
    (found,) = gate(rows, **sides("base", "head"), policy=GatePolicy(), method=Method()).verdicts
    assert found.outcome is Outcome.INVALID


def test_a_neighbour_is_named():
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1e5}}, noise=NOISE)
    block = BlockEvidence(block=0, wall_ns=100, busy_ns=190, steal_ns=0, pressure_ns=10)
    rows = [replace(row, evidence=(block,)) for row in rows_of(builder)]
    result = gate(rows, **sides("base", "head"), policy=GatePolicy(), method=Method())
    assert result.disturbance.causes == ("other processes kept 0.90 cores busy",)
    assert not judged(builder).disturbance.causes


@pytest.mark.parametrize(("busy_ns", "others"), [(99, 0.5), (49, 0.0)], ids=["and a neighbour", "nobody else"])
def test_a_host_that_takes_the_cores_hides_no_neighbour_and_makes_none(busy_ns, others):
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1e5}}, noise=NOISE)
    block = BlockEvidence(block=0, wall_ns=100, busy_ns=busy_ns, steal_ns=51, pressure_ns=10)
    rows = [replace(row, evidence=(block,)) for row in rows_of(builder)]
    result = gate(rows, **sides("base", "head"), policy=GatePolicy(), method=Method())
    assert result.disturbance.others == pytest.approx(others)


class Virtual:
    """A gate's session on a virtual clock. ``again`` makes the rows of confirmations, by default ``builder`` too."""

    def __init__(
        self, builder: RunBuilder, *, again: RunBuilder | None = None, group_s: float = 0.3, start_s: float = 0.5
    ) -> None:
        self.builders = {Stage.SURVEY: builder, Stage.CONFIRMATION: again or builder}
        self.group_s, self.start_s = group_s, start_s
        self.rows: list[ResultRow] = []
        self.now_s = 0.0
        self.plans = []

    def run(self, rule: GateRule) -> None:
        importer = None
        while (plan := rule.next_launch(self.rows, self.now_s)) is not None:
            self.plans.append(plan)
            self.now_s += self.start_s * (plan.importer != importer)
            importer = plan.importer
            for workload, blocks in plan.blocks.items():
                if rule.time_is_up(self.now_s, plan.launch):
                    break
                group = self.builders[plan.stage].group(
                    workload, plan.launch, blocks=blocks, importer=importer, seconds=self.group_s / 2
                )
                self.rows += [replace(row, stage=plan.stage) for row in group]
                self.now_s += self.group_s


def rule_for(builder: RunBuilder, budget_s: float, stored: Sequence[ResultRow] = ()) -> GateRule:
    return GateRule(
        workloads=list(builder.times),
        base="base",
        head="head",
        budget_s=budget_s,
        policy=GatePolicy(),
        method=Method(),
        stored=stored,
    )


def test_equal_sides_end_long_before_the_budget():
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1e5}, AVG2D: {"base": 1e5, "head": 1e5}}, noise=NOISE)
    session = Virtual(builder)
    session.run(rule_for(builder, 100.0))
    assert session.now_s < 30
    assert {plan.stage for plan in session.plans} == {Stage.SURVEY}


def test_a_suspicion_is_measured_again_from_importers_that_surveyed_nothing():
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1.1e5}, AVG2D: {"base": 1e5, "head": 1e5}}, noise=NOISE)
    session = Virtual(builder)
    session.run(rule_for(builder, 60.0))
    by_stage = {stage: {plan.importer for plan in session.plans if plan.stage is stage} for stage in Stage}
    assert by_stage[Stage.CONFIRMATION] and not by_stage[Stage.SURVEY] & by_stage[Stage.CONFIRMATION]
    assert all(set(plan.blocks) == {MAX2D} for plan in session.plans if plan.stage is Stage.CONFIRMATION)
    result = gate(session.rows, **sides("base", "head"), policy=GatePolicy(), method=Method())
    assert [v.outcome for v in result.verdicts] == [Outcome.SLOWER, Outcome.SAME]


@pytest.mark.parametrize("noise", [NOISE, Noise(contaminated=0.4)], ids=["calm", "contaminated"])
def test_a_ledger_that_grew_says_what_all_its_rows_say(noise):
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1.05e5}, AVG2D: {"base": 1e5, "head": 1e5}}, noise=noise)
    rows = rows_of(builder)
    grown = Ledger((), Method().rejection)
    for count, row in enumerate(rows, start=1):
        grown.add([row])
        fresh = weigh(rows[:count], MAX2D, "head", "base", GatePolicy(), Method())
        assert replace(weigh_ledger(grown, MAX2D, "head", "base", GatePolicy()), ledger=fresh.ledger) == fresh


def test_each_row_is_reduced_once(monkeypatch):
    reduced = []
    monkeypatch.setattr(ledger, "reduce_row", lambda row, *args: reduced.append(row.key) or reduce_row(row, *args))
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1.1e5}, AVG2D: {"base": 1e5, "head": 1e5}}, noise=NOISE)
    session = Virtual(builder)
    session.run(rule_for(builder, 60.0))
    assert len(session.plans) > 10
    assert len(reduced) == len(set(reduced)) <= len(session.rows)


def test_what_is_the_same_already_is_confirmed_last():
    slight = {"base": 1e5, "head": 1.015e5}
    builder = RunBuilder(times={MAX2D: slight, AVG2D: {"base": 1e5, "head": 1.1e5}}, noise=NOISE)
    session = Virtual(builder)
    session.run(rule_for(builder, 60.0))
    confirmed = [set(plan.blocks) for plan in session.plans if plan.stage is Stage.CONFIRMATION]
    assert confirmed[0] == {AVG2D} and confirmed[-1] == {MAX2D}
    result = gate(session.rows, **sides("base", "head"), policy=GatePolicy(), method=Method())
    assert [v.outcome for v in result.verdicts] == [Outcome.SLOWER, Outcome.SLOWER]
    assert [v.is_regression for v in result.verdicts] == [False, True]


def test_what_is_open_gets_launches_until_the_budget_is_used():
    noisy = RunBuilder(
        times={MAX2D: {"base": 1e5, "head": 1e5}, AVG2D: {"base": 1e5, "head": 1e5}}, noise=Noise(launch_sd=0.15)
    )
    session = Virtual(noisy)
    session.run(rule_for(noisy, 20.0))
    assert 17 < session.now_s < 21
    assert len({plan.importer for plan in session.plans}) > 2


def test_a_side_that_failed_is_not_measured_again():
    failed = {(MAX2D, "head"): (Status.MISMATCH, "wrong")}
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1e5}}, failures=failed)
    session = Virtual(builder)
    session.run(rule_for(builder, 20.0))
    assert len(session.plans) == 1


def test_a_side_that_fails_when_it_is_measured_again_is_measured_no_more():
    times = {MAX2D: {"base": 1e5, "head": 1.1e5}, AVG2D: {"base": 1e5, "head": 1.1e5}}
    builder = RunBuilder(times=times, noise=NOISE)
    failing = RunBuilder(times=times, noise=NOISE, failures={(MAX2D, "head"): (Status.CRASHED, "It ended.")})
    session = Virtual(builder, again=failing)
    session.run(rule_for(builder, 60.0))
    confirmed = [set(plan.blocks) for plan in session.plans if plan.stage is Stage.CONFIRMATION]
    assert confirmed[0] == {MAX2D, AVG2D}
    assert len(confirmed) > 2 and all(chosen == {AVG2D} for chosen in confirmed[1:])
    # Nor after the run was interrupted there.
    stored = [row for row in session.rows if row.launch <= session.plans[-len(confirmed)].launch]
    resumed = Virtual(builder, again=failing)
    resumed.rows = list(stored)
    resumed.run(rule_for(builder, 60.0, stored))
    assert resumed.plans and all(set(plan.blocks) == {AVG2D} for plan in resumed.plans)
    result = gate(resumed.rows, **sides("base", "head"), policy=GatePolicy(), method=Method())
    assert [v.outcome for v in result.verdicts] == [Outcome.INVALID, Outcome.SLOWER]


def test_what_an_interrupted_run_took_is_part_of_the_budget():
    times = {workload: {"base": 1e5, "head": 1e5} for workload in (MAX2D, AVG2D)}
    noisy = RunBuilder(times=times, noise=Noise(launch_sd=0.15))
    first = Virtual(noisy)
    first.run(rule_for(noisy, 10.0))
    resumed = Virtual(noisy)
    resumed.rows = list(first.rows)
    resumed.run(rule_for(noisy, 20.0, first.rows))
    spent_s = sum(row.seconds for row in first.rows)
    assert 17 - spent_s < resumed.now_s < 21 - spent_s
    assert {plan.importer for plan in resumed.plans}.isdisjoint(plan.importer for plan in first.plans)
    # With the whole budget behind it nothing is measured, not even a launch.
    assert rule_for(noisy, sum(row.seconds for row in resumed.rows), resumed.rows).next_launch(resumed.rows, 0) is None


def test_a_confirmation_that_was_interrupted_goes_on_and_the_survey_does_not():
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1.1e5}, AVG2D: {"base": 1e5, "head": 1e5}}, noise=NOISE)
    whole = Virtual(builder)
    whole.run(rule_for(builder, 60.0))
    first = next(row.launch for row in whole.rows if row.stage is Stage.CONFIRMATION)
    stored = [row for row in whole.rows if row.launch <= first]
    resumed = Virtual(builder)
    resumed.rows = list(stored)
    resumed.run(rule_for(builder, 60.0, stored))
    assert resumed.plans and {plan.stage for plan in resumed.plans} == {Stage.CONFIRMATION}
    assert all(set(plan.blocks) == {MAX2D} for plan in resumed.plans)
    result = gate(resumed.rows, **sides("base", "head"), policy=GatePolicy(), method=Method())
    assert [v.outcome for v in result.verdicts] == [Outcome.SLOWER, Outcome.SAME]


def test_how_many_launches_confirm_does_not_follow_from_the_confirmation_that_is_stored():
    builder = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1.02e5}}, noise=NOISE)
    survey = [row for launch in range(8) for row in builder.launch(launch)]

    def launches(ratio: float) -> int:
        other = RunBuilder(times={MAX2D: {"base": 1e5, "head": 1e5 * ratio}}, noise=NOISE)
        stored = [*survey, *(replace(row, stage=Stage.CONFIRMATION) for row in other.launch(8, importer=1))]
        resumed = Virtual(builder)
        resumed.rows = list(stored)
        resumed.run(rule_for(builder, 200.0, stored))
        return len([plan for plan in resumed.plans if plan.stage is Stage.CONFIRMATION])

    wanted = launches_to_confirm(weigh(survey, MAX2D, "head", "base", GatePolicy(), Method()), GatePolicy())
    assert 6 < wanted < 60
    assert [launches(ratio) for ratio in (1.3, 1.0, 0.9)] == [wanted - 1] * 3
