"""The three kinds of benchmark, made for a framework's subjects by ``benchmarks``.

There is no ``setup``: with one, asv times single calls, which drowns an operator of microseconds in two readings of the
clock. What is to be timed is prepared when it is first called, and ``WarmUp`` keeps asv from taking that for a call.
"""

import os
import time
from importlib import import_module

from ._workloads import WORKLOADS

PRELOAD = "POOLBENCH_ASV_PRELOAD"
"""Names the module whose subjects' framework asv's fork server loads, so that not every case has to."""

VERSION = "1"
"""Raised when a change to what is measured should begin new series; without it asv would hash this source."""

_frameworks = {}
_preparation_s = 0.0
_calls = {}
_latest_subject = _latest_workload = _latest_call = None


class WarmUp(float):
    """Seconds to warm up for once the operator is prepared.

    asv asks for ``start + warmup_time`` again after each trial, and so do we answer: the preparation, which the first
    trial contains, is added. Else a first trial of a tenth of a second would pass for a call of that length, and asv
    would time calls one by one.
    """

    def __radd__(self, start):
        return start + _preparation_s + float(self)


def benchmarks(framework, *subjects):
    """Return the classes ``Latency``, ``Memory`` and ``Limit`` for ``subjects``, all of one framework's module."""
    _frameworks[framework] = subjects
    module = f"{__package__}.{framework}"

    class Case:
        __module__ = module
        params = (list(subjects), list(WORKLOADS))
        param_names = ("subject", "workload")
        version = VERSION
        timeout = 120

    class Latency(Case):
        """How long a call takes, checked before it is timed; inputs lie in the caches, one thread."""

        __module__ = module
        warmup_time = WarmUp(0.05)
        rounds = 2
        repeat = (2, 10, 0.5)

        def time_call(self, subject, workload):
            # asv passes the same objects again and again. To compare them costs half of looking a pair of names up,
            # which would be seen in a call of five microseconds.
            if workload is not _latest_workload or subject is not _latest_subject:
                _choose(subject, workload)
            _latest_call()

        time_call.version = VERSION

    class Memory(Case):
        """What one call requests of the allocators, and which pages it touches, at the peak."""

        __module__ = module
        unit = "bytes"

        def track_requested_bytes(self, subject, workload):
            return _operators().requested_bytes(subject, workload)

        def track_touched_bytes(self, subject, workload):
            return _operators().touched_bytes(subject, workload)

    class Limit(Case):
        """The time of a call over that of reading its input and writing its output once, measured in turns."""

        __module__ = module
        unit = "times the streaming limit"

        def track_times_limit(self, subject, workload):
            return _operators().times_limit(subject, workload)

    return Latency, Memory, Limit


def preload():
    """Load the framework that PRELOAD names, where this process is asv's fork server."""
    framework = os.environ.get(PRELOAD)
    if framework and _is_fork_server():
        import_module(f"{__package__}.{framework}")
        _operators().load(_frameworks[framework])


def _is_fork_server():
    with open("/proc/self/cmdline", "rb") as file:
        return b"run_server" in file.read().split(b"\0")


def _choose(subject, workload):
    """Make the operator the one that is called; prepare it where it is asked for the first time."""
    global _latest_subject, _latest_workload, _latest_call, _preparation_s
    if (subject, workload) not in _calls:
        begin = time.perf_counter()
        _calls[subject, workload] = _operators().prepare(subject, workload)
        _preparation_s = time.perf_counter() - begin
    _latest_subject, _latest_workload, _latest_call = subject, workload, _calls[subject, workload]


def _operators():
    from . import _operators as operators

    return operators
