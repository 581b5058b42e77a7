"""Who reads a shared input: all who are compared, or nobody."""

from __future__ import annotations

import numpy as np

from poolbench.backends.strided import Strided
from poolbench.measure.inputs import InputStore
from poolbench.measure.opening import Opening
from poolbench.measure.worker import Worker
from poolbench.model.ids import parse_id
from poolbench.model.method import Method
from poolbench.model.result import Status
from tests.unit.measure.virtual import Behaviour, FixedRule, virtual_session

SMALL = parse_id("max2d-n1c2-h8w8-k2")
SLICE = parse_id("max2d-n1c2-h8w8-k2-f32-nchw.c4")
SHARED = Method(memory=False, shared=True, stay=2)


def opened(behaviours, workload=SMALL, method=SHARED):
    """Return the rows of two launches of four blocks, and the order of each opening by subject."""
    rule = FixedRule([workload.id], blocks=4)
    session, launcher = virtual_session(behaviours, [workload], rule=rule, method=method)
    rows = [row for group in session.rows() for row in group]
    return rows, [(str(worker.subject), worker.shared) for worker in launcher.workers]


def test_an_input_is_shared_in_the_order_that_each_computes_in():
    rows, orders = opened({"a": Behaviour(), "b": Behaviour(layout="nhwc")})
    # Checked as it lies, checked on the shared one, and moved to another copy for the second stretch.
    assert orders == [("a", ["", "nchw", "nchw"]), ("b", ["", "nhwc", "nhwc"])] * 2
    assert {row.status for row in rows} == {Status.OK}


def test_without_the_method_nothing_is_shared():
    _, orders = opened({"a": Behaviour()}, method=Method(memory=False, stay=2))
    assert orders == [("a", ["", ""])] * 2


def test_a_view_and_a_blocked_order_are_not_shared():
    assert opened({"a": Behaviour()}, SLICE)[1] == [("a", ["", ""])] * 2
    assert opened({"a": Behaviour(layout="nChw16c")})[1] == [("a", ["", ""])] * 2


def test_where_one_would_do_something_else_nobody_shares():
    other = Behaviour(layout="nhwc", kernels={"nhwc": "channels"})
    rows, orders = opened({"a": Behaviour(), "b": other})
    assert orders[:2] == [("a", ["", "nchw", "", ""]), ("b", ["", "nhwc", "", ""])]
    assert {row.status for row in rows} == {Status.OK}


def test_who_refuses_its_own_order_is_measured_on_the_workloads_and_asked_no_more():
    rows, orders = opened({"a": Behaviour(refuses_shared=True)})
    assert orders == [("a", ["", "nchw", "", ""]), ("a", ["", ""])]
    assert {row.status for row in rows} == {Status.OK}


def test_in_a_mirrored_stay_each_begins_one_block():
    session, _ = virtual_session(
        {"a": Behaviour(), "b": Behaviour()},
        [SMALL],
        rule=FixedRule([SMALL.id], blocks=8),
        method=Method(memory=False, mirrored=True, stay=2),
    )
    for row in (row for group in session.rows() for row in group):
        began = [sample.block for sample in row.samples if sample.position == 0]
        assert [block // 2 for block in began] == [0, 1, 2, 3], began


def test_two_workers_are_right_on_one_input():
    workload = parse_id("max2d-n1c64-h8w8-k2")
    with InputStore(seed=1) as inputs:
        opening = Opening(method=SHARED, inputs=inputs)
        outputs = []
        for _ in range(2):
            worker = Worker(Strided())

            class Direct:
                def ask(self, op, *, deadline_s, _worker=worker, **content):
                    return _worker.handle({"op": op, **content})

            first = opening.open(Direct(), workload, "strided", checks=("exact", "random"), threads=1)
            reply = opening.open(Direct(), workload, "strided", checks=("random",), threads=1, order=first["layout"])
            assert reply["kernels"] == first["kernels"]
            outputs.append(worker._preparation.first.output())
            worker.close()
    assert np.array_equal(*outputs)
