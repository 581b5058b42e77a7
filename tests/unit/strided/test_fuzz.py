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


def call(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


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
