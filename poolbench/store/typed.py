"""Dataclasses to plain JSON values and back, led by their type hints, and checked both ways.

Knows what the model's stored types are made of: dataclasses, enums of text, text, whole numbers, floats, truth
values, ``X | None``, ``tuple[X, ...]`` and ``dict[str, X]``; subjects and workloads, which are stored as the texts that
name them; and samples, which are stored as columns.
"""

from __future__ import annotations

import math
import operator
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from poolbench.errors import PoolbenchError
from poolbench.model.ids import parse_id
from poolbench.model.sample import SAMPLE_FIELDS, Sample, samples_as_columns, samples_from_columns
from poolbench.model.subject import Subject, parse_subject
from poolbench.model.workload import Workload

NON_FINITE = ("nan", "inf", "-inf")
"""The texts that stand for the floats that JSON has no number for."""

_SAMPLES = tuple[Sample, ...]
_ABSENT = object()


class FieldError(ValueError):
    """A value does not fit its field. ``str()`` names the field and what was expected, without a full stop."""


def dump(hint: Any, value: Any, where: str = "") -> Any:
    """Return ``value`` as JSON values. Raises FieldError where it is not of the type ``hint``."""
    if hint == _SAMPLES:
        return _dump_columns(value, where)
    if hint in (Subject, Workload):
        if not isinstance(value, hint):
            raise _misfit(where, hint, value)
        return value.id if isinstance(value, Workload) else str(value)
    if is_dataclass(hint):
        return _dump_dataclass(hint, value, where)
    if hint is float:
        number = float(value) if _is_number(value) else None
        if number is None:
            raise _misfit(where, hint, value)
        return number if math.isfinite(number) else repr(number)
    if hint is int:
        return _whole(value, where)
    return _convert(dump, hint, value, where)


def load(hint: Any, value: Any, where: str = "") -> Any:
    """Return the object of type ``hint`` that ``value`` stands for. Raises FieldError where it stands for none."""
    if hint == _SAMPLES:
        return _load_columns(value, where)
    if hint in (Subject, Workload):
        return _load_text(hint, value, where)
    if is_dataclass(hint):
        return _load_dataclass(hint, value, where)
    if hint is float:
        if isinstance(value, str) and value in NON_FINITE:
            return float(value)
        if type(value) not in (int, float):
            raise _misfit(where, hint, value)
        try:
            return float(value)
        except OverflowError as error:
            raise _misfit(where, hint, value) from error
    if hint is int:
        if type(value) is not int:
            raise _misfit(where, hint, value)
        return value
    return _convert(load, hint, value, where)


def _convert(step: typing.Callable[[Any, Any, str], Any], hint: Any, value: Any, where: str) -> Any:
    """Convert what reads the same in both directions, its parts by ``step``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else step(inner, value, where)
    if origin is tuple:
        if not isinstance(value, tuple | list if step is dump else list):
            raise _misfit(where, hint, value)
        parts = (step(arguments[0], part, f"{where}[{index}]") for index, part in enumerate(value))
        return list(parts) if step is dump else tuple(parts)
    if origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _misfit(where, hint, value)
        return {str(key): step(arguments[1], part, _inside(where, key)) for key, part in value.items()}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if not isinstance(value, str) or value not in list(hint):
            raise _misfit(where, hint, value)
        return hint(value).value if step is dump else hint(value)
    if hint in (str, bool):
        if not isinstance(value, hint):
            raise _misfit(where, hint, value)
        return str(value) if hint is str else value
    raise TypeError(f"{where} has the type {hint}, which the store does not know how to write")


def _dump_dataclass(hint: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, hint):
        raise _misfit(where, hint, value)
    return {name: dump(inner, getattr(value, name), _inside(where, name)) for name, (inner, _) in _layout(hint).items()}


def _load_dataclass(hint: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _misfit(where, hint, value)
    layout = _layout(hint)
    # A schema version says exactly which fields there are: one more means that something else wrote the record.
    unknown = sorted(value.keys() - layout.keys())
    if unknown:
        raise FieldError(f"{_inside(where, unknown[0])} is not a field of this schema")
    arguments = {}
    for name, (inner, has_default) in layout.items():
        part = value.get(name, _ABSENT)
        if part is not _ABSENT:
            arguments[name] = load(inner, part, _inside(where, name))
        elif not has_default:
            raise FieldError(f"the field {_inside(where, name)} is missing")
    return hint(**arguments)


@cache
def _layout(hint: Any) -> dict[str, tuple[Any, bool]]:
    """Return each field's type, and whether it has a default."""
    hints = typing.get_type_hints(hint)
    return {
        field.name: (hints[field.name], field.default is not MISSING or field.default_factory is not MISSING)
        for field in fields(hint)
    }


def _load_text(hint: Any, value: Any, where: str) -> Subject | Workload:
    """Return what a text names: from here on it is a type."""
    if not isinstance(value, str):
        raise _misfit(where, hint, value)
    try:
        return parse_id(value) if hint is Workload else parse_subject(value)
    except PoolbenchError as error:
        raise FieldError(f"{where} cannot be read: {str(error).removesuffix('.')}") from error


def _dump_columns(value: Any, where: str) -> dict[str, list[int]]:
    columns = samples_as_columns(value)
    return {name: [_whole(entry, _inside(where, name)) for entry in column] for name, column in columns.items()}


def _load_columns(value: Any, where: str) -> tuple[Sample, ...]:
    if not isinstance(value, dict):
        raise _misfit(where, dict, value)
    for name, column in value.items():
        if name not in SAMPLE_FIELDS:
            raise FieldError(f"{_inside(where, name)} is not a column of this schema")
        if not isinstance(column, list) or not set(map(type, column)) <= {int}:
            raise FieldError(f"{_inside(where, name)} is not a list of whole numbers")
    if len({len(column) for column in value.values()}) > 1:
        raise FieldError(f"the columns of {where} differ in length")
    try:
        return samples_from_columns(value)
    except ValueError as error:
        raise FieldError(str(error)) from error


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str | bytes) and hasattr(value, "__float__")


def _whole(value: Any, where: str) -> int:
    # By __index__, so that NumPy's integers can be stored without NumPy being known here.
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise _misfit(where, int, value)
    return operator.index(value)


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


_IN_WORDS = {
    Subject: "the text of a subject",
    Workload: "the text of a workload",
    float: "a number",
    int: "a whole number",
    str: "text",
    bool: "true or false",
    dict: "an object",
}


def _misfit(where: str, hint: Any, value: Any) -> FieldError:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        expected = f"one of {', '.join(hint)}"
    elif hint in _IN_WORDS:
        expected = _IN_WORDS[hint]
    elif is_dataclass(hint) or typing.get_origin(hint) is dict:
        expected = "an object"
    elif typing.get_origin(hint) is tuple:
        expected = "a list"
    else:
        expected = str(hint)
    shown = repr(value)
    return FieldError(f"{where or 'the record'} is {shown[:40]}{'…' if len(shown) > 40 else ''}, not {expected}")
