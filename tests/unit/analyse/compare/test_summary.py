import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.analyse.compare.means import common_ground
from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.estimate.contracts import NOT_PROBED, disagreements
from poolbench.analyse.estimate.findings import NoteKind, RunSummary
from poolbench.model.ids import parse_id
from poolbench.model.memory import Amount, not_measured
from poolbench.model.result import ResultRow, Status
from poolbench.model.subject import parse_subject
from poolbench.model.verdict import Outcome, Ranking
from tests.unit.builders import AVG2D, GLOBAL, MAX1D, MAX2D, MAX3D, WORKLOADS, Noise, make_header, make_rows

SUBJECTS = ("numpy", "torch", "tensorflow", "limit")
TIMES = {w: {"numpy": 8e5, "torch": 4e5, "tensorflow": 2e5, "limit": 1e5} for w in WORKLOADS}
HEADER = make_header(SUBJECTS, names={MAX2D: "resnet_pool"})
PADDED = {"divisor_padded": "counted"}


def texts(summary: RunSummary, kind: NoteKind) -> list[str]:
    return [note.text for note in summary.notes if note.kind is kind]


def test_the_fastest_the_ratios_and_the_order() -> None:
    summary = summarise(HEADER, make_rows(TIMES))
    first = summary.workloads[0]
    assert (first.id, first.name, str(first.fastest)) == (MAX2D, "resnet_pool", "tensorflow")
    assert [str(cell.subject) for cell in first.cells] == ["tensorflow", "torch", "numpy"]
    ratio = first.cells[2].ratio
    assert ratio is not None
    assert ratio.low < 4 < ratio.high
    assert first.cells[0].verdict is None
    assert first.cells[0].ratio is not None
    assert first.cells[0].ratio.half_width == 0
    assert first.cells[0].times_limit is not None
    assert first.cells[0].times_limit.low < 2 < first.cells[0].times_limit.high
    assert first.limit is not None
    assert (first.launches, first.blocks) == (6, 12)
    assert all(verdict.outcome is Outcome.SLOWER for verdict in summary.verdicts)
    assert all(cell.ratio is not None and cell.ratio.half_width <= 0.03 for cell in summary.cells)


def with_touched(rows: list[ResultRow], touched: dict[str, int]) -> list[ResultRow]:
    def told(row: ResultRow) -> ResultRow:
        if row.memory is None:
            return row
        return replace(row, memory=replace(row.memory, touched=Amount(bytes=touched[row.subject])))

    return list(map(told, rows))


def test_ranked_by_memory_the_smallest_request_comes_first_and_the_unknown_last() -> None:
    requests = {"numpy": Amount(bytes=10), "torch": Amount(bytes=0), "tensorflow": not_measured("Why not.")}
    rows = with_touched(make_rows(TIMES, requests=requests), {"numpy": 1, "torch": 3, "tensorflow": 2})
    by_time, by_memory = (summarise(HEADER, rows, ranking=ranking) for ranking in Ranking)
    assert [str(cell.subject) for cell in by_time.workloads[0].cells] == ["tensorflow", "torch", "numpy"]
    assert [str(cell.subject) for cell in by_memory.workloads[0].cells] == ["torch", "numpy", "tensorflow"]
    assert str(by_memory.workloads[0].fastest) == "tensorflow"
    assert sorted(map(str, by_memory.cells)) == sorted(map(str, by_time.cells))
    assert (by_memory.means, by_memory.lead, by_memory.notes) == (by_time.means, by_time.lead, by_time.notes)
    assert texts(by_time, NoteKind.MEMORY) == [
        f"Requested memory of tensorflow on resnet_pool, {AVG2D}, {MAX1D}, {MAX3D} and 1 more: not measured: Why not."
    ]


def test_equal_requests_are_ranked_by_what_is_touched() -> None:
    rows = make_rows(TIMES, requests={name: Amount(bytes=10) for name in ("numpy", "torch", "tensorflow")})
    told = with_touched(rows, {"numpy": 1, "torch": 2, "tensorflow": 3})
    cells = summarise(HEADER, told, ranking=Ranking.MEMORY).workloads[0].cells
    assert [str(cell.subject) for cell in cells] == ["numpy", "torch", "tensorflow"]


def test_geometric_means_cover_all_and_agree_with_the_ratios_in_the_table() -> None:
    summary = summarise(HEADER, make_rows(TIMES))
    assert [str(mean.subject) for mean in summary.means] == ["tensorflow", "torch", "numpy"]
    for mean in summary.means:
        ratios = [cell.ratio.value for cell in summary.cells if cell.subject == mean.subject and cell.ratio is not None]
        assert mean.workloads == len(ratios) == len(WORKLOADS)
        assert mean.ratio.value == pytest.approx(math.prod(ratios) ** (1 / len(ratios)))
        assert mean.ratio.low <= mean.ratio.value <= mean.ratio.high
    assert summary.means[2].ratio.low < 4 < summary.means[2].ratio.high
    assert summary.means[2].times_limit is not None
    assert summary.means[2].times_limit.low < 8 < summary.means[2].times_limit.high
    assert summary.lead is not None
    assert (str(summary.lead.subject), str(summary.lead.runner_up), summary.lead.is_sure) == (
        "tensorflow",
        "torch",
        True,
    )
    assert summary.lead.ratio.low < 2 < summary.lead.ratio.high


def test_equals_are_ties_and_no_lead_is_sure() -> None:
    times = {w: dict.fromkeys(("torch", "torch#2", "torch#3"), 2e5) for w in WORKLOADS}
    for seed in range(10):
        summary = summarise(make_header(("torch", "torch#2", "torch#3")), make_rows(times, seed=seed))
        assert all(cell.is_tie or cell.is_fastest for cell in summary.cells)
        # Three robust estimates need not be transitive: the fastest may trail one of its equals by a hair.
        assert all(cell.ratio is not None and cell.ratio.value > 0.995 for cell in summary.cells)
        assert summary.lead is not None
        assert not summary.lead.is_sure


def test_a_failed_cell_shows_its_status_and_no_time_and_leaves_the_mean() -> None:
    failures = {(MAX1D, "torch"): (Status.CRASHED, "Signal 11\n(segmentation fault).")}
    summary = summarise(HEADER, make_rows(TIMES, failures=failures))
    cell = next(w for w in summary.workloads if w.id == MAX1D).cells[-1]
    assert (str(cell.subject), cell.status, cell.timing, cell.verdict) == ("torch", Status.CRASHED, None, None)
    assert MAX1D not in summary.mean_workloads
    assert len(summary.mean_workloads) == 4
    assert texts(summary, NoteKind.FAILED) == [f"torch ended CRASHED on {MAX1D}: Signal 11 (segmentation fault)."]
    assert "covers 4 of 5 workloads" in texts(summary, NoteKind.MEAN)[0]


def test_a_subject_that_mostly_fails_does_not_take_the_mean_from_the_others() -> None:
    failures = {(w, "numpy"): (Status.UNSUPPORTED, "No.") for w in WORKLOADS[1:]}
    summary = summarise(HEADER, make_rows(TIMES, failures=failures))
    assert [str(mean.subject) for mean in summary.means] == ["tensorflow", "torch"]
    assert len(summary.mean_workloads) == 5
    assert "leaves out numpy (compared on 1 of 5)" in texts(summary, NoteKind.MEAN)[0]


def test_only_subjects_whose_contracts_agree_are_compared() -> None:
    contracts = {"numpy": PADDED, "torch": PADDED, "tensorflow": {"divisor_padded": "not counted"}}
    summary = summarise(HEADER, make_rows(TIMES, contracts=contracts))
    padded = next(w for w in summary.workloads if w.id == AVG2D)
    assert str(padded.fastest) == "torch"
    cell = padded.cell(parse_subject("tensorflow"))
    assert cell is not None
    assert cell.timing is not None
    assert cell.verdict is None
    assert [d.clause for d in cell.differs] == ["divisor_padded"]
    assert str(next(w for w in summary.workloads if w.id == GLOBAL).fastest) == "tensorflow"
    assert AVG2D not in summary.mean_workloads
    (note,) = texts(summary, NoteKind.CONTRACT)
    assert "“not counted”, not “counted”" in note


def test_the_majority_decides_whom_the_comparison_follows_and_silence_is_no_agreement() -> None:
    odd = {"a": {"divisor_padded": "x"}, "b": {"divisor_padded": "y"}, "c": {"divisor_padded": "y"}}
    assert set(disagreements(parse_id(AVG2D), odd)) == {"a"}
    assert disagreements(parse_id(AVG2D), {"a": PADDED, "b": {}})["b"][0].answer == NOT_PROBED
    assert disagreements(parse_id(AVG2D), {"a": {}, "b": {}}) == {}
    assert disagreements(parse_id(MAX2D), odd) == {}


def test_a_subject_below_the_limit_is_flagged() -> None:
    times = {w: dict(t) for w, t in TIMES.items()}
    times[MAX3D]["torch"] = 0.9e5
    summary = summarise(HEADER, make_rows(times))
    flagged = [(cell.workload, str(cell.subject)) for cell in summary.cells if cell.is_below_limit]
    assert flagged == [(MAX3D, "torch")]
    (note,) = texts(summary, NoteKind.BELOW_LIMIT)
    assert note.startswith(f"torch on {MAX3D} takes 0.9")
    assert note.endswith("the probe or the subject is wrong.")


def test_a_subject_with_more_threads_than_the_limit_is_not_flagged() -> None:
    times = {w: {"torch+threads=2" if s == "torch" else s: ns for s, ns in t.items()} for w, t in TIMES.items()}
    times[MAX3D]["torch+threads=2"] = 0.9e5
    header = replace(
        HEADER, subjects=tuple(parse_subject("torch+threads=2") if str(s) == "torch" else s for s in HEADER.subjects)
    )
    assert not texts(summarise(header, make_rows(times)), NoteKind.BELOW_LIMIT)


def test_contamination_is_counted_and_the_worst_is_named() -> None:
    rows = make_rows(TIMES, noise=Noise(contaminated=0.01))
    bad = make_rows(TIMES, noise=Noise(contaminated=0.9))
    mixed = [b if (b.workload, b.subject) == (MAX1D, "torch") else a for a, b in zip(rows, bad, strict=True)]
    summary = summarise(HEADER, mixed)
    (note,) = texts(summary, NoteKind.REJECTED)
    assert f"most of all torch on {MAX1D} (" in note
    cell = next(w for w in summary.workloads if w.id == MAX1D).cell(parse_subject("torch"))
    assert cell is not None
    assert cell.verdict is not None
    assert cell.verdict.outcome is Outcome.INVALID
    assert cell.ratio is None
    assert MAX1D not in summary.mean_workloads
    assert len(texts(summary, NoteKind.INVALID)) == 1


def test_what_was_never_measured_is_said() -> None:
    absent = (MAX1D, "torch")
    rows = [row for row in make_rows(TIMES) if row.workload != GLOBAL and (row.workload, row.subject) != absent]
    summary = summarise(HEADER, rows)
    assert texts(summary, NoteKind.MISSING) == [
        f"Not measured at all, as time was up: {GLOBAL}.",
        f"torch was not measured on {MAX1D}.",
    ]


def test_without_rows_there_is_a_summary_that_says_so() -> None:
    summary = summarise(HEADER, [])
    assert summary.workloads == ()
    assert summary.means == ()
    assert "Not measured at all" in summary.notes[0].text


def test_one_launch_gives_times_and_no_claims() -> None:
    summary = summarise(HEADER, make_rows(TIMES, launches=1))
    assert all(cell.timing is not None for cell in summary.cells)
    assert {verdict.outcome for verdict in summary.verdicts} == {Outcome.UNDECIDED}
    assert all(math.isinf(mean.ratio.high) for mean in summary.means if str(mean.subject) != "tensorflow")


def test_without_the_limit_all_else_stands() -> None:
    rows = [row for row in make_rows(TIMES) if row.subject != "limit"]
    summary = summarise(make_header(SUBJECTS[:-1]), rows)
    assert all(cell.times_limit is None for cell in summary.cells)
    assert all(mean.times_limit is None for mean in summary.means)
    assert len(summary.means) == 3


def test_the_order_of_rows_does_not_matter() -> None:
    rows = make_rows(TIMES)
    assert summarise(HEADER, rows).workloads == summarise(HEADER, rows[::-1]).workloads


def test_a_failed_limit_is_no_limit() -> None:
    rows = [
        replace(row, status=Status.FAILED, samples=()) if row.subject == "limit" else row for row in make_rows(TIMES)
    ]
    summary = summarise(HEADER, rows)
    assert all(w.limit is None for w in summary.workloads)
    assert texts(summary, NoteKind.FAILED)[0].startswith("limit ended FAILED on resnet_pool")


@given(st.dictionaries(st.sampled_from("vwxyz"), st.sets(st.sampled_from("abcd"), max_size=4), min_size=1, max_size=5))
def test_the_common_ground_is_common(compared: dict[str, set[str]]) -> None:
    subjects, workloads = common_ground(compared, "abcd")
    assert all(set(subjects) <= compared[workload] for workload in workloads)
    assert bool(subjects) == bool(workloads)
    everywhere = [s for s in "abcd" if all(s in found for found in compared.values())]
    if len(everywhere) >= 2:
        assert set(everywhere) <= set(subjects)
