import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath

import pytest

from poolbench.backends import registry
from poolbench.backends.numpy_shifted import Shifted
from poolbench.backends.torch_eager import ChannelsLast, Eager
from poolbench.errors import MissingFrameworkError, UnknownNameError, UsageError


def register(folder: Path, package: str, *lines: str) -> None:
    """Lay out in ``folder`` what installing a package with these entry points would."""
    info = folder / f"{package.replace('-', '_')}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n" + "\n".join(lines) + "\n")


def test_the_built_in_backends_are_registered_under_sorted_names() -> None:
    found = registry.names()
    assert found == sorted(found)
    assert {
        "numpy:loops",
        "numpy:windows",
        "numpy:shifted",
        "torch",
        "torch:channels_last",
        "torch:mkldnn",
        "torch:compile",
        "torch:convolution",
        "torch:depthwise",
        "tensorflow",
        "tensorflow:graph",
        "tensorflow:xla",
        "onnxruntime",
        "openvino",
        "openvino:out",
        "jax",
        "litert",
        "litert:out",
        "mnn",
        "mnn:out",
        "ncnn",
        "onednn",
        "onednn:out",
        "onednn:channels_last",
        "onednn:channels_last_out",
        "onednn:blocked",
        "onednn:blocked_out",
        "strided",
        "strided:out",
        "strided:baseline",
        "strided:avx2",
        "strided:avx512",
        "strided:neon",
        "strided:torch",
        "strided:jax",
    } <= set(found)


def test_a_backend_is_made_under_the_name_that_it_bears() -> None:
    for name in registry.names():
        assert registry.create(name).name == name


def test_numpy_alone_means_the_shifted_one() -> None:
    assert isinstance(registry.create("numpy"), Shifted)
    assert registry.resolve("numpy") == registry.create("numpy").name


def test_instances_are_new_and_of_the_registered_class() -> None:
    assert type(registry.create("torch")) is Eager
    assert type(registry.create("torch:channels_last")) is ChannelsLast
    assert registry.create("torch") is not registry.create("torch")


@pytest.mark.parametrize(
    ("wrong", "meant"), [("troch", "torch"), ("tensorflow:xlaa", "tensorflow:xla"), ("nump", "numpy")]
)
def test_an_unknown_name_gets_the_nearest_ones(wrong: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"There is no subject '{wrong}'\. Did you mean .*\b{meant}\b"):
        registry.create(wrong)


def test_an_unknown_name_is_never_led_to_a_planted_subject() -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry.create("fak")
    assert "fake" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("no_such_module_at_all:Backend", "ModuleNotFoundError"),
        ("json:NoSuchClass", "AttributeError"),
        ("json:dumps", "TypeError"),
    ],
)
def test_a_package_that_cannot_be_loaded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, cause: str
) -> None:
    register(tmp_path, "broken-pool", f"broken = {target}")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "broken" in registry.names()
    with pytest.raises(UsageError, match=rf"package broken-pool, whose {target} cannot be loaded \({cause}: "):
        registry.create("broken")
    info = registry.describe("broken")
    assert not info.installed
    assert "broken-pool" in info.problem


def test_a_package_of_someone_else_is_found_and_asked_for_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(tmp_path, "their-pool", "theirs = their_pool:Theirs")
    (tmp_path / "their_pool.py").write_text("class Theirs:\n    name = 'theirs'\n    framework = 'their-kernels'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingFrameworkError) as caught:
        registry.require(registry.create("theirs"))
    assert str(caught.value) == (
        "The subject 'theirs' needs the package their-kernels, which is not installed here: "
        "pip install 'their-kernels'."
    )
    assert registry.describe("theirs") == registry.BackendInfo(
        name="theirs", framework="their-kernels", installed=False, version=None, for_tests=False
    )
    (tmp_path / "their_kernels.py").touch()
    registry.require(registry.create("theirs"))


@pytest.mark.parametrize(
    ("files", "installed"),
    [
        (["../../libdnnl.so.3", "onednn_cpu_gomp-1.dist-info/RECORD"], True),
        (["onednn_cpu_gomp/__init__.py", "onednn_cpu_gomp-1.dist-info/RECORD"], False),
        ([], False),
    ],
)
def test_a_library_without_a_module_is_installed_where_its_distribution_is(
    monkeypatch: pytest.MonkeyPatch, files: list[str], installed: bool
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda module: None)
    monkeypatch.setattr(registry.metadata, "files", lambda package: [PurePosixPath(file) for file in files])
    backend = registry.create("onednn")
    if installed:
        registry.require(backend)
    else:
        with pytest.raises(MissingFrameworkError, match=r"onednn-cpu-gomp.*poolbench\[onednn\]"):
            registry.require(backend)


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [
        ("torch", "torch", "torch"),
        ("torch:compile", "torch", "torch"),
        ("tensorflow:xla", "tensorflow", "tensorflow"),
        ("onnxruntime", "onnxruntime", "onnxruntime"),
        ("onnxruntime", "onnx", "onnxruntime"),
        ("openvino", "openvino", "openvino"),
        ("jax", "jax", "jax"),
    ],
)
def test_a_missing_framework_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str, missing: str, extra: str
) -> None:
    def find(module: str) -> ModuleSpec | None:
        return None if module == missing else ModuleSpec(module, None)

    monkeypatch.setattr(registry, "find_spec", find)
    with pytest.raises(MissingFrameworkError) as caught:
        registry.require(registry.create(name))
    assert str(caught.value) == (
        f"The subject '{name}' needs the package {missing}, which is not installed here: "
        f"pip install 'poolbench[{extra}]'."
    )
    assert not registry.describe(name).installed


def test_what_needs_no_framework_is_installed_with_poolbench_s_own_version() -> None:
    info = registry.describe("numpy")
    assert (info.name, info.framework, info.installed, info.problem) == ("numpy:shifted", "numpy", True, "")
    assert info.version


def test_the_listing_marks_what_is_for_tests_and_leaves_the_limit_out() -> None:
    listed = {info.name: info for info in registry.describe_all()}
    assert "limit" not in listed
    assert all(info.for_tests == name.startswith("fake") for name, info in listed.items())
    assert set(listed) == set(registry.names()) - {"limit"}


def test_names_and_listing_import_no_backend_and_no_framework() -> None:
    script = (
        "import sys\n"
        "from poolbench.backends import registry\n"
        "before = set(sys.modules)\n"
        "registry.names(); registry.resolve('numpy')\n"
        "print(sorted(name for name in set(sys.modules) - before if 'poolbench' in name))\n"
        "for info in registry.describe_all(): pass\n"
        "frameworks = {'torch', 'tensorflow', 'onnxruntime', 'onnx', 'openvino', 'jax'}\n"
        "frameworks |= {'ai_edge_litert', 'ncnn', 'MNN'}\n"
        "print(sorted(frameworks & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:2] == ["[]", "[]"]
