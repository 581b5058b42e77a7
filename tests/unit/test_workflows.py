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
    [("vendor.github-workflows", ".github/workflows/*.yml"), ("vendor.github-actions", "action.yml")],
)
def test_workflows_follow_the_schema(schema, pattern):
    pytest.importorskip("check_jsonschema")
    files = sorted(map(str, ROOT.glob(pattern)))
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_action_is_pinned_by_commit_to_one_version_everywhere():
    places = ("action.yml", ".github/**/*.y*ml", "*.md", "docs/**/*.md", "examples/**/*.md")
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
    yaml = pytest.importorskip("ruamel.yaml")
    (step,) = yaml.YAML(typ="safe").load(ROOT / "action.yml")["runs"]["steps"]
    gate = tmp_path / "poolbench"
    gate.write_text(f"#!/bin/sh\nexit {code}\n")
    gate.chmod(0o755)
    output = tmp_path / "output" if is_writable else tmp_path / "no such folder" / "output"
    environment = {"POOLBENCH": str(gate), "GITHUB_OUTPUT": str(output), "BUDGET": "", "STRICT": "false"}
    given = {name: "x" for name in ("BASE", "HEAD_SUBJECT", "WORKLOADS", "TOLERANCE", "CONFIDENCE", "JUNIT")}
    # As a runner calls it.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    environment |= {"PATH": os.environ["PATH"], **given}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert (output.read_text() == f"exit-code={code}\n") if is_writable else ("::warning::" in done.stdout)


def test_a_commit_is_checked_as_lint_checks():
    yaml = pytest.importorskip("ruamel.yaml")
    (local,) = yaml.YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = {hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]}
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lint = re.findall(r"^\t\$\(BIN\)/(.*)$", recipe[1], flags=re.MULTILINE)
    files = re.compile(r" (\S+\.(yml|cff))$")  # the hooks get the files that changed
    assert hooks == {files.sub("", command) for command in lint}
