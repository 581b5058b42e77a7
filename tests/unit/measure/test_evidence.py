"""What the machine did during a block."""

from __future__ import annotations

import os

from poolbench.measure.evidence import Evidence, Reading, read

TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def test_the_counters_are_read(tmp_path):
    (tmp_path / "pressure").mkdir()
    (tmp_path / "stat").write_text("cpu  10 1 5 900 7 2 3 11 99 99\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    (tmp_path / "pressure" / "cpu").write_text("some avg10=0.00 avg60=0.00 total=1234\nfull avg10=0.00 total=9\n")
    reading = read(tmp_path)
    assert reading.busy_ns == (10 + 1 + 5 + 2 + 3) * TICK  # guests are in the first two already
    assert reading.steal_ns == 11 * TICK
    assert reading.pressure_ns == 1_234_000


def test_what_the_system_does_not_tell_is_nothing(tmp_path):
    reading = read(tmp_path)
    assert (reading.busy_ns, reading.steal_ns, reading.pressure_ns) == (0, 0, 0)


def test_a_stretch_of_blocks_has_what_happened_within_it():
    readings = iter([Reading(0, 0, 0, 0), Reading(100, 50, 7, 1), Reading(300, 250, 9, 1)])
    evidence = Evidence(lambda: next(readings))
    evidence.begin(4)
    evidence.end()
    evidence.end()  # none has begun since
    (block,) = evidence.blocks
    assert (block.block, block.wall_ns, block.busy_ns, block.steal_ns, block.pressure_ns) == (4, 200, 200, 2, 0)
