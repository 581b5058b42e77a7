import pytest

from poolbench.environments.releases import chosen_releases
from poolbench.errors import UsageError

KNOWN = ["1.19.2", "1.20.0", "1.20.1", "1.21.0", "1.21.1", "1.21.1.post1", "1.22.0", "1.23.0", "2.0.0"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.20..1.21", ["1.20.0", "1.20.1", "1.21.0", "1.21.1", "1.21.1.post1"]),
        ("1.20.1..1.21.0", ["1.20.1", "1.21.0"]),
        ("1.22..", ["1.22.0", "1.23.0", "2.0.0"]),
        ("..1.20", ["1.19.2", "1.20.0", "1.20.1"]),
        ("1.20,1.22.0", ["1.20.1", "1.22.0"]),
        ("2,1.20.0", ["1.20.0", "2.0.0"]),
        ("1.20..1.20, 1.20.1", ["1.20.0", "1.20.1"]),
    ],
)
def test_a_range_takes_in_both_ends_and_a_prefix_in_a_list_is_its_newest(text, found):
    assert chosen_releases("numpy", text, KNOWN) == found


def test_a_prefix_ends_at_a_dot():
    with pytest.raises(UsageError, match=r"no release 1\.2 of numpy.*Near it there is 1\.19, 1\.20, 1\.21"):
        chosen_releases("numpy", "1.2..1.23", [version for version in KNOWN if version != "2.0.0"])


def test_every_other_release_and_the_last():
    assert chosen_releases("numpy", "1.20..1.23", KNOWN, every=3) == ["1.20.0", "1.21.1", "1.23.0"]


def test_a_range_the_wrong_way_round_is_told():
    with pytest.raises(UsageError, match=r"'1\.23\.\.1\.20' is empty.*1\.20\.\.1\.23"):
        chosen_releases("numpy", "1.23..1.20", KNOWN)


def test_nothing_to_choose_from_is_told():
    with pytest.raises(UsageError, match="finds no release of numpy for this Python"):
        chosen_releases("numpy", "1.20", [])
