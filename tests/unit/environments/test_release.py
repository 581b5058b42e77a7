"""Real virtual environments, filled from wheels that are made here: neither network nor a framework is needed."""

import json
import subprocess
import sys
import zipfile

import pytest

from poolbench.environments.cache import Cache
from poolbench.environments.commands import Commands
from poolbench.environments.reference import Kind, Reference
from poolbench.environments.release import Release
from poolbench.errors import BuildError

NEEDS_OLD_NUMPY = """
import numpy
if numpy.__version__ >= "2":
    raise ImportError("A module that was compiled using NumPy 1.x cannot be run in NumPy 2")
"""


def wheel(folder, name, version, code="", requires=""):
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n{code}")
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    wheel(folder, "toy", "1.0", requires="toy_part>=1")
    wheel(folder, "toy", "1.1")
    wheel(folder, "toy", "0.5", NEEDS_OLD_NUMPY)
    wheel(folder, "toy", "3.0", "raise OSError('libtoy.so is not here')")
    wheel(folder, "toy_part", "1.5")
    for version in ("1.26.4", "2.1.0"):
        wheel(folder, "numpy", version)
    wheel(folder, "ml_dtypes", "0.5.0")
    return folder


@pytest.fixture
def build(index, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setattr("poolbench.environments.release.MEMORY_TOOL", "no_such_tool")
    cache = Cache(tmp_path / "cache")

    def run(version):
        release = Release(reference=Reference(kind=Kind.RELEASE, text=version, framework="toy"))
        entry = cache.get(release.name, lambda folder: release.build(folder, Commands()), is_sound=release.is_sound)
        return release.interpreter(entry), entry

    run.cache = cache
    return run


def test_it_holds_the_release_what_it_needs_and_nothing_of_ours_but_the_present_code(build):
    interpreter, entry = build("1.0")
    assert entry.contents.distributions == {"toy": "1.0", "toy_part": "1.5", "numpy": "2.1.0", "ml_dtypes": "0.5.0"}
    assert interpreter.facts["distributions"] == "ml_dtypes==0.5.0 numpy==2.1.0 toy==1.0 toy_part==1.5"
    assert interpreter.facts["python"].endswith("{}.{}.{}".format(*sys.version_info))
    again, same = build("1.0")
    assert same.contents == entry.contents and again.identity == interpreter.identity

    # What its workers see: the harness and its entry points from here, all else from there.
    command = interpreter.command("poolbench.model.subject")
    grafts, graft = json.loads(command[3]), command[2]
    code = (
        "import importlib.util, json, sys; sys.path.insert(0, sys.argv[1]); import graft\n"
        "grafts = json.loads(sys.argv[2])\n"
        "sys.meta_path.insert(0, graft.Grafts(grafts['modules'], grafts['distributions']))\n"
        "import numpy, poolbench; from poolbench.backends import registry\n"
        "seen = [name for name in ('psutil', 'pandas', 'pytest') if importlib.util.find_spec(name)]\n"
        "print(json.dumps([numpy.__version__, poolbench.__file__, 'strided' in registry.names(), seen]))"
    )
    said = subprocess.run(
        [interpreter.python, "-P", "-c", code, graft.rpartition("/")[0], json.dumps(grafts)],
        env=interpreter.variables({"PYTHONPATH": ":".join(sys.path)}),
        capture_output=True,
        text=True,
        check=False,
    )
    import poolbench

    assert said.stdout, said.stderr
    assert json.loads(said.stdout) == ["2.1.0", poolbench.__file__, True, []]


def test_a_release_from_before_numpy_2_gets_the_numpy_that_it_can_live_with(build):
    assert build("0.5")[1].contents.distributions["numpy"] == "1.26.4"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.2", ["no toy 1.2", "1.1", "newest is 3.0"]),
        ("3.0", ["toy 3.0 was installed but cannot be imported", "libtoy.so is not here"]),
    ],
)
def test_a_release_that_is_not_there_or_does_not_work_is_told_and_nothing_is_kept(build, version, words):
    with pytest.raises(BuildError) as caught:
        build(version)
    assert all(word in str(caught.value) for word in words), caught.value
    assert [path.name for path in build.cache.root.iterdir()] == [".locks"]


def test_without_a_network_pip_s_own_words_are_told(build, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_TIMEOUT", "1")
    with pytest.raises(BuildError, match=r"toy 1\.0 could not be installed; pip says: .*(refused|from versions: none)"):
        build("1.0")


def test_a_stopped_builder_is_gone_with_all_that_it_started(tmp_path):
    commands = Commands()
    import threading

    threading.Timer(1.0, commands.stop).start()
    with pytest.raises(BuildError, match="stopped"):
        commands.run(["sh", "-c", "sleep 47.25 & wait"], timeout_s=30)
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 47.25" not in listed.replace("sh -c", "")
