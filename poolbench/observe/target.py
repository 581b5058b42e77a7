"""What a user names as a model: a module's attribute, and what that turns out to be."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from poolbench.errors import UnknownNameError, UsageError, nearest
from poolbench.observe.inputs import InputSpec
from poolbench.quantities import listed

ONNX_SUFFIX = ".onnx"
FRAMEWORKS = ("torch", "tensorflow", "jax")

_PACKAGES = {
    "torch": "torch",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "jax": "jax",
    "flax": "jax",
    "jaxlib": "jax",
}
"""Which framework a package belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model as a user names it: ``place`` is a module, a Python file or an ONNX file, ``attribute`` what is in it."""

    place: str
    attribute: str = ""

    @property
    def is_onnx(self) -> bool:
        """Whether this is a file of a model's graph."""
        return not self.attribute

    def __str__(self) -> str:
        return f"{self.place}:{self.attribute}" if self.attribute else self.place


def parse_target(text: str) -> Target:
    """Return the target that ``text`` names. Raises UsageError."""
    if text.endswith(ONNX_SUFFIX):
        return Target(place=text)
    place, colon, attribute = text.rpartition(":")
    if not (colon and place and attribute):
        raise UsageError(
            f"'{text}' names no model: write MODULE:CALLABLE, such as models:resnet or models.py:resnet, or the path "
            "of an .onnx file."
        )
    return Target(place=place, attribute=attribute)


def load(target: Target) -> Any:
    """Import what ``target`` names, from the current folder too. Raises UsageError with what stands in the way."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found: Any = _imported(target.place)
    for name in target.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            public = [known for known in dir(found) if not known.startswith("_")]
            raise UnknownNameError("name", name, public, f"{target.place} has none that is called so.") from None
    return found


def made(target: Target, found: Any) -> Any:
    """Return the model: ``found`` itself, or what it makes where it is a class or a function that needs no argument.

    Raises UsageError where a class needs arguments; what the user's own code raises is left to the caller.
    """
    needed = needed_arguments(found)
    if inspect.isclass(found):
        if needed:
            raise UsageError(
                f"{target} is a class that needs {listed(needed)}: name a function without arguments that makes it."
            )
        return found()
    if needed is not None and not needed and not is_model(found):
        return found()
    return found


def opened(target: Target, inputs: Sequence[InputSpec], framework: str = "") -> tuple[Any, str]:
    """Import and make the model that ``target`` names; return it and the framework that it computes with.

    Raises UsageError.
    """
    found = load(target)
    try:
        model = made(target, found)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # a user's function may do anything
        raise UsageError(f"{target} makes no model: {first_line(error)}{where(error)}.") from error
    if not callable(model):
        raise UsageError(
            f"{target} is of type {type(model).__name__}, which cannot be called: name a model or a function."
        )
    chosen = framework_of(target, model, framework)
    if not inputs:
        raise UsageError(f"{target} needs an input: give its shape, such as --input 1x3x224x224.")
    return model, chosen


def needed_arguments(found: Any) -> list[str] | None:
    """Return the arguments that ``found`` cannot be called without, None where it takes any or does not tell."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters) and not inspect.isclass(found):
        return None
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in variable]


def is_model(found: Any) -> bool:
    """Whether ``found`` is an object of a framework that computes, and not a function of the user's."""
    return not inspect.isclass(found) and _framework_of_type(type(found)) is not None


def framework_of(target: Target, found: Any, wanted: str) -> str:
    """Return which framework ``found`` computes with; ``wanted`` is what the user says, "" for nothing.

    An object's class tells, else the modules that a function's file imports. Raises UsageError where neither does.
    """
    if wanted:
        return wanted
    by_type = _framework_of_type(type(found))
    if by_type is not None:
        return by_type
    names = getattr(inspect.unwrap(found) if callable(found) else found, "__globals__", {})
    used = {_framework_of_value(value) for value in names.values()} - {None}
    if not used:
        used = {framework for framework in FRAMEWORKS if framework in sys.modules}
    if len(used) != 1:
        choices = sorted(filter(None, used)) or FRAMEWORKS
        raise UsageError(f"{target} may compute with {' or '.join(choices)}: say which by --framework.")
    return str(next(iter(used)))


def _framework_of_type(kind: type) -> str | None:
    packages = [each.__module__.partition(".")[0] for each in kind.__mro__]
    for package in packages:
        if package != "keras" and package in _PACKAGES:
            return _PACKAGES[package]
    if "keras" in packages:
        backend = str(sys.modules["keras"].backend.backend())  # a model of Keras computes with what was set for all
        return backend if backend in FRAMEWORKS else None
    return None


def _framework_of_value(value: object) -> str | None:
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return _PACKAGES.get(name.partition(".")[0]) if isinstance(name, str) else None


def _imported(place: str) -> ModuleType:
    try:
        return _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise UsageError(f"The module {place} does not import: {first_line(error)}.") from error
        files = [path.stem for path in Path.cwd().glob("*.py")]
        hint = f" Did you mean {' or '.join(close)}?" if (close := nearest(place, files)) else ""
        raise UsageError(
            f"There is no module '{place}' in {Path.cwd()} or among the installed packages.{hint}"
        ) from error
    except (Exception, SystemExit) as error:  # a user's module may do anything
        raise UsageError(f"The module {place} does not import: {first_line(error)}{where(error)}.") from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"There is no file '{path}': name a module or a Python file with a model in it.")
    sys.path.insert(0, str(path.resolve().parent))
    name = f"_{path.stem}" if path.stem in sys.modules else path.stem  # a model's file may be called as a library is
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # the ending is .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def first_line(error: BaseException) -> str:
    """Return an error's class and the first line of what it says, without a full stop."""
    lines = str(error).strip().splitlines()
    if lines and lines[0] == "in user code:":  # TensorFlow's, which puts the error with its class last
        return lines[-1].strip().rstrip(".")[:300]
    said = lines[0].strip().rstrip(".")[:300] if lines else ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def where(error: BaseException) -> str:
    """Return the file and line of the user's that ``error`` came through last, as " (models.py, line 12)"."""
    ours, found = str(Path(__file__).resolve().parents[1]), ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not (
            file.startswith((ours, "<"))
            or "site-packages" in file
            or "__autograph_" in file
            or file.startswith(sys.base_prefix)
        ):
            found = f" ({Path(file).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found
