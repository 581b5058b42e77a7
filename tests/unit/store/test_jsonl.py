from __future__ import annotations

import dataclasses
import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolbench.errors import DiskFullError, StoreError
from poolbench.model.ids import parse_id
from poolbench.model.result import SCHEMA_VERSION, ResultRow
from poolbench.model.subject import parse_subject
from poolbench.store import jsonl
from poolbench.store.codec import encode_header, encode_row
from poolbench.store.jsonl import RunFile, read_run
from tests.unit.store.strategies import MACHINE, ROWS, plain_header, plain_row

ROOT = Path(__file__).parents[3]


def planted(folder: Path, rows: int = 3) -> Path:
    """Store a plain run with one row in each of ``rows`` launches."""
    with RunFile.create(folder, plain_header()) as file:
        file.append([plain_row(launch) for launch in range(rows)])
    return file.path


@pytest.fixture
def unflushed() -> Iterator[None]:
    """Spare the disk, for tests that write thousands of times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl.os, "fsync", lambda _: None)
        yield


def launches(path: Path) -> list[int]:
    return [row.launch for row in read_run(path).rows]


def test_a_run_lies_under_its_machine_header_first(tmp_path: Path) -> None:
    header = plain_header()
    with RunFile.create(tmp_path / "results", header) as file:
        assert file.path == tmp_path / "results" / MACHINE.key / f"{header.run}.jsonl"
        assert file.path.read_bytes() == encode_header(header)
        file.append([plain_row(0), plain_row(0, "numpy")])
        assert file.path.read_bytes() == encode_header(header) + encode_row(plain_row(0)) + encode_row(
            plain_row(0, "numpy")
        )
        file.append([])
    run = read_run(file.path)
    assert (run.header, run.rows, run.warnings) == (header, (plain_row(0), plain_row(0, "numpy")), ())


@pytest.mark.usefixtures("unflushed")
@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # the fixture holds for all examples alike
@given(rows=st.lists(ROWS, max_size=6, unique_by=lambda row: row.key), data=st.data())
def test_rows_come_back_however_they_were_appended(
    tmp_path_factory: pytest.TempPathFactory, rows: list[ResultRow], data: st.DataObject
) -> None:
    header = dataclasses.replace(
        plain_header(),
        workloads=tuple(map(parse_id, dict.fromkeys(row.workload for row in rows))),
        subjects=tuple(map(parse_subject, dict.fromkeys(row.subject for row in rows))),
    )
    rows = [dataclasses.replace(row, run=header.run, machine=header.machine.key) for row in rows]
    path = None
    left = list(rows)
    with RunFile.create(tmp_path_factory.mktemp("results"), header) as file:
        path = file.path
    while left:
        count = data.draw(st.integers(1, len(left)))
        with RunFile.reopen(path) as file:
            assert file.warnings == ()
            file.append(left[:count])
        left = left[count:]
    run = read_run(path)
    assert (run.header, list(run.rows), run.warnings) == (header, rows, ())


def test_all_lines_go_in_one_write_that_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    write, flush = os.write, os.fsync
    with RunFile.create(tmp_path, plain_header()) as file:
        monkeypatch.setattr(jsonl.os, "write", lambda fd, data: calls.append("write") or write(fd, data))
        monkeypatch.setattr(jsonl.os, "fsync", lambda fd: calls.append("flush") or flush(fd))
        file.append([plain_row(launch) for launch in range(5)])
    assert calls == ["write", "flush"]


def test_a_stored_run_is_never_overwritten(tmp_path: Path) -> None:
    path = planted(tmp_path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"exists already.*--resume 20261122-010203-abcd"):
        RunFile.create(tmp_path, plain_header())
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "a\nb"])
def test_a_run_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a run"):
        RunFile.create(tmp_path, plain_header(name))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_refused_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written: .* Choose a results folder"):
        RunFile.create(tmp_path / "results", plain_header())


def test_a_folder_without_permission_is_refused_before_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(jsonl.os, "open", denied)  # root, which tests may run as, is never denied
    with pytest.raises(StoreError, match="Permission denied"):
        RunFile.create(tmp_path, plain_header())


def test_a_full_disk_at_the_start_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jsonl.os, "write", full)
    with pytest.raises(StoreError, match="No space left"):
        RunFile.create(tmp_path, plain_header())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_rows_of_another_run_are_refused(tmp_path: Path) -> None:
    with RunFile.create(tmp_path, plain_header()) as file:
        before = file.path.read_bytes()
        with pytest.raises(StoreError, match="never mixed"):
            file.append([plain_row(), plain_row(run="other")])
        with pytest.raises(StoreError, match="never mixed"):
            file.append([dataclasses.replace(plain_row(), machine="other")])
        assert file.path.read_bytes() == before


def test_a_closed_file_takes_no_rows(tmp_path: Path) -> None:
    file = RunFile.create(tmp_path, plain_header())
    file.close()
    file.close()
    with pytest.raises(StoreError, match="is closed"):
        file.append([plain_row()])


# A disk that fills up


@pytest.mark.parametrize("room", range(0, 2600, 97))
def test_a_disk_that_fills_up_keeps_complete_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    lines = [encode_row(plain_row(launch)) for launch in range(1, 4)]
    assert 1500 < sum(map(len, lines)) < 2500
    left = room
    write = os.write

    def short(descriptor: int, data: bytes) -> int:
        nonlocal left
        part = bytes(data)[:left]
        if not part:
            raise OSError(errno.ENOSPC, "No space left on device")
        left -= len(part)
        return write(descriptor, part)

    with RunFile.create(tmp_path, plain_header()) as file:
        file.append([plain_row(0)])
        with monkeypatch.context() as patch:
            patch.setattr(jsonl.os, "write", short)
            if room >= sum(map(len, lines)):
                file.append([plain_row(launch) for launch in range(1, 4)])
                kept = 3
            else:
                with pytest.raises(DiskFullError) as caught:
                    file.append([plain_row(launch) for launch in range(1, 4)])
                kept = sum(sum(map(len, lines[: count + 1])) <= room for count in range(3))
                message = str(caught.value)
                assert "No space left on device" in message
                assert "'poolbench compare --resume 20261122-010203-abcd'" in message
                assert f"Everything before launch {kept + 1} of torch" in message
                assert ("1 row in hand" if kept == 2 else f"{3 - kept} rows in hand") in message
        run = read_run(file.path)
        assert ([row.launch for row in run.rows], run.warnings) == (list(range(kept + 1)), ())
        file.append([plain_row(9)])  # there is room again
        assert launches(file.path) == [*range(kept + 1), 9]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_lines_that_cannot_be_flushed_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    with RunFile.create(tmp_path, plain_header()) as file:
        file.append([plain_row(0)])
        monkeypatch.setattr(jsonl.os, "fsync", fail)
        with pytest.raises(DiskFullError, match=os.strerror(code)):
            file.append([plain_row(1), plain_row(2)])
    assert launches(file.path) == [0]


def test_where_even_cutting_fails_nothing_is_joined_to_the_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    parts = iter([30])

    def short(descriptor: int, data: bytes) -> int:
        for length in parts:
            return write(descriptor, bytes(data)[:length])
        raise OSError(errno.EIO, "Input/output error")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    file = RunFile.create(tmp_path, plain_header())
    file.append([plain_row(0)])
    with monkeypatch.context() as patch:
        patch.setattr(jsonl.os, "write", short)
        patch.setattr(jsonl.os, "ftruncate", fail)
        with pytest.raises(DiskFullError, match="torn line behind it"):
            file.append([plain_row(1)])
    with pytest.raises(StoreError, match="is closed"):
        file.append([plain_row(2)])
    with RunFile.reopen(file.path) as again:
        again.append([plain_row(1)])
    assert (launches(file.path), read_run(file.path).warnings) == ([0, 1], ())


def test_a_real_limit_on_the_file_size(tmp_path: Path) -> None:
    limit = 5000
    code = (
        "import sys, resource, signal; from pathlib import Path\n"
        "from poolbench.errors import DiskFullError\n"
        "from poolbench.store.jsonl import RunFile\n"
        "from tests.unit.store.strategies import plain_header, plain_row\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "file = RunFile.create(Path(sys.argv[1]), plain_header())\n"
        "try:\n"
        "    for launch in range(100): file.append([plain_row(launch), plain_row(launch, 'numpy')])\n"
        "except DiskFullError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert os.strerror(errno.EFBIG) in done.stdout and "--resume" in done.stdout
    (path,) = tmp_path.rglob("*.jsonl")
    run = read_run(path)
    header, row = len(encode_header(plain_header())), len(encode_row(plain_row(0)))
    assert run.warnings == () and path.stat().st_size <= limit < path.stat().st_size + row
    assert len(run.rows) == (limit - header) // row
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit


# Torn and damaged lines


@pytest.mark.usefixtures("unflushed")
def test_torn_at_every_byte(tmp_path: Path) -> None:
    path = planted(tmp_path, rows=1)
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == 2
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        aside = path.with_name(path.name + ".torn")
        aside.unlink(missing_ok=True)
        if cut < ends[0] - 1:
            with pytest.raises(StoreError, match=r"\.jsonl"):
                read_run(path)
            with pytest.raises(StoreError, match=r"\.jsonl"):
                RunFile.reopen(path)
            assert path.read_bytes() == whole[:cut]  # what cannot be understood is not touched
            continue
        # A line that lacks only its newline is whole.
        expected = [launch for launch, end in enumerate(ends[1:]) if cut >= end - 1]
        torn = whole[:cut].rpartition(b"\n")[2] if cut + 1 not in ends else b""
        run = read_run(path)
        assert [row.launch for row in run.rows] == expected
        assert len(run.warnings) == (1 if torn else 0), (cut, run.warnings)
        with RunFile.reopen(path) as file:
            assert len(file.warnings) == (1 if torn or cut + 1 in ends else 0)
            file.append([plain_row(7)])
        assert aside.read_bytes() == torn + b"\n" if torn else not aside.exists()
        again = read_run(path)
        assert ([row.launch for row in again.rows], again.warnings) == ([*expected, 7], ())


def test_torn_lines_gather_and_long_ones_are_found_whole(tmp_path: Path) -> None:
    path = planted(tmp_path, rows=1)
    tails = [b'{"record":"row"', b'{"note":"' + b"x" * 200_000, b"\0" * 70_000]
    for tail in tails:
        with path.open("ab") as file:
            file.write(tail)
        with RunFile.reopen(path) as again:
            (warning,) = again.warnings
            assert f"{len(tail)} bytes" in warning and str(path) in warning
    assert path.with_name(path.name + ".torn").read_bytes() == b"\n".join(tails) + b"\n"
    assert launches(path) == [0]


def test_damaged_lines_anywhere_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = planted(tmp_path, rows=4)
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:50]
    lines[3] = lines[3].replace(b'"loops":10', b'"loops":"ten"', 1)
    lines[4:4] = [b"\xff\xfe", b"", encode_header(plain_header()).strip(), encode_row(plain_row(run="other")).strip()]
    path.write_bytes(b"\n".join(lines))
    run = read_run(path)
    assert [row.launch for row in run.rows] == [0, 3]
    for warning, (line, words) in zip(
        run.warnings,
        [
            (3, "not a JSON object"),
            (4, "loops is 'ten', not a whole number"),
            (5, "byte 1 of the line is not text"),
            (7, "header of run"),
            (8, "belongs to run other"),
        ],
        strict=True,
    ):
        assert warning.startswith(f"{path}:{line}: ") and words in warning


def test_of_rows_stored_twice_the_last_counts_with_a_warning(tmp_path: Path) -> None:
    path = planted(tmp_path, rows=2)
    with RunFile.reopen(path) as file:
        file.append([plain_row(0, note="again"), plain_row(0, "numpy")])
    run = read_run(path)
    assert [(row.launch, row.subject, row.note) for row in run.rows] == [
        (1, "torch", ""),
        (0, "torch", "again"),
        (0, "numpy", ""),
    ]
    (warning,) = run.warnings
    assert warning.startswith(f"{path}:4: ") and "already in line 2" in warning


@pytest.mark.parametrize("content", [b"", b"\n", b"garbage\n", encode_row(plain_row()), b"[1]\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    for use in (read_run, RunFile.reopen):
        with pytest.raises(StoreError, match=r"x\.jsonl.*list runs"):
            use(path)
    assert path.read_bytes() == content


def test_a_newer_schema_in_the_header_is_refused(tmp_path: Path) -> None:
    path = planted(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"schema":%d' % SCHEMA_VERSION, b'"schema":99', 1))
    with pytest.raises(StoreError, match="schema 99"):
        read_run(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for use in (read_run, RunFile.reopen):
        with pytest.raises(StoreError, match="No such file"):
            use(tmp_path / "none.jsonl")


def test_a_failed_reopen_leaves_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"garbage\n")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(StoreError):
        RunFile.reopen(tmp_path / "x.jsonl")
    assert len(os.listdir("/proc/self/fd")) == before


# Killed

# As a resumed run does, it first measures what is missing: a kill may come between the lines of one append.
APPENDER = """
import itertools, sys; from pathlib import Path
from poolbench.store.jsonl import RunFile, read_run
from tests.unit.store.strategies import plain_row
path = Path(sys.argv[1])
with RunFile.reopen(path) as file:
    finished = {row.key for row in read_run(path).rows}
    print("began", flush=True)
    for launch in itertools.count():
        rows = [plain_row(launch, subject, note="x" * 3000) for subject in ("numpy", "torch")]
        file.append([row for row in rows if row.key not in finished])
        print(launch, flush=True)
"""


def test_kill_9_loses_no_row_that_was_stored(tmp_path: Path) -> None:
    with RunFile.create(tmp_path, plain_header()) as file:
        path = file.path
    chance = random.Random(7)
    acknowledged = 0
    for round_ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "began\n"
            if round_ == 0:
                process.stdout.readline()  # at least one append is complete
            time.sleep(chance.uniform(0.0, 0.05))
            process.send_signal(signal.SIGKILL)
            said = process.stdout.read().split()
        acknowledged = max([acknowledged, *map(int, said)])
        if round_ % 2:
            with path.open("ab") as file_:
                file_.write(encode_row(plain_row(999))[: chance.randint(1, 200)])
        keys = [row.key for row in read_run(path).rows]
        assert len(keys) == len(set(keys))
        for launch in range(acknowledged + 1):
            assert {subject for number, _, subject in keys if number == launch} == {"numpy", "torch"}
    with RunFile.reopen(path):
        pass
    assert read_run(path).warnings == ()
