"""What works in the base installation, and what says which extra it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from poolbench.errors import MissingExtraError
from poolbench.report.needs import PAGES, missing, need

ROOT = Path(__file__).parents[3]
RUN = "20261122-112225-b595"

WITHOUT_THE_EXTRA = f"""
import importlib.abc, importlib.util, json, sys

class NotInstalled(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {PAGES}:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)

found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in {PAGES} else found(name, *rest)
sys.meta_path.insert(0, NotInstalled())

from typer.testing import CliRunner
import poolbench
from poolbench.cli.app import app

answers = {{}}
for words in {{commands}}:
    done = CliRunner().invoke(app, words)
    answers[" ".join(words[:3])] = [done.exit_code, str(done.exception or ""), done.output]
try:
    poolbench.load_results("results")
except poolbench.errors.MissingExtraError as error:
    answers["load_results"] = [2, str(error), ""]
from poolbench.analyse.compare.summary import summarise
from poolbench.report.files import write_summary
from poolbench.store.reading import read_run
from poolbench.store.runs import find_run
from pathlib import Path
run = read_run(find_run(Path("results"), "{RUN}", warn=print))
write_summary(summarise(run.header, run.rows), Path(sys.argv[1]) / "run.jsonl")
print("\\n" + json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    commands = [
        ["show", RUN],
        ["list", "runs"],
        ["report", RUN],
        ["export", RUN, "--to", "csv", "--out", str(folder)],
    ]
    script = WITHOUT_THE_EXTRA.replace("{commands}", repr(commands))
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("command", [f"show {RUN}", "list runs"])
def test_what_measures_and_prints_needs_no_extra(answers, command):
    code, _, output = answers[0][command]
    assert code == 0
    assert "b595" in output


def test_the_files_of_a_comparison_need_no_extra(answers):
    assert {"run.csv", "run.md"} <= set(answers[1])


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        (f"report {RUN}", "jinja2, matplotlib and pandas, which are"),
        (f"export {RUN} --to", "pandas, which is"),
        ("load_results", "pandas, which is"),
    ],
)
def test_what_needs_the_extra_says_so_in_a_sentence(answers, command, packages):
    _, error, _ = answers[0][command]
    assert error.endswith(f"needs {packages} not installed here: pip install 'poolbench[report]'.")


def test_nothing_is_missing_where_all_is_installed():
    assert missing(PAGES) == []
    need("A page", PAGES)


def test_the_sentence_of_two():
    with pytest.raises(MissingExtraError, match="A page needs nowhere_a and nowhere_b, which are not installed here"):
        need("A page", ("nowhere_a", "nowhere_b"))
