import pytest

from poolbench.environments.commands import CommandError, Commands
from poolbench.environments.releases import chosen_releases, released, whole_releases
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


@pytest.fixture
def pip(monkeypatch):
    """Lets pip say something."""

    def says(text):
        def run(*_, **__):
            raise CommandError(text)

        monkeypatch.setattr(Commands, "run", run)

    return says


def test_the_releases_are_those_that_pip_could_choose(pip):
    pip(
        "ERROR: Could not find a version that satisfies the requirement torch==0+none "
        "(from versions: 1.9.0, 1.10.0rc1, 1.10.0, 2.13.0+cpu, 2.13.0, 2.2.0.post1)\nERROR: No matching distribution"
    )
    assert released("torch") == ["1.9.0", "1.10.0", "2.2.0.post1", "2.13.0"]


def test_no_release_for_this_python_is_none(pip):
    pip("ERROR: Could not find a version that satisfies the requirement tool==0+none (from versions: none)")
    assert released("tool") == []


@pytest.mark.parametrize(
    "text",
    [
        "WARNING: Retrying after connection broken\nERROR: Could not find a version (from versions: none)",
        "ERROR: unknown command",
    ],
)
def test_without_an_index_it_is_said_what_to_name_instead(pip, text):
    pip(text)
    with pytest.raises(UsageError, match=r"pip cannot say which releases numpy has: .*name whole releases"):
        released("numpy")


def test_whole_releases_need_no_index():
    assert whole_releases("1.21.0, 1.20.1") == ["1.20.1", "1.21.0"]
    assert whole_releases("1.20..1.21") is None
    assert whole_releases("1.20,1.21.0") is None


def test_this_python_s_own_pip_can_be_asked(tmp_path, monkeypatch):
    """With the pip that is here, on a folder that has one wheel alone."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    for version in ("1.2.0", "1.10.0", "2.0.0rc1"):
        (tmp_path / f"poolbench_toy-{version}-py3-none-any.whl").touch()
    (tmp_path / "poolbench_toy-3.0.0.tar.gz").touch()
    assert released("poolbench_toy") == ["1.2.0", "1.10.0"]
    assert chosen_releases("poolbench_toy", "1.2..", released("poolbench_toy")) == ["1.2.0", "1.10.0"]
