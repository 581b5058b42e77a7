from __future__ import annotations

import numpy as np
import pytest

import poolbench
from poolbench.errors import InvalidSpecError, StoreError, UnknownNameError, UsageError
from poolbench.model.pooling import PoolSpec

RAMP = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)


def test_the_public_names_are_those_promised():
    assert set(poolbench.__all__) == {"__version__", "apply", "compare", "load_results"}
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


@pytest.mark.parametrize("nothing", [[], [""], [" "]])
def test_nothing_to_compare_is_a_mistake(nothing, tmp_path):
    with pytest.raises(UsageError, match=r"No subject is named|is not a subject"):
        poolbench.compare(nothing, ["smoke"], results=tmp_path)
    with pytest.raises(UsageError, match="No workload is named"):
        poolbench.compare(["numpy"], nothing, results=tmp_path)
    assert not list(tmp_path.iterdir())
