"""A plan on this machine, with real tasks of one launch."""

import itertools

import pytest

from poolbench.fleet import embedded, measuring
from poolbench.fleet.plan import read_plan
from poolbench.fleet.shelf import Shelf
from poolbench.model.result import Status
from poolbench.store.reading import read_run

PLAN = """
launches = 2
[[sweep]]
workloads = ["max2d-n1c4-h8w8-k2-f32-nchw"]
subjects = ["numpy:shifted"]
[[sweep]]
workloads = ["avg2d-n1c4-h8w8-k2-f32-nchw"]
subjects = ["numpy:shifted"]
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", str(tmp_path / "lock"))
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return read_plan(path)


def test_a_plan_is_measured_once_and_goes_on_where_it_was_interrupted(plan, tmp_path, monkeypatch):
    shelf = Shelf(tmp_path / "results")

    def interrupted(run):
        for _ in itertools.islice(run.measure(), 1):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "_measured", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(embedded.run_here(plan, shelf))
    assert len(shelf.lacking(plan.tasks)) == 2
    (begun,) = shelf.in_hand.glob("*/*")
    first = read_run(begun).rows
    assert {row.launch for row in first} == {0}

    assert [step.problem for step in embedded.run_here(plan, shelf)] == ["", ""]
    run = read_run(shelf.find(plan.tasks[0].key))
    assert [(row.launch, row.subject, row.status) for row in run.rows] == [
        (launch, subject, Status.OK) for launch in (0, 1) for subject in ("numpy:shifted", "limit")
    ]
    assert run.rows[:2] == first  # the launch that was stored is not measured again
    assert run.header.fleet is not None and run.header.fleet.kind == "any"

    def never(*_, **__):
        raise AssertionError("what is stored is measured again")

    assert list(embedded.run_here(plan, shelf, measure=never)) == []


def test_a_subject_that_is_not_there_leaves_its_task_out_alone(plan, tmp_path):
    from dataclasses import replace

    task = replace(plan.tasks[0], subjects=("numpy@path:/nowhere/python",))
    steps = list(embedded.run_here(replace(plan, tasks=(task,)), Shelf(tmp_path / "results"), measure=refuse))
    assert [step.problem for step in steps] == ["It is not there."]


def refuse(*_, **__):
    from poolbench.errors import UsageError

    raise UsageError("It is not there.")
