"""What a user writes on the command line: targets and inputs, and what is wrong with them."""

from __future__ import annotations

import sys

import pytest

from poolbench.errors import UnknownNameError, UsageError
from poolbench.observe.inputs import InputSpec, parse_input
from poolbench.observe.target import Target, framework_of, load, made, parse_target, where

MODULE = """
import json as jax_like

class Model:
    def __init__(self, width=3):
        self.width = width
    def __call__(self, x):
        return x

class Needy:
    def __init__(self, width, depth):
        pass

def make():
    return Model(5)

def compute(x):
    return x

def broken():
    return {}["missing"]
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "planted_models.py").write_text(MODULE)
    (tmp_path / "planted_exit.py").write_text("raise SystemExit(3)")
    (tmp_path / "planted_needs.py").write_text("import planted_nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("models:resnet", Target(place="models", attribute="resnet")),
        ("a/b.py:Net.make", Target(place="a/b.py", attribute="Net.make")),
        ("a:b.onnx", Target(place="a:b.onnx")),
    ],
)
def test_targets(text, target):
    assert parse_target(text) == target
    assert str(target) == text


@pytest.mark.parametrize("text", ["models", "models:", ":resnet", ""])
def test_what_names_no_model(text):
    with pytest.raises(UsageError, match="MODULE:CALLABLE"):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("8x3x224x224", InputSpec(shape=(8, 3, 224, 224))),
        ("2x64:int64", InputSpec(shape=(2, 64), dtype="int64")),
        ("mask=1x9:bf16", InputSpec(shape=(1, 9), dtype="bfloat16", name="mask")),
        ("7:bool", InputSpec(shape=(7,), dtype="bool")),
    ],
)
def test_inputs(text, spec):
    assert parse_input(text) == spec
    assert parse_input(str(spec)) == spec


@pytest.mark.parametrize("text", ["", "3x", "x3", "3,4", "3x-4", "=3", "1x2:", "three", "9" * 5000])
def test_what_is_no_shape(text):
    with pytest.raises(UsageError, match=r"is no shape|too long"):
        parse_input(text)


def test_a_type_that_there_is_not():
    with pytest.raises(UsageError, match="float32"):
        parse_input("1x2:flaot32")


def test_a_class_a_function_that_makes_and_one_that_computes(module):
    for name, width in (("Model", 3), ("make", 5)):
        target = Target(place="planted_models", attribute=name)
        assert made(target, load(target)).width == width
    target = Target(place="planted_models.py", attribute="compute")
    function = load(target)
    assert made(target, function) is function


@pytest.mark.parametrize(
    ("place", "attribute", "error", "said"),
    [
        ("planted_modles", "make", UsageError, "There is no module 'planted_modles'.*Did you mean planted_models"),
        ("planted_models", "mak", UnknownNameError, "Did you mean make"),
        ("planted_exit", "make", UsageError, "does not import: SystemExit: 3"),
        ("planted_needs", "make", UsageError, "does not import.*planted_nowhere"),
        ("nowhere.py", "make", UsageError, "There is no file 'nowhere.py'"),
    ],
)
def test_what_cannot_be_imported(module, place, attribute, error, said):
    with pytest.raises(error, match=said):
        load(Target(place=place, attribute=attribute))


def test_a_class_that_needs_arguments(module):
    target = Target(place="planted_models", attribute="Needy")
    with pytest.raises(UsageError, match="needs width and depth"):
        made(target, load(target))


def test_where_in_a_user_s_file_an_error_came_from(module):
    target = Target(place="planted_models", attribute="broken")
    with pytest.raises(KeyError) as caught:
        made(target, load(target))
    assert where(caught.value) == " (planted_models.py, line 21)"


def test_a_function_s_framework_is_that_of_its_file(module):
    target = Target(place="planted_models", attribute="compute")
    function = load(target)
    assert framework_of(target, function, "jax") == "jax"
    for name in ("torch", "tensorflow", "jax"):
        sys.modules.pop(name, None)
    with pytest.raises(UsageError, match="say which by --framework"):
        framework_of(target, function, "")
