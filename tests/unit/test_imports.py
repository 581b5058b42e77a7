"""What importing poolbench loads, and which files may name a framework."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import poolbench

PACKAGE = Path(poolbench.__file__).parent
FRAMEWORKS = {
    "torch",
    "tensorflow",
    "onnxruntime",
    "onnx",
    "openvino",
    "jax",
    "jaxlib",
    "ai_edge_litert",
    "ncnn",
    "MNN",
}
HEAVY = FRAMEWORKS | {"numpy", "pandas", "matplotlib", "ml_dtypes"}

ALLOWED = {
    "backends/torch_*.py": {"torch"},
    "backends/tensorflow_*.py": {"tensorflow"},
    "backends/onnxruntime_*.py": {"onnxruntime", "onnx"},
    "backends/openvino_*.py": {"openvino"},
    "backends/litert_*.py": {"ai_edge_litert", "flatbuffers"},
    "backends/mnn_*.py": {"MNN", "_tools"},
    "backends/ncnn_*.py": {"ncnn"},
    "backends/jax_*.py": {"jax", "jaxlib"},
    "observe/torch_*.py": {"torch"},
    "observe/effects/torch_*.py": {"torch"},
    "observe/monitor/torch_*.py": {"torch"},
    "observe/context.py": {"torch"},
    "observe/tensorflow_*.py": {"tensorflow"},
    "observe/jax_*.py": {"jax"},
    "observe/onnx_*.py": {"onnx"},
}
"""The frameworks that a file may import, inside functions. No other file may import one."""

BRIDGES = {
    "strided/torch.py": {"torch"},
    "strided/torch_autograd.py": {"torch"},
    "strided/torch_fast.py": {"torch"},
    "strided/torch_operators.py": {"torch"},
    "strided/jax.py": {"jax"},
    "strided/tensorflow.py": {"tensorflow"},
    "strided/torch_modules.py": {"torch"},
}
"""Modules that are for one framework's users: importing one imports that framework."""


def loaded_by(code: str) -> set[str]:
    """Run ``code`` in a fresh interpreter and return the top-level packages that it loaded."""
    report = "; import json, sys; print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    result = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import poolbench",
        "import poolbench.cli",
        "import poolbench.model.ids, poolbench.catalogue; poolbench.catalogue.select(['full'])",
        "import poolbench.backends.registry",
    ],
)
def test_importing_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code).isdisjoint(HEAVY)


def test_asking_for_help_loads_nothing_heavy() -> None:
    code = """
import contextlib, sys
sys.argv = ["poolbench", "--help"]
from poolbench.cli import main
with contextlib.suppress(SystemExit):
    main()
"""
    assert loaded_by(code + "pass").isdisjoint(HEAVY)


def test_loading_every_backend_loads_no_framework() -> None:
    code = (
        "from importlib.metadata import entry_points; "
        "[point.load()() for point in entry_points(group='poolbench.backends')]"
    )
    assert loaded_by(code).isdisjoint(FRAMEWORKS)


def test_the_check_itself_sees_what_is_loaded() -> None:
    assert "numpy" in loaded_by("import numpy")


def test_every_backend_is_registered_under_the_name_it_bears() -> None:
    points = [point for point in entry_points(group="poolbench.backends") if point.value.startswith("poolbench.")]
    assert {"numpy:loops", "torch:channels_last", "tensorflow:xla", "limit", "fake:dies"} <= {p.name for p in points}
    for point in points:
        assert point.load()().name == point.name


def test_frameworks_are_imported_by_their_own_backends_inside_functions() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        allowed = {name for pattern, names in ALLOWED.items() if relative.match(pattern) for name in names}
        for name, line, is_deferred in framework_imports(path):
            if name in BRIDGES.get(str(relative), set()):
                continue
            if name not in allowed or not is_deferred:
                wrong.append(f"{relative}:{line} imports {name}{'' if is_deferred else ' at import time'}")
    assert not wrong


def framework_imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Yield (framework, line, whether it is loaded only when a function runs or for type checks)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    deferred = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_type_checking(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in {name.partition(".")[0] for name in names} & FRAMEWORKS:
            yield name, node.lineno, id(node) in deferred


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch.nn as nn", [("torch", 1, False)]),
        ("def f():\n    from tensorflow import nn", [("tensorflow", 2, True)]),
        ("if TYPE_CHECKING:\n    import torch", [("torch", 2, True)]),
        ("class A:\n    import onnx", [("onnx", 2, False)]),
        ("import torchlike, numpy\nfrom . import torch", []),
    ],
)
def test_the_reader_of_imports(tmp_path: Path, source: str, expected: list[tuple[str, int, bool]]) -> None:
    path = tmp_path / "module.py"
    path.write_text(source)
    assert list(framework_imports(path)) == expected


@pytest.mark.parametrize("package", ["analyse", "report"])
def test_text_is_parsed_at_the_border_and_not_behind_it(package: str) -> None:
    """Files, pipes and the command line give types: what works on them asks no text what it means."""
    parsing = {"parse_id", "parse_subject"}
    found = {
        str(path.relative_to(PACKAGE))
        for path in sorted((PACKAGE / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and parsing & {alias.name for alias in node.names}
    }
    assert found == set()
