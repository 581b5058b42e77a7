"""Operators of the installed revision in this process, opened, checked and measured by poolbench's own worker.

A subject that refuses a workload, whose framework is not installed, or that the revision does not know, is a skip;
``asv run --show-stderr`` prints the reason. A wrong result is a failure.
"""

import contextlib
import math
import os
import statistics
import sys

from asv_runner.benchmarks.mark import SkipNotImplemented

THREADS = 1
LIMIT = "limit"
LIMIT_BLOCKS = 20
_NO_DEADLINE = 0.0  # asv keeps the deadlines

# asv imports this too when it looks for benchmarks, and a revision that lacks something must not end that.
try:
    from poolbench.backends import registry
    from poolbench.errors import MissingFrameworkError, PoolbenchError, UnknownNameError
    from poolbench.measure.inputs import InputStore
    from poolbench.measure.opening import BOTH_FILLINGS, Opening
    from poolbench.measure.schedule import block_order
    from poolbench.measure.worker import Refusal, Worker
    from poolbench.model.ids import parse_id
    from poolbench.model.method import Method
    from poolbench.model.result import Status
except ImportError as error:
    MISSING = f"the present suite cannot measure this revision of poolbench ({error})."
else:
    MISSING = ""
    METHOD = Method(threads=THREADS)
    INPUTS = InputStore(seed=METHOD.seed)


def load(subjects):
    """Import the framework of ``subjects``, where it is installed. Runs no operator, so that what is forked may."""
    for subject in subjects:
        with contextlib.suppress(SkipNotImplemented):
            _backend(subject)


def prepare(subject, workload):
    """Return the call that is to be timed, which has been checked."""
    return _open(subject, workload).timed_call()


def requested_bytes(subject, workload):
    """Return the peak of what one call requests of the allocators."""
    return _memory(subject, workload, "requested")


def touched_bytes(subject, workload):
    """Return the peak of the pages that one call makes resident."""
    return _memory(subject, workload, "touched")


def times_limit(subject, workload):
    """Return the median, over palindromic blocks, of the ratio of a call's time to the streaming limit's."""
    workers = {name: _open(name, workload) for name in (subject, LIMIT)}
    loops = {name: worker.ask("calibrate", slot_ns=METHOD.slot_ns)["loops"] for name, worker in workers.items()}
    logarithms = []
    for block in range(LIMIT_BLOCKS):
        call_ns = dict.fromkeys(workers, 0.0)
        for name in block_order(tuple(workers), seed=METHOD.seed, launch=0, block=block):
            slot = workers[name].ask("slot", loops=loops[name], warm=1)
            call_ns[name] += slot["elapsed_ns"] / slot["loops"]
        logarithms.append(math.log(call_ns[subject] / call_ns[LIMIT]))
    return math.exp(statistics.median(logarithms))


class _InProcess:
    """Is asked as a worker in a process of its own is, but lives in this one."""

    def __init__(self, backend):
        self._worker = Worker(backend)

    def ask(self, op, *, deadline_s=_NO_DEADLINE, **content):
        try:
            return self._worker.handle({"op": op, **content})
        except Refusal as refusal:
            if refusal.status is Status.UNSUPPORTED:
                _skip(refusal.note)
            raise RuntimeError(f"{refusal.status.value}: {refusal.note}") from None

    def timed_call(self):
        # The revisions before this suite have the call, but no public way to it.
        public = getattr(self._worker, "timed_call", None)
        return self._worker._prepared[0].run if public is None else public()


def _open(subject, workload, *, settle=False):
    """Return a worker with ``workload`` open: prepared, and checked on both fillings."""
    worker = _InProcess(_backend(subject))
    try:
        parsed = parse_id(workload)
    except PoolbenchError as error:
        _skip(f"this revision of poolbench does not know the workload. {error}")
    # Each process lays its buffers elsewhere, as each launch of `poolbench compare` does.
    opening = Opening(method=METHOD, inputs=INPUTS, launch=os.getpid())
    opening.require_support(worker, parsed)
    if settle:
        worker.ask("settle")
    opening.open(worker, parsed, subject, checks=BOTH_FILLINGS, threads=THREADS)
    return worker


def _memory(subject, workload, part):
    try:
        amount = _open(subject, workload, settle=True).ask(part)
    except KeyError as error:
        _skip(f"the worker of this revision of poolbench has no operation {error}.")
    if amount["bytes"] is None:
        _skip(amount["note"])
    return amount["bytes"]


def _backend(subject):
    """Return the backend, its framework imported."""
    if MISSING:
        _skip(MISSING)
    try:
        backend = registry.create(subject)
        registry.require(backend)
    except (UnknownNameError, MissingFrameworkError) as error:
        _skip(str(error))
    os.environ.update(backend.environment(THREADS))
    backend.load(THREADS)
    return backend


def _skip(reason):
    print(f"poolbench: skipped: {reason}", file=sys.stderr)
    raise SkipNotImplemented(reason)
