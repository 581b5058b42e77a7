"""The shorter way of ``poolbench.strided.torch``, which is compiled where it is used.

PyTorch promises to keep its C functions, which the operators are built on, but neither autograd's nodes nor the way
from Python's objects to tensors. So what shortens a call cannot be in the wheel. ``build`` compiles it for the PyTorch
and the Python that run, into the user's cache; ``load`` takes it from there.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import torch

from poolbench.strided.linking import get_include, get_library

MODULE = "poolbench_torch_fast"
SOURCE = Path(__file__).parent / "frameworks" / "torch_fast.cpp"
OLDEST = (2, 13)
"""Older releases have other nodes in autograd."""


def path() -> Path:
    """Return where the compiled module is, or would be: one for each release of PyTorch, Python and this source."""
    told = hashlib.sha256()
    for part in (SOURCE, SOURCE.with_name("parameters.h"), Path(get_include()) / "poolbench" / "pooling.h"):
        told.update(part.read_bytes())
    for fact in (torch.__version__, torch.version.git_version, sysconfig.get_config_var("EXT_SUFFIX")):
        told.update(str(fact).encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "poolbench" / f"torch-{told.hexdigest()[:16]}" / f"{MODULE}.so"


def build() -> Path:
    """Compile the module, if it is not there, and return where it is. It takes 15 s.

    Raises RuntimeError with a sentence where PyTorch is too old, or there is no compiler, or it fails.
    """
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if release < OLDEST:
        raise RuntimeError(
            f"The shorter way into poolbench's kernels needs PyTorch 2.13 or newer, and this is {torch.__version__}: "
            "the functions work without, and take some microseconds more a call."
        )
    target = path()
    if target.is_file():
        return target
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
    if compiler is None:
        raise RuntimeError(
            "There is no C++ compiler to build the shorter way into poolbench's kernels: install g++, or set CXX. The "
            "functions work without, and take some microseconds more a call."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        done = subprocess.run([*compiler.split(), *flags(), str(SOURCE), "-o", str(made), *libraries()],
                              capture_output=True, text=True, check=False)  # fmt: skip
        if done.returncode != 0:
            wrong = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[-200:])
            raise RuntimeError(
                f"{compiler} could not build the shorter way into poolbench's kernels ({wrong}): the functions work "
                "without, and take some microseconds more a call."
            )
        made.replace(target)  # at once: another process may look for it
    return target


def load() -> Any:
    """Return the module with its functions connected to the library, or None where it has not been built."""
    if not path().is_file():
        return None
    loader = importlib.machinery.ExtensionFileLoader(MODULE, str(path()))
    specification = importlib.util.spec_from_loader(MODULE, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    loader.exec_module(module)
    library = ctypes.CDLL(get_library())  # which stays in memory once it has been loaded
    names = ("poolbench_describe", "poolbench_pool", "poolbench_gradient")
    module.connect(*(ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in names))
    return module


def flags() -> list[str]:
    """Return what the compiler is to be told before the source."""
    root = Path(torch.__file__).parent / "include"
    headers = (root, root / "torch" / "csrc" / "api" / "include", Path(sysconfig.get_paths()["include"]))
    return [
        *("-std=c++20", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", f"-I{get_include()}"),
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        *(word for each in headers for word in ("-isystem", str(each))),
    ]


def libraries() -> list[str]:
    """Return what the compiler is to be told behind the source."""
    return [f"-L{Path(torch.__file__).parent / 'lib'}", "-ltorch_cpu", "-ltorch_python", "-lc10"]
