"""Several environments at once, and what an interruption leaves of them: nothing."""

import os
import signal
import subprocess
import threading
import time

import pytest

from poolbench.environments.cache import Cache, Contents
from poolbench.environments.interpreter import Interpreter, Unavailable
from poolbench.environments.provide import identities, provide
from poolbench.environments.release import Release
from poolbench.errors import BuildError
from poolbench.model.subject import parse_subject


def test_each_is_made_once_and_what_fails_leaves_the_others_alone(tmp_path, monkeypatch):
    made, lines = [], []

    def build(release, folder, commands):
        made.append(release.reference.text)
        if release.reference.text == "9.0":
            raise BuildError("pip finds no numpy 9.0.")
        (folder / "bin").mkdir()
        (folder / "bin" / "python").touch()
        return Contents(what=str(release.reference), facts={"distributions": f"numpy=={release.reference.text}"})

    monkeypatch.setattr(Release, "build", build)
    names = ["numpy@2.0.2", "numpy:windows@2.0.2#2", "numpy", "numpy@9.0", "numpy@2.4.6"]
    subjects = [parse_subject(text) for text in names]
    places = provide(subjects, tell=lines.append, cache=Cache(tmp_path))
    assert sorted(made) == ["2.0.2", "2.4.6", "9.0"]
    assert places[subjects[0]] == places[subjects[1]] != places[subjects[4]]
    assert isinstance(places[subjects[0]], Interpreter) and subjects[2] not in places
    assert places[subjects[3]] == Unavailable(reason="numpy@9.0: pip finds no numpy 9.0.")
    assert identities(places) == {"numpy@2.0.2": "numpy==2.0.2", "numpy@2.4.6": "numpy==2.4.6"}
    assert any("numpy@9.0 cannot be had" in line for line in lines)

    lines.clear()
    provide(subjects[:1], tell=lines.append, cache=Cache(tmp_path))
    assert len(made) == 3 and lines == []


def test_interrupted_it_ends_the_builders_and_leaves_nothing(tmp_path, monkeypatch, request):
    begun, lines = threading.Barrier(3), []

    def build(release, folder, commands):
        (folder / "half").touch()
        begun.wait()
        commands.run(["sleep", "58.75"], timeout_s=60)

    monkeypatch.setattr(Release, "build", build)

    def interrupt():
        begun.wait()
        time.sleep(0.3)  # until the main thread waits for the builders, as it does nearly all of the time
        os.kill(os.getpid(), signal.SIGINT)

    # A shell starts its background jobs with Ctrl-C ignored, and the tests may be one.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        provide(
            [parse_subject("numpy@2.0.2"), parse_subject("numpy@2.4.6")], tell=lines.append, cache=Cache(tmp_path / "c")
        )
    assert [path.name for path in (tmp_path / "c").iterdir()] == [".locks"]
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 58.75" not in listed
    assert not any("cannot be had" in line for line in lines)
