from __future__ import annotations

from collections import Counter

import pytest

from poolbench.measure.client import WorkerFailure
from poolbench.model.ids import parse_id
from poolbench.model.method import Cache, Method
from poolbench.model.result import ResultRow, Status
from tests.unit.measure.virtual import Behaviour, FixedRule, failure, virtual_session

SMALL = parse_id("max2d-n1c2-h8w8-k2")
OTHER = parse_id("avg2d-n1c2-h8w8-k2")
THIRD = parse_id("avg2d-n1c2-h9w9-k3")
FOURTH = parse_id("max2d-n1c2-h9w9-k3")
LARGE = parse_id("max2d-n64c64-h224w224-k2")
"""More than 256 MiB: its buffers are there for a slot alone."""


def rows_of(session) -> list[ResultRow]:
    return [row for group in session.rows() for row in group]


def test_every_launch_has_a_row_for_each_workload_and_subject():
    session, _ = virtual_session({"a": Behaviour(), "b": Behaviour()}, [SMALL, OTHER])
    rows = rows_of(session)
    assert Counter(row.key for row in rows) == Counter(
        (launch, workload.id, name) for launch in (0, 1) for workload in (SMALL, OTHER) for name in "ab"
    )
    assert {row.status for row in rows} == {Status.OK}


def test_samples_are_the_true_time_in_palindromic_positions():
    session, _ = virtual_session({"a": Behaviour(call_ns=2000), "b": Behaviour(call_ns=500)}, [SMALL])
    for row in rows_of(session):
        assert {sample.call_ns for sample in row.samples} == {2000.0 if row.subject == "a" else 500.0}
        for block in (0, 1):
            first, second = (sample.position for sample in row.samples if sample.block == block)
            assert first + second == 3


def test_loops_are_calibrated_once_and_fill_the_slot():
    session, launcher = virtual_session({"a": Behaviour(call_ns=1000), "b": Behaviour(call_ns=10**9)}, [SMALL])
    rows = rows_of(session)
    assert [op for _, op, _ in launcher.log].count("calibrate") == 2
    assert {(row.subject, row.loops) for row in rows} == {("a", Method().slot_ns // 1000), ("b", 1)}


KIN = {"fake": 1000, "fake#2": 1700, "fake+slow=1.05": 400, "fake:wrong": 500}
"""Three subjects of one backend, as they would calibrate by themselves, and one of another."""


def test_copies_releases_and_revisions_make_as_many_calls_in_a_slot():
    session, launcher = virtual_session({name: Behaviour(call_ns=ns) for name, ns in KIN.items()}, [SMALL])
    loops = {row.subject: row.loops for row in rows_of(session)}
    assert loops == {"fake": 5000, "fake#2": 5000, "fake+slow=1.05": 5000, "fake:wrong": 10_000}
    assert [name for name, op, _ in launcher.log if op == "calibrate"] == ["fake", "fake:wrong"]


def test_who_joins_later_makes_the_calls_of_its_kin():
    behaviours = {name: Behaviour(call_ns=ns) for name, ns in KIN.items()}
    session, _ = virtual_session({"fake": behaviours["fake"]}, [SMALL])
    done = rows_of(session)
    resumed, launcher = virtual_session(behaviours, [SMALL], done=done, rule=FixedRule([SMALL.id], launches=4))
    assert {row.loops for row in rows_of(resumed) if row.subject == "fake#2"} == {5000}
    assert [name for name, op, _ in launcher.log if op == "calibrate"] == ["fake:wrong"]


def test_a_copy_whose_slot_was_lengthened_once_warms_up_like_the_other():
    behaviours = {"fake": Behaviour(call_ns=2_000_000, first_slot_is_longer=50), "fake#2": Behaviour(call_ns=2_000_000)}
    session, launcher = virtual_session(behaviours, [SMALL], rule=FixedRule([SMALL.id], blocks=4))
    rows_of(session)
    assert [worker.warmed for worker in launcher.workers] == [[1] * 8] * 4


def test_long_calls_are_made_to_warm_up_on_new_buffers_alone_once_that_is_known():
    session, launcher = virtual_session({"fake": Behaviour(call_ns=10**9)}, [SMALL])
    rows_of(session)
    assert [worker.warmed for worker in launcher.workers] == [[1, 1, 1, 0], [0, 0, 1, 0]]


@pytest.mark.parametrize("cache", list(Cache))
def test_the_first_call_on_buffers_that_each_slot_makes_anew_is_never_timed(cache):
    session, launcher = virtual_session(
        {"fake": Behaviour(call_ns=10**9)}, [LARGE], method=Method(memory=False, cache=cache)
    )
    rows_of(session)
    assert [worker.warmed for worker in launcher.workers] == [[1] * 4] * 2
    fake = [op for _, op, _ in launcher.log if op in ("open", "close", "slot")]
    assert fake == ["open", "close", *["open", "slot", "close"] * 4] * 2


class Later(dict[tuple[str, str], WorkerFailure]):
    """Failures that come when they are looked for a second time."""

    asked = 0

    def get(self, key, default=None):
        self.asked += key in self
        return super().get(key, default) if self.asked > 1 else default


def test_who_cannot_make_its_buffers_anew_falls_out_by_itself():
    refused = failure(Status.OUT_OF_MEMORY, "An allocation was refused.", alive=True)
    behaviours = {"a": Behaviour(), "b": Behaviour(failures=Later({("open", LARGE.id): refused}))}
    session, launcher = virtual_session(behaviours, [LARGE], rule=FixedRule([LARGE.id], launches=1))
    rows = {row.subject: row for row in rows_of(session)}
    assert {name: row.status for name, row in rows.items()} == {"a": Status.OK, "b": Status.OUT_OF_MEMORY}
    assert rows["b"].note == "An allocation was refused."
    assert [op for name, op, _ in launcher.log if name == "b"].count("slot") == 0


def test_buffers_move_by_as_much_for_copies_and_for_all_of_them_or_none():
    behaviours = {"fake": Behaviour(prepare_ns=10**8), "fake#2": Behaviour(prepare_ns=10**6), "fake:wrong": Behaviour()}
    session, launcher = virtual_session(behaviours, [SMALL], rule=FixedRule([SMALL.id], launches=1, blocks=3))
    rows_of(session)
    first, second, other = (worker.pads for worker in launcher.workers)
    assert first == second and len(first) == 3
    assert first != other


def test_buffers_stay_for_as_many_blocks_as_the_method_says():
    rule = FixedRule([SMALL.id], launches=1, blocks=5)
    session, launcher = virtual_session({"fake": Behaviour()}, [SMALL], rule=rule, method=Method(memory=False, stay=2))
    (row,) = rows_of(session)
    assert len(launcher.workers[0].pads) == 3
    assert [part.block for part in row.evidence] == [0, 2, 4]


@pytest.mark.parametrize("one_core", [True, False])
def test_all_stay_on_the_core_that_the_system_chose_for_one_of_them(one_core):
    names = ("fake", "fake#2", "fake#3", "fake#4")
    behaviours = {name: Behaviour(core=number) for number, name in enumerate(names)}
    session, launcher = virtual_session(
        behaviours,
        [SMALL],
        rule=FixedRule([SMALL.id], launches=1, blocks=4),
        method=Method(memory=False, stay=2, one_core=one_core),
        circles=(names[:2], names[2:]),
    )
    rows_of(session)
    cores = [worker.slot_cores for worker in launcher.workers]
    assert cores == ([[0] * 8, [0] * 8, [2] * 8, [2] * 8] if one_core else [[None] * 8] * 4)
    # Its choice is asked for anew on each placement, once the hold of the one before is over.
    assert launcher.workers[0].cores == ([None, None, 0] * 2 if one_core else [])


def test_where_one_is_lost_on_the_way_to_a_core_the_others_are_measured():
    gone = failure(Status.CRASHED)
    behaviours = {"fake": Behaviour(failures={("core", SMALL.id): gone}), "fake#2": Behaviour(core=3)}
    session, launcher = virtual_session(
        behaviours, [SMALL], rule=FixedRule([SMALL.id], launches=1), method=Method(memory=False, one_core=True)
    )
    rows = rows_of(session)
    assert [(row.subject, row.status) for row in rows] == [("fake", Status.CRASHED), ("fake#2", Status.OK)]
    assert set(launcher.workers[1].slot_cores) == {3}


def test_a_circle_has_its_blocks_on_a_placement_before_the_next_takes_its_place():
    names = ("fake", "fake#2", "fake#3", "fake#4")
    circles = (names[:2], names[2:])
    session, launcher = virtual_session(
        {name: Behaviour() for name in names},
        [SMALL],
        rule=FixedRule([SMALL.id], launches=1, blocks=4),
        method=Method(memory=False, stay=2),
        circles=circles,
    )
    rows = rows_of(session)
    turns = [(name, op) for name, op, _ in launcher.log if op in ("open", "slot")][len(names) :]
    for stretch in range(2):
        moved = 2 if stretch else 0  # on the first placement the buffers lie where they were opened
        for turn in range(2):
            own = turns[: moved + 8]
            del turns[: moved + 8]
            (circle,) = {tuple(sorted({name for name, _ in own}))} & set(circles)
            assert [op for _, op in own] == ["open"] * moved + ["slot"] * 8, (stretch, turn)
            for block in (own[moved : moved + 4], own[moved + 4 :]):
                order = [name for name, _ in block]
                assert order == order[::-1] and set(order) == set(circle)
    assert not turns
    places = sorted((sample.block, sample.position) for row in rows for sample in row.samples)
    assert places == [(block, position) for block in range(4) for position in range(8)]


def test_importers_are_renewed_when_the_plan_says_so_and_workers_live_for_one_launch():
    session, launcher = virtual_session({"a": Behaviour()}, [SMALL], rule=FixedRule([SMALL.id], launches=4))
    rows = rows_of(session)
    assert launcher.renewals == 2
    assert len(launcher.workers) == 4
    assert all(worker.closed for worker in launcher.workers)
    assert [row.importer for row in rows] == [0, 0, 1, 1]


def test_the_exact_filling_is_checked_once_per_importer():
    session, _ = virtual_session({"a": Behaviour()}, [SMALL], rule=FixedRule([SMALL.id], launches=4))
    checked = [row.verification.exact_ulp is not None for row in rows_of(session)]
    assert checked == [True, False, True, False]


@pytest.mark.parametrize("op", ["supports", "open", "calibrate", "slot"])
def test_a_failing_subject_gets_its_status_and_the_others_go_on(op):
    bad = Behaviour(failures={(op, SMALL.id): failure(Status.CRASHED, "The worker was ended by SIGSEGV.")})
    session, _ = virtual_session({"a": Behaviour(), "bad": bad}, [SMALL, OTHER])
    rows = rows_of(session)
    of_bad = [row for row in rows if row.subject == "bad" and row.workload == SMALL.id]
    assert [(row.status, row.launch, row.samples) for row in of_bad] == [(Status.CRASHED, 0, ())]
    assert "SIGSEGV" in of_bad[0].note
    others = [row for row in rows if row not in of_bad]
    assert len(others) == 6
    assert {row.status for row in others} == {Status.OK}
    assert {len(row.samples) for row in others} == {4}


def test_a_refusal_keeps_the_worker_and_is_not_asked_again():
    bad = Behaviour(failures={("supports", SMALL.id): failure(Status.UNSUPPORTED, "No.", alive=True)})
    session, launcher = virtual_session({"a": Behaviour(), "bad": bad}, [SMALL, OTHER])
    rows_of(session)
    assert launcher.log.count(("bad", "supports", SMALL.id)) == 1
    assert len([worker for worker in launcher.workers if str(worker.subject) == "bad"]) == 2


def test_a_subject_that_hangs_again_and_again_is_given_up():
    workloads = [SMALL, OTHER, THIRD, FOURTH]
    hangs = Behaviour(failures={("open", workload.id): failure(Status.TIMEOUT) for workload in workloads})
    session, launcher = virtual_session({"a": Behaviour(), "hangs": hangs}, workloads)
    rows = rows_of(session)
    tried = [entry for entry in launcher.log if entry[:2] == ("hangs", "open")]
    assert len(tried) == 2
    assert [row.status for row in rows if row.subject == "hangs"] == [Status.TIMEOUT] * 4
    assert sum("Not tried" in row.note for row in rows) == 2


def test_resuming_measures_what_is_missing_and_nothing_else():
    behaviours = {"a": Behaviour(), "b": Behaviour()}
    whole = rows_of(virtual_session(behaviours, [SMALL, OTHER])[0])
    kept = whole[:3]  # of the second workload, only one subject's row was stored
    session, _ = virtual_session(behaviours, [SMALL, OTHER], done=kept)
    # FixedRule plans by workload; what is finished within it must be left alone by the session.
    session.rule = FixedRule([OTHER.id], launches=1)
    session.rule.next_launch = _plan_once(session.rule.next_launch([], 0.0))
    new = rows_of(session)
    assert [(row.workload, row.subject) for row in new] == [(OTHER.id, "b")]
    assert new[0].group != kept[2].group
    assert new[0].loops == whole[3].loops


def _plan_once(plan):
    plans = iter([plan])
    return lambda rows, elapsed_s: next(plans, None)


def test_resuming_does_not_retry_what_failed():
    bad = Behaviour(failures={("open", SMALL.id): failure(Status.CRASHED)})
    first = rows_of(virtual_session({"a": Behaviour(), "bad": bad}, [SMALL], rule=FixedRule([SMALL.id], launches=1))[0])
    session, launcher = virtual_session({"a": Behaviour(), "bad": bad}, [SMALL], done=first)
    rows_of(session)
    assert ("bad", "open", SMALL.id) not in launcher.log


def test_time_being_up_ends_the_launch_after_the_workload_in_hand():
    rule = FixedRule([SMALL.id, OTHER.id], launches=3, stop_at_s=10 * Method().slot_ns / 1e9)
    session, _ = virtual_session({"a": Behaviour(), "b": Behaviour()}, [SMALL, OTHER], rule=rule)
    rows = rows_of(session)
    assert [row.workload for row in rows] == [SMALL.id, SMALL.id, OTHER.id, OTHER.id]


def test_the_first_workload_is_measured_even_where_starting_took_the_whole_time():
    session, launcher = virtual_session(
        {"a": Behaviour()}, [SMALL, OTHER], rule=FixedRule([SMALL.id, OTHER.id], stop_at_s=1.0)
    )

    def renew_slowly() -> None:
        launcher.clock.now_ns += 2_000_000_000

    launcher.renew = renew_slowly
    assert [row.workload for row in rows_of(session)] == [SMALL.id]


@pytest.mark.parametrize(("waits", "blocks"), [(0, 2), (1, 3), (2, 3), (3, 4), (1000, 8)])
def test_a_contaminated_block_is_kept_and_repeated_a_few_times(waits, blocks):
    disturbed = Behaviour(waits_in_first_slots=waits)
    session, _ = virtual_session({"a": Behaviour(), "b": disturbed}, [SMALL], rule=FixedRule([SMALL.id], launches=1))
    for row in rows_of(session):
        assert sorted({sample.block for sample in row.samples}) == list(range(blocks))
        assert len(row.samples) == 2 * blocks


def test_the_limit_alone_is_not_measured():
    bad = Behaviour(failures={("open", SMALL.id): failure(Status.MISMATCH, alive=True)})
    session, launcher = virtual_session({"bad": bad, "limit": Behaviour()}, [SMALL])
    rows = rows_of(session)
    assert {row.subject: row.status for row in rows} == {"bad": Status.MISMATCH, "limit": Status.FAILED}
    assert not [entry for entry in launcher.log if entry[1] == "slot"]


def test_closing_the_session_early_ends_its_workers():
    session, launcher = virtual_session({"a": Behaviour()}, [SMALL, OTHER])
    groups = session.rows()
    next(groups)
    groups.close()
    assert all(worker.closed for worker in launcher.workers)


def test_rows_carry_facts_contract_and_seconds():
    session, _ = virtual_session({"a": Behaviour(), "b": Behaviour()}, [SMALL])
    rows = rows_of(session)
    assert {tuple(row.facts.items()) for row in rows} == {(("version", "1"),)}
    assert {tuple(row.contract.items()) for row in rows} == {(("nan", "propagates"),)}
    # Each of the two subjects has four slots and some requests of a microsecond.
    slots_s = 4 * Method().slot_ns / 1e9
    assert all(slots_s < row.seconds < slots_s + 1e-3 for row in rows), [row.seconds for row in rows]
