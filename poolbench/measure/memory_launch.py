"""The memory launch: one workload and one subject in a worker of its own, once in a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from poolbench.measure.client import WorkerFailure
from poolbench.measure.launcher import Launcher
from poolbench.measure.opening import Opening
from poolbench.measure.strikes import Strikes
from poolbench.model.memory import Amount, Memory, least_bytes, not_measured
from poolbench.model.method import Cache
from poolbench.model.result import ResultRow, Status
from poolbench.model.subject import Subject
from poolbench.model.workload import Pass, Workload


@dataclass(slots=True, kw_only=True)
class MemoryLaunches:
    """Measures and remembers. A failure is told in place of the amounts, and harms nothing else of the run."""

    launcher: Launcher
    _known: dict[tuple[str, str], Memory] = field(default_factory=dict, init=False)
    _strikes: Strikes = field(default_factory=Strikes, init=False)

    def recall(self, rows: Iterable[ResultRow]) -> None:
        """Take over what stored rows know."""
        for row in rows:
            if row.memory is not None:
                self._known[row.workload, row.subject] = row.memory

    def memory(self, workload: Workload, subject: Subject, opening: Opening) -> Memory:
        """Return the account of one call of ``subject``, measuring it where that has not been done."""
        key = (workload.id, str(subject))
        if key not in self._known:
            self._known[key] = self._account(workload, subject, opening)
        return self._known[key]

    def _account(self, workload: Workload, subject: Subject, opening: Opening) -> Memory:
        amounts: dict[str, Amount] = {}
        name = str(subject)
        struck_out = self._strikes.struck_out(name)
        if struck_out is None:
            try:
                self._measure(amounts, workload, subject, opening)
            except WorkerFailure as failure:
                self._strikes.note(name, failure.status)
                why = f"{failure.status}: {failure.note}"
            else:
                self._strikes.note(name, Status.OK)
                why = ""
        else:
            why = f"{struck_out}: not tried, as it failed in this way before."
        found = {part: amounts.get(part, not_measured(why)) for part in _parts(workload)}
        return Memory(
            output_bytes=workload.output_bytes,
            least_bytes=least_bytes(workload),
            saved=found.get("saved", Amount()),
            requested=found["requested"],
            touched=found["touched"],
        )

    def _measure(self, amounts: dict[str, Amount], workload: Workload, subject: Subject, opening: Opening) -> None:
        """Write each amount into ``amounts`` as it is known, so that what comes before a failure is kept."""
        method = opening.method
        deadline_s = method.limits.request_s
        worker = self.launcher.open_worker(subject)
        try:
            worker.ask("settle", deadline_s=deadline_s)
            hot = replace(opening, method=replace(method, cache=Cache.HOT))  # one buffer: it is one call that counts
            threads = subject.threads or method.threads
            # Checked here too: the settings of this worker must not have changed the answer.
            hot.open(worker, workload, str(subject), checks=("random",), threads=threads, layout=subject.layout)
            for part in _parts(workload):
                reply = worker.ask(part, deadline_s=deadline_s, output_bytes=workload.output_bytes)
                amounts[part] = Amount(bytes=reply["bytes"], note=reply["note"])
        finally:
            worker.close()


def _parts(workload: Workload) -> tuple[str, ...]:
    """Return what is measured, in order: what memray measures, which hooks into every library, comes last."""
    saved = () if workload.pass_ is Pass.FORWARD else ("saved",)
    return ("touched", *saved, "requested")
