"""Files of Apache Otava's: what is read, what is found, and what is said of bad ones."""

import json

import pytest

from poolbench.cli.history import history as verb
from poolbench.errors import StoreError, UsageError
from poolbench.store.otava import read_otava

NOISE = (0.1, -0.2, 0.3, -0.1, 0.2, -0.3, 0.0, 0.2, -0.1, 0.1)


def write(folder, *, step):
    lines = [f"2026-01-{n + 1:02d},c{n},main,{100 + noise + (step if n >= 6 else 0)}" for n, noise in enumerate(NOISE)]
    path = folder / "sample.csv"
    path.write_text("\n".join(["time,commit,branch,ms", *lines]) + "\n")
    return path


@pytest.mark.parametrize(("step", "expected"), [(5, [("c5", "c6")]), (0, [])])
def test_a_step_is_found_between_its_commits(tmp_path, capsys, step, expected):
    path = write(tmp_path, step=step)
    assert set(read_otava(path).metrics) == {"ms"}
    verb(imported=path, json=True)
    document = json.loads(capsys.readouterr().out)
    assert [(change["before"], change["after"]) for change in document["changes"]] == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no points"),
        ("time,ms\n", "no points"),
        ("time,ms\n1,2,3\n", "record 2"),
        ("time,ms,ms\n1,2,3\n", "two columns"),
        ("time,commit,ms\n1,a,x\n", "no metric"),
        ("time,commit,ms\n1,a,-4\n", "no metric"),
        ("time,commit,ms\n1,a,nan\n", "no metric"),
        ("time,commit,ms\n1,a,4\n", "6 or more"),
    ],
)
def test_a_bad_file_is_told_in_a_sentence(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(StoreError, match=words):
        verb(imported=path)
    with pytest.raises(StoreError, match=r"cannot be read \(No such file or directory\): name"):
        read_otava(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="--import"):
        verb("numpy", imported=path)
