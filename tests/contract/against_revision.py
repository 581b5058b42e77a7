"""The functions of ``poolbench.strided`` against those of another revision of the kernel, bit by bit, on random calls.

    python -m tests.contract.against_revision REV [--calls 20000] [--seed 0]

Each call is made by the present kernel and by that of the git revision, built in an environment of its own, with
``POOLBENCH_ISA`` as it is set. Prints how many calls gave the same bits, how many answers and refusals changed, and by
how many units in the last place at most; ends with 1 where a maximum, an index or the gradient of a maximum changed.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from poolbench.environments.interpreter import PRESENT, Interpreter
from poolbench.environments.provide import provide
from poolbench.model.subject import parse_subject
from tests.contract.torch_answers import Answer, ours_of
from tests.contract.torch_calls import DTYPES, draw

ROOT = Path(__file__).parents[2]


def answers(calls: int, seed: int) -> list[Any]:
    """Return what each call gives, as bytes, and None for a refusal."""
    made: list[Any] = []
    for number in range(calls):
        answer = ours_of(draw(seed, number), None)
        made.append(
            [
                None if part is None else np.ascontiguousarray(part)
                for part in (answer.output, answer.indices, answer.gradient)
            ]
            if isinstance(answer, Answer)
            else None
        )
    return made


def ask(interpreter: Interpreter, calls: int, seed: int) -> list[Any]:
    """Return the answers of the kernel that the interpreter has."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers"
        command = interpreter.command("tests.contract.against_revision")
        variables = interpreter.variables({**os.environ, "PYTHONPATH": str(ROOT)})
        subprocess.run(
            [*command, "--into", str(file), "--calls", str(calls), "--seed", str(seed)], env=variables, check=True
        )
        found: list[Any] = pickle.loads(file.read_bytes())
    return found


def main(arguments: list[str] | None = None) -> int:
    """Compare, print what was compared, and return 1 where what has no rounding differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.against_revision", description=__doc__)
    parser.add_argument("revision", nargs="?")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.into:
        options.into.write_bytes(pickle.dumps(answers(options.calls, options.seed)))
        return 0
    subject = parse_subject(f"strided@rev:{options.revision}")
    place = provide([subject], tell=lambda text: print(text, file=sys.stderr))[subject]
    if not isinstance(place, Interpreter):
        print(place.reason, file=sys.stderr)
        return 2
    now, before = (ask(each, options.calls, options.seed) for each in (PRESENT, place))
    counts: Counter[str] = Counter()
    places = 0.0
    is_wrong = False
    for number, (ours, theirs) in enumerate(zip(now, before, strict=True)):
        call = draw(options.seed, number)
        kind = "maxima" if call.is_max else "averages"
        if ours is None or theirs is None:
            counts["refused by both" if ours is theirs else f"{kind}: refused by one"] += 1
        elif all(same_bits(a, b) for a, b in zip(ours, theirs, strict=True)):
            counts[f"{kind}: the same bits"] += 1
        else:
            counts[f"{kind}: other bits"] += 1
            is_wrong |= call.is_max
            if call.is_max:
                print(f"{call}: changed")
            else:
                places = max(places, *(distance(a, b, DTYPES[call.dtype]) for a, b in zip(ours, theirs, strict=True)))
    for what, count in sorted(counts.items()):
        print(f"{count:>8} {what}")
    print(
        f"Averages and their gradients differ by at most {places:.3g} units in the last place of their largest element."
    )
    return int(is_wrong)


def same_bits(ours: Any, theirs: Any) -> bool:
    """Whether two parts of an answer are the same; any NaN is."""
    if ours is None or theirs is None:
        return ours is theirs
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return False
    if ours.tobytes() == theirs.tobytes():
        return True
    wide = [each.astype(np.float64) if each.dtype.kind not in "iu" else each for each in (ours, theirs)]
    both_nan = np.isnan(wide[0]) & np.isnan(wide[1]) if wide[0].dtype.kind == "f" else np.zeros(ours.shape, bool)
    as_bits = [np.ascontiguousarray(each).view(f"u{each.dtype.itemsize}") for each in (ours, theirs)]
    return bool((both_nan | (as_bits[0] == as_bits[1])).all())


def distance(ours: Any, theirs: Any, dtype: Any) -> float:
    """Return how far two arrays of averages of ``dtype`` lie apart, in units in the last place of the largest."""
    if ours is None or ours.size == 0:
        return 0.0
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    if not finite.any():
        return 0.0
    unit = float(ml_dtypes.finfo(dtype).eps) * float(np.abs(b[finite]).max())
    return float(np.abs(a[finite] - b[finite]).max()) / unit if unit else 0.0


if __name__ == "__main__":
    sys.exit(main())
