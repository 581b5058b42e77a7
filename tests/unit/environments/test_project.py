import os
import subprocess
from pathlib import Path

import pytest

from poolbench.backends.declaration import REPOSITORY_VARIABLE
from poolbench.environments.commands import Commands
from poolbench.environments.git import variables
from poolbench.environments.project import project_tree
from poolbench.environments.reference import reference
from poolbench.environments.revisions import revisions
from poolbench.errors import BuildError, UsageError
from poolbench.model.subject import parse_subject

DECLARED = '[project]\nname = "mine"\n[tool.poolbench]\npaths = ["pyproject.toml", "src"]\n[tool.poolbench.subjects]\n'
MINE = parse_subject("mine")


def git(folder, *arguments):
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**variables(), **identity}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder, name, content="x"):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", f"{name} is {content}")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of four commits: the project, a source, a note, another source."""
    folder = tmp_path / "mine"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "pyproject.toml", DECLARED + 'mine = "mine:pool"\n')
    commit(folder, "src/mine.py", "1")
    commit(folder, "notes.txt", "1")
    commit(folder, "src/mine.py", "2")
    monkeypatch.setenv(REPOSITORY_VARIABLE, str(folder))
    return folder


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def test_a_revision_is_laid_out_without_a_trace_in_the_users_repository(repository, tmp_path):
    (repository / "src" / "mine.py").write_text("3")
    before = {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()}
    tree = project_tree(repository, "HEAD~2")
    assert tree.lay_out(tmp_path / "clone", Commands()) == tmp_path / "clone"
    assert files(tmp_path / "clone")["src/mine.py"] == "1" and "notes.txt" not in files(tmp_path / "clone")
    assert {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()} == before
    assert (repository / "src" / "mine.py").read_text() == "3"


def test_the_working_tree_is_laid_out_as_it_lies_but_for_what_git_ignores(repository, tmp_path):
    (repository / "src" / "mine.py").write_text("3")
    (repository / "src" / "new.py").write_text("new")
    (repository / "ignored.txt").write_text("i")
    (repository / ".gitignore").write_text("ignored.txt")
    (repository / "notes.txt").unlink()
    tree = project_tree(repository, ".")
    tree.lay_out(tmp_path / "clone", Commands())
    found = files(tmp_path / "clone")
    assert found["src/mine.py"] == "3" and found["src/new.py"] == "new"
    assert not {"ignored.txt", "notes.txt"} & set(found)


def test_content_is_the_same_for_the_same_files_however_they_are_named(repository):
    assert project_tree(repository, "HEAD").content == project_tree(repository, ".").content
    os.chmod(repository / "src" / "mine.py", 0o755)
    assert project_tree(repository, "HEAD").content != project_tree(repository, ".").content
    paths = ("pyproject.toml", "src")
    assert project_tree(repository, "HEAD~1", paths).content == project_tree(repository, "HEAD~2", paths).content


def test_results_that_a_run_left_are_no_part_of_what_lies(repository, tmp_path):
    (repository / "results" / "machine").mkdir(parents=True)
    (repository / "results" / "machine" / "run.jsonl").write_text("{}")
    tree = project_tree(repository, ".")
    assert tree.content == project_tree(repository, "HEAD").content
    tree.lay_out(tmp_path / "clone", Commands())
    assert not any(path.startswith("results/") for path in files(tmp_path / "clone"))


def test_revisions_that_build_the_same_are_known_by_the_declared_paths(repository):
    found = revisions("HEAD~3..HEAD", MINE)
    assert [each.title for each in found][1:] == ["src/mine.py is 1", "notes.txt is 1", "src/mine.py is 2"]
    assert found[1].build == found[2].build != found[3].build


def test_a_project_in_a_subfolder_is_built_from_there(repository, tmp_path):
    commit(repository, "packages/other/pyproject.toml", "[project]")
    tree = project_tree(repository / "packages" / "other", "HEAD")
    assert list(tree.content) == ["packages/other/pyproject.toml"]
    assert tree.lay_out(tmp_path / "clone", Commands()) == tmp_path / "clone" / "packages" / "other"
    with pytest.raises(BuildError, match="has nothing of the project: name a later one"):
        project_tree(repository / "packages" / "other", "HEAD~1")


def test_a_shallow_clone_is_told_what_brings_the_rest(repository, tmp_path, monkeypatch):
    git(tmp_path, "clone", "--quiet", "--depth", "2", f"file://{repository}", "shallow")
    monkeypatch.setenv(REPOSITORY_VARIABLE, str(tmp_path / "shallow"))
    tree = project_tree(tmp_path / "shallow", "HEAD")
    tree.lay_out(tmp_path / "clone", Commands())
    assert files(tmp_path / "clone")["src/mine.py"] == "2"
    with pytest.raises(BuildError, match="git fetch --unshallow"):
        project_tree(tmp_path / "shallow", "HEAD~3")


def test_a_submodule_is_taken_from_what_is_here_or_asked_for(repository, tmp_path):
    (tmp_path / "lib").mkdir()
    git(tmp_path / "lib", "init", "--quiet")
    commit(tmp_path / "lib", "lib.c", "lib")
    git(repository, "submodule", "--quiet", "add", str(tmp_path / "lib"), "src/lib")
    git(repository, "commit", "--quiet", "--message", "lib")
    project_tree(repository, "HEAD").lay_out(tmp_path / "clone", Commands())
    assert files(tmp_path / "clone")["src/lib/lib.c"] == "lib"
    project_tree(repository, ".").lay_out(tmp_path / "lying", Commands())
    assert files(tmp_path / "lying")["src/lib/lib.c"] == "lib"
    git(tmp_path, "clone", "--quiet", str(repository), "without")
    with pytest.raises(BuildError, match=r"submodule at src/lib .*'git submodule update --init"):
        project_tree(tmp_path / "without", "HEAD").lay_out(tmp_path / "again", Commands())


def test_a_pointer_of_lfs_without_its_file_is_told(repository, tmp_path):
    commit(repository, "src/table.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n")
    with pytest.raises(BuildError, match=r"src/table\.bin .*'git lfs fetch --all"):
        project_tree(repository, "HEAD").lay_out(tmp_path / "clone", Commands())


def test_what_is_no_range_says_what_the_two_are_to_each_other(repository):
    git(repository, "checkout", "--quiet", "-b", "side", "HEAD~2")
    commit(repository, "side.txt")
    git(repository, "checkout", "--quiet", "--orphan", "alone")
    commit(repository, "alone.txt")
    for text, said in (
        ("main..main~2", "main~2 does not come after main. Write the older one first"),
        ("side..main", "side is no ancestor of main: they part at"),
        ("alone..main", "have no commit in common in .*: name two of which"),
        ("main..nothing", "knows no revision 'nothing'"),
        ("main~1...", "is of commits"),
    ):
        with pytest.raises(UsageError, match=said):
            revisions(text, MINE)


def test_a_project_without_git_or_a_folder_without_project_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv(REPOSITORY_VARIABLE, raising=False)
    (tmp_path / "pyproject.toml").write_text(DECLARED + 'mine = "mine:pool"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BuildError, match=r"is in no git repository .* --repo PATH"):
        project_tree(Path.cwd(), "HEAD")
    (tmp_path / "empty").mkdir()
    (tmp_path / "pyproject.toml").unlink()
    with pytest.raises(UsageError, match=r"no pyproject\.toml at or above .* --repo PATH.* torch@1"):
        reference(parse_subject("torch@rev:main"))
