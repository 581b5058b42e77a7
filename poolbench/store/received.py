"""Reads the report of a gate that ran elsewhere, as on a fork's behalf: ``gate --json``, taken as data.

Whoever wrote it may have written anything. So its size is bounded before it is read, each field has its type and its
bounds, and all other fields are left where they are.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from poolbench.errors import ExitCode, StoreError
from poolbench.model.received import ReceivedGate, ReceivedVerdict
from poolbench.model.verdict import Outcome

MOST_BYTES = 1_000_000
"""A verdict takes one to three thousand, so that hundreds of them fit."""

MOST_VERDICTS = 1_000
LARGEST = 1e15
"""No ratio and no number of bytes that a gate tells is larger."""

_CODES = (ExitCode.DONE, ExitCode.REGRESSION, ExitCode.MEASUREMENT_FAILED, ExitCode.UNDECIDED)


def read_received(path: Path) -> ReceivedGate:
    """Return the report in ``path``. Raises StoreError where it is none, or larger than a report may be."""
    try:
        document = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{path} is no report of a gate: it is not JSON. 'poolbench gate --json' writes one."
        ) from error

    def wrong(field: str, wanted: str) -> NoReturn:
        raise StoreError(
            f"{path} is no report of a gate: {field} is not {wanted}. 'poolbench gate --json' of this version writes "
            "one."
        )

    return _gate(document, wrong)


def _text(path: Path) -> str:
    """Return what is in ``path``, at most ``MOST_BYTES``. A link could lead to any file of this machine."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise StoreError(f"{path} is no file: name the document that 'poolbench gate --json' wrote.")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror or error}): name the document that 'poolbench gate --json' wrote."
        ) from error
    if len(content) > MOST_BYTES:
        raise StoreError(
            f"{path} is larger than {MOST_BYTES:,} bytes, which no report of a gate is: nothing of it is shown. Let "
            "the gate have fewer workloads."
        )
    return content.decode("utf-8")


_Wrong = Callable[[str, str], NoReturn]


def _gate(document: Any, wrong: _Wrong) -> ReceivedGate:
    fields = _object(document, "the document", wrong)
    code = fields.get("exit_code")
    if type(code) is not int or code not in _CODES:
        wrong("exit_code", f"one of {', '.join(str(int(known)) for known in _CODES)}")
    verdicts = fields.get("verdicts")
    if not isinstance(verdicts, list) or len(verdicts) > MOST_VERDICTS:
        wrong("verdicts", f"a list of at most {MOST_VERDICTS}")
    tolerance = _number(_object(fields.get("policy"), "policy", wrong).get("tolerance"), "policy.tolerance", wrong)
    if tolerance is None:
        wrong("policy.tolerance", "a number")
    return ReceivedGate(
        base=_words(fields.get("base"), "base", wrong),
        head=_words(fields.get("head"), "head", wrong),
        code=ExitCode(code),
        tolerance=tolerance,
        verdicts=tuple(_verdict(entry, f"verdicts[{index}]", wrong) for index, entry in enumerate(verdicts)),
    )


def _verdict(entry: Any, place: str, wrong: _Wrong) -> ReceivedVerdict:
    fields = _object(entry, place, wrong)
    outcome = fields.get("outcome")
    if not isinstance(outcome, str) or outcome not in set(Outcome):
        wrong(f"{place}.outcome", f"one of {', '.join(Outcome)}")
    pair = _object(fields.get("comparison"), f"{place}.comparison", wrong)
    ratio, low, high = (_number(pair.get(key), f"{place}.comparison.{key}", wrong) for key in ("ratio", "low", "high"))
    workload = _words(fields.get("workload"), f"{place}.workload", wrong)
    return ReceivedVerdict(
        name=_words(fields.get("name"), f"{place}.name", wrong) or workload,
        outcome=Outcome(outcome),
        reason=_words(fields.get("reason"), f"{place}.reason", wrong),
        ratio=ratio,
        low=low,
        high=high,
        grown_bytes=_growth(fields.get("memory"), f"{place}.memory", wrong),
        is_regression=_flag(fields.get("is_regression"), f"{place}.is_regression", wrong),
        is_memory_regression=_flag(fields.get("is_memory_regression"), f"{place}.is_memory_regression", wrong),
    )


def _growth(memory: Any, place: str, wrong: _Wrong) -> int | None:
    if memory is None:
        return None
    fields = _object(memory, place, wrong)
    head, base = (_number(fields.get(key), f"{place}.{key}", wrong) for key in ("head_bytes", "base_bytes"))
    return None if head is None or base is None else int(head - base)


def _object(value: Any, place: str, wrong: _Wrong) -> dict[str, Any]:
    return value if isinstance(value, dict) else wrong(place, "an object")


def _words(value: Any, place: str, wrong: _Wrong) -> str:
    return value if isinstance(value, str) else wrong(place, "a text")


def _flag(value: Any, place: str, wrong: _Wrong) -> bool:
    return value if isinstance(value, bool) else wrong(place, "true or false")


def _number(value: Any, place: str, wrong: _Wrong) -> float | None:
    """Return a finite number as it is; None stands for NaN and infinity, as ``--json`` writes them."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        wrong(place, "a number")
    return float(value) if math.isfinite(value) else None
