"""Builds the planted functions with the system's compiler, by the project's own CMake and Ninja."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cmake
import ninja

SOURCES = Path(__file__).parent


def build(folder: Path) -> Path:
    """Return the library's path. Raises AssertionError with what the compiler said."""
    make = Path(ninja.BIN_DIR) / "ninja"
    generate = (Path(cmake.CMAKE_BIN_DIR) / "cmake", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={make}")
    for command in ((*generate, "-S", SOURCES, "-B", folder), (make, "-C", folder)):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout
    return folder / "planted.so"
