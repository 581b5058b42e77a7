import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.model.sample import SAMPLE_FIELDS, RejectionRule, Sample, samples_as_columns, samples_from_columns

COUNTS = st.integers(0, 2**63 - 1)
SAMPLES = st.builds(Sample, **{name: COUNTS for name in SAMPLE_FIELDS})


def sample(**values: int) -> Sample:
    return Sample(**{**dict.fromkeys(SAMPLE_FIELDS, 0), **values})


@given(st.lists(SAMPLES, max_size=20))
def test_samples_come_back_from_their_columns(samples: list[Sample]) -> None:
    assert samples_from_columns(samples_as_columns(samples)) == tuple(samples)


def test_columns_hold_one_list_per_field() -> None:
    columns = samples_as_columns([sample(block=0, elapsed_ns=5), sample(block=1, elapsed_ns=7)])
    assert tuple(columns) == SAMPLE_FIELDS
    assert columns["block"] == [0, 1]
    assert columns["elapsed_ns"] == [5, 7]


def test_missing_columns_are_named() -> None:
    columns = samples_as_columns([sample()])
    del columns["loops"], columns["cpu_ns"]
    with pytest.raises(ValueError, match="lack the columns loops, cpu_ns"):
        samples_from_columns(columns)


def test_ragged_columns_are_refused() -> None:
    columns = samples_as_columns([sample(), sample()])
    columns["loops"].pop()
    with pytest.raises(ValueError, match="shorter"):
        samples_from_columns(columns)


def test_columns_of_a_later_version_may_hold_more() -> None:
    columns = {**samples_as_columns([sample(block=3)]), "energy_j": [1]}
    assert samples_from_columns(columns) == (sample(block=3),)


def test_time_per_call_is_over_the_loops() -> None:
    assert sample(loops=4, elapsed_ns=10).call_ns == 2.5


@pytest.mark.parametrize("cause", ["waited", "lent"])
@pytest.mark.parametrize(
    ("elapsed_ns", "without_core_ns", "rejected"),
    [
        (10_000_000, 300_000, False),  # at the allowed share
        (10_000_000, 300_001, True),
        (1_000_000, 100_000, False),  # over the share, but within the grain of the accounting
        (1_000_000, 100_001, True),
        (10**12, 0, False),  # slow, but nobody took its core: kept
    ],
)
def test_a_slot_is_rejected_for_its_cause_alone(
    elapsed_ns: int, without_core_ns: int, rejected: bool, cause: str
) -> None:
    waited = without_core_ns if cause == "waited" else 0
    slot = sample(elapsed_ns=elapsed_ns, cpu_ns=elapsed_ns - without_core_ns, foreign_cpu_ns=waited)
    assert RejectionRule().rejects(slot) is rejected


def test_several_threads_use_more_cpu_than_wall_time() -> None:
    assert not RejectionRule().rejects(sample(elapsed_ns=10_000_000, cpu_ns=19_000_000))
