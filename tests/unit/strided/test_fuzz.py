"""The kernel against the reference, on random problems, under AddressSanitizer and UBSan, without Python in between."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "build" / "sanitize" / "fuzz"  # the one of `make sanitize`, so that a second build has nothing to do
CASES = 60_000


def compiler() -> str:
    return os.environ.get("CXX") or shutil.which("g++") or "clang++"


def call(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    )


def listed(fuzzer: Path, kernels: str) -> set[tuple[str, str]]:
    """The kernels of the list, as (pass, name), with the environment variable that chooses among them."""
    done = call(fuzzer, "--list", POOLBENCH_KERNELS=kernels)
    assert done.returncode == 0, done.stdout
    return {(line.split("/")[1], line.split("/")[2]) for line in done.stdout.split()}


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    empty = tmp_path_factory.mktemp("sanitizers") / "empty.cpp"
    empty.write_text("int main() {}\n", encoding="utf-8")
    if call(compiler(), "-fsanitize=address,undefined", empty, "-o", empty.with_suffix("")).returncode != 0:
        pytest.skip(f"{compiler()} comes without AddressSanitizer or UBSan here")
    tools = Path(sys.executable).parent
    generate = (tools / "cmake", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}")
    sources = ("-S", ROOT / "tests" / "kernel", "-B", FOLDER, "-DPOOL_SANITIZERS=address,undefined")
    for command in ((*generate, *sources), (tools / "ninja", "-C", FOLDER)):
        done = call(*command)
        assert done.returncode == 0, done.stdout
    return FOLDER / "fuzz"


@pytest.mark.compiles
@pytest.mark.timeout(1800)  # the vector code takes minutes to compile with sanitizers in it
def test_the_kernel_agrees_with_the_reference_and_stays_in_its_buffers(fuzzer: Path) -> None:
    done = call(fuzzer, "--cases", str(CASES), "--seconds", "60", "--least", "1")
    assert done.returncode == 0, done.stdout


@pytest.mark.compiles
@pytest.mark.timeout(1800)
def test_kernels_that_are_left_out_are_never_run(fuzzer: Path) -> None:
    everything = listed(fuzzer, "")
    assert {("pool", "rows"), ("keep", "rows"), ("keep", "channels"), ("pool", "channels")} <= everything

    left = everything - {("pool", "rows"), ("keep", "rows"), ("keep", "channels")}
    assert listed(fuzzer, "-rows,-keep/channels") == left
    done = call(fuzzer, "--cases", "3000", "--least", "0", POOLBENCH_KERNELS="-rows,-keep/channels")
    assert done.returncode == 0, done.stdout
    rows = [line.split() for line in done.stdout.splitlines()[1:-1]]
    assert {(row[1], row[0]) for row in rows if any(int(count) > 0 for count in row[4:])} <= left

    scalar = {kernel for kernel in everything if kernel[1] == "scalar"}
    assert listed(fuzzer, "keep/rows") == scalar | {("keep", "rows")}


@pytest.mark.compiles
@pytest.mark.timeout(1800)
def test_a_kernel_that_does_not_exist_cannot_be_left_out(fuzzer: Path) -> None:
    done = call(fuzzer, "--cases", "1", POOLBENCH_KERNELS="-colums")
    assert done.returncode == 2
    assert "POOLBENCH_KERNELS is '-colums', and there is no kernel 'colums' to choose" in done.stdout
    assert "keep/rows" in done.stdout
