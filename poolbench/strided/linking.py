"""Where the pieces lie that a program in C is compiled and linked with."""

from __future__ import annotations

import importlib.util
from pathlib import Path

LIBRARY = "libpoolbench.so"


def get_include() -> str:
    """Return the folder of headers that a C compiler is to search: ``#include <poolbench/pooling.h>``."""
    return str(Path(__file__).parent / "include")


def get_library() -> str:
    """Return the path of the shared library that has the functions of that header.

    It needs neither Python nor any other library of this package. A program that is linked with it finds it again where
    the linker was told its folder, such as by ``-Wl,-rpath``.

    Raises FileNotFoundError where this copy of the package was built without the library.
    """
    return beside_module(LIBRARY, "for C")


def beside_module(name: str, purpose: str) -> str:
    """Return the path of a library that is built beside the extension module. Raises FileNotFoundError without it."""
    module = importlib.util.find_spec("poolbench.strided._pool")
    folder = Path(module.origin).parent if module is not None and module.origin else Path(__file__).parent
    library = folder / name
    if not library.is_file():
        raise FileNotFoundError(
            f"This copy of poolbench.strided has no library {purpose}, which would be {library}: install poolbench "
            "anew."
        )
    return str(library)
