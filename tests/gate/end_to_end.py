"""The gate on real commits, in a temporary clone: ``python -m tests.gate.end_to_end [FOLDER]``.

Each case is a commit on top of the present one, built and measured as a user would; the first build of the kernel
takes some minutes, the ones after it seconds. Prints a line for each case, and ends with 1 where one does not hold. It
is no part of the tests that run on each push: it compiles, and it measures.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolbench.environments.git import variables
from poolbench.model.ids import parse_id

ROOT = Path(__file__).parents[2]
KERNEL = Path("poolbench/strided")
DISPATCH = KERNEL / "dispatch.cpp"
FACE = KERNEL / "functional.py"
WORKLOADS = "resnet50_stem,resnet50_gap,textcnn_k3,r3d18_gap,densenet121_trans1"
SLOWED_ENGINE = "full"

_RUN = "    run_units(kernel, plan, kernel.units(plan), settings.threads, bytes_moved(problem));\n"
_AGAIN = (
    f'    if (std::strcmp(kernel.variant.engine, "{SLOWED_ENGINE}") == 0) {{\n'
    "      kernel.run(plan, 0, (kernel.units(plan) + 5) / 10);\n"
    "    }\n"
)
_CALL = "    return _pool.max_pool(\n        2, input,"
_WRAPPED = "    return _after(_pool.max_pool)(\n        2, input,"
_WRONG = (
    "\n\ndef _after(pool: Any) -> Any:\n"
    "    def run(*arguments: Any) -> Any:\n"
    "        result = pool(*arguments)\n"
    "        result.reshape(-1)[-1] += 1\n"
    "        return result\n\n"
    "    return run\n"
)
_BUFFER = (
    "\n\ndef _after(pool: Any) -> Any:\n"
    "    def run(*arguments: Any) -> Any:\n"
    "        spare = bytearray(arguments[1].nbytes)\n"
    "        result = pool(*arguments)\n"
    "        del spare\n"
    "        return result\n\n"
    "    return run\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A commit: what it replaces or appends in a file, and the exit code that the gate must end with."""

    name: str
    file: Path
    before: str = ""
    after: str = ""
    appended: str = ""
    code: int


CASES = (
    Case(name="comments only", file=DISPATCH, appended="\n// A remark.\n", code=0),
    Case(name="one engine a tenth slower", file=DISPATCH, before=_RUN, after=_RUN + _AGAIN, code=1),
    Case(name="a build that breaks", file=DISPATCH, appended="\nthis is no C++\n", code=3),
    Case(name="a wrong result", file=FACE, before=_CALL, after=_WRAPPED, appended=_WRONG, code=3),
    Case(name="one more buffer", file=FACE, before=_CALL, after=_WRAPPED, appended=_BUFFER, code=1),
)


def main(arguments: Sequence[str]) -> int:
    """Run all cases."""
    folder = Path(arguments[0]) if arguments else Path(tempfile.mkdtemp(prefix="poolbench-gate-"))
    clone = folder / "clone"
    _run("git", "clone", "--quiet", str(ROOT), str(clone), cwd=folder)
    for module in (ROOT / KERNEL).glob("*.so"):
        shutil.copy2(module, clone / KERNEL)
    base = _run("git", "rev-parse", "HEAD", cwd=clone).strip()
    held = [_holds(case, clone, base) for case in CASES]
    if not arguments:
        shutil.rmtree(folder)
    return 0 if all(held) else 1


def _holds(case: Case, clone: Path, base: str) -> bool:
    _run("git", "checkout", "--quiet", "--detach", base, cwd=clone)
    path = clone / case.file
    text = path.read_text(encoding="utf-8")
    if case.before not in text:
        print(f"{case.name}: {case.file} has changed, and the case must be written anew.")
        return False
    path.write_text(text.replace(case.before, case.after, 1) + case.appended, encoding="utf-8")
    _run("git", "-c", "user.name=gate", "-c", "user.email=gate@example.org", "commit", "-qam", case.name, cwd=clone)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "poolbench", "gate", "--base", f"rev:{base}", "--head", "."),
            *("--workloads", WORKLOADS, "--json", "--quiet", "--results", str(clone.parent / "results")),
        ],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    complaint = _complaint(case, report)
    is_right = done.returncode == case.code and not complaint
    print(f"{case.name}: exit {done.returncode}, expected {case.code}: {'holds' if is_right else 'DOES NOT HOLD'}")
    for line in [report.get("headline", done.stderr[-2000:]), complaint, *_reasons(report)]:
        if line:
            print(f"    {line}")
    sys.stdout.flush()
    return is_right


def _complaint(case: Case, report: dict[str, Any]) -> str:
    """Say what of the report is wrong though the exit code may be right."""
    if case.code != 1 or not report:
        return ""
    if case.name == "one more buffer":
        return "" if any(v["is_memory_regression"] for v in report["verdicts"]) else "No memory regression was found."
    using = {verdict["workload"] for verdict in report["verdicts"] if _covers_all(verdict["workload"])}
    found = {verdict["workload"] for verdict in report["verdicts"] if verdict["is_regression"]}
    return "" if found == using else f"Named were {sorted(found)}; the slowed engine serves {sorted(using)}."


def _covers_all(text: str) -> bool:
    """Whether one window covers the whole input: what the slowed engine is for."""
    workload = parse_id(text)
    return set(workload.spec.output_spatial(workload.spatial)) == {1}


def _reasons(report: dict[str, Any]) -> list[str]:
    return [f"{v['name']}: {v['outcome']}: {v['reason']} {v['memory_reason']}" for v in report.get("verdicts", [])]


def _run(*command: str, cwd: Path) -> str:
    cwd.mkdir(parents=True, exist_ok=True)
    return subprocess.run(command, cwd=cwd, env=variables(), check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
