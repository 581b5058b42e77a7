"""Whether a release is what its tag says: the version everywhere, the changelog's section, and where it is built.

The release workflow runs it first. It reads GITHUB_REF and GITHUB_REPOSITORY; without a tag it checks the rest.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems(reference: str, repository: str) -> list[str]:
    """Return a sentence for each thing that does not agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, source = project["version"], project["urls"]["Source"]
    found = []
    tag = reference.removeprefix("refs/tags/") if reference.startswith("refs/tags/") else ""
    if tag and tag != f"v{version}":
        found.append(
            f"The tag is {tag}, and pyproject.toml says {version}: name the tag v{version}, or change it there."
        )
    for name, pattern in (
        ("poolbench/__init__.py", rf'^__version__ = "{re.escape(version)}"$'),
        ("CITATION.cff", rf"^version: {re.escape(version)}$"),
    ):
        if not re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE):
            found.append(f"{name} has another version than pyproject.toml, which says {version}.")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    if tag and not re.search(heading, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE):
        found.append(f"CHANGELOG.md has no section '[{version}] - date': rename [Unreleased].")
    if repository and source != f"https://github.com/{repository}":
        found.append(f"This is {repository}, and pyproject.toml names {source}: change project.urls, or build there.")
    return found


def main() -> None:
    """Print what does not agree, and fail where something does not."""
    found = problems(os.environ.get("GITHUB_REF", ""), os.environ.get("GITHUB_REPOSITORY", ""))
    for problem in found:
        print(problem, file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
