"""CPU quotas of planted control groups."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from poolbench.measure import advice as advice_module
from poolbench.measure import cores
from poolbench.measure.advice import thread_notes
from poolbench.measure.machine import conditions
from poolbench.measure.quota import cpu_quota

V2 = "31 23 0:28 {top} /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
V1 = "32 31 0:29 {top} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
OTHER_V1 = "34 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"


def plant(root: Path, mounts: str, group: str, files: Mapping[str, str]) -> Path:
    for name, text in {
        "proc/self/mountinfo": "23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts,
        "proc/self/cgroup": group,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("mounts", "group", "files", "expected"),
    [
        # version 2: no limit, a container's own group at the top, and groups within each other
        (V2.format(top="/"), "0::/\n", {"cpu.max": "max 100000\n"}, None),
        (V2.format(top="/"), "0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        (V2.format(top="/"), "0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, 0.5),
        (V2.format(top="/"), "0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "30000 10000\n"}, 3.0),
        (V2.format(top="/"), "0::/a\n", {"b/cpu.max": "50000 100000\n"}, None),
        # what is seen of the host's hierarchy begins at the container, whose group has the host's name
        (V2.format(top="/docker/4f"), "0::/docker/4f/x\n", {"x/cpu.max": "50000 100000\n"}, 0.5),
        (V2.format(top="/"), "0::/../4f\n", {"cpu.max": "50000 100000\n"}, 0.5),
        # version 1, in a hierarchy of its own or with cpuacct
        (V1.format(top="/"), "4:cpu,cpuacct:/a\n", {"cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n"}, None),
        (V1.format(top="/"), "4:cpu,cpuacct:/a\n", {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n"}, 2.5),
        (
            V1.format(top="/") + OTHER_V1,
            "5:memory:/m\n4:cpu,cpuacct:/a/b\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "100000\n", "cpu,cpuacct/a/b/cpu.cfs_quota_us": "250000\n"},
            1.0,
        ),
        (V1.format(top="/docker/4f"), "4:cpu,cpuacct:/docker/4f\n", {"cpu,cpuacct/cpu.cfs_quota_us": "50000\n"}, 0.5),
        # both, as on systems between the two
        (
            V2.format(top="/") + V1.format(top="/"),
            "4:cpu,cpuacct:/a\n0::/a\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "200000\n", "a/cpu.max": "max 100000\n"},
            2.0,
        ),
        # what tells nothing
        ("", "", {}, None),
        (V2.format(top="/"), "", {"cpu.max": "50000 100000\n"}, None),
        (V2.format(top="/"), "0::/\n", {"cpu.max": "nonsense\n"}, None),
        (V2.format(top="/"), "0::/\n", {"cpu.max": "50000 0\n"}, None),
    ],
)
def test_the_smallest_quota_on_the_way_up(
    tmp_path: Path, mounts: str, group: str, files: dict[str, str], expected: float | None
) -> None:
    periods = {name.replace("quota", "period"): "100000\n" for name in files if name.endswith("quota_us")}
    root = plant(tmp_path, mounts, group, {**periods, **files})
    assert cpu_quota(root) == expected
    assert conditions(root).cpu_quota == expected


def test_a_folder_whose_name_has_a_blank(tmp_path: Path) -> None:
    mount = r"31 23 0:28 / /sys/fs/cgroup/the\040groups rw - cgroup2 cgroup2 rw" + "\n"
    assert cpu_quota(plant(tmp_path, mount, "0::/\n", {"the groups/cpu.max": "50000 100000\n"})) == 0.5


@pytest.mark.parametrize(
    ("allowed", "quota", "expected"), [(8, None, 8), (8, 1.5, 2), (8, 2.0, 2), (8, 0.2, 1), (2, 4.0, 2)]
)
def test_threads_that_can_run_at_once(
    monkeypatch: pytest.MonkeyPatch, allowed: int, quota: float | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)))
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert cores.usable_cores() == expected


def test_more_threads_than_can_run_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice_module, "usable_cores", lambda: 2)
    assert thread_notes(2) == thread_notes(1, [2, None]) == ()
    for note in (*thread_notes(4), *thread_notes(1, [None, 4])):
        assert note.startswith("4 threads are asked for, and 2 can run here at once")
    assert len(thread_notes(4)) == len(thread_notes(1, [None, 4])) == 1
