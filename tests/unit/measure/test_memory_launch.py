"""The memory launch in a session on a virtual clock: when, how often, and what becomes of its failures."""

from __future__ import annotations

import pytest

from poolbench.model.ids import parse_id
from poolbench.model.memory import Amount
from poolbench.model.method import Cache, Method
from poolbench.model.result import ResultRow, Status
from tests.unit.measure.virtual import Behaviour, FixedRule, VirtualLauncher, failure, virtual_session

SMALL = parse_id("max2d-n1c2-h8w8-k2")
OTHER = parse_id("avg2d-n1c2-h8w8-k2")
THIRD = parse_id("avg2d-n1c2-h9w9-k3")
FOURTH = parse_id("max2d-n1c2-h9w9-k3")
MEASURED = Method()
OPS = ("settle", "touched", "requested")


def rows_of(session) -> list[ResultRow]:
    return [row for group in session.rows() for row in group]


def asked(launcher: VirtualLauncher, op: str) -> list[tuple[str, str]]:
    return [(subject, workload) for subject, each, workload in launcher.log if each == op]


def test_every_row_has_the_account_and_it_is_made_once_in_a_worker_of_its_own():
    behaviours = {"a": Behaviour(requests=10), "b": Behaviour(requests=20), "limit": Behaviour()}
    session, launcher = virtual_session(behaviours, [SMALL, OTHER], method=MEASURED)
    rows = rows_of(session)
    assert len(rows) == 12
    for row in rows:
        if row.subject == "limit":
            assert row.memory is None
            continue
        workload = parse_id(row.workload)
        assert row.memory is not None
        assert row.memory.requested == row.memory.touched == Amount(bytes={"a": 10, "b": 20}[row.subject])
        assert row.memory.saved == Amount()
        assert row.memory.output_bytes == row.memory.least_bytes == workload.output_bytes
    for op in OPS:
        assert len(asked(launcher, op)) == 4  # each pair of subject and workload, in the first launch alone
    assert len(launcher.workers) == 3 * 2 + 4
    assert all(worker.closed for worker in launcher.workers)


def test_it_comes_after_the_slots_and_checks_the_answer_again():
    session, launcher = virtual_session({"a": Behaviour()}, [SMALL], method=MEASURED)
    next(session.rows())
    ops = [op for _, op, _ in launcher.log]
    assert ops[ops.index("close") + 1 :] == ["settle", "open", "touched", "requested"]
    assert ops.index("slot") < ops.index("settle")


def test_one_buffer_is_enough_when_slots_are_cold():
    session, launcher = virtual_session({"a": Behaviour()}, [SMALL], method=Method(cache=Cache.COLD))
    next(session.rows())
    assert [worker.caches for worker in launcher.workers] == [["cold"], ["hot"]]


def test_its_time_is_booked_on_the_rows_and_told_apart():
    session, _ = virtual_session({"a": Behaviour(), "b": Behaviour()}, [SMALL], method=MEASURED)
    rows = rows_of(session)
    slots_s = 4 * MEASURED.slot_ns / 1e9
    for row in rows:
        # Four requests of a microsecond for each subject, in the first launch.
        assert row.memory_seconds == pytest.approx(4e-6 if row.launch == 0 else 0.0)
        assert slots_s < row.seconds - row.memory_seconds < slots_s + 1e-3


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("status", [Status.CRASHED, Status.TIMEOUT, Status.OUT_OF_MEMORY])
def test_a_failure_stands_in_place_of_the_figures_and_of_nothing_else(op, status):
    bad = Behaviour(requests=20, failures={(op, SMALL.id): failure(status, "It was ended.")})
    # "settle" names no workload of its own, so it fails for the worker that has opened none.
    if op == "settle":
        bad = Behaviour(requests=20, failures={(op, ""): failure(status, "It was ended.")})
    session, launcher = virtual_session({"a": Behaviour(), "bad": bad}, [SMALL], method=MEASURED)
    rows = rows_of(session)
    assert {row.status for row in rows} == {Status.OK}
    assert {len(row.samples) for row in rows} == {4}
    for row in rows:
        assert row.memory is not None
        note = f"not measured: {status}: It was ended."
        lost = {"settle": OPS, "touched": ("touched", "requested"), "requested": ("requested",)}[op]
        for part in ("touched", "requested"):
            expected = Amount(bytes=4096 if row.subject == "a" else 20)
            if row.subject == "bad" and part in lost:
                expected = Amount(note=note)
            assert getattr(row.memory, part) == expected
    assert len(asked(launcher, "settle")) == 2  # a failure is not tried again either
    assert all(worker.closed for worker in launcher.workers)


def test_a_subject_that_hangs_again_and_again_is_given_up():
    workloads = [SMALL, OTHER, THIRD, FOURTH]
    hangs = Behaviour(failures={("touched", workload.id): failure(Status.TIMEOUT) for workload in workloads})
    session, launcher = virtual_session({"hangs": hangs}, workloads, method=MEASURED)
    notes = [row.memory.touched.note for row in rows_of(session) if row.launch == 0]
    assert len(asked(launcher, "settle")) == 2
    assert ["not tried" in note for note in notes] == [False, False, True, True]


def test_what_fails_its_check_or_is_refused_has_no_account():
    bad = Behaviour(failures={("open", SMALL.id): failure(Status.MISMATCH, alive=True)})
    session, launcher = virtual_session({"a": Behaviour(), "bad": bad}, [SMALL], method=MEASURED)
    accounts = {row.subject: row.memory for row in rows_of(session)}
    assert accounts["a"] is not None
    assert accounts["bad"] is None
    assert {subject for subject, _ in asked(launcher, "settle")} == {"a"}


def test_resuming_takes_over_what_is_known():
    rule = FixedRule([SMALL.id], launches=1)
    first = rows_of(virtual_session({"a": Behaviour(requests=7)}, [SMALL], rule=rule, method=MEASURED)[0])
    session, launcher = virtual_session({"a": Behaviour(requests=8)}, [SMALL], done=first, method=MEASURED)
    rows = rows_of(session)
    assert rows and all(row.memory == first[0].memory for row in rows)
    assert asked(launcher, "settle") == []


def test_it_can_be_left_out():
    session, launcher = virtual_session({"a": Behaviour()}, [SMALL], method=Method(memory=False))
    assert {row.memory for row in rows_of(session)} == {None}
    assert asked(launcher, "settle") == []


def test_the_training_pass_has_one_column_more():
    training = parse_id("max2d-n1c2-h8w8-k2-f32-nchw.train")
    session, launcher = virtual_session({"a": Behaviour(requests=9)}, [training], method=MEASURED)
    (row,) = next(session.rows())
    assert row.memory is not None
    assert row.memory.saved == Amount(bytes=9)
    assert row.memory.least_bytes == training.output_bytes + training.input_bytes
    assert asked(launcher, "saved") == [("a", training.id)]
