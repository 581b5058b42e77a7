"""Running a command under the stepper, and reading what that wrote."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from poolbench.errors import MeasurementError
from poolbench.model.count import Counter

STEPPER = "stepper"

KEPT = ("PATH", "HOME", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "GLIBC_TUNABLES")
KEPT_PREFIXES = ("POOLBENCH_", "OMP_", "KMP_", "GOMP_", "MKL_", "ONEDNN_", "DNNL_", "TF_", "XLA_", "JAX_", "NPY_")
"""Variables that say what is loaded and how it computes. All others only move the stack about."""

AUTO = "auto"


class TracingError(MeasurementError):
    """Nothing could be counted here: the system, a container or the command is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """What was executed from one mark to the next.

    ``others_ns`` is the time that other threads of the process had on a core meanwhile. ``end`` is "mark", or what cut
    it short: "limit", "thread" (one was started) or "ended" (the process was).
    """

    instructions: int
    repeats: int
    system_calls: int
    others_ns: int
    threads: int
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All regions of a process. ``places`` has, for the first few, what each executed, by address.

    ``codes`` has the bytes of each instruction, and ``files`` the ranges of addresses with the file that lies there.
    ``is_randomised``: the system would not let addresses stay the same from process to process. ``printed`` is what
    the process wrote to its standard output.
    """

    counter: Counter = Counter.STEP
    regions: tuple[Region, ...] = ()
    places: tuple[Mapping[int, int], ...] = ()
    codes: Mapping[int, bytes] = field(default_factory=dict)
    files: tuple[tuple[int, int, str], ...] = ()
    is_randomised: bool = False
    end: str = ""
    printed: str = ""
    complaint: str = ""


def stepper_path() -> Path:
    """Return the compiled stepper. Raises TracingError where this installation has none."""
    spec = find_spec("poolbench")
    # An editable installation has the sources in one folder and what was compiled in another.
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        path = Path(folder) / "measure" / "count" / STEPPER
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise TracingError(
        "This installation of poolbench has no compiled stepper: install it anew on Linux (x86-64 or arm64), with g++."
    )


def trace(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    limit: int,
    counter: str = AUTO,
    request: str = "",
    timeout_s: float = 300.0,
) -> Trace:
    """Run ``command``, which marks regions (``marks.marked``), and return what was counted in them.

    ``request`` is what it reads on its standard input, ``limit`` the most instructions of a region that is stepped, and
    ``counter`` "step", "counter" or "auto" (a counter where there is one). Raises TracingError where the system
    refuses.
    """
    kept = {name: value for name, value in environment.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    with tempfile.TemporaryDirectory(prefix="poolbench-") as folder:
        output = Path(folder) / "counted"
        try:
            process = subprocess.run(
                [str(stepper_path()), str(output), str(limit), counter, *command],
                env={**kept, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
                input=request,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TracingError(f"The counted process did not end within {timeout_s:g} s and was killed.") from None
        if process.returncode != 0:
            raise TracingError(
                f"The stepper failed: {_last_line(process.stderr) or f'exit code {process.returncode}'}."
            )
        return _read(output.read_text(errors="replace"), process.stdout, _last_line(process.stderr))


def _read(text: str, printed: str, complaint: str) -> Trace:
    counted = Counter.STEP
    regions: list[Region] = []
    places: list[dict[int, int]] = []
    codes: dict[int, bytes] = {}
    files: list[tuple[int, int, str]] = []
    end, is_randomised = "", False
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "refused":
            raise TracingError(_refusal(*rest.split()))
        if word == "randomised":
            is_randomised = True
        elif word == "mode":
            counted = Counter(rest)
        elif word == "region":
            *numbers, how = rest.split()
            instructions, repeats, calls, others, threads = map(int, numbers)
            places.append({})
            regions.append(
                Region(
                    instructions=instructions,
                    repeats=repeats,
                    system_calls=calls,
                    others_ns=others,
                    threads=threads,
                    end=how,
                )
            )
        elif word == "at":
            _, address, count, code = rest.split(" ")
            places[-1][int(address, 16)] = int(count)
            codes[int(address, 16)] = bytes.fromhex(code)
        elif word == "map":
            fields = rest.split(maxsplit=5)
            begin, _, last = fields[0].partition("-")
            files.append((int(begin, 16), int(last, 16), fields[5] if len(fields) == 6 else ""))
        elif word in ("exited", "killed"):
            end = f"{word} {rest}"
    return Trace(
        counter=counted,
        regions=tuple(regions),
        places=tuple(places),
        codes=codes,
        files=tuple(files),
        is_randomised=is_randomised,
        end=end,
        printed=printed,
        complaint=complaint,
    )


def _refusal(what: str, number: str) -> str:
    reason = os.strerror(int(number))
    if what == "trace":
        return (
            f"This system does not let a process be traced ({reason}): start a container with '--cap-add=SYS_PTRACE "
            "--security-opt seccomp=unconfined', or count outside of it."
        )
    if what == "counter":
        hint = (
            "set kernel.perf_event_paranoid to 2 or less with sysctl, or use --method step"
            if int(number) in (errno.EACCES, errno.EPERM)
            else "use --method step"
        )
        return f"The processor's counter of instructions cannot be had here ({reason}): {hint}."
    return f"The counted process could not be started ({what}: {reason})."


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300].rstrip(".") if lines else ""
