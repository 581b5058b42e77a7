"""A package whose build needs no network: its own few lines are its build backend."""

import json
import subprocess
import textwrap

import numpy
import pytest

from poolbench.backends.declaration import REPOSITORY_VARIABLE
from poolbench.environments.cache import Cache
from poolbench.environments.interpreter import Interpreter, Unavailable
from poolbench.environments.package import _why
from poolbench.environments.provide import provide
from poolbench.model.subject import parse_subject
from tests.unit.environments.test_project import commit, git

BACKEND = """
import pathlib, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "minepool-1-py3-none-any.whl"
    info = "minepool-1.dist-info"
    with zipfile.ZipFile(pathlib.Path(directory) / name, "w") as wheel:
        for path in sorted(pathlib.Path("src").glob("*.py")):
            wheel.write(path, path.name)
        about = ["Metadata-Version: 2.1", "Name: minepool", "Version: 1", "Requires-Dist: numpy", ""]
        wheel.writestr(f"{info}/METADATA", "\\n".join(about))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "minepool"
version = "1"
[tool.poolbench.subjects]
minepool = "minepool:pool"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All that one call makes of: a good revision, one without the module, one that does not build, and what lies."""
    folder = tmp_path_factory.mktemp("repository") / "minepool"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    (folder / "backend.py").write_text(textwrap.dedent(BACKEND))
    (folder / "pyproject.toml").write_text(PROJECT)
    commit(folder, "src/minepool.py", "value = 1")
    git(folder, "mv", "src/minepool.py", "src/renamed.py")
    commit(folder, "note", "renamed")
    commit(folder, "backend.py", "raise SystemExit('the backend is broken on purpose')")
    git(folder, "checkout", "--quiet", "HEAD~2", "--", "backend.py", "src")
    (folder / "src" / "minepool.py").write_text("value = 2")
    cache = Cache(tmp_path_factory.mktemp("cache"))
    told = []
    subjects = [parse_subject(f"minepool@rev:{text}") for text in ("HEAD~2", "HEAD~1", "HEAD", ".")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(REPOSITORY_VARIABLE, str(folder))
        found = provide(subjects, tell=told.append, cache=cache)
        again = provide(subjects[:1], tell=told.append, cache=cache)
    assert again[subjects[0]] == found[subjects[0]] and sum("HEAD~2: making" in line for line in told) == 1
    return [found[subject] for subject in subjects], told


def test_each_revision_is_the_wheel_of_its_commit_over_the_present_numpy(made):
    places, _ = made
    for place, value in ((places[0], 1), (places[3], 2)):
        assert isinstance(place, Interpreter) and place.is_foreign
        code = "import json, minepool, numpy; print(json.dumps([minepool.value, numpy.__version__, minepool.__file__]))"
        said = subprocess.run([place.python, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
        found, version, file = json.loads(said)
        assert (found, version) == (value, numpy.__version__) and place.key in file
        assert "minepool==1" in place.facts["distributions"] and "numpy==" in place.facts["distributions"]


def test_a_revision_without_the_subject_and_one_that_does_not_build_are_told(made):
    places, told = made
    lacking, broken = places[1:3]
    assert isinstance(lacking, Unavailable) and "has no module minepool" in lacking.reason
    assert isinstance(broken, Unavailable) and "the backend is broken on purpose" in broken.reason
    assert "rev:. has it" in " ".join(told)


def test_of_what_pip_prints_the_reason_is_told():
    printed = """
      running egg_info
      writing manifest file 'mine.egg-info/SOURCES.txt'
      error: package directory 'nothere' does not exist
      [end of output]
    note: This error originates from a subprocess, and is likely not a problem with pip.
    error: subprocess-exited-with-error
    """
    assert _why(printed) == "error: package directory 'nothere' does not exist"
    assert _why("the backend is broken on purpose\nnote: no more\n") == "the backend is broken on purpose"
