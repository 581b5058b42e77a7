"""Opening a workload in a worker: support, preparation, and the check against the reference."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from poolbench.measure.client import WorkerFailure
from poolbench.measure.headroom import gibibytes
from poolbench.measure.inputs import COPIES, InputStore, NoRoomError
from poolbench.measure.launcher import Worker
from poolbench.measure.preparation import beside
from poolbench.model.method import LayoutPolicy, Method
from poolbench.model.result import Status
from poolbench.model.subject import parse_subject
from poolbench.model.workload import Workload
from poolbench.verify.footprint import footprint

BOTH_FILLINGS = ("exact", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How workloads are opened throughout a launch. ``cold_bytes`` is what cold calls walk through."""

    method: Method
    inputs: InputStore
    launch: int = 0
    cold_bytes: int = 0

    def require_support(self, worker: Worker, workload: Workload) -> None:
        """Ask before any input is made. Raises WorkerFailure with UNSUPPORTED and the backend's reason."""
        worker.ask("supports", deadline_s=self.method.limits.request_s, workload=workload.id)

    def open(
        self,
        worker: Worker,
        workload: Workload,
        name: str,
        *,
        checks: Sequence[str],
        threads: int,
        block: int = 0,
        slow: float = 1.0,
        layout: LayoutPolicy | None = None,
        order: str = "",
    ) -> dict[str, Any]:
        """Prepare ``workload`` and check it on the fillings ``checks``; the random one stays open for timing.

        Without ``checks`` what is open is prepared again, elsewhere in memory; ``block`` makes for another place.
        ``slow`` is the factor of work beyond the plain calls that each slot is to hold, ``layout`` the subject's own
        rule, in place of the method's. With ``order`` the subject is given its input in that order of axes, lying where
        all who are given it read it, too, and not timed on the exact filling.

        Raises WorkerFailure where the result is out of bounds or the backend fails, and with UNSUPPORTED where the
        machine has too little memory: that is no failure of the subject, nor a strike against it.
        """
        worker_bytes, cap = footprint(workload).worker, self.method.limits.memory_bytes
        if worker_bytes > cap:
            raise WorkerFailure(
                Status.UNSUPPORTED,
                f"Too large to be computed here: input and output take {gibibytes(worker_bytes)}, and a worker may "
                f"take {gibibytes(cap)}.",
                alive=True,
            )
        try:
            fillings = {
                filling: {part: array.as_message() for part, array in self.inputs.filling(workload, filling).items()}
                for filling in dict.fromkeys((*checks, "random"))
            }
            shared = {"shared": self._shared(workload, name, order, block)} if order else {}
        except NoRoomError as error:
            raise WorkerFailure(Status.UNSUPPORTED, str(error), alive=True) from error
        return worker.ask(
            "open",
            deadline_s=self.method.limits.request_s,
            workload=workload.id,
            fillings=fillings,
            checks=list(checks),
            layout=(layout or self.method.layout).value,
            cache=self.method.cache.value,
            cold_bytes=self.cold_bytes,
            threads=threads,
            slow=slow,
            pad_bytes=pad_bytes(self.method.seed, self.launch, block, workload.id, kin(name)),
            **shared,
        )

    def _shared(self, workload: Workload, name: str, order: str, block: int) -> dict[str, Any]:
        """Return where the input lies, and for training the gradient: another copy on each stretch of blocks."""
        number = self.launch + block // self.method.stay % COPIES
        pad = pad_bytes(self.method.seed, number, 0, workload.id, order)
        pads = {"input": pad}
        if workload.pass_.is_training:
            pads["gradient"] = beside(pad)
        arrays = self.inputs.placed(workload, order, number, pads)
        return {"order": order, **{part: array.as_message() for part, array in arrays.items()}}


@cache
def kin(name: str) -> str:
    """Return the backend of a subject, which its copies, releases, revisions and slowed copies share."""
    return parse_subject(name).backend


def pad_bytes(seed: int, launch: int, block: int, workload: str, backend: str) -> int:
    """Return by how much a block's buffers are displaced: a multiple of a cache line, below a page.

    It is the same for all subjects of a backend: what a displacement costs then cancels in their ratio.
    """
    return random.Random(f"{seed}/{launch}/{block}/{workload}/{backend}").randrange(64) * 64
