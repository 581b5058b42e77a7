import math

import numpy as np
import pandas as pd
import pytest

from poolbench.analyse.compare.summary import summarise
from poolbench.analyse.frames.run import SAMPLE_COLUMNS, rows_frame
from poolbench.model.ids import parse_id
from poolbench.model.memory import Amount, not_measured
from poolbench.model.result import Status
from poolbench.report.render.csv import summary_frame
from tests.unit.builders import AVG2D, MAX2D, MAX3D, Noise, make_header, make_rows

TIMES = {w: {"numpy": 9e5, "torch": 2e5, "limit": 1e5} for w in (MAX2D, AVG2D, MAX3D)}
FAILURES = {(AVG2D, "torch"): (Status.TIMEOUT, "No answer in 60 s.")}
HEADER = make_header(("numpy", "torch", "limit"), tuple(TIMES), names={MAX2D: "resnet_pool"})


def test_one_line_per_sample_and_one_per_failure() -> None:
    rows = make_rows(TIMES, launches=4, blocks=3, noise=Noise(contaminated=0.2), failures=FAILURES)
    frame = rows_frame(rows, HEADER)
    assert tuple(frame.columns) == SAMPLE_COLUMNS
    assert len(frame) == sum(max(len(row.samples), 1) for row in rows)
    lines = iter(frame.itertuples(index=False))
    for row in rows:
        for sample in row.samples:
            line = next(lines)
            assert (line.workload, line.subject, line.launch, line.importer) == (
                row.workload, row.subject, row.launch, row.importer
            )  # fmt: skip
            assert line.call_ns == pytest.approx(sample.call_ns)
            assert (line.elapsed_ns, line.block, line.position) == (sample.elapsed_ns, sample.block, sample.position)
            assert line.rejected == HEADER.method.rejection.rejects(sample)
        if not row.samples:
            line = next(lines)
            assert (line.status, line.note) == ("TIMEOUT", "No answer in 60 s.")
            assert math.isnan(line.call_ns)
            assert math.isnan(line.loops)
            assert not line.rejected


def test_workloads_are_taken_apart() -> None:
    frame = rows_frame(make_rows(TIMES, launches=1), HEADER).set_index("workload")
    line = frame.loc[MAX2D].iloc[0]
    assert (line["name"], line["kind"], line["rank"], line["dtype"], line["order"]) == (
        "resnet_pool", "max", 2, "f32", "nchw"
    )  # fmt: skip
    assert frame.loc[MAX3D].iloc[0]["name"] == MAX3D


def test_texts_group_and_frames_of_several_runs_join() -> None:
    frame = rows_frame(make_rows(TIMES, launches=2), HEADER)
    joined = pd.concat([frame, frame], ignore_index=True)
    medians = joined.groupby(["workload", "subject"], observed=True)["call_ns"].median()
    assert medians[MAX2D, "torch"] == pytest.approx(2e5, rel=0.05)


def test_no_rows_give_an_empty_frame_with_all_columns() -> None:
    assert tuple(rows_frame([], HEADER).columns) == SAMPLE_COLUMNS
    assert rows_frame([], HEADER).empty


def test_memory_that_was_not_measured_is_missing_and_says_why() -> None:
    requests = {"torch": Amount(bytes=2**53 + 1), "numpy": not_measured("memray is not installed.")}
    rows = make_rows(TIMES, launches=2, requests=requests, failures=FAILURES)
    for frame in (rows_frame(rows, HEADER), summary_frame(summarise(HEADER, rows))):
        lines = frame.set_index(["workload", "subject"]).sort_index()
        torch, numpy, failed = (
            lines.loc[[key]].iloc[0] for key in ((MAX2D, "torch"), (MAX2D, "numpy"), (AVG2D, "torch"))
        )
        assert (torch["requested_bytes"], torch["requested_note"]) == (2**53 + 1, "")
        assert torch["output_bytes"] == torch["least_bytes"] == parse_id(MAX2D).output_bytes
        assert torch["touched_bytes"] == 4096
        assert pd.isna(torch["saved_bytes"])
        assert (numpy["requested_bytes"] is pd.NA, numpy["requested_note"]) == (
            True,
            "not measured: memray is not installed.",
        )
        assert (failed["requested_bytes"] is pd.NA, failed["output_bytes"] is pd.NA) == (True, True)
    assert rows_frame(make_rows(TIMES, launches=1), HEADER)["requested_bytes"].isna().all()


def test_the_summary_has_a_line_per_workload_and_subject() -> None:
    summary = summarise(HEADER, make_rows(TIMES, failures=FAILURES))
    frame = summary_frame(summary).set_index(["workload", "subject"])
    assert len(frame) == 6
    torch, numpy = frame.loc[(MAX2D, "torch")], frame.loc[(MAX2D, "numpy")]
    assert torch["is_fastest"]
    assert torch["ratio_to_fastest"] == 1
    assert numpy["ratio_to_fastest_low"] < 4.5 < numpy["ratio_to_fastest_high"]
    assert numpy["outcome"] == "slower"
    assert torch["times_limit"] == pytest.approx(2, rel=0.05)
    failed = frame.loc[(AVG2D, "torch")]
    assert failed["status"] == "TIMEOUT"
    assert np.isnan(failed["median_ns"])
