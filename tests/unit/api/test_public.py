from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import poolbench
from poolbench.errors import InvalidSpecError, PoolbenchError, StoreError, UnknownNameError, UsageError
from poolbench.model.pooling import PoolSpec
from poolbench.store.jsonl import RunFile
from tests.unit.builders import MAX2D, make_header, make_rows

RAMP = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)


def test_the_public_names_are_those_promised():
    assert set(poolbench.__all__) == {
        "__version__", "advise", "apply", "bisect", "capture", "compare", "gate", "load_results", "monitor", "query",
        "replace_pooling",
    }  # fmt: skip
    assert all(hasattr(poolbench, name) for name in poolbench.__all__)


@pytest.mark.parametrize("backend", ["numpy", "numpy:loops", "numpy:windows"])
def test_apply_takes_an_id_or_a_spec(backend):
    expected = [[6, 8], [14, 16]]
    assert poolbench.apply("max2d-n1c1-h4w4-k2", RAMP, backend)[0, 0].tolist() == expected
    assert poolbench.apply(PoolSpec.windowed("max", (2, 2)), RAMP, backend)[0, 0].tolist() == expected


def test_apply_says_what_does_not_fit():
    with pytest.raises(InvalidSpecError, match=r"float64.*float32 of shape \(1, 1, 4, 4\)"):
        poolbench.apply("max2d-n1c1-h4w4-k2", RAMP.astype(np.float64))
    with pytest.raises(InvalidSpecError, match="needs 4 axes"):
        poolbench.apply(PoolSpec.windowed("max", (2, 2)), RAMP[0])
    with pytest.raises(InvalidSpecError, match="complex64"):
        poolbench.apply(PoolSpec.windowed("max", (2, 2)), RAMP.astype(np.complex64))
    with pytest.raises(UnknownNameError, match="nunpy"):
        poolbench.apply("max2d-n1c1-h4w4-k2", RAMP, "nunpy")
    with pytest.raises(UsageError, match=r"forward alone.*leave its ending"):
        poolbench.apply("max2d-n1c1-h4w4-k2.train", RAMP)


def test_results_that_are_not_there_are_told(tmp_path):
    with pytest.raises(StoreError, match="no result file"):
        poolbench.load_results(tmp_path)


@pytest.fixture
def two_runs(tmp_path):
    """Two sound runs, of which the first comes before and the second after a file that a test damages."""
    for run in ("a", "c"):
        header = replace(make_header(["numpy"], [MAX2D]), run=run)
        rows = [replace(row, run=run, machine=header.machine.key) for row in make_rows({MAX2D: {"numpy": 1e6}})]
        with RunFile.create(tmp_path, header) as file:
            file.append(rows)
    return file.path.with_name("b.jsonl")


OF_THE_FUTURE = MAX2D.replace("max2d", "max9d")


@pytest.mark.parametrize("kind", ["empty", "garbage", "header gone", "of the future", "of a workload of the future"])
def test_a_bad_file_costs_itself_alone(two_runs, kind):
    sound = two_runs.with_name("c.jsonl").read_bytes().replace(b'"run":"c"', b'"run":"b"')
    content = {
        "empty": b"",
        "garbage": b"\x00\xff not json\n",
        "header gone": sound.partition(b"\n")[2],
        "of the future": b'{"record": "run", "schema": 99}\n',
        "of a workload of the future": sound.replace(MAX2D.encode(), OF_THE_FUTURE.encode()),
    }
    two_runs.write_bytes(content[kind])
    with pytest.warns(UserWarning, match=r"b\.jsonl is left out: .+\.$"):
        frame = poolbench.load_results(two_runs.parent.parent)
    assert set(frame["run"]) == {"a", "c"}
    with pytest.raises(PoolbenchError), warnings.catch_warnings(action="ignore"):
        poolbench.load_results(two_runs)


def test_a_folder_of_bad_files_alone_is_an_error(tmp_path):
    (tmp_path / "a.jsonl").write_text("{")
    with pytest.raises(StoreError, match=r"None of the result files under .*a\.jsonl"):
        poolbench.load_results(tmp_path)


def test_a_folder_with_the_ending_of_a_run_is_none(two_runs):
    two_runs.mkdir()
    assert set(poolbench.load_results(two_runs.parent)["run"]) == {"a", "c"}


@pytest.mark.parametrize("nothing", [[], [""], [" "]])
def test_nothing_to_compare_is_a_mistake(nothing, tmp_path):
    with pytest.raises(UsageError, match=r"No subject is named|is not a subject"):
        poolbench.compare(nothing, ["smoke"], results=tmp_path)
    with pytest.raises(UsageError, match="No workload is named"):
        poolbench.compare(["numpy"], nothing, results=tmp_path)
    assert not list(tmp_path.iterdir())
