"""Which runs a history asks for, and what it takes from the store. Nothing is measured."""

from dataclasses import replace

import pytest

from poolbench.api import history as api
from poolbench.api import points as points_api
from poolbench.environments.revisions import Revision
from poolbench.errors import UsageError
from poolbench.model.ids import parse_id
from poolbench.model.method import Method
from poolbench.model.result import Status
from poolbench.model.subject import parse_subject
from poolbench.store.jsonl import RunFile
from tests.unit.analyse.history.histories import make_points, make_run
from tests.unit.builders import AVG2D, MAX2D

FLAT = [1.0] * 6
RATIOS = {MAX2D: FLAT, AVG2D: FLAT}


def store(folder, run):
    machine = run.rows[0].machine
    header = replace(run.header, machine=replace(run.header.machine))
    rows = [replace(row, machine=header.machine.key) for row in run.rows]
    assert machine
    with RunFile.create(folder, header) as file:
        file.append(rows)
    return header.machine.key


def request(folder, machine, points, **changed):
    return api.HistoryRequest(
        **{
            "subject": parse_subject("numpy"),
            "points": tuple(points),
            "anchor": points[0],
            "workloads": (parse_id(MAX2D), parse_id(AVG2D)),
            "method": Method(memory=False),
            "results_dir": folder,
            "machine": machine,
            **changed,
        }
    )


def asked(requests):
    return [tuple(map(str, one.subjects)) for one in requests]


def planned(asking, **options):
    return api.missing_runs(api.load_history(asking)[0], asking, **options)


def test_without_results_all_points_are_asked_for_neighbours_in_different_runs(tmp_path):
    points = make_points(6)
    runs = planned(request(tmp_path, "m", points))
    names = [str(point.subject) for point in points]
    assert asked(runs) == [
        (names[0], f"{names[0]}#2", names[2], names[4]),
        (names[0], names[1], names[3], names[5]),
    ]
    assert all(run.method.memory is False for run in runs)


def test_what_is_stored_is_not_measured_again(tmp_path):
    points = make_points(6)
    key = store(tmp_path, make_run(points, RATIOS, (0, 1, 2, 4, 5)))
    runs = planned(request(tmp_path, key, points))
    assert asked(runs) == [tuple(map(str, (points[0].subject, points[3].subject)))]
    assert planned(request(tmp_path, "another machine", points)) != runs


def test_a_workload_that_is_new_is_measured_alone(tmp_path):
    points = make_points(3)
    key = store(tmp_path, make_run(points, {MAX2D: FLAT}, (0, 1, 2)))
    (run,) = planned(request(tmp_path, key, points))
    assert [workload.id for workload in run.workloads] == [AVG2D]


def test_same_builds_and_what_cannot_be_built_are_not_measured(tmp_path):
    points = make_points(4, same_as={1: "1.0.0"}, problem={2: "no kernel"})
    (run,) = planned(request(tmp_path, "m", points))
    assert asked([run]) == [tuple(map(str, (points[0].subject, f"{points[0].subject}#2", points[3].subject)))]


def test_another_method_asks_for_new_points_and_the_bridge_alone(tmp_path):
    points = make_points(5)
    old = replace(Method(), version=0)
    key = store(tmp_path, make_run(points, RATIOS, (0, 1, 2), method=old))
    asking = request(tmp_path, key, points)
    measured = {subject for run in asked(planned(asking)) for subject in run[1:]}
    assert measured == {f"{points[0].subject}#2", *(str(points[place].subject) for place in (2, 3, 4))}
    everything = {subject for run in asked(planned(asking, remeasure=True)) for subject in run[1:]}
    assert str(points[1].subject) in everything


def test_what_failed_is_tried_again_when_asked(tmp_path):
    points = make_points(4)
    failures = {(w, str(points[2].subject)): (Status.FAILED, "no network.") for w in RATIOS}
    key = store(tmp_path, make_run(points, RATIOS, range(4), failures=failures))
    asking = request(tmp_path, key, points)
    assert planned(asking) == []
    assert asked(planned(asking, remeasure=True)) == [tuple(map(str, (points[0].subject, points[2].subject)))]


def test_an_anchor_that_failed_settles_nothing_and_is_not_chosen_again(tmp_path):
    points = make_points(4)
    failures = {(w, str(points[0].subject)): (Status.FAILED, "does not install.") for w in RATIOS}
    failures |= {(w, f"{points[0].subject}#2"): (Status.FAILED, "does not install.") for w in RATIOS}
    key = store(tmp_path, make_run(points, RATIOS, range(4), failures=failures))
    asking = request(tmp_path, key, points)
    subject = parse_subject("numpy")
    assert points_api.failing_subjects(subject, results_dir=tmp_path, machine=key) == {
        points[0].subject,
        replace(points[0].subject, copy=2),
    }
    anchor = points_api.choose_anchor(subject, points, results_dir=tmp_path, machine=key)
    assert anchor == points[1]
    measured = {subject for run in planned(asking) for subject in run.subjects[1:]}
    assert measured >= {point.subject for point in points[1:]}
    wanted = points_api.choose_anchor(subject, points, results_dir=tmp_path, machine=key, wanted=points[0].label)
    assert wanted == points[0]


def test_whole_releases_are_points_where_no_index_is(monkeypatch):
    def no_index(package):
        raise UsageError("pip cannot say.")

    monkeypatch.setattr(points_api, "released", no_index)
    _, points = points_api.choose_points("numpy", releases="2.0.2,2.1.0", revs=None)
    assert [point.label for point in points] == ["2.0.2", "2.1.0"]
    with pytest.raises(UsageError, match="cannot say"):
        points_api.choose_points("numpy", releases="2.0..2.1", revs=None)


def test_other_threads_are_another_history(tmp_path):
    points = make_points(3)
    key = store(tmp_path, make_run(points, RATIOS, (0, 1, 2)))
    asking = request(tmp_path, key, points, method=Method(memory=False, threads=2))
    history, _ = api.load_history(asking)
    assert not history.earlier and len(planned(asking)) == 1


def test_beside_a_change_points_are_measured_once_more(tmp_path):
    points = make_points(6)
    stepped = {MAX2D: [1.0] * 3 + [1.15] * 3, AVG2D: FLAT}
    key = store(tmp_path, make_run(points, stepped, range(6)))
    asking = request(tmp_path, key, points)
    (run,) = api.confirming_runs(api.load_history(asking)[0], asking)
    assert asked([run]) == [tuple(map(str, (points[0].subject, points[2].subject, points[3].subject)))]
    assert [workload.id for workload in run.workloads] == [MAX2D]
    store(tmp_path, make_run(points, {MAX2D: stepped[MAX2D]}, (2, 3), name="20260102-000000-0000", seed=5))
    assert api.confirming_runs(api.load_history(asking)[0], asking) == []


def test_a_budget_is_for_all_runs_and_leaves_a_part_for_confirming(tmp_path):
    asking = request(tmp_path, "m", make_points(6), budget_s=100.0)
    assert sum(run.budget_s for run in planned(asking)) == pytest.approx(100 * (1 - api.CONFIRMING_SHARE))


def test_the_anchor_stays_that_of_the_stored_runs(tmp_path):
    points = make_points(6)
    key = store(tmp_path, make_run(points, RATIOS, (1, 2)))
    chosen = points_api.choose_anchor(parse_subject("numpy"), points[2:], results_dir=tmp_path, machine=key)
    assert chosen == points[0]
    named = points_api.choose_anchor(parse_subject("numpy"), points, results_dir=tmp_path, machine=key, wanted="1.3.0")
    assert named == points[3]
    first = points_api.choose_anchor(parse_subject("numpy"), points, results_dir=tmp_path, machine="another")
    assert first == points[0]


@pytest.mark.parametrize(
    ("subject", "options", "said"),
    [
        ("numpy", {}, "either --releases"),
        ("numpy", {"revs": "a..b"}, "comes from the package numpy"),
        ("strided", {"releases": "1..2"}, "takes --revs"),
        ("numpy@2.0.0", {"releases": "1..2"}, "name a backend alone"),
        ("limit", {"releases": "1..2"}, "name a backend alone"),
        ("fake", {"releases": "1..2"}, "needs no framework"),
        ("numpi", {"releases": "1..2"}, "Did you mean numpy"),
        ("strided", {"revs": "HEAD"}, "no range of revisions"),
        ("strided", {"revs": "no-such-revision..HEAD"}, "knows no revision 'no-such-revision'"),
        ("strided", {"revs": "HEAD..HEAD"}, "one point alone"),
    ],
)
def test_what_cannot_be_a_history_is_told(subject, options, said):
    with pytest.raises(UsageError, match=said):
        points_api.choose_points(subject, **{"releases": None, "revs": None, **options})


def test_releases_become_points(monkeypatch):
    monkeypatch.setattr(points_api, "released", lambda package: ["2.0.0", "2.1.0", "2.1.1"])
    subject, points = points_api.choose_points("numpy:windows", releases="2.0..2.1", revs=None)
    assert str(subject) == "numpy:windows"
    assert [str(point.subject) for point in points] == [f"numpy:windows@{text}" for text in ("2.0.0", "2.1.0", "2.1.1")]


def test_revisions_become_points_and_those_of_one_build_are_marked(monkeypatch):
    builds = {"a": "1", "b": "1", "c": "2", "d": ""}
    listed = [
        Revision(
            commit=name, title=f"Title {name}", build=((build, ""),) if build else (), problem="" if build else "no"
        )
        for name, build in builds.items()
    ]
    monkeypatch.setattr(points_api, "revisions", lambda text, subject, every: listed)
    _, points = points_api.choose_points("strided", releases=None, revs="a..d")
    assert [point.same_as for point in points] == ["", "a", "", ""]
    assert str(points[0].subject) == "strided@rev:a" and points[3].problem == "no"
    monkeypatch.setattr(points_api, "revisions", lambda text, subject, every: listed[:2])
    with pytest.raises(UsageError, match=r"All 2 revisions of 'a\.\.b' build the same as a"):
        points_api.choose_points("strided", releases=None, revs="a..b")


def test_a_run_of_this_machine_that_cannot_be_read_is_told(tmp_path):
    points = make_points(3)
    machine = store(tmp_path, make_run(points, RATIOS, (0, 1, 2)))
    broken = tmp_path / machine / "broken.jsonl"
    broken.write_text("{")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "other.jsonl").write_text("{")
    history, warnings = api.load_history(request(tmp_path, machine, points))
    (warning,) = warnings
    assert str(broken) in warning
    assert any(history.cell(MAX2D, place).is_known for place in range(3))
