"""``poolbench.compare`` from Python, with real workers."""

from __future__ import annotations

import poolbench


def test_compare_returns_one_line_per_workload_and_subject(tmp_path, monkeypatch):
    monkeypatch.setenv("POOLBENCH_LOCK_DIR", str(tmp_path / "lock"))
    ids = ["max2d-n1c8-h16w16-k2-f32-nchw", "avg2d-n1c8-h16w16-a1-f32-nchw"]
    frame = poolbench.compare(["numpy", "fake"], ids, budget_s=4, results=tmp_path)
    assert sorted(zip(frame["workload"], frame["subject"], strict=True)) == sorted(
        (workload, subject) for workload in ids for subject in ("numpy", "fake")
    )
    assert set(frame["status"]) == {"OK"}
    intervals = {
        f"{what}{end}" for what in ("median_ns", "times_limit", "ratio_to_fastest") for end in ("", "_low", "_high")
    }
    assert intervals | {"name", "gigabytes_per_s", "status", "note"} <= set(frame.columns)
    samples = poolbench.load_results(tmp_path)
    assert {"name", "subject", "call_ns", "launch", "rejected"} <= set(samples.columns)
    assert set(samples["subject"]) == {"numpy", "fake", "limit"}
