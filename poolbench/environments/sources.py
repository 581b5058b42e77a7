"""The kernel's sources at a git revision, or as they lie in the repository: listed by content, read when needed."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from poolbench.backends.declaration import REPOSITORY_VARIABLE
from poolbench.environments.git import GitError, ask
from poolbench.environments.reference import WORKING_TREE
from poolbench.errors import BuildError

PATHS = ("CMakeLists.txt", "poolbench/strided")
"""What a build of the kernel reads of the repository."""

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """``blobs`` maps each file's path in the repository to git's hash of its content.

    ``commit`` is the revision, or what the working tree stands on where ``is_working_tree``.
    """

    repository: Path
    commit: str
    is_working_tree: bool
    blobs: dict[str, str]

    def read(self) -> dict[str, bytes]:
        """Return the content of every file by its path. Raises BuildError."""
        if self.is_working_tree:
            return {path: (self.repository / path).read_bytes() for path in self.blobs}
        tops = [top for top in PATHS if any(path == top or path.startswith(f"{top}/") for path in self.blobs)]
        try:
            archive = ask(self.repository, "archive", "--format=tar", self.commit, "--", *tops)
        except GitError as error:
            raise BuildError(f"git cannot export {self.commit}: {error}.") from error
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            members = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
            return {name: file.read() for name, file in members.items() if file is not None}


def kernel_sources(revision: str) -> Sources:
    """Return the kernel's sources at the git ``revision``; WORKING_TREE stands for the files as they lie.

    Raises BuildError where there is no repository of poolbench, no such revision, or no kernel in it.
    """
    repository = kernel_repository()
    commit = find_commit(repository, revision)
    is_working_tree = revision == WORKING_TREE
    try:
        blobs = _lying(repository) if is_working_tree else _committed(repository, commit)
    except (GitError, OSError) as error:
        raise BuildError(f"The sources of '{revision}' cannot be listed in {repository}: {error}.") from error
    if "CMakeLists.txt" not in blobs or not any(path.startswith("poolbench/strided/") for path in blobs):
        raise BuildError(
            f"The revision '{revision}' ({commit[:12]}) has no kernel yet: there is no {' or no '.join(PATHS)}."
        )
    return Sources(repository=repository, commit=commit, is_working_tree=is_working_tree, blobs=blobs)


def find_commit(repository: Path, revision: str) -> str:
    """Return the full commit that ``revision`` names; that of HEAD for WORKING_TREE. Raises BuildError."""
    named = "HEAD" if revision == WORKING_TREE else revision
    try:
        return ask(repository, "rev-parse", "--verify", "--quiet", f"{named}^{{commit}}").decode().strip()
    except GitError as error:
        if error.code != 1:  # 1 is git's way to say no; anything else is a reason of its own
            raise BuildError(f"git cannot look up '{revision}' in {repository}: {error}") from error
        how = (
            "it is a shallow clone, and 'git fetch --unshallow' brings the commits that it lacks"
            if is_shallow(repository)
            else "name a commit, a branch or a tag ('git log' lists them; a shallow clone lacks old ones)"
        )
        raise BuildError(f"git knows no revision '{revision}' in {repository}: {how}.") from error


def is_shallow(repository: Path) -> bool:
    """Whether the clone lacks commits on purpose. Raises GitError."""
    return ask(repository, "rev-parse", "--is-shallow-repository").decode().strip() == "true"


def kernel_repository() -> Path:
    """Return the repository of poolbench that ``--repo`` names, that this package lies in, or the current folder."""
    named = os.environ.get(REPOSITORY_VARIABLE)
    refusals = []
    # What --repo names may be another project, whose subject is compared with this kernel.
    for folder in (*([Path(named).expanduser()] if named else []), _PACKAGE, Path.cwd()):
        try:
            top = Path(ask(folder, "rev-parse", "--show-toplevel").decode().strip())
            # A package that is merely installed somewhere below a repository is not that repository's.
            if ask(top, "ls-files", "--", "poolbench/strided/__init__.py"):
                return top
        except GitError as error:
            refusals.append(str(error))
    said = f" git says: {'; '.join(dict.fromkeys(refusals))}" if refusals else ""
    raise BuildError(
        f"Neither {_PACKAGE} nor the current folder is in a git repository of poolbench: run this from a clone of it."
        f"{said}"
    )


def _committed(repository: Path, commit: str) -> dict[str, str]:
    listing = ask(repository, "ls-tree", "-r", "-z", "--full-tree", commit, "--", *PATHS).decode()
    blobs = {}
    for line in filter(None, listing.split("\0")):
        described, _, path = line.partition("\t")
        mode, kind, blob = described.split()
        if kind == "blob" and mode.startswith("100"):  # no link: its target may lie anywhere
            blobs[path] = blob
    return blobs


def _lying(repository: Path) -> dict[str, str]:
    names = ask(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PATHS).decode()
    paths = {name for name in names.split("\0") if name and (repository / name).is_file()}
    return {path: _blob(repository / path) for path in sorted(paths)}


def _blob(path: Path) -> str:
    """Return git's hash of the file's content, so that an unchanged file is the same as the committed one."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
