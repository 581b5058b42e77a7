"""Nothing half-made is ever used, and nothing is made twice."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from poolbench.environments.cache import MARKER, Cache, Contents
from poolbench.environments.upkeep import called, kept, remove, unused
from poolbench.errors import BuildError, UnknownNameError


def contents(folder):
    (folder / "file").write_text("made")
    return Contents(what="toy@1.0", facts={"python": "3"}, distributions={"toy": "1.0"})


def never(folder):
    raise AssertionError("it is there already")


def names(cache):
    return sorted(path.name for path in cache.root.iterdir() if path.name != ".locks")


def test_it_is_made_once_and_found_again(tmp_path):
    cache = Cache(tmp_path / "cache")
    made = cache.get("toy-1.0-abc", contents)
    again = cache.get("toy-1.0-abc", never)
    assert again.contents == made.contents and made.contents.distributions == {"toy": "1.0"}
    assert made.contents.bytes > 0 and made.contents.created_at
    assert (made.path / "file").read_text() == "made" and names(cache) == ["toy-1.0-abc"]


@pytest.mark.parametrize(
    "error", [BuildError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
)
def test_nothing_remains_of_a_build_that_failed(tmp_path, error):
    cache = Cache(tmp_path)

    def fail(folder):
        contents(folder)
        raise error

    with pytest.raises(BuildError if isinstance(error, OSError) else type(error)) as caught:
        cache.get("toy", fail)
    assert cache.find("toy") is None and names(cache) == []
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_builder_that_is_killed_leaves_nothing_that_is_used_and_the_next_one_clears_up(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from poolbench.environments.cache import Cache\n"
        "def build(folder):\n"
        "    (folder / 'half').write_text('half'); print('begun', flush=True); time.sleep(60)\n"
        "Cache(Path(sys.argv[1])).get('toy', build)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as builder:
        try:
            assert builder.stdout.readline() == b"begun\n"
            cache = Cache(tmp_path)
            assert cache.find("toy") is None and cache.entries() == []
            cache.remove_leftovers()
            assert [name for name in names(cache) if name.startswith(".building-toy-")], "its builder lives"
        finally:
            os.kill(builder.pid, signal.SIGKILL)
            builder.wait()
    cache.get("other", contents)
    assert names(cache) == ["other"]
    assert cache.get("toy", contents).contents.what == "toy@1.0"


def test_two_at_once_make_one(tmp_path):
    made, waits = [], []

    def build(folder):
        made.append(folder)
        time.sleep(0.5)
        return contents(folder)

    def get():
        Cache(tmp_path).get("toy", build, waiting=lambda: waits.append(1))

    both = [threading.Thread(target=get) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(made) == len(waits) == 1


def test_without_its_marker_or_its_interpreter_it_is_made_anew(tmp_path):
    cache = Cache(tmp_path)
    cache.get("toy", contents)
    (tmp_path / "toy" / "file").write_text("old")
    cache.get("toy", contents, is_sound=lambda path: False)
    assert (tmp_path / "toy" / "file").read_text() == "made"
    (tmp_path / "toy" / MARKER).write_text("{")
    assert cache.find("toy") is None
    cache.get("toy", contents)
    assert names(cache) == ["toy"]


def test_they_are_called_by_what_they_hold_and_removed(tmp_path):
    cache = Cache(tmp_path)
    for name, what in {"a-1": "numpy@1.0", "a-2": "numpy@2.0", "s-1": "strided@0123456789ab"}.items():
        cache.get(name, lambda folder, what=what: Contents(what=what))
    things = kept(cache)

    def keys(*names):
        return [each.key for each in called(things, names)]

    assert keys("numpy@2.0") == ["a-2"] and keys("numpy") == ["a-1", "a-2"] and keys("s-1", "s-1") == ["s-1"]
    assert keys("strided@0123456") == keys("strided@0123456789abcdef") == ["s-1"]
    with pytest.raises(UnknownNameError, match=r"numpy@2\.0"):
        called(things, ["numpy@2.5"])
    os.utime(tmp_path / "a-1" / MARKER, (1000, 1000))
    assert [each.key for each in unused(kept(cache), 1.0, time.time())] == ["a-1"]
    remove(cache, called(things, ["numpy"]))
    assert [each.key for each in kept(cache)] == ["s-1"] and names(cache) == ["s-1"]
