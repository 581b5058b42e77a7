"""The workflows and the action are what GitHub's own schemas allow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("vendor.github-workflows", "examples/workflows/*.yml"),
        ("vendor.github-actions", "action.yml"),
    ],
)
def test_workflows_follow_the_schema(schema, pattern):
    pytest.importorskip("check_jsonschema")
    files = sorted(map(str, ROOT.glob(pattern)))
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_action_is_pinned_by_commit_to_one_version_everywhere():
    places = ("action.yml", ".github/**/*.y*ml", "*.md", "docs/**/*.md", "examples/**/*.md", "examples/workflows/*.yml")
    pins = defaultdict(set)
    for path in [path for place in places for path in ROOT.glob(place)]:
        for line in re.findall(r"^[ \t-]*uses:(.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            if line.strip() == "./":
                continue  # the action of this repository itself
            found = re.fullmatch(r" ([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line.rstrip())
            assert found, f"{path}:{line} is not pinned by a commit with its version"
            pins[found[1]].add(found.group(2, 3))
    assert {"actions/checkout", "actions/setup-python", "actions/upload-artifact"} <= set(pins)
    assert {action: len(each) for action, each in pins.items()} == dict.fromkeys(pins, 1)


@pytest.mark.parametrize("code", [0, 1, 3])
@pytest.mark.parametrize("is_writable", [True, False])
def test_the_action_ends_as_the_gate_does_whatever_becomes_of_its_output(tmp_path, code, is_writable):
    yaml = pytest.importorskip("ruamel.yaml").YAML(typ="safe")
    (step,) = [step for step in yaml.load(ROOT / "action.yml")["runs"]["steps"] if step.get("id") == "gate"]
    gate = tmp_path / "poolbench"
    gate.write_text(f"#!/bin/sh\nls > seen\necho '{{}}'\nexit {code}\n")
    gate.chmod(0o755)
    output = tmp_path / "output" if is_writable else tmp_path / "no such folder" / "output"
    environment = {
        "POOLBENCH": str(gate),
        "GITHUB_OUTPUT": str(output),
        "BUDGET": "",
        "STRICT": "false",
        "REPORT": "report",
    }
    given = {name: "x" for name in ("BASE", "HEAD_SUBJECT", "WORKLOADS", "TOLERANCE", "CONFIDENCE", "JUNIT")}
    # As a runner calls it.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    environment |= {"PATH": os.environ["PATH"], **given}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "report").read_text() == "{}\n"
    assert "report" not in (tmp_path / "seen").read_text().split()  # while it measures, the folder is as it was
    assert (output.read_text() == f"exit-code={code}\n") if is_writable else ("::warning::" in done.stdout)


def steps_of(path):
    yaml = pytest.importorskip("ruamel.yaml").YAML(typ="safe")
    whole = yaml.load(path)
    jobs = [whole["runs"]] if "runs" in whole else whole["jobs"].values()
    return whole, [step for job in jobs for step in job.get("steps", ())]


@pytest.mark.parametrize("place", ["action.yml", ".github/workflows/*.yml", "examples/workflows/*.yml"])
def test_no_script_has_an_expression_in_it(place):
    for path in ROOT.glob(place):
        scripts = [step["run"] for step in steps_of(path)[1] if "run" in step]
        assert scripts == [script for script in scripts if "${{" not in script], path


@pytest.mark.parametrize("folder", [".github/workflows", "examples/workflows"])
def test_what_may_comment_runs_nothing_of_the_fork_s(folder):
    gate, measuring = steps_of(ROOT / folder / "gate.yml")
    comment, steps = steps_of(ROOT / folder / "gate-comment.yml")
    assert gate["permissions"] == {"contents": "read"} and list(gate["on"]) == ["pull_request"]
    assert comment["on"]["workflow_run"]["workflows"] == [gate["name"]]
    assert comment["permissions"] == {"actions": "read", "pull-requests": "write"} | (
        {"contents": "read"} if folder == ".github/workflows" else {}
    )
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    refs = [step["with"]["ref"] for step in checkouts]
    assert refs == (["${{ github.event.repository.default_branch }}"] if folder == ".github/workflows" else [])
    (download,) = [step for step in steps if step.get("uses", "").startswith("actions/download-artifact@")]
    uploads = {step["with"]["name"]: step["with"]["path"] for step in measuring if "upload-artifact@" in str(step)}
    assert Path(uploads[download["with"]["name"]]).name == "poolbench-gate.json"
    assert download["with"]["path"] == "${{ runner.temp }}/report"  # outside of what Python imports from
    assert steps[-1]["run"].endswith('gate-comment "$RUNNER_TEMP/report/poolbench-gate.json"')


def test_the_cache_s_key_changes_with_what_environments_are_made_of(tmp_path):
    (step,) = [step for step in steps_of(ROOT / "action.yml")[1] if step.get("id") == "key"]
    program = tmp_path / "poolbench"

    def key(base, version="1", frameworks="[]", python="/opt/3.11", code=0):
        program.write_text(f"#!/bin/sh\n[ $1 = list ] && echo '{frameworks}' || echo {version}\nexit {code}\n")
        program.chmod(0o755)
        (tmp_path / "output").write_text("")
        environment = {"POOLBENCH": str(program), "BASE": base, "GITHUB_OUTPUT": str(tmp_path / "output")}
        environment |= {"PATH": os.environ["PATH"], "pythonLocation": python}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        subprocess.run(command, env=environment, check=True)
        return re.fullmatch(r"content=([0-9a-f]{32})\n", (tmp_path / "output").read_text())[1]

    keys = [
        key("rev:a"),
        key("rev:b"),
        key("rev:a", version="2"),
        key("rev:a", frameworks="[1]"),
        key("rev:a", python=""),
    ]
    assert len(set(keys)) == len(keys)
    assert key("rev:a") == keys[0]
    assert key("rev:a", code=1)  # the gate itself says what is wrong with the command


def test_a_commit_is_checked_as_lint_checks():
    yaml = pytest.importorskip("ruamel.yaml")
    (local,) = yaml.YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = {hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]}
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lint = re.findall(r"^\t\$\(BIN\)/(.*)$", recipe[1], flags=re.MULTILINE)
    files = re.compile(r" (\S+\.(yml|cff))$")  # the hooks get the files that changed
    assert hooks == {files.sub("", command) for command in lint}
