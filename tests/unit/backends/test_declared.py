import sys
from pathlib import Path

import numpy as np
import pytest

from poolbench.backends import registry
from poolbench.backends.base import Source
from poolbench.backends.declaration import REPOSITORY_VARIABLE, declared, read_project
from poolbench.backends.declared import Declared
from poolbench.errors import MissingFrameworkError, UnknownNameError, UsageError
from poolbench.model.ids import parse_id
from poolbench.model.method import LayoutPolicy

POOL = """
import numpy as np

def pool(x, window, stride, padding):
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)), constant_values=-np.inf)
    view = np.lib.stride_tricks.sliding_window_view(x, window, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1]].max(axis=(-2, -1))

def last(x, *, kernel_size, kind):
    n, h, w, c = x.shape
    y = x.reshape(n, h // kernel_size[0], kernel_size[0], w // kernel_size[1], kernel_size[1], c)
    return getattr(y, {"max": "max", "avg": "mean"}[kind])(axis=(2, 4))

value = 3
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Give a function that writes the project's subjects, with a module beside that can be imported."""
    (tmp_path / "declared_pools.py").write_text(POOL)
    (tmp_path / "declared_broken.py").write_text("def (")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(REPOSITORY_VARIABLE, str(tmp_path))
    yield lambda text: (tmp_path / "pyproject.toml").write_text(f"[tool.poolbench.subjects]\n{text}\n")
    sys.modules.pop("declared_pools", None)


def test_two_lines_make_a_subject_whose_answer_is_right(project):
    project('mine = "declared_pools:pool"')
    backend = registry.create("mine")
    registry.require(backend)
    workload = parse_id("max2d-n1c2-h5w6-k3s2p1-f32-nhwc")
    array = np.random.default_rng(1).normal(size=(1, 5, 6, 2)).astype(np.float32)
    backend.load(1)
    wanted = registry.create("numpy").prepare(workload, Source(array=array)).output()
    for layout in LayoutPolicy:
        prepared = backend.prepare(workload, Source(array=array, layout=layout))
        assert backend.supports(workload).ok and np.array_equal(prepared.output(), wanted)
    assert "mine" in registry.names() and registry.is_declared("mine") and not registry.is_declared("numpy")
    assert backend.facts()["callable"] == "declared_pools:pool(x, window, stride, padding)"


def test_keywords_the_kind_and_the_layout_can_be_declared(project):
    project(
        'm = {call = "declared_pools:last", signature = "x, kernel_size=window, kind=kind", layout="channels_last"}'
    )
    backend = registry.create("m")
    backend.load(1)
    array = np.random.default_rng(1).normal(size=(1, 2, 4, 6)).astype(np.float32)
    for text in ("max2d-n1c2-h4w6-k2-f32-nchw", "avg2d-n1c2-h4w6-k2-f32-nchw"):
        workload = parse_id(text)
        wanted = registry.create("numpy").prepare(workload, Source(array=array)).output()
        assert backend.supports(workload).ok
        assert np.allclose(backend.prepare(workload, Source(array=array)).output(), wanted)
    assert not backend.supports(parse_id("max2d-n1c2-h4w6-k2s1-f32-nchw")).ok


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ("avg2d-n1c2-h4w6-k2-f32-nchw", "max alone"),
        ("max1d-n1c2-w6-k2-f32-ncw", "2 spatial axes"),
        ("max2d-n1c2-h4w6-k2-f16-nchw", "f32 alone"),
        ("max2d-n1c2-h4w6-k2d2-f32-nchw", "no dilation"),
        ("max2d-n1c2-h4w6-k2s2p0_1-f32-nchw", "no pads"),
        ("max2d-n1c2-h5w6-k2-ceil-f32-nchw", "Ceil mode"),
        ("max2d-n1c2-h5w6-a3-f32-nchw", "Uneven"),
        ("max2d-n1c2-h4w6-k2-f32-nchw.train", "training"),
    ],
)
def test_what_the_declaration_cannot_say_is_refused(project, workload, said):
    project('mine = "declared_pools:pool"')
    support = registry.create("mine").supports(parse_id(workload))
    assert not support.ok and said in support.reason


def test_ceil_mode_that_changes_nothing_is_taken(project):
    project('mine = "declared_pools:pool"')
    assert registry.create("mine").supports(parse_id("max2d-n1c2-h4w6-k2-ceil-f32-nchw")).ok


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ('"declared_pools:nothing"', "has no nothing here"),
        ('"declared_pools:value"', "is a int, which cannot be called"),
        ('"no_such_module_anywhere:f"', "cannot be imported here"),
        ('"declared_broken:f"', "importing declared_broken fails here (SyntaxError: "),
        ('{call = "declared_pools:pool", signature = "x, window"}', "is pool(x, window, stride, padding)"),
        ('{call = "declared_pools:last", signature = "x, window, stride"}', "Correct its signature"),
    ],
)
def test_a_callable_that_is_not_as_declared_is_told_at_load(project, declaration, said):
    project(f"mine = {declaration}")
    with pytest.raises(UsageError) as caught:
        registry.create("mine").load(1)
    assert said in str(caught.value) and "'mine'" in str(caught.value)


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ("mine = 3", "names no callable"),
        ('mine = "module"', "names no callable"),
        ('mine = {call = "a:b", signatur = "x"}', "known is signature"),
        ('mine = {call = "a:b", signature = "x, kernel"}', "name=word"),
        ('mine = {call = "a:b", signature = "x, stride"}', "must name x and window"),
        ('mine = {call = "a:b", ranks = [4]}', "ranks lists"),
        ('mine = {call = "a:b", kind = "min"}', "kind is max or avg"),
        ('mine = {call = "a:b", dtypes = ["float"]}', "dtypes lists"),
        ('mine = {call = "a:b", layout = "nchw"}', "channels_first or channels_last"),
        ('"no name" = "a:b"', "no name that a subject can have"),
        ('numpy = "a:b"', ""),
    ],
)
def test_a_declaration_that_is_none_is_one_sentence_with_the_file(project, declaration, said):
    project(declaration)
    if not said:  # an alias is a registered name too
        assert not isinstance(registry.create("numpy"), Declared)
        return
    with pytest.raises(UsageError) as caught:
        declared()
    assert said in str(caught.value) and "pyproject.toml" in str(caught.value)


def test_a_name_that_is_registered_is_refused_and_nothing_else_is_harmed(project):
    project('"numpy:windows" = "declared_pools:pool"')
    assert registry.create("numpy:windows").name == "numpy:windows"
    with pytest.raises(UsageError, match="that of a registered backend"):
        registry.names()


def test_a_broken_file_harms_no_registered_backend(project, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool")
    assert registry.create("numpy").framework == "numpy"
    with pytest.raises(UsageError, match="cannot be read"):
        registry.create("mine")


def test_paths_lie_in_the_project(project, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.poolbench]\npaths = ["../other"]\n')
    with pytest.raises(UsageError, match="relative to"):
        read_project()


def test_what_is_not_installed_is_told_before_anything_is_measured(project):
    project('mine = "no_such_module_anywhere:f"')
    with pytest.raises(MissingFrameworkError, match=r"mine@rev:HEAD"):
        registry.require(registry.create("mine"))
    with pytest.raises(UnknownNameError, match="Did you mean mine"):
        registry.create("mien")


def test_a_variable_that_names_no_project_is_told(monkeypatch):
    monkeypatch.setenv(REPOSITORY_VARIABLE, "/proc/1")
    with pytest.raises(UsageError, match="at or above /proc/1"):
        declared()


def test_the_example_without_a_line_of_poolbenchs_is_right(monkeypatch):
    folder = Path(__file__).parents[3] / "examples" / "numpy_pooling"
    monkeypatch.setenv(REPOSITORY_VARIABLE, str(folder))
    monkeypatch.syspath_prepend(folder)
    backend = registry.create("numpy_pooling")
    backend.load(1)
    array = np.random.default_rng(1).normal(size=(2, 3, 9, 8)).astype(np.float32)
    for text in ("max2d-n2c3-h9w8-k3s2p1-f32-nchw", "max2d-n2c3-h9w8-k2-f32-nchw", "max2d-n2c3-h9w8-a1-f32-nchw"):
        workload = parse_id(text)
        wanted = registry.create("numpy").prepare(workload, Source(array=array)).output()
        assert np.array_equal(backend.prepare(workload, Source(array=array)).output(), wanted)
    sys.modules.pop("numpy_pooling", None)
