"""The bisection from stored runs to the next one. Runs are planted where they would be measured."""

import contextlib
import re

import pytest
import typer

import poolbench
from poolbench.analyse.bisect.choice import Answer
from poolbench.api import bisect as api
from poolbench.api import bisecting
from poolbench.api import points as points_api
from poolbench.api import run as run_api
from poolbench.cli import bisect as cli
from poolbench.environments.interpreter import Interpreter, Unavailable
from poolbench.errors import MeasurementError, UsageError
from poolbench.model.result import Status
from poolbench.model.subject import parse_subject
from poolbench.report.bisect import bisection_document, bisection_lines
from tests.unit.analyse.history.histories import make_points, make_run
from tests.unit.api.test_history import request, store
from tests.unit.builders import AVG2D, MAX2D

STEP_AT = 6
NAMES = {MAX2D: "one", AVG2D: "other"}


class Planted:
    """In place of measuring: each probe stores a run in which the points from STEP_AT on are 10 % slower on MAX2D."""

    def __init__(self, folder, points, *, unbuilt=(), failing=(), interrupt_after=None):
        self.folder, self.points = folder, points
        self.unbuilt, self.failing, self.interrupt_after = unbuilt, failing, interrupt_after
        self.probed = []

    def provide(self, subjects, *, tell):
        place = self.place(subjects[1])
        made = {subject: Interpreter(key="k") for subject in subjects}
        return made | ({subjects[1]: Unavailable(reason="no compiler.")} if place in self.unbuilt else {})

    def place(self, subject):
        return next(n for n, point in enumerate(self.points) if str(point.subject) == str(subject))

    @contextlib.contextmanager
    def new_run(self, one, *, observer, tell):
        if self.interrupt_after is not None and len(self.probed) >= self.interrupt_after:
            raise KeyboardInterrupt
        place = self.place(one.subjects[1])
        self.probed.append(place)
        count = len(self.points)
        ratios = {MAX2D: [1.1 if n >= STEP_AT else 1.0 for n in range(count)], AVG2D: [1.0] * count}
        failures = {(w, str(one.subjects[1])): (Status.FAILED, "has no pool.") for w in ratios if place in self.failing}
        name = f"20260101-0000{len(list(self.folder.glob('*/*.jsonl'))):02d}-0000"
        run = make_run(self.points, ratios, (place,), name=name, seed=len(self.probed), failures=failures)
        store(self.folder, run)
        yield self

    def measure(self):
        return iter(())


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Give a function that bisects twelve planted points: it returns the state and the planted runs."""
    points = make_points(13)
    machine = store(tmp_path / "aside", make_run(points, {MAX2D: [1.0] * 13}, (1,)))

    def run(**planted):
        asking = request(tmp_path / "runs", machine, points, subject=parse_subject("numpy"), budget_s=10_000.0)
        runs = Planted(tmp_path / "runs", points, **planted)
        monkeypatch.setattr(api, "provide", runs.provide)
        monkeypatch.setattr(run_api, "new_run", runs.new_run)
        return cli._search(asking, 0.95, 10.0, quiet=True), runs

    (tmp_path / "runs").mkdir()
    return run


def test_the_commit_is_found_in_few_probes_with_its_size_and_layer(search):
    state, runs = search()
    assert (state.found.answer, state.found.first, state.found.last) == (Answer.COMMIT, STEP_AT, STEP_AT)
    assert runs.probed[0] == 12 and len(runs.probed) <= 7
    lines = bisection_lines(state.found, runs.points, state.readings, NAMES)
    assert lines[0].startswith(f"this commit: 1.{STEP_AT}.0 (chance ")
    assert re.match(r"  slower by \+(9|10|11)[.\d]* % \(.* to .*\) on one", lines[1])
    assert lines[2] == "  1 other workload without a difference"
    document = bisection_document(state.found, runs.points, state.readings, NAMES)
    assert document["answer"] == "commit" and document["commits"] == [{"label": "1.6.0", "title": ""}]


def test_a_second_call_takes_what_is_stored_and_measures_nothing(search):
    first, _ = search()
    second, runs = search()
    assert runs.probed == [] and str(second.found) == str(first.found)


def test_an_interrupted_one_goes_on_where_it_was(search):
    with pytest.raises(typer.Exit) as end:
        search(interrupt_after=2)
    assert end.value.exit_code == 130
    state, runs = search()
    assert state.found.last == STEP_AT and 12 not in runs.probed


@pytest.mark.parametrize("how", ["unbuilt", "failing"])
def test_what_does_not_build_or_fails_is_passed_over_and_makes_a_range(search, how):
    state, runs = search(**{how: (5, 6)})
    assert (state.found.answer, state.found.first, state.found.last) == (Answer.RANGE, 5, 7)
    assert state.found.is_sure
    lines = bisection_lines(state.found, runs.points, state.readings, NAMES)
    assert lines[0].startswith("this range: 1.5.0 to 1.7.0, 3 commits")
    assert any("Between them nothing could be measured: 1.5.0, 1.6.0." in line for line in lines)


@pytest.mark.parametrize("how", ["unbuilt", "failing"])
def test_a_bad_end_that_cannot_be_measured_is_told(search, how):
    with pytest.raises(
        MeasurementError, match=r"bad end 1\.12\.0 cannot be measured: .* Name an earlier one with --bad"
    ):
        search(**{how: (12,)})


def test_what_failed_is_tried_again_by_the_next_call(search):
    """A declaration may have been corrected meanwhile."""
    with pytest.raises(MeasurementError):
        search(failing=(12,))
    state, runs = search()
    assert runs.probed[0] == 12 and state.found.last == STEP_AT


def test_ends_are_releases_or_revisions_by_how_they_look(monkeypatch):
    asked = []
    monkeypatch.setattr(api, "choose_points", lambda text, **options: asked.append(options))
    for subject, good, bad in (
        ("numpy", "2.0.2", "2.4.6"),
        ("numpy", "rev:2.0", "rev:2.4"),
        ("strided", "v1", "HEAD"),
        ("strided", "1", "2"),
    ):
        api.bisection_points(subject, good, bad)
    assert asked == [
        {"releases": "2.0.2..2.4.6", "revs": None},
        {"releases": None, "revs": "2.0..2.4"},
        {"releases": None, "revs": "v1..HEAD"},
        {"releases": None, "revs": "1..2"},
    ]


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [("a..b", "HEAD", "each name one"), ("HEAD", ".", "Commit first"), ("HEAD", "HEAD", "one point alone")],
)
def test_ends_that_are_none_are_told(good, bad, said):
    with pytest.raises(UsageError, match=said):
        api.bisection_points("strided", good, bad)


def test_a_release_beside_a_revision_is_told():
    with pytest.raises(UsageError, match=r"'2\.0\.2' is a release of numpy .* write rev:2\.0\.2"):
        api.bisection_points("numpy", "2.0.2", "HEAD")


def test_releases_in_the_wrong_order_are_told(monkeypatch):
    monkeypatch.setattr(points_api, "released", lambda package: ["2.0.0", "2.1.0"])
    with pytest.raises(UsageError, match="Write the older release first"):
        api.bisection_points("numpy", "2.1.0", "2.0.0")


def test_python_gets_the_labels_of_the_commits_and_takes_no_senseless_numbers(tmp_path, monkeypatch):
    points = make_points(13)
    machine = store(tmp_path / "aside", make_run(points, {MAX2D: [1.0] * 13}, (1,)))
    (tmp_path / "runs").mkdir()
    runs = Planted(tmp_path / "runs", points)
    asking = request(tmp_path / "runs", machine, points, subject=parse_subject("numpy"), budget_s=10_000.0)
    monkeypatch.setattr(api, "provide", runs.provide)
    monkeypatch.setattr(run_api, "new_run", runs.new_run)
    monkeypatch.setattr(bisecting, "bisect_request", lambda *_, **__: (asking, 10.0))
    answer = poolbench.bisect("numpy", "a", "b", ["smoke"])
    assert answer.labels == (points[STEP_AT].label,)
    for wrong in ({"confidence": 1.0}, {"budget_s": 0.0}, {"probe_s": -1.0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            poolbench.bisect("numpy", "a", "b", ["smoke"], **wrong)
