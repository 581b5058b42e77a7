"""An interpreter that the user already has, with a framework in it."""

from __future__ import annotations

import os
from pathlib import Path

from poolbench.backends.registry import module_name
from poolbench.environments.cache import freeze
from poolbench.environments.commands import CommandError, Commands
from poolbench.environments.interpreter import Interpreter, grafts
from poolbench.environments.reference import Reference
from poolbench.environments.release import WORKER_NEEDS, clean_variables, inventory
from poolbench.errors import BuildError

LEAST_PYTHON = (3, 11)
"""The oldest Python that runs poolbench's code."""

_ASK_TIMEOUT_S = 60.0


def existing_interpreter(wanted: Reference, commands: Commands) -> Interpreter:
    """Return the interpreter at the reference's path. Raises BuildError where it cannot run a worker."""
    python = Path(wanted.text)
    if not (python.is_file() and os.access(python, os.X_OK)):
        raise BuildError(f"there is no interpreter at {python}: name an executable, or a virtual environment's folder.")
    try:
        command = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        version = commands.run(command, timeout_s=_ASK_TIMEOUT_S, variables=clean_variables()).split()[-1]
        is_old = tuple(map(int, version.split("."))) < LEAST_PYTHON
    except (CommandError, ValueError, IndexError) as error:
        raise BuildError(f"{python} is no Python interpreter that works: {error}.") from error
    if is_old:
        least = ".".join(map(str, LEAST_PYTHON))
        raise BuildError(f"{python} is Python {version}, and poolbench's workers need {least} or newer.")
    wished = (wanted.framework, *wanted.companions, *WORKER_NEEDS)
    found = inventory(commands, python, wished)
    missing = [name for name in wished if not _has(commands, python, name)]
    if missing:
        raise BuildError(f"{python} cannot import {', '.join(missing)}: {python} -m pip install {' '.join(missing)}")
    facts = {"python": f"{found.python} at {python}", "distributions": freeze(found.distributions)}
    return Interpreter(
        key=str(python), python=str(python), grafts=grafts(framework=wanted.framework), is_foreign=True, facts=facts
    )


def _has(commands: Commands, python: Path, distribution: str) -> bool:
    """Whether ``python`` finds the module of ``distribution``; a build for another device carries another name."""
    found = "import sys, importlib.util as u; sys.exit(u.find_spec(sys.argv[1]) is None)"
    try:
        commands.run(
            [str(python), "-P", "-c", found, module_name(distribution)],
            timeout_s=_ASK_TIMEOUT_S,
            variables=clean_variables(),
        )
    except CommandError:
        return False
    return True
