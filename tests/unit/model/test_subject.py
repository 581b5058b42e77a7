import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.errors import InvalidIdError
from poolbench.model.method import LayoutPolicy
from poolbench.model.subject import Subject, number_copies, parse_subject

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}(:[a-z0-9_]{1,8})?", fullmatch=True)
ENVIRONMENTS = st.just("") | st.from_regex(r"[0-9]\.[0-9]{1,2}\.[0-9]|rev:[a-z0-9/_-]{1,10}", fullmatch=True)


@given(NAMES, ENVIRONMENTS, st.none() | st.integers(1, 64), st.integers(1, 9))
def test_every_subject_parses_back(backend: str, environment: str, threads: int | None, copy: int) -> None:
    subject = Subject(backend=backend, environment=environment, threads=threads, copy=copy)
    assert parse_subject(str(subject)) == subject


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("torch", Subject(backend="torch")),
        ("torch:channels_last", Subject(backend="torch:channels_last")),
        ("onnxruntime@1.23.0", Subject(backend="onnxruntime", environment="1.23.0")),
        ("strided@rev:main", Subject(backend="strided", environment="rev:main")),
        ("torch:compile+threads=2", Subject(backend="torch:compile", threads=2)),
        ("torch#2", Subject(backend="torch", copy=2)),
        ("strided+layout=given", Subject(backend="strided", layout=LayoutPolicy.GIVEN)),
        (
            "torch@2.1.0+threads=4+layout=best+slow=1.5#3",
            Subject(backend="torch", environment="2.1.0", threads=4, layout=LayoutPolicy.BEST, slow=1.5, copy=3),
        ),
        ("torch@2.1.0+threads=4#3", Subject(backend="torch", environment="2.1.0", threads=4, copy=3)),
    ],
)
def test_what_people_write(text: str, subject: Subject) -> None:
    assert parse_subject(text) == subject
    assert str(subject) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "write a backend, then"),
        ("torch:", "'torch:' is not a subject"),
        ("torch@", "is not a subject"),
        ("torch#two", "is not a subject"),
        ("two words", "is not a subject"),
        ("torch+cores=2", "unknown option 'cores': known are threads, layout, slow"),
        ("torch+threads=0", "a whole number from 1 on, not '0'"),
        ("torch+threads=many", "a whole number from 1 on, not 'many'"),
        ("torch#0", "copies count from #1"),
        ("torch+layout=mine", "layout takes best or given, not 'mine'"),
        ("limit+layout=given", "the limit has no layout of its own"),
    ],
)
def test_a_malformed_subject_is_explained(text: str, expected: str) -> None:
    with pytest.raises(InvalidIdError) as caught:
        parse_subject(text)
    assert expected in str(caught.value)


def test_repetitions_get_the_next_free_copy() -> None:
    given_subjects = [parse_subject(text) for text in ("torch", "numpy", "torch", "torch#2", "torch")]
    assert [str(subject) for subject in number_copies(given_subjects)] == [
        "torch",
        "numpy",
        "torch#2",
        "torch#3",
        "torch#4",
    ]


@given(st.lists(st.builds(Subject, backend=st.sampled_from(["a", "b"]), copy=st.integers(1, 3)), max_size=8))
def test_numbered_subjects_are_distinct_and_in_order(subjects: list[Subject]) -> None:
    numbered = number_copies(subjects)
    assert len(set(numbered)) == len(subjects)
    assert [subject.backend for subject in numbered] == [subject.backend for subject in subjects]


def test_the_limit_is_no_implementation() -> None:
    assert parse_subject("limit").is_limit
    assert not parse_subject("torch").is_limit


def test_a_copy_of_more_digits_than_python_reads_is_no_subject() -> None:
    with pytest.raises(InvalidIdError, match="is not a subject"):
        parse_subject("torch#" + "1" * 5000)


def test_a_slowed_subject_is_read_and_written():
    subject = parse_subject("strided@rev:main+threads=2+slow=1.05#2")
    assert (subject.slow, subject.threads, subject.copy) == (1.05, 2, 2)
    assert str(subject) == "strided@rev:main+threads=2+slow=1.05#2"
    assert parse_subject("torch").slow == 1.0


@pytest.mark.parametrize("value", ["0.9", "fast", "9", "nan"])
def test_a_factor_that_slows_nothing_is_refused(value):
    with pytest.raises(InvalidIdError, match=r"slow takes a factor from 1 to 4"):
        parse_subject(f"torch+slow={value}")
