"""How many threads a call works on by default: as many as affinity and the control groups' quota leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from poolbench.strided import _pool

SECOND = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
FIRST = (
    "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 24 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
)


def write(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(root)


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, 0),
        ({"sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5),
        ({"sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 0),
        ({"sys/fs/cgroup/a/cpu.max": "nonsense\n"}, 0),
        ({"sys/fs/cgroup/a/cpu.max": ""}, 0),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        ({"sys/fs/cgroup/cpu.max": "300000 100000\n", "sys/fs/cgroup/a/cpu.max": "800000 100000\n"}, 3),
        ({"sys/fs/cgroup/other/cpu.max": "50000 100000\n"}, 0),
    ],
    ids=str,
)
def test_the_second_version_of_control_groups(tmp_path: Path, files: dict[str, str], quota: float) -> None:
    root = write(tmp_path, {"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": SECOND, **files})
    assert _pool.cpu_quota(root) == quota


@pytest.mark.parametrize(
    ("quota_us", "period_us", "quota"), [("250000", "100000", 2.5), ("-1", "100000", 0), ("50000", "0", 0), ("", "", 0)]
)
def test_the_first_version(tmp_path: Path, quota_us: str, period_us: str, quota: float) -> None:
    group = "sys/fs/cgroup/cpu,cpuacct/user/me"
    files = {
        "proc/self/cgroup": "5:cpuset:/elsewhere\n4:cpu,cpuacct:/user/me\n",
        "proc/self/mountinfo": FIRST,
        f"{group}/cpu.cfs_quota_us": f"{quota_us}\n",
        f"{group}/cpu.cfs_period_us": f"{period_us}\n",
        "sys/fs/cgroup/cpuset/elsewhere/cpu.cfs_quota_us": "1\n",
        "sys/fs/cgroup/cpuset/elsewhere/cpu.cfs_period_us": "1\n",
    }
    assert _pool.cpu_quota(write(tmp_path, files)) == quota


def test_a_container_sees_its_part_of_the_tree(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/docker/abc/inner\n0::/docker/abc/inner\n",
        "proc/self/mountinfo": FIRST.replace(" / /sys", " /docker/abc /sys"),
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert _pool.cpu_quota(write(tmp_path, files)) == 2


def test_both_versions_at_once_leave_the_lesser(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/\n0::/\n",
        "proc/self/mountinfo": FIRST + SECOND.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/unified/cpu.max": "100000 100000\n",
    }
    assert _pool.cpu_quota(write(tmp_path, files)) == 1


def test_a_folder_that_is_not_there_has_no_quota(tmp_path: Path) -> None:
    assert _pool.cpu_quota(str(tmp_path / "nothing")) == 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity")
def test_threads_are_no_more_than_affinity_and_quota_leave() -> None:
    allowed = len(os.sched_getaffinity(0))
    quota = _pool.cpu_quota()
    assert _pool.processors() == (min(allowed, -int(-quota // 1)) if quota else allowed)
