"""What a calibration makes of its rows, and what it measures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolbench.analyse.estimate.student import share_bounds
from poolbench.analyse.gate.calibration import calibration, pairs_of, pieces_of, smallest_found, trials
from poolbench.analyse.gate.calibration_stopping import CalibrationRule, share_out
from poolbench.api.calibrate import calibration_subjects, pieces_for
from poolbench.model.calibration import Rates
from poolbench.model.gate import GatePolicy, GateResult
from poolbench.model.ids import parse_id
from poolbench.model.result import ResultRow
from poolbench.model.subject import parse_subject
from poolbench.report.calibration import calibration_text
from poolbench.report.render.terminal import calibration_lines
from poolbench.store.calibration import read_calibration, write_calibration
from tests.unit.builders import AVG2D, MAX2D, Noise, RunBuilder
from tests.unit.store.strategies import plain_header

SUBJECTS = calibration_subjects("fake", pairs=2)
NOISE = Noise(launch_sd=0.004, slot_sd=0.01)


def builder() -> RunBuilder:
    times = {str(subject): 1e5 * subject.slow for subject in SUBJECTS}
    return RunBuilder(times={MAX2D: times, AVG2D: times}, noise=NOISE)


def measure(rule: CalibrationRule, rows: list[ResultRow], *, launches: int = 10**6) -> list[ResultRow]:
    """Measure until the rule has enough; a group takes 0.2 s a subject."""
    source = builder()
    clock = 0.0
    while launches and (plan := rule.next_launch(rows, clock)) is not None:
        for workload in plan.blocks:
            group = source.group(workload, plan.launch, blocks=2, importer=plan.importer, seconds=0.2)
            rows += [replace(row, stage=plan.stage) for row in group]
            clock += 0.2 * len(group)
        launches -= 1
    return rows


def rule(stored: list[ResultRow], pieces: int = 3) -> CalibrationRule:
    return CalibrationRule(
        workloads=[MAX2D, AVG2D],
        subjects=len(SUBJECTS),
        equal=[pair[:2] for pair in pairs_of(SUBJECTS) if pair[2] == 1.0],
        method=plain_header().method,
        pieces=pieces,
        seconds_per_verdict=8.0,
        stored=stored,
    )


def header():
    return replace(plain_header(), subjects=SUBJECTS, workloads=(parse_id(MAX2D), parse_id(AVG2D)))


def test_no_subject_is_in_two_pairs():
    pairs = pairs_of(SUBJECTS)
    assert [pair[:2] for pair in pairs if pair[2] == 1.0] == [("fake#6", "fake#7"), ("fake#8", "fake#9")]
    assert [(base, planted) for base, _, planted in pairs if planted > 1] == [
        ("fake", 1.02), ("fake#2", 1.03), ("fake#3", 1.05), ("fake#4", 1.1), ("fake#5", 1.2),
    ]  # fmt: skip
    members = [name for pair in pairs for name in pair[:2]]
    assert sorted(members) == sorted(map(str, SUBJECTS))


def test_there_are_verdicts_enough():
    assert pieces_for(equal=500, planted=100, workloads=12) == 9
    assert pieces_for(equal=10, planted=100, workloads=4) == 25


def test_every_piece_gives_a_verdict_for_each_pair_by_the_gates_code():
    rows = measure(rule([]), [])
    assert {key[1] for key in pieces_of(rows)} == {0, 1, 2}
    known = calibration(header(), rows, policy=GatePolicy(), seconds_per_verdict=8.0)
    by_size = {rates.planted: rates for rates in known.rates}
    assert by_size[1.0].verdicts == 12 and by_size[1.0].found == 0 and by_size[1.0].same == 12
    assert by_size[1.2].verdicts == 6 and by_size[1.2].found == 6 and by_size[1.2].failed_gate == 6
    assert by_size[1.05].cpu_ratio == pytest.approx(1.05, rel=0.01)
    assert 7.9 < known.seconds_per_verdict < 9.0
    assert "+20 %" in "\n".join(calibration_lines(known))


def test_joined_pieces_are_one_with_their_surveys_and_confirmations():
    rows = measure(rule([]), [])
    single, double = pieces_of(rows), pieces_of(rows, joined=2)
    assert {key[1] for key in double} == {0}  # the third piece is left over
    for (workload, _), piece in double.items():
        assert piece == single[workload, 0] + single[workload, 1]
    found = trials(rows, SUBJECTS, GatePolicy(), header().method, joined=2)
    assert len(found) == len(double) * len(pairs_of(SUBJECTS))
    assert {round(trial.seconds / 16) for trial in found} == {1}


def test_survey_and_confirmation_of_a_piece_have_no_importer_in_common():
    for piece in pieces_of(measure(rule([], pieces=2), [])).values():
        importers = {stage: {row.importer for row in piece if row.stage == stage} for stage in {r.stage for r in piece}}
        assert len(importers) == 2
        first, second = importers.values()
        assert not first & second


def test_time_goes_where_it_is_missing_and_all_get_enough_to_survey_and_confirm():
    shared = share_out({"calm": 0.01, "wild": 0.04}, {"calm": 0.1, "wild": 0.2}, seconds=8.0)
    assert shared["calm"] == pytest.approx(1.2)
    assert shared["wild"] == pytest.approx(6.8, abs=0.2)
    even = share_out({"a": 0.02, "b": 0.02}, {"a": 0.1, "b": 0.1}, seconds=4.0)
    assert even["a"] == pytest.approx(even["b"], abs=0.11)
    assert share_out({"a": 0.0}, {"a": 0.0}, seconds=4.0) == {"a": 4.0}


@pytest.mark.parametrize("cut", [1, 5, 12, 17])
def test_an_interrupted_calibration_goes_on_where_it_was(cut):
    whole = measure(rule([]), [])
    part = measure(rule([]), [], launches=cut)
    resumed = measure(rule(part), list(part))
    assert len(pieces_of(resumed)) == len(pieces_of(whole)) == 6
    assert abs(len(resumed) - len(whole)) <= 2 * 2 * len(SUBJECTS)


def test_bounds_are_exact():
    # Clopper and Pearson, each bound at 95 %: 1 - 0.05**(1/n) for no hit.
    assert share_bounds(0, 500) == (0.0, pytest.approx(1 - 0.05 ** (1 / 500), rel=1e-6))
    assert share_bounds(1, 500)[1] == pytest.approx(0.00945, abs=2e-5)
    assert share_bounds(100, 100) == (pytest.approx(0.05 ** (1 / 100), rel=1e-6), 1.0)


def power(**found: int) -> list[Rates]:
    return [
        Rates(
            planted=1 + int(size[1:]) / 100, verdicts=100, found=count, low=0, high=1, same=0, undecided=0, invalid=0,
            failed_gate=0, cpu_ratio=1, medians_found=0,
        )
        for size, count in found.items()
    ]  # fmt: skip


def test_the_smallest_change_found_is_between_the_planted_ones():
    assert smallest_found(power(p2=96, p5=100)) == 1.02
    assert smallest_found(power(p2=50, p5=100)) == pytest.approx(1.047)
    assert smallest_found(power(p2=50, p5=60)) is None


def test_a_calibration_is_kept_for_its_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_DATA_DIR", str(tmp_path / "data"))
    assert read_calibration(header().machine.key, tmp_path / "results") is None
    assert "never calibrated" in calibration_text(None)
    known = calibration(header(), measure(rule([]), []), policy=GatePolicy(), seconds_per_verdict=8.0)
    written = write_calibration(known, tmp_path / "results")
    assert len(written) == 2
    assert read_calibration(known.machine, tmp_path / "results") == known
    assert read_calibration(known.machine, tmp_path / "elsewhere") == known
    assert "0 false alarms in 12 verdicts" in calibration_text(known)


def test_a_gate_says_what_its_calibration_was_not_made_with():
    known = calibration(header(), measure(rule([]), []), policy=GatePolicy(), seconds_per_verdict=8.0)
    same = GateResult(base=SUBJECTS[0], head=SUBJECTS[1], policy=known.policy, method=header().method, verdicts=())
    assert "This gate" not in calibration_text(known, same)
    assert "This gate" not in calibration_text(known, replace(same, method=replace(same.method, memory=True)))
    other = replace(
        same,
        head=parse_subject("numpy"),
        policy=replace(same.policy, confidence=0.9),
        method=replace(same.method, one_core=not same.method.one_core),
    )
    assert calibration_text(known, other).endswith(
        "This gate measures numpy, has a confidence of 90 % and measures by another method, for which these rates were "
        "not measured."
    )
