from dataclasses import replace

import pytest

from poolbench.errors import UsageError
from poolbench.fleet.plan import read_plan
from poolbench.model.fleet import FleetTask

TINY = "max2d-n1c4-h8w8-k2-f32-nchw"
SWEEP = f"[[sweep]]\nworkloads = ['{TINY}']\nsubjects = ['numpy']\n"


def plan(tmp_path, text):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return read_plan(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "one [[sweep]] or more"),
        ("repetition = 2\n" + SWEEP, "field of a plan 'repetition'. Did you mean repetitions"),
        ("repetitions = 0\n" + SWEEP, "'repetitions' takes a whole number from 1 to 1,000, not 0"),
        ("repetitions = true\n" + SWEEP, "'repetitions' takes a whole number"),
        ("seconds = 'long'\n" + SWEEP, "'seconds' takes the seconds to measure a workload for"),
        ("cache = 'warm'\n" + SWEEP, "'cache' takes hot or cold, not 'warm'"),
        ("kinds = ['a b']\n" + SWEEP, "'a b' cannot name a kind of machine"),
        ("command = 'rm'\n" + SWEEP, "There is no field of a plan 'command'"),
        (SWEEP + "subject = []\n", "There is no field of a [[sweep]] 'subject'. Did you mean subjects"),
        ("[[sweep]]\nsubjects = ['numpy']\n", "'workloads' is missing or empty"),
        (f"[[sweep]]\nworkloads = ['{TINY}']\n", "needs subjects"),
        (SWEEP.replace("numpy", "nunpy"), "There is no subject 'nunpy'"),
        (SWEEP.replace("numpy", "numpy@path:/bin/python"), "cannot say where things lie on other machines"),
        (SWEEP.replace("numpy", "strided@rev:main"), "may mean another commit on each machine"),
        (SWEEP + "passes = ['backward']\n", "There is no pass 'backward'"),
        (SWEEP + "releases = ['2.0.2']\n", "'releases' takes a table"),
        (f"repetitions = 1000\nkinds = {[f'k{n}' for n in range(1001)]}\n" + SWEEP, "It makes 1,001,000 tasks"),
        ("[[sweep", "is no TOML"),
    ],
)  # fmt: skip
def test_what_a_plan_cannot_say_is_told_with_its_file(tmp_path, text, said):
    with pytest.raises(UsageError) as caught:
        plan(tmp_path, text)
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_plan_becomes_workloads_by_releases_by_kinds_by_repetitions(tmp_path):
    text = "repetitions = 2\nkinds = ['any', 'arm']\nseconds = 3\n"
    text += "[[sweep]]\nworkloads = ['resnet50_gap', 'resnet50_stem']\nsubjects = ['torch']\n"
    tasks = plan(tmp_path, text + "releases = { numpy = ['2.0.2', '2.1.3'] }\n").tasks
    assert len(tasks) == 2 * 2 * 2 * 2
    assert {task.subjects for task in tasks} == {("torch", "numpy@2.0.2"), ("torch", "numpy@2.1.3")}
    assert [task.repetition for task in tasks] == [0] * 8 + [1] * 8  # what is cut short lacks repetitions, not cells
    assert {task.seconds for task in tasks} == {3.0}
    assert len({task.key for task in tasks}) == len(tasks)


def test_workloads_of_one_task_share_it_and_its_time_grows(tmp_path):
    text = "workloads_per_task = 2\nseconds = 3\n[[sweep]]\nworkloads = ['smoke']\nsubjects = ['numpy']\n"
    tasks = plan(tmp_path, text).tasks
    assert [task.seconds for task in tasks][:-1] == [6.0] * (len(tasks) - 1)
    assert max(len(task.workloads) for task in tasks) == 2


def test_a_key_is_the_same_in_every_plan_and_process_and_differs_with_each_field():
    task = FleetTask(workloads=(TINY,), subjects=("numpy",))
    assert task.key == "fleet-323807901f2672f6"
    others = [
        replace(task, **change)
        for change in (
            {"workloads": (TINY, TINY.replace("c4", "c5"))},
            {"subjects": ("numpy", "torch")},
            {"threads": 2},
            {"seconds": 10.0},
            {"launches": 1},
            {"kind": "arm"},
            {"repetition": 1},
            {"memory": True},
        )
    ]
    assert len({task.key, *(other.key for other in others)}) == len(others) + 1
