"""Revisions of a kernel in a repository made here: a module that compiles in a second, built by the real tools."""

import json
import subprocess

import pytest

from poolbench.backends.declaration import REPOSITORY_VARIABLE
from poolbench.environments import kernel, sources
from poolbench.environments.cache import Cache
from poolbench.environments.commands import Commands
from poolbench.environments.git import variables
from poolbench.environments.reference import Kind, Reference
from poolbench.errors import BuildError

CMAKE = """cmake_minimum_required(VERSION 3.18)
project(toy LANGUAGES CXX)
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
Python_add_library(_pool MODULE WITH_SOABI poolbench/strided/module.cpp poolbench/strided/other.cpp)
"""
MODULE = """#include <Python.h>
int other();
static PyObject* isa(PyObject*, PyObject*) { return PyLong_FromLong(other()); }
static PyMethodDef methods[] = {{"isa", isa, METH_NOARGS, ""}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_pool", "", -1, methods, nullptr, nullptr, nullptr, nullptr};
PyMODINIT_FUNC PyInit__pool() { return PyModule_Create(&definition); }
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")

    def git(*arguments):
        names = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *names, *arguments], cwd=folder, env=variables(), check=True, capture_output=True)

    def commit(tag, **files):
        for name, text in files.items():
            path = folder / {"cmake": "CMakeLists.txt", "readme": "README"}.get(name, f"poolbench/strided/{name}")
            path = path.with_name(path.name.replace("_cpp", ".cpp").replace("_py", ".py"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git("add", "-A")
        git("commit", "-m", tag)
        git("tag", tag)

    git("init", "-q")
    commit("bare", readme="nothing yet")
    commit(
        "one",
        cmake=CMAKE,
        module_cpp=MODULE,
        other_cpp="int other() { return 1; }\n",
        __init___py="from . import _pool\n",
    )
    commit("same", readme="words alone")
    commit("two", other_cpp="int other() { return 2; }\n")
    commit("broken", other_cpp="int other() { return nothing; }\n")
    commit("mended", other_cpp="int other() { return 4; }\n")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def build(repository, cache, monkeypatch):
    monkeypatch.setattr(sources, "_PACKAGE", repository)

    def run(revision):
        wanted = kernel.Kernel.of(Reference(kind=Kind.REVISION, text=revision), cache, print)
        entry = cache.get(wanted.name, lambda folder: wanted.build(folder, Commands()), is_sound=wanted.is_sound)
        return wanted.interpreter(entry)

    return run


def answer(interpreter):
    """Return what the kernel says in a process that the interpreter's grafts are given to, and where it lies."""
    command = interpreter.command("unused")
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import graft; graft.install(json.loads(sys.argv[2]))\n"
        "from poolbench.strided import _pool; print(_pool.isa())"
    )
    arguments = [command[0], "-P", "-c", code, command[2].rpartition("/")[0], json.dumps(interpreter.grafts)]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip()


def test_each_revision_has_its_own_kernel_and_one_that_leaves_it_alone_is_the_same_build(build, repository):
    one, same, two = build("one"), build("same"), build("two")
    assert (answer(one), answer(two)) == ("1", "2")
    assert one.key == same.key != two.key
    assert one.facts["kernel"] == same.facts["kernel"] and one.facts["revision"] != same.facts["revision"]
    assert len(one.facts["revision"]) == 40 and "numpy==" in one.facts["distributions"]
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=repository, env=variables(), capture_output=True, text=True, check=True
    )
    assert status.stdout == ""


def test_only_what_differs_is_compiled(build, cache):
    build("one")
    (tree,) = cache.root.glob(".tree-*")
    objects = {path.name: path.stat().st_mtime_ns for path in tree.rglob("*.o")}
    build("mended")
    now = {path.name: path.stat().st_mtime_ns for path in tree.rglob("*.o")}
    assert now["module.cpp.o"] == objects["module.cpp.o"] and now["other.cpp.o"] > objects["other.cpp.o"]


def test_what_does_not_compile_is_told_and_spoils_nothing(build, cache):
    with pytest.raises(BuildError, match=r"does not build; the compiler says: .*other\.cpp.*nothing.*not declared"):
        build("broken")
    assert answer(build("mended")) == "4"
    assert not [path for path in cache.root.iterdir() if path.name.startswith(".building-")]


def test_a_tree_that_a_killed_build_left_is_not_trusted(build, cache):
    build("one")
    (tree,) = cache.root.glob(".tree-*")
    (tree / "unfinished").touch()
    for path in tree.rglob("*.o"):
        path.write_bytes(b"half")
    kernels = list(cache.root.glob("strided-*"))
    for path in kernels:
        cache.remove(path.name)
    assert answer(build("one")) == "1"


def test_a_tree_whose_build_took_too_long_is_not_trusted(build, cache, monkeypatch, tmp_path):
    build("one")
    for path in list(cache.root.glob("strided-*")):
        cache.remove(path.name)
    (tree,) = cache.root.glob(".tree-*")
    tool, slow = kernel._tool, tmp_path / "ninja"
    slow.write_text(f'#!/bin/sh\nif [ "$3" = _pool ]; then sleep 600; else exec {tool("ninja")} "$@"; fi\n')
    slow.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setattr(kernel, "_tool", lambda name: str(slow) if name == "ninja" else tool(name))
        patched.setattr(kernel, "_BUILD_TIMEOUT_S", 0.1)
        with pytest.raises(BuildError, match=r"'ninja -C .* took longer than 0 s and was stopped"):
            build("one")
    assert (tree / "unfinished").exists()
    assert answer(build("one")) == "1"
    assert not (tree / "unfinished").exists()


def test_the_working_tree_is_the_files_as_they_lie(build, repository):
    assert build(".").key == build("mended").key
    changed = repository / "poolbench" / "strided" / "other.cpp"
    before = changed.read_text()
    try:
        changed.write_text("int other() { return 5; }\n")
        (repository / "poolbench" / "strided" / "new.py").write_text("not in git yet")
        lying = build(".")
        assert answer(lying) == "5" and lying.facts["revision"].startswith("working tree on ")
    finally:
        changed.write_text(before)
        (repository / "poolbench" / "strided" / "new.py").unlink()


@pytest.mark.parametrize(
    ("revision", "words"), [("nowhere", "git knows no revision 'nowhere'"), ("bare", "no kernel yet")]
)
def test_a_revision_without_a_kernel_is_told(build, revision, words):
    with pytest.raises(BuildError, match=words):
        build(revision)


def test_the_repository_that_is_named_comes_before_the_package_s_own(repository, tmp_path, monkeypatch):
    own = tmp_path / "own"
    subprocess.run(["git", "clone", "-q", str(repository), str(own)], env=variables(), check=True)
    monkeypatch.setattr(sources, "_PACKAGE", own / "poolbench")
    assert sources.kernel_repository() == own
    monkeypatch.setenv(REPOSITORY_VARIABLE, str(repository / "poolbench"))
    assert sources.kernel_sources("two").repository == repository
    monkeypatch.setenv(REPOSITORY_VARIABLE, str(tmp_path))  # another project
    assert sources.kernel_repository() == own


def test_git_s_own_words_are_told(build, repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch, for its tests
    with pytest.raises(BuildError, match=r"git says: fatal: detected dubious ownership .* --add safe\.directory"):
        build("one")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(repository))
    assert answer(build("one")) == "1"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BuildError, match="git says: git is not installed"):
        build("one")


def test_without_a_build_tool_it_is_said_what_to_install(build, monkeypatch):
    monkeypatch.setattr(kernel.shutil, "which", lambda name, path=None: None)
    with pytest.raises(BuildError, match="cmake, and there is none here"):
        build("one")
