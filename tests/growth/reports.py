"""How a report takes a large store: ``python -m tests.growth.reports [SAMPLES]`` (a million, if it isn't said).

Writes a synthetic run of so many samples, reports it, and opens the page. Prints seconds and peak memory of reading
and summarising, of the whole command, the size of the page, and how long a filter takes in a browser. No test:
its figures are those of the machine at that moment.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from poolbench.catalogue.sets import members
from poolbench.store.jsonl import RunFile
from tests.unit.builders import RunBuilder, make_header

SUBJECTS = (
    "strided", "torch", "torch:channels_last", "tensorflow", "tensorflow:xla", "onnxruntime", "numpy", "limit",
)  # fmt: skip
LAUNCHES = 20
WORKLOADS = 50

SUMMARISE = """
import sys
from pathlib import Path
from poolbench.analyse.compare.summary import summarise
from poolbench.store.reading import read_run
stored = read_run(Path(sys.argv[1]))
found = summarise(stored.header, stored.rows)
print(f"{sum(len(row.samples) for row in stored.rows)} samples, {len(found.cells)} cells")
"""

FILTER = """() => {
  const choice = document.querySelector("form[data-for=table-results] select[name=subject]");
  const begun = performance.now();
  choice.value = "torch";
  choice.dispatchEvent(new Event("input", { bubbles: true }));
  document.body.getBoundingClientRect();
  return performance.now() - begun;
}"""


def main(samples: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = _write(Path(folder) / "results", samples)
        print(f"stored: {path.stat().st_size / 1e6:.0f} MB")
        _timed("read and summarised", lambda: _run([sys.executable, "-c", SUMMARISE, str(path)]))
        reports = Path(folder) / "reports"
        command = [sys.executable, "-m", "poolbench", "report", str(path), "-o", str(reports)]
        _timed("poolbench report", lambda: _run(command))
        page = reports / path.stem / "index.html"
        print(f"page: {page.stat().st_size / 1e6:.2f} MB")
        _open(page)


def _write(folder: Path, samples: int) -> Path:
    rng = np.random.default_rng(1)
    workloads = [workload.id for workload in members("full")[:WORKLOADS]]
    times = {w: {s: float(10 ** rng.uniform(4, 7)) for s in SUBJECTS} for w in workloads}
    blocks = max(1, samples // (2 * LAUNCHES * len(workloads) * len(SUBJECTS)) + 1)
    header = make_header(SUBJECTS, workloads)
    builder = RunBuilder(times=times)
    with RunFile.create(folder, header) as file:
        for launch in range(LAUNCHES):
            rows = builder.launch(launch, blocks=blocks, importer=launch % 2)
            file.append([replace(row, machine=header.machine.key) for row in rows])
    return file.path


def _timed(what: str, work: Callable[[], None]) -> None:
    begun = time.perf_counter()
    work()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"{what}: {time.perf_counter() - begun:.1f} s, at most {peak:.2f} GB (the largest child so far)")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


def _open(page: Path) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        print("There is no chromium here, so no filter is timed.")
        return
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        opened = browser.new_page()
        opened.goto(page.as_uri())
        print(f"filter: {opened.evaluate(FILTER):.0f} ms")
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
