"""Every header of the kernel compiles alone: whoever reads one finds in it, or in what it includes, all it names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "build" / "headers"  # kept, so that only what changed is compiled again


@pytest.mark.compiles
@pytest.mark.timeout(600)
def test_every_header_compiles_alone() -> None:
    if not (os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("there is no C++ compiler here")
    tools = Path(sys.executable).parent
    generate = (tools / "cmake", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}")
    sources = ("-S", ROOT / "tests" / "kernel" / "headers", "-B", FOLDER, f"-DPython_EXECUTABLE={sys.executable}")
    # All that fail are named, not the first one alone.
    for command in ((*generate, *sources), (tools / "ninja", "-C", FOLDER, "-k", "0")):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
