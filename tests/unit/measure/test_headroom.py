"""How much memory can be had, by planted files of the system."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from poolbench.measure.headroom import available_bytes, gibibytes, limit_bytes

UNLIMITED = 9223372036854771712
V2 = "31 23 0:28 {top} {point} rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
V1 = "32 31 0:29 {top} {point} rw,relatime - cgroup cgroup rw,memory\n"
EVERYWHERE = V2.format(top="/", point="/sys/fs/cgroup") + V1.format(top="/", point="/sys/fs/cgroup/memory")


def group(root: Path, path: str, most: str, used: int, stat: str = "") -> None:
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    if stat:
        (folder / "memory.stat").write_text(stat)


def member(root: Path, text: str, mounts: str = EVERYWHERE) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(text)
    (root / "proc/self/mountinfo").write_text("23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts)


def test_without_a_limit_it_is_what_the_machine_has(tmp_path: Path) -> None:
    assert 0 < available_bytes(tmp_path) <= psutil.virtual_memory().total
    assert limit_bytes(tmp_path) is None
    member(tmp_path, "0::/job\n")
    group(tmp_path, "job", "max", 5)
    assert limit_bytes(tmp_path) is None


def test_the_tightest_group_of_all_that_this_is_in_counts(tmp_path: Path) -> None:
    member(tmp_path, "0::/slice/job\n")
    group(tmp_path, "slice/job", "5000", 1000)
    group(tmp_path, "slice", "6000", 4000)
    group(tmp_path, "slice/other", "10", 10)
    assert available_bytes(tmp_path) == 2000
    assert limit_bytes(tmp_path) == 5000


def test_cached_files_are_not_in_the_way(tmp_path: Path) -> None:
    member(tmp_path, "0::/job\n")
    group(tmp_path, "job", "5000", 4000, "anon 500\ninactive_file 3000\nactive_file 400\n")
    assert available_bytes(tmp_path) == 4000


def test_a_group_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    member(tmp_path, "0::/job\n")
    group(tmp_path, "job", "5000", 6000)
    assert available_bytes(tmp_path) == 0


def test_in_a_container_the_mount_itself_is_the_group(tmp_path: Path) -> None:
    member(tmp_path, "0::/../../docker/abc\n")
    group(tmp_path, "", "7000", 1000)
    assert available_bytes(tmp_path) == 6000


@pytest.mark.parametrize(
    ("mounts", "path"),
    [
        # mounted elsewhere, as beside version 1 or by hand
        (V2.format(top="/", point="/sys/fs/cgroup/unified"), "unified/job/inner"),
        (V2.format(top="/", point="/sys/fs/cgroup/the\\040groups"), "the groups/job"),
        # what is seen of the host's hierarchy begins at the container, whose group has the host's name
        (V2.format(top="/job", point="/sys/fs/cgroup"), "inner"),
        (V2.format(top="/job", point="/sys/fs/cgroup"), ""),
    ],
)
def test_a_hierarchy_is_found_where_it_is_mounted(tmp_path: Path, mounts: str, path: str) -> None:
    member(tmp_path, "0::/job/inner\n", mounts)
    group(tmp_path, path, "5000", 1000)
    assert available_bytes(tmp_path) == 4000
    assert limit_bytes(tmp_path) == 5000


def test_version_1_is_found_where_it_is_mounted(tmp_path: Path) -> None:
    member(tmp_path, "4:memory:/docker/4f/a\n", V1.format(top="/docker/4f", point="/sys/fs/cgroup/hugetlb,memory"))
    folder = tmp_path / "sys/fs/cgroup/hugetlb,memory/a"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("4096\n")
    (folder / "memory.usage_in_bytes").write_text("96\n")
    assert limit_bytes(tmp_path) == 4096
    assert available_bytes(tmp_path) == 4000


@pytest.mark.parametrize("limit", [4096, UNLIMITED])
def test_version_1_is_read_as_well(tmp_path: Path, limit: int) -> None:
    member(tmp_path, "7:cpu,cpuacct:/a\n4:memory:/a/b\n1:name=systemd:/\n0::/\n")
    folder = tmp_path / "sys/fs/cgroup/memory/a/b"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text("96\n")
    (folder / "memory.stat").write_text("cache 70\ntotal_inactive_file 50\n")
    assert limit_bytes(tmp_path) == limit
    assert (available_bytes(tmp_path) == 4050) == (limit == 4096)


def test_sizes_are_told_in_gibibytes() -> None:
    assert [gibibytes(size) for size in (3 << 29, 40 << 30, 5000 << 30)] == ["1.5 GiB", "40 GiB", "5,000 GiB"]
