"""What a run of pytest says of skipped tests at its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_a(number):
    pytest.skip("there is no browser here: install one")

def test_b():
    pytest.importorskip("no_such_module")

def test_c():
    pass
"""


@pytest.mark.parametrize("options", [["-p", "no:xdist"], ["-n", "1"]])
def test_the_closing_lines_say_what_was_skipped_and_pytests_own_comes_last(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -ra\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.skipped", "-p", "no:cacheprovider", *options]
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, heading, browser, module, last = done.stdout.splitlines()
    assert "skipped, and how to have it" in heading
    assert browser == "3 tests: there is no browser here: install one"
    assert module.startswith("1 test: could not import 'no_such_module'") and module.endswith("all that the tests use")
    assert "1 passed, 4 skipped in" in last


def test_nothing_is_said_where_nothing_was_skipped(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text("def test_a():\n    pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.skipped", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "how to have it" not in done.stdout and "1 passed" in done.stdout
