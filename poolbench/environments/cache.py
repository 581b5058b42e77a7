"""The cache of environments: complete ones under names that say what they hold, and nothing half-made.

    <user's cache folder>/poolbench/environments/<name>/environment.json   what a complete environment holds
                                                 .building-<name>-*        one in the making
                                                 .locks/<name>.lock        held while it is made or removed

An environment is made in a folder beside its place, marked as complete there, and only then renamed. Whoever makes it
holds its lock, which ends with the process, so that a ``.building-`` folder whose lock is free is a leftover.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

from poolbench.errors import BuildError

DIRECTORY_VARIABLE = "POOLBENCH_ENVIRONMENTS"
MARKER = "environment.json"

_BUILDING = ".building-"
_REMOVING = ".removing-"
_LOCKS = ".locks"
_LOCK_POLL_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a complete environment holds, as its builder found it.

    ``what`` is how a subject names it, ``facts`` what goes into each row of it. ``distributions`` maps names to
    versions.
    """

    what: str
    facts: dict[str, str] = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)
    created_at: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A complete environment in the cache. ``used_at`` is seconds since 1970."""

    name: str
    path: Path
    contents: Contents
    used_at: float


class Cache:
    """The folder of environments. Made at first use."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or _default_root()

    def find(self, name: str) -> Entry | None:
        """Return the complete environment ``name``; None where there is none."""
        path = self.root / name
        try:
            text = (path / MARKER).read_text(encoding="utf-8")
            used_at = (path / MARKER).stat().st_mtime
            known = {each.name for each in fields(Contents)}
            contents = Contents(**{key: value for key, value in json.loads(text).items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return None  # absent, or no marker of ours: not complete
        return Entry(name=name, path=path, contents=contents, used_at=used_at)

    def entries(self) -> list[Entry]:
        """Return all complete environments, by name."""
        try:
            names = sorted(path.name for path in self.root.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        return [entry for name in names if (entry := self.find(name)) is not None]

    def get(
        self,
        name: str,
        build: Callable[[Path], Contents],
        *,
        is_sound: Callable[[Path], bool] = lambda path: True,
        is_stopped: Callable[[], bool] = lambda: False,
        waiting: Callable[[], None] = lambda: None,
    ) -> Entry:
        """Return the environment ``name``, made by ``build`` in the folder it is given where it is not there yet.

        An environment that is there and not ``is_sound`` is made anew. ``waiting`` is called once where another
        process is making it. Raises what ``build`` raises, and BuildError where the cache cannot be written; nothing
        remains of what failed.
        """
        entry = self._usable(name, is_sound)
        if entry is not None:
            return entry
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.remove_leftovers()
            with self.lock(name, is_stopped=is_stopped, waiting=waiting):
                entry = self._usable(name, is_sound)  # the process that was waited for has made it
                if entry is None:
                    self.discard(self.root / name)
                    entry = self._build(name, build)
                return entry
        except OSError as error:
            raise BuildError(f"The cache {self.root} cannot be written: {error.strerror or error}.") from error

    def remove(self, name: str) -> int:
        """Remove the environment ``name`` and return the bytes that it held. Waits for a process that makes it."""
        with self.lock(name):
            entry = self.find(name)
            self.discard(self.root / name)
        return 0 if entry is None else entry.contents.bytes

    def remove_leftovers(self) -> None:
        """Remove what interrupted builds and removals left."""
        for path in list(self.root.glob(f"{_BUILDING}*")) + list(self.root.glob(f"{_REMOVING}*")):
            name = path.name.removeprefix(_BUILDING).removeprefix(_REMOVING).rpartition("-")[0]
            with contextlib.suppress(BuildError), self.lock(name, timeout_s=0):
                shutil.rmtree(path, ignore_errors=True)  # what resists is tried again the next time

    @contextmanager
    def lock(
        self,
        name: str,
        *,
        timeout_s: float | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
        waiting: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Hold the lock of ``name``. Raises BuildError where it is taken for ``timeout_s``, or the wait is stopped."""
        import filelock  # takes a tenth of a second

        folder = self.root / _LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f"{name}.lock", thread_local=False, fallback_to_soft=False)
        has_waited = False
        while True:
            try:
                lock.acquire(timeout=_LOCK_POLL_S if timeout_s is None else timeout_s)
                break
            except filelock.Timeout:
                if is_stopped() or timeout_s is not None:
                    raise BuildError(f"Another process holds {folder / name}.lock.") from None
                if not has_waited:
                    has_waited = True
                    waiting()
        try:
            yield
        finally:
            lock.release()

    def _usable(self, name: str, is_sound: Callable[[Path], bool]) -> Entry | None:
        entry = self.find(name)
        if entry is None or not is_sound(entry.path):
            return None
        with contextlib.suppress(OSError):  # a cache that may only be read serves as well
            os.utime(entry.path / MARKER)
        return entry

    def _build(self, name: str, build: Callable[[Path], Contents]) -> Entry:
        draft = self.root / f"{_BUILDING}{name}-{secrets.token_hex(4)}"
        try:
            draft.mkdir()
            contents = build(draft)
            marker = {**asdict(contents), "created_at": datetime.now(UTC).isoformat(timespec="seconds")}
            marker["bytes"] = size_on_disk(draft)
            (draft / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
            draft.rename(self.root / name)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        entry = self.find(name)
        assert entry is not None
        return entry

    def discard(self, path: Path) -> None:
        """Remove ``path``, whose lock is held: at once out of the way, and then from the disk."""
        if path.exists():
            away = self.root / f"{_REMOVING}{path.name}-{secrets.token_hex(4)}"
            path.rename(away)
            shutil.rmtree(away, ignore_errors=True)


def size_on_disk(path: Path) -> int:
    """Return the bytes that the files below ``path`` take."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def _default_root() -> Path:
    override = os.environ.get(DIRECTORY_VARIABLE)
    if override:
        return Path(override)
    import platformdirs

    return platformdirs.user_cache_path("poolbench") / "environments"


def freeze(distributions: Mapping[str, str]) -> str:
    """Return distributions as one fact: name==version, by name."""
    return " ".join(f"{name}=={version}" for name, version in sorted(distributions.items(), key=_folded))


def _folded(item: tuple[str, str]) -> str:
    return item[0].lower()
