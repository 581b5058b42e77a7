"""The commands of the pages that a test runs do what they are written for; the site marks the others."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMANDS = [
    line
    for line in (Path(__file__).parent / "documented.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def test_the_commands_of_the_start_page_work_one_after_the_other(poolbench, tmp_path):
    for command in COMMANDS:
        poolbench(*shlex.split(command)[1:], check=True)
    assert {path.suffix for path in (tmp_path / "results").glob("*/*.*")} >= {".jsonl", ".md", ".csv", ".parquet"}
    assert (tmp_path / "reports" / "latest" / "index.html").is_file()


def test_each_of_them_stands_in_a_page():
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    written = {re.sub(r"\s+#.*$", "", line) for line in re.findall(r"^    (poolbench .*)$", pages, flags=re.MULTILINE)}
    assert COMMANDS
    assert set(COMMANDS) - written == set()
