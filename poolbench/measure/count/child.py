"""The counted process: prepares a subject as a worker does, checks it, warms it up, and calls it between marks.

    stepper OUTPUT LIMIT MODE python -m poolbench.measure.count.child   (the request as JSON on the standard input)

It answers on its standard output before it marks anything; what a framework prints goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from poolbench.backends import registry
from poolbench.errors import PoolbenchError
from poolbench.measure.count.marks import Empty, marked
from poolbench.measure.inputs import InputStore, NoRoomError
from poolbench.measure.opening import BOTH_FILLINGS
from poolbench.measure.preparation import Refusal
from poolbench.measure.worker import Worker
from poolbench.model.ids import parse_id
from poolbench.model.method import Cache
from poolbench.model.result import Status

WARM = 300
"""Calls before the counted ones. Dispatch caches are filled by then, and the interpreter has specialised its code: it
tries again ever more rarely."""

REPEATS = 3
"""Counted calls: the least is the count, and exact where two have it."""


def main() -> int:
    """Carry out the request on the standard input."""
    answer = os.dup(1)
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    with InputStore(seed=request["seed"]) as inputs:
        try:
            worker = Worker(registry.create(request["backend"]))
            reply = _open(worker, request, inputs)
        except Refusal as refusal:
            reply = {"ok": False, "status": refusal.status.value, "note": refusal.note}
        except (PoolbenchError, NoRoomError) as error:
            reply = {"ok": False, "status": Status.FAILED.value, "note": str(error)}
        except Exception as error:
            # A framework may raise anything at all; whatever it is becomes the reason that nothing was counted.
            reply = {"ok": False, "status": Status.FAILED.value, "note": f"{type(error).__name__}: {error}"}
        os.write(answer, json.dumps(reply).encode())
        os.close(answer)
        if reply["ok"]:
            marked(Empty().run, repeats=1, warm=request["warm"])
            marked(worker.timed_call(), repeats=request["repeats"], warm=request["warm"])
    return 0


def _open(worker: Worker, request: dict[str, Any], inputs: InputStore) -> dict[str, Any]:
    workload = parse_id(request["workload"])
    registry.create(request["backend"]).load(request["threads"])
    worker.handle({"op": "supports", "workload": workload.id})
    # By a path that is as long in every process: where strings lie must not depend on the process's number.
    own = f"/proc/{os.getpid()}/"
    fillings = {
        filling: {
            part: {**array.as_message(), "path": array.path.replace(own, "/proc/self/")}
            for part, array in inputs.filling(workload, filling).items()
        }
        for filling in BOTH_FILLINGS
    }
    reply = worker.handle(
        {
            "op": "open",
            "workload": workload.id,
            "fillings": fillings,
            "checks": list(BOTH_FILLINGS),
            "layout": request["layout"],
            "cache": Cache.HOT.value,
            "cold_bytes": 0,
            "threads": request["threads"],
            "slow": 1.0,
            "pad_bytes": 0,
        }
    )
    return {"ok": True, "kernels": reply["kernels"], "layout": reply["layout"]}


if __name__ == "__main__":
    sys.exit(main())
