"""Whether counts are exact: against known code, against Valgrind, against themselves, and with a planted instruction.

    python -m tests.count.proof [known] [valgrind] [same] [core] [planted]    (all by default; some minutes each)

Ends with exit code 1 where one of them is not as it should be.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from poolbench.catalogue.select import choose
from poolbench.measure.count.counting import count
from poolbench.measure.count.mix import by_file
from poolbench.measure.count.shapes import scaled
from poolbench.measure.count.tracing import trace
from poolbench.model.count import INTERPRETER_SLACK
from poolbench.model.ids import parse_id
from poolbench.model.subject import parse_subject
from tests.count.machine_code import CODES, ROUNDS
from tests.count.planted import build, vectors

LIMIT = 1_000_000
SMALL_SUBJECT, SMALL, SMALL_MOST = "strided:out+layout=given", "max1d-n1c1-w2-k2-f32-ncw", 5000
"""One window, into an array that is there: of the smallest calls, two thirds are checks of arguments in Python."""

SAME, LOOP_PROCESSES = 1000, 10
TIMES = 20
VALGRIND_CALLS = (100, 300)

LIBRARY = "_pool"
"""The library's file, as far as its name is the same everywhere."""


def known() -> bool:
    """Count code whose instructions are known, to the instruction."""
    names = [name for name in CODES if name != "return"]
    regions = trace(
        [sys.executable, "-m", "tests.count.machine_code", "3", *names], os.environ, limit=LIMIT, counter="step"
    ).regions
    empty, fine = regions[1], True
    for place, name in enumerate(names, 1):
        _, instructions, repeats, calls = CODES[name]
        for region in regions[3 * place : 3 * place + 3]:
            found = (
                region.instructions - empty.instructions + 1,
                region.repeats - empty.repeats,
                region.system_calls - empty.system_calls,
            )
            fine &= found == (instructions, repeats, calls)
        print(f"{name}: {found[0]:,} instructions, {instructions:,} known; repeats {found[1]}, system calls {found[2]}")
    print(
        f"an instruction planted in a loop of {ROUNDS:,}: {CODES['planted'][1] - CODES['vector'][1]:,} more, all seen"
    )
    return fine


def valgrind() -> bool:
    """Count the library's part of a call of ``strided:avx2`` by callgrind: what 200 calls more add to its instructions.

    What lies in the interpreter is left out: under callgrind the same process takes thousands of instructions more or
    fewer there from run to run, more than a call has.
    """
    if shutil.which("valgrind") is None:
        print("valgrind is not installed here")
        return False
    fine = True
    few, many = VALGRIND_CALLS
    for name in ("resnet50_stem", "poolformer_m36_s1", "yolov5s_sppf"):
        part = scaled(choose([name]).workloads[0])
        stepped = count(parse_subject("strided:avx2+layout=given"), part, counter="step")
        if stepped.instructions is None:
            print(f"{name}: {stepped.reason}")
            return False
        own = sum(number for library, number in stepped.libraries.items() if LIBRARY in library)
        call = (_by_callgrind(part.id, many) - _by_callgrind(part.id, few)) / (many - few)
        error = own / call - 1
        fine &= abs(error) <= 0.001
        print(f"{name}: {own:,} stepped in {LIBRARY}, {call:,.1f} by callgrind ({100 * error:+.3f} %)", flush=True)
    return fine


def same() -> bool:
    """Count the same small call a thousand times, each in a process of its own, and a known loop in ten processes."""
    subject, workload = parse_subject(SMALL_SUBJECT), parse_id(SMALL)
    found: Counter[int | None] = Counter()
    for _ in range(SAME):
        found[count(subject, workload, counter="step").instructions] += 1
    print(f"{found.total():,} counts of {subject} on {SMALL}, a process each: {dict(found)}", flush=True)
    known: Counter[int] = Counter()
    for _ in range(LOOP_PROCESSES):
        command = [sys.executable, "-m", "tests.count.machine_code", str(SAME // LOOP_PROCESSES), "vector"]
        regions = trace(command, os.environ, limit=LIMIT, counter="step").regions
        known.update(region.instructions for region in regions[SAME // LOOP_PROCESSES :])
    print(f"{known.total():,} counts of a known loop and the call of it: {dict(known)}")
    return len(found) == len(known) == 1 and all(number is not None and number <= SMALL_MOST for number in found)


def core() -> bool:
    """Count each layer of ``core`` twenty times, each in a process of its own."""
    fine = True
    for workload in choose(["core"]).workloads:
        found = Counter(count(parse_subject("strided"), workload, counter="step").instructions for _ in range(TIMES))
        fine &= len(found) == 1 and None not in found
        print(f"{workload.name}: {dict(found)}", flush=True)
    return fine


def planted() -> bool:
    """Plant an instruction for each vector in a small kernel: each layer must show so many more, all in its file."""
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        libraries = [build(Path(folder), planted=is_planted) for is_planted in (False, True)]
        for workload in choose(["core"]).workloads:
            part = scaled(workload)
            (plain, outside), (more, outside_more) = (_in_kernel(library, part.id) for library in libraries)
            due = vectors(part)
            fine &= more - plain == due and abs(outside_more - outside) <= INTERPRETER_SLACK
            print(
                f"{workload.name}: {plain:,}, planted {more - plain:+,} ({more / plain - 1:+.1%}), {due:,} due; "
                f"{outside_more - outside:+,} in the interpreter",
                flush=True,
            )
    return fine


def _in_kernel(library: Path, workload: str) -> tuple[int, int]:
    """Return what one call executes in ``library``, and on the way there."""
    command = [sys.executable, "-m", "tests.count.planted", str(library), workload]
    traced = trace(command, os.environ, limit=LIMIT, counter="step")
    numbers = [region.instructions for region in traced.regions]
    own = by_file(traced.places[numbers.index(min(numbers))], traced)[library.name]
    return own, min(numbers) - own


def _by_callgrind(workload: str, calls: int) -> int:
    """Return the instructions that callgrind saw in the library, in a process of ``calls`` calls."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", "POOLBENCH_ISA": "avx2"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        done = subprocess.run(
            [
                *("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"),
                *(sys.executable, "-m", "tests.count.plain", "strided:avx2", workload, str(calls)),
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"callgrind failed: {done.stderr[-500:]}")
        return _in_library(out.read_text(encoding="utf-8").splitlines())


def _in_library(lines: list[str]) -> int:
    """Add up what callgrind's file says of the library's own lines (https://valgrind.org/docs/manual/cl-format.html)."""
    names: dict[str, str] = {}
    total, inside, of_callee = 0, False, False
    for line in lines:
        if line.startswith("ob="):  # the name follows its number where that comes first
            number, _, name = line[3:].partition(" ")
            inside = LIBRARY in names.setdefault(number, name)
        elif line.startswith("cob="):
            number, _, name = line[4:].partition(" ")
            names.setdefault(number, name)
        elif line.startswith("calls="):
            of_callee = True  # the next line's cost is inclusive, and not this function's own
        elif line and line[0] in "0123456789+-*":
            if inside and not of_callee:
                total += int(line.split()[-1])
            of_callee = False
    return total


PROOFS: dict[str, Callable[[], bool]] = {
    "known": known,
    "valgrind": valgrind,
    "same": same,
    "core": core,
    "planted": planted,
}


def main() -> int:
    """Run the proofs that are named."""
    fine = True
    for name in sys.argv[1:] or PROOFS:
        begin = time.monotonic()
        passed = PROOFS[name]()
        fine &= passed
        print(f"== {name}: {'as it should be' if passed else 'NOT as it should be'} "
              f"({time.monotonic() - begin:.0f} s)\n", flush=True)  # fmt: skip
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
