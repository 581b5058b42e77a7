"""``verify``, ``list``, ``doctor`` and ``--help``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from poolbench.store.jsonl import RunFile
from tests.unit.builders import MAX2D, make_header, make_rows


def test_verify_passes_sound_subjects_and_prints_their_contracts(poolbench):
    done = poolbench("verify", "numpy", "numpy:windows", "-w", "smoke", check=True)
    assert "numpy:windows" in done.stdout
    assert "nan" in done.stdout


def test_verify_fails_with_the_mismatch(poolbench):
    done = poolbench("verify", "fake:wrong", "fake", "-w", "max2d-n1c2-h8w8-k2")
    assert done.returncode == 1
    assert "MISMATCH fake:wrong on max2d-n1c2-h8w8-k2-f32-nchw" in done.stdout


def test_verify_checks_gradients_and_asks_where_ties_send_theirs(poolbench):
    arguments = ("numpy", "fake", "-w", "smoke", "--pass", "training,training-backward")
    document = json.loads(poolbench("verify", *arguments, "--json", check=True).stdout)
    assert {case["status"] for case in document["cases"]} == {"OK"}
    assert len(document["cases"]) == 16
    assert all(case["exact_gradient_ulp"] <= case["exact_gradient_bound_ulp"] for case in document["cases"])
    assert document["contracts"]["numpy"]["gradient_ties"] == "first"
    text = poolbench("verify", *arguments, check=True).stdout
    assert "gradient ties" in text
    assert "gradient ties" not in poolbench("verify", "numpy", "-w", "smoke", check=True).stdout


def test_verify_gives_json(poolbench):
    document = json.loads(poolbench("verify", "numpy", "-w", "smoke", "--json", check=True).stdout)
    assert {case["status"] for case in document["cases"]} == {"OK"}
    assert document["contracts"]["numpy"]["nan"]


def test_lists_are_text_and_json(poolbench):
    assert len(json.loads(poolbench("list", "workloads", "--json", check=True).stdout)) == 106
    backends = {info["name"] for info in json.loads(poolbench("list", "backends", "--json", check=True).stdout)}
    assert {"strided", "strided:out", "numpy:shifted", "torch", "tensorflow", "onnxruntime"} <= backends
    trained = json.loads(
        poolbench("list", "workloads", "-w", "core", "--pass", "training", "--json", check=True).stdout
    )
    assert {workload["pass"] for workload in trained} == {"training"}
    text = poolbench("list", "workloads", "-w", "core", check=True).stdout
    assert "resnet50_stem" in text
    assert "fake" not in poolbench("list", "backends", check=True).stdout


def test_doctor_tells_machine_bandwidth_and_noise(poolbench):
    document = json.loads(poolbench("doctor", "--json", check=True).stdout)
    assert document["machine"]["hardware"]["cores"] >= 1
    assert all(speed > 0 for speed in document["bandwidth"].values())
    aa = document["aa"]
    # A busy machine has too few clean blocks to bound the ratio from above, and a very busy one none for a ratio.
    if aa["ratio"] is None:
        assert (aa["low"], aa["high"]) == (0.0, None)
    else:
        assert aa["low"] <= aa["ratio"]
        assert aa["high"] is None or aa["ratio"] <= aa["high"]


def test_help_names_every_verb(poolbench):
    text = poolbench("--help", check=True).stdout
    for verb in (
        "compare",
        "capture",
        "advise",
        "effects",
        "monitor",
        "show",
        "verify",
        "query",
        "results",
        "list",
        "doctor",
        "count",
        "fleet",
    ):
        assert verb in text
    assert poolbench("--version", check=True).stdout.startswith("poolbench ")


def test_query_and_results_through_the_command_line(poolbench, environment, tmp_path: Path):
    environment["POOLBENCH_DATABASES"] = str(tmp_path / "databases")
    header = make_header(["numpy"], [MAX2D])
    with RunFile.create(tmp_path / "elsewhere", header) as file:
        file.append([replace(row, machine=header.machine.key) for row in make_rows({MAX2D: {"numpy": 1e6}})])
    assert "copied" in poolbench("results", "import", "elsewhere", check=True).stdout
    sql = "SELECT subject, started_at, 1 AS started_at FROM runs JOIN cells USING (file)"
    columns = "SELECT subject, cells.started_at, 1 AS started_at, NULL AS none FROM runs JOIN cells USING (file)"
    assert "ambiguous" in poolbench("query", sql.lower()).stderr.lower()
    assert poolbench("query", columns, "--csv", check=True).stdout.splitlines() == [
        "subject,started_at,started_at_2,none",
        "numpy,2026-03-01T12:00:00,1,",
    ]
    assert json.loads(poolbench("query", columns, "--json", check=True).stdout) == [
        {"subject": "numpy", "started_at": "2026-03-01T12:00:00", "started_at_2": 1, "none": None}
    ]
    assert poolbench("query", columns, check=True).stdout.splitlines()[0].split() == [
        "subject", "started_at", "started_at_2", "none",
    ]  # fmt: skip
    refused = poolbench("query", "DROP VIEW runs")
    assert refused.returncode == 2 and "is no SELECT but DROP" in refused.stderr


def test_export_writes_tables_beside_the_run(poolbench, tmp_path: Path):
    header = make_header(["numpy"], [MAX2D])
    with RunFile.create(tmp_path / "results", header) as file:
        file.append([replace(row, machine=header.machine.key) for row in make_rows({MAX2D: {"numpy": 1e6}})])
    written = json.loads(poolbench("export", "latest", "--to", "csv", "--json", check=True).stdout)
    assert {Path(path).parent for path in written.values()} == {file.path.parent.relative_to(tmp_path)}
    columns, *lines = (tmp_path / written["samples"]).read_text().splitlines()
    assert columns.startswith("workload,name,") and len(lines) == 24
    text = poolbench("export", file.path.stem, "--to", "csv", "--out", "here", check=True).stdout
    assert f"here/{file.path.stem}.summary.csv" in text
