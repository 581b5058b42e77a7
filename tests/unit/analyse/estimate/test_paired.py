import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.analyse.estimate.ledger import Ledger
from poolbench.analyse.estimate.paired import compare, compare_pair, holm, reversed_comparison
from poolbench.analyse.estimate.timing import timing
from poolbench.model.ids import parse_id
from poolbench.model.result import ResultRow, Status
from poolbench.model.sample import RejectionRule, Sample
from poolbench.model.verdict import Outcome, Policy, Verdict
from tests.unit.builders import MAX1D, MAX2D, QUIET, WORKLOADS, Noise, make_rows

POLICY = Policy()
RULE = RejectionRule()
TWO = {"a": 200_000.0, "b": 300_000.0}


def verdicts(rows: list[ResultRow], policy: Policy = POLICY) -> list[Verdict]:
    return compare(rows, reference="a", policy=policy, rejection=RULE)


def test_a_plain_difference_is_found_with_its_ratio_and_its_reason() -> None:
    (verdict,) = verdicts(make_rows({MAX2D: TWO}))
    assert verdict.outcome is Outcome.SLOWER
    assert verdict.comparison.low < 1.5 < verdict.comparison.high
    assert verdict.comparison.launches == 6
    assert verdict.comparison.blocks == 12
    assert verdict.reason.startswith("Slower (+")
    assert "95 % interval" in verdict.reason


def test_linear_drift_cancels_within_palindromes() -> None:
    (verdict,) = verdicts(make_rows({MAX2D: TWO}, noise=replace(QUIET, drift=0.01)))
    assert verdict.comparison.ratio == pytest.approx(1.5, rel=1e-6)


def test_a_slow_slot_in_most_blocks_of_a_launch_does_not_move_it() -> None:
    rows = make_rows({MAX2D: TWO}, blocks=3, noise=QUIET)
    disturbed = [
        replace(
            row,
            samples=tuple(
                slower(sample, 1.2) if index in (0, 3) and row.subject == "b" else sample
                for index, sample in enumerate(row.samples)
            ),
        )
        for row in rows
    ]
    (pair, *_) = Ledger(disturbed, RULE).pairs(MAX2D, "b", "a")
    assert sum(difference > math.log(1.5) + 0.01 for difference in pair.differences) == 2
    assert math.exp(pair.estimate) == pytest.approx(1.5, rel=1e-6)


def test_exchanging_subject_and_reference_mirrors_the_comparison() -> None:
    ledger = Ledger(make_rows({MAX2D: TWO}), RULE)
    forth = compare_pair(ledger, MAX2D, "b", "a", POLICY)
    back = reversed_comparison(compare_pair(ledger, MAX2D, "a", "b", POLICY))
    assert (forth.ratio, forth.low, forth.high) == pytest.approx((back.ratio, back.low, back.high))
    assert forth.p_value == pytest.approx(back.p_value)


def test_rows_of_different_groups_are_never_paired() -> None:
    rows = [replace(row, group="elsewhere") if row.subject == "b" else row for row in make_rows({MAX2D: TWO})]
    (verdict,) = verdicts(rows)
    assert verdict.outcome is Outcome.INVALID
    assert verdict.comparison.launches == 0
    assert math.isnan(verdict.comparison.ratio)
    assert "no clean block in common" in verdict.reason


def test_contaminated_blocks_are_left_out() -> None:
    (verdict,) = verdicts(make_rows({MAX2D: TWO}, launches=12, blocks=4, noise=Noise(contaminated=0.1)))
    assert 0.2 < verdict.comparison.rejected < 0.5  # a block falls with any of its four slots
    assert verdict.comparison.low < 1.5 < verdict.comparison.high
    assert verdict.outcome is Outcome.SLOWER


def test_too_much_contamination_is_invalid() -> None:
    (verdict,) = verdicts(make_rows({MAX2D: TWO}, noise=Noise(contaminated=0.4)))
    assert verdict.outcome is Outcome.INVALID
    assert "contaminated" in verdict.reason


def test_a_failed_side_is_invalid_and_says_how_it_failed() -> None:
    rows = make_rows({MAX2D: TWO}, failures={(MAX2D, "b"): (Status.CRASHED, "Signal 11.")})
    (verdict,) = verdicts(rows)
    assert verdict.outcome is Outcome.INVALID
    assert verdict.reason == "b ended CRASHED: Signal 11."


def test_fewer_than_three_launches_decide_nothing() -> None:
    (verdict,) = verdicts(make_rows({MAX2D: {"a": 1e5, "b": 9e5}}, launches=2))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.comparison.high == math.inf
    assert verdict.comparison.low == 0
    assert "2 of the 3 launches" in verdict.reason


def test_a_real_but_irrelevant_difference_is_the_same() -> None:
    noise = Noise(launch_sd=0.0005, slot_sd=0.001)
    (verdict,) = verdicts(make_rows({MAX2D: {"a": 1e5, "b": 1.01e5}}, launches=10, noise=noise))
    assert verdict.comparison.low > 1
    assert verdict.outcome is Outcome.SAME


def test_a_block_that_was_cut_short_does_not_count() -> None:
    rows = make_rows({MAX2D: TWO}, noise=replace(QUIET, drift=0.05))
    cut = [replace(row, samples=row.samples[:-1]) if row.subject == "b" else row for row in rows]
    (verdict,) = verdicts(cut)
    assert verdict.comparison.blocks == 6
    assert verdict.comparison.ratio == pytest.approx(1.5, rel=1e-6)


def slower(sample: Sample, factor: float) -> Sample:
    elapsed_ns = round(sample.elapsed_ns * factor)
    return sample._replace(elapsed_ns=elapsed_ns, cpu_ns=elapsed_ns)


def test_drift_over_launches_is_reported() -> None:
    rows = make_rows({MAX2D: TWO}, launches=8, noise=QUIET)
    slowing = [
        replace(
            row,
            samples=tuple(slower(s, 1 + 0.01 * row.launch) for s in row.samples),
        )
        if row.subject == "b"
        else row
        for row in rows
    ]
    (verdict,) = verdicts(slowing)
    assert verdict.comparison.drift == pytest.approx(math.log(1.07), rel=0.05)


def test_the_limit_is_no_subject_of_a_table() -> None:
    rows = make_rows({MAX2D: {**TWO, "limit": 1e5}, MAX1D: {"b": 1e5}})
    assert [(v.comparison.workload, v.comparison.subject) for v in verdicts(rows)] == [(MAX2D, "b")]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_lies_between_the_raw_value_and_bonferroni_and_keeps_the_order(values: list[float]) -> None:
    raw = dict(enumerate(values))
    adjusted = holm(raw)
    order = sorted(raw, key=lambda key: raw[key])
    assert all(raw[key] <= adjusted[key] <= min(1, len(raw) * raw[key]) or adjusted[key] == raw[key] for key in raw)
    assert [adjusted[key] for key in order] == sorted(adjusted.values())


def test_holm_worked_by_hand() -> None:
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})


@pytest.mark.parametrize("noise", [Noise(), Noise(slot_sd=0.05), Noise(disturbed=0.1)], ids=["usual", "noisy", "hit"])
def test_twenty_tables_of_the_same_subject_twice_claim_next_to_nothing(noise: Noise) -> None:
    times = {workload: {"a": 1e5, "a#2": 1e5} for workload in (*WORKLOADS, *(f"w{n}" for n in range(7)))}
    false_claims = covered = 0
    for seed in range(20):
        table = compare(
            make_rows(times, launches=6, noise=noise, seed=seed), reference="a", policy=POLICY, rejection=RULE
        )
        assert len(table) == 12
        false_claims += sum(v.outcome in (Outcome.FASTER, Outcome.SLOWER) for v in table)
        covered += sum(v.comparison.low <= 1 <= v.comparison.high for v in table)
    assert false_claims <= 1
    assert covered >= 0.92 * 240


def test_timing_gives_the_median_call_its_interval_and_the_bandwidth() -> None:
    ledger = Ledger(make_rows({MAX2D: TWO}, launches=10), RULE)
    found = timing(ledger, parse_id(MAX2D), "b")
    assert found is not None
    assert found.low_ns < 300_000 < found.high_ns
    assert found.median_ns == pytest.approx(300_000, rel=0.02)
    assert (found.launches, found.slots, found.rejected) == (10, 40, 0)
    input_and_output = 4 * 64 * (112 * 112 + 56 * 56)
    assert found.gigabytes_per_s == pytest.approx(input_and_output / found.median_ns)


def test_timing_needs_a_clean_slot() -> None:
    assert timing(Ledger(make_rows({MAX2D: TWO}, noise=Noise(contaminated=1.0)), RULE), parse_id(MAX2D), "a") is None


def test_a_row_seen_twice_counts_once() -> None:
    rows = make_rows({MAX2D: TWO})
    ledger = Ledger(rows, RULE)
    assert ledger.add(rows) == set()
    assert len(ledger.pairs(MAX2D, "b", "a")) == 6


def test_the_launch_and_not_the_block_is_the_unit() -> None:
    """Many blocks in few launches must not look sure where the launches differ."""
    noise = Noise(launch_sd=0.02, slot_sd=0.001)
    widths = [
        verdicts(make_rows({MAX2D: {"a": 1e5, "b": 1e5}}, launches=5, blocks=blocks, noise=noise))[0].comparison
        for blocks in (2, 32)
    ]
    assert np.log(widths[1].high / widths[1].low) > 0.5 * np.log(widths[0].high / widths[0].low)
