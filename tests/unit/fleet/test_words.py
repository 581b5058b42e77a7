"""What a fleet allows, refuses and tells."""

import json

import pytest

from poolbench.errors import UsageError
from poolbench.fleet.addresses import require_address, require_reachable
from poolbench.fleet.allowed import require_allowed
from poolbench.fleet.outcome import ABOUT, About, resources, speech
from poolbench.fleet.plan import FleetPlan
from poolbench.fleet.progress import Progress
from poolbench.fleet.shelf import Shelf
from poolbench.model.fleet import FleetTask
from poolbench.store import typed

TINY = "max2d-n1c4-h8w8-k2-f32-nchw"


def task(*subjects, **fields):
    return FleetTask(workloads=(TINY,), subjects=subjects or ("numpy",), **fields)


@pytest.mark.parametrize("subject", ["numpy@2.0.2", "strided@rev:0123456789ab", "numpy@path:/bin/python", "fake:crash"])
def test_what_runs_other_code_needs_to_be_allowed(subject):
    require_allowed(task("numpy", "strided+threads=2"), ())
    with pytest.raises(UsageError, match="is not allowed here"):
        require_allowed(task("numpy", subject), ("torch@*", "numpy@3.*"))
    require_allowed(task("numpy", subject), ("torch@*", subject.partition(":")[0] + "*"))


def test_a_machine_that_is_unfit_or_of_another_version_or_kind_offers_not_what_a_task_asks_for():
    fit = About(speech=speech(), machine="m", kinds=("arm",))
    assert resources(task()).keys() <= fit.resources().keys()
    assert resources(task(kind="arm")).keys() <= fit.resources().keys()
    assert not resources(task(kind="epyc")).keys() <= fit.resources().keys()
    assert About(speech=speech(), machine="m", unfit="It is busy.").resources() == {}
    old = About(speech="poolbench-0.0.1-method-1-schema-1", machine="m")
    assert not resources(task()).keys() <= old.resources().keys()


def test_who_gets_no_work_is_told_of_once_in_a_sentence(tmp_path):
    pytest.importorskip("distributed")
    from poolbench.fleet.submitter import Submitter

    told = []
    plan = FleetPlan(path=tmp_path, tasks=(task(),))
    submitter = Submitter(
        plan=plan, shelf=Shelf(tmp_path), address="", progress=Progress(plan.tasks, ()), tell=told.append
    )

    def facts(**fields):
        return {ABOUT: json.dumps(typed.dump(About, About(machine="m", **fields)))}

    workers = {
        "a": facts(speech=speech()),
        "b": facts(speech="poolbench-0.0.1-method-1-schema-1"),
        "c": facts(speech=speech(), unfit="It is busy."),
        "d": {},
    }
    for _ in range(2):
        assert set(submitter._fit(workers)) == {"a"}
    assert len(told) == 3
    assert "has poolbench-0.0.1-method-1-schema-1" in told[0]
    assert "the machine m gets no work. It is busy." in told[1]
    assert "not poolbench's" in told[2]


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://h:1", "tcp://h", "tcp://h:port", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="is no scheduler's address"):
        require_address(address)


def test_an_open_address_is_warned_of_and_a_worker_on_loopback_is_not_for_others():
    assert require_address("tcp://127.0.0.1:8786") == require_address("tls://bench-0:8786") == ()
    assert "can run code" in require_address("tcp://bench-0:8786")[0]
    require_reachable("tcp://localhost:8786", "127.0.0.1")
    require_reachable("tls://bench-0:8786", "10.0.0.7")
    with pytest.raises(UsageError, match="--host"):
        require_reachable("tls://bench-0:8786", "127.0.0.1")


def test_what_is_left_is_estimated_for_each_kind_and_the_slowest_counts():
    tasks = [task(kind=kind, repetition=number) for kind in ("fast", "slow") for number in range(10)]
    now = [0.0]
    progress = Progress(tasks, [tasks[0].key], clock=lambda: now[0])
    progress.known("fast")
    assert progress.seconds_left() is None
    now[0] = 60.0
    for _ in range(6):
        progress.ended("fast")
    assert progress.seconds_left() is None  # nothing is known of the slow ones
    progress.ended("slow")
    assert progress.seconds_left() == pytest.approx(9 * 60)
    assert progress.text({"slow": 1}) == "9 of 20 tasks; about 9 min left; slow: 1 machine, 9 tasks left"
