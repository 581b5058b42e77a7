"""Subjects in other environments, from the command to the rows."""

import json
import sys


def test_a_subject_whose_environment_cannot_be_had_fails_alone_and_rows_say_what_was_there(
    poolbench, environment, tmp_path
):
    environment |= {"POOLBENCH_ENVIRONMENTS": str(tmp_path / "cache"), "PIP_CONFIG_FILE": "/dev/null"}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PYTHONPATH": str(tmp_path / "not" / "for" / "others")}
    mine = f"numpy@path:{sys.executable}"
    results = tmp_path / "results"
    done = poolbench(
        "compare", "numpy", mine, "numpy@99.0", "numpy@path:/nowhere",
        *("--workloads", "efficientdet_p7", "--budget", "4", "--no-memory", "--results", str(results)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "numpy@99.0: making its environment" in done.stderr
    (stored,) = results.rglob("*.jsonl")
    header, *rows = map(json.loads, stored.read_text().splitlines())
    by_subject = {row["subject"]: row for row in rows}
    assert by_subject["numpy"]["status"] == by_subject[mine]["status"] == "OK"
    assert (
        "numpy==" in by_subject[mine]["facts"]["distributions"]
        and sys.executable in by_subject[mine]["facts"]["python"]
    )
    assert "numpy==" in header["machine"]["software"][mine]
    for name, words in {"numpy@99.0": "pip says", "numpy@path:/nowhere": "no interpreter at /nowhere"}.items():
        assert by_subject[name]["status"] == "FAILED" and words in by_subject[name]["note"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".locks"]


def test_where_no_environment_can_be_had_nothing_was_measured(poolbench, tmp_path):
    done = poolbench(
        "compare", "numpy@path:/nowhere", "--workloads", "efficientdet_p7", "--budget", "2", "--results", str(tmp_path)
    )
    assert done.returncode == 3 and "nothing was measured" in done.stderr
