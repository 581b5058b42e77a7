"""A revision of any package: built by pip as a wheel, into an environment of its own that sees the present one behind.

What the wheel brings comes first. What it needs and the present environment has, NumPy included, is that of here; what
is missing here, or does not fit, pip installs beside the wheel.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from poolbench.environments.cache import Contents, Entry, freeze
from poolbench.environments.commands import CommandError, Commands, last_lines
from poolbench.environments.git import GitError
from poolbench.environments.interpreter import Interpreter, grafts
from poolbench.environments.project import Tree, is_dirty, project_tree
from poolbench.environments.reference import Reference
from poolbench.environments.release import WORKER_NEEDS, clean_variables, inventory, virtual_environment
from poolbench.errors import BuildError

_INSTALL_TIMEOUT_S = 3600.0
_BEHIND = "poolbench-behind.pth"
_NOT_SAID = (
    "note:",
    "hint:",
    "[notice]",
    "[end of output]",
    "╰─>",
    "×",
    "error: subprocess-exited",
    "ERROR: Failed",
    "exit code:",
)
"""How lines of pip begin that say nothing of the reason."""

_REASON = re.compile(r"(error|[\w.]*(Error|Exception))\b", re.IGNORECASE)
"""How lines begin that do, where there are any: a builder tells its steps as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What is built for a revision, and the name that it is kept under: by content, whichever commit brings it."""

    reference: Reference
    folder: Path
    tree: Tree

    @classmethod
    def of(cls, reference: Reference, tell: Callable[[str], None]) -> Package:
        """Look up the revision. Raises BuildError where it is not there."""
        assert reference.project is not None
        tree = project_tree(reference.project, reference.text, reference.paths)
        if reference.text == "HEAD":
            try:
                if is_dirty(reference.project):
                    tell(f"{reference}: what is not committed is left out; {reference.family}@rev:. has it")
            except GitError as error:
                raise BuildError(f"git cannot compare {reference.project} with HEAD: {error}.") from error
        return cls(reference=reference, folder=reference.project, tree=tree)

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits for the files, and the Python and packages that they are installed over."""
        present = sorted((each.name, each.version) for each in metadata.distributions(path=behind()))
        base = [sys.version, sysconfig.get_config_var("SOABI"), sys.base_prefix, behind(), present]
        content = [self.tree.inside.as_posix(), sorted(self.tree.content.items())]
        return hashlib.sha256(json.dumps([base, content]).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The folder's name."""
        return f"{self.reference.family}-{self.key}"

    def build(self, folder: Path, commands: Commands) -> Contents:
        """Make the environment in ``folder``. Raises BuildError with the builder's reason."""
        pip = virtual_environment(commands, folder, str(self.reference))
        site = _site(folder)
        (site / _BEHIND).write_text("".join(f"{path}\n" for path in behind()), encoding="utf-8")
        clone = folder / "source"
        project = self.tree.lay_out(clone, commands)
        try:
            commands.run(
                [
                    *pip,
                    "--disable-pip-version-check",
                    "--no-input",
                    "install",
                    "--no-warn-script-location",
                    str(project),
                ],
                timeout_s=_INSTALL_TIMEOUT_S,
                variables=clean_variables(),
            )
        except CommandError as error:
            raise BuildError(f"{self.tree.commit[:12]} does not build; pip says: {_why(error.output)}") from error
        shutil.rmtree(clone)
        found = inventory(commands, folder / "bin" / "python", (*self._installed(site), *WORKER_NEEDS))
        return Contents(
            what=f"{self.reference.family}@{self.tree.commit[:12]}",
            facts={"python": found.python, "distributions": freeze(found.distributions)},
            distributions=found.distributions,
        )

    def is_sound(self, path: Path) -> bool:
        """Whether the environment's interpreter is still there: it is a link to the one that it was made from."""
        return (path / "bin" / "python").exists()

    def interpreter(self, entry: Entry) -> Interpreter:
        """Return the interpreter. Raises BuildError where the wheel lacks the subject's module.

        The present environment's own one would be found behind it.
        """
        top = self.reference.module
        site = _site(entry.path)
        if not ((site / top).is_dir() or any(site.glob(f"{top}.*"))):
            raise BuildError(
                f"the wheel of {self.tree.commit[:12]} has no module {top}: the subject is not in that revision. Name "
                "a later one, or correct the declaration."
            )
        where = "working tree on " if self.tree.is_working_tree else ""
        facts = {"revision": f"{where}{self.tree.commit}", "package": self.key, **entry.contents.facts}
        return Interpreter(
            key=entry.name,
            python=str(entry.path / "bin" / "python"),
            grafts=grafts(),
            is_foreign=True,
            facts=facts,
        )

    def _installed(self, site: Path) -> tuple[str, ...]:
        return tuple(each.name for each in metadata.distributions(path=[str(site)]))


def behind() -> list[str]:
    """Return the present environment's folders of packages, in order."""
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()]


def _site(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))


def _why(output: str) -> str:
    lines = [line.strip(" │\t") for line in output.splitlines()]
    said = [line for line in lines if not line.startswith(_NOT_SAID)]
    return last_lines("\n".join(filter(_REASON.match, said)) or "\n".join(said) or output)
