"""What a model's process has seen so far, in a file that outlives it: a crash then costs the calls to come alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from poolbench.observe.sighting import Report, Sighting, sighting_from


class Diary:
    """Writes a line for each call when it is made, and another one when its gradient comes."""

    def __init__(self, path: str, framework: str, version: str) -> None:
        self._file: TextIO = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - a crash closes it
        self._write({"framework": framework, "version": version})

    def tell(self, number: int, seen: Sighting) -> None:
        """Note what is known of the call of this ``number``; what was noted before no longer holds."""
        self._write({"number": number, "sighting": asdict(seen)})

    def _write(self, content: dict[str, Any]) -> None:
        self._file.write(json.dumps(content, separators=(",", ":")) + "\n")


def read_diary(path: Path, problem: str) -> Report | None:
    """Return what a process that ended by ``problem`` had seen, None where that is nothing."""
    framework = version = ""
    last: dict[int, Sighting] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
        except json.JSONDecodeError:
            break  # the process ended within the line
        if "number" in content:
            last[content["number"]] = sighting_from(content["sighting"])
        else:
            framework, version, last = content["framework"], content["version"], {}
    if not last:
        return None
    return Report(framework=framework, version=version, sightings=Counter(last.values()), problem=problem)
