"""``with poolbench.capture() as calls``: the pooling calls of any code of PyTorch's, in the process that it runs in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, overload

from poolbench.errors import MissingFrameworkError, UsageError
from poolbench.model.capture import Capture, CapturedCall
from poolbench.model.workload import Pass, Workload
from poolbench.observe.gather import gather
from poolbench.observe.sighting import Report
from poolbench.observe.writing import write_catalogue

if TYPE_CHECKING:
    from poolbench.observe.torch_watch import TorchWatch


class Calls(Sequence[CapturedCall]):
    """The pooling calls of the code inside of the context, once it has ended; equal calls are one entry.

    ``count`` of an entry is how often the code made the call: put one step inside for the calls of a step.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._watch: TorchWatch | None = None
        self._capture: Capture | None = None

    @property
    def capture(self) -> Capture:
        """All that was seen. Raises UsageError before the context has ended."""
        if self._capture is None:
            raise UsageError("The calls are known when the context of poolbench.capture() has ended: ask behind it.")
        return self._capture

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """The workloads that some backend can measure, each once, with their counts as ``weight``."""
        return self.capture.workloads

    def write(self, path: str | Path) -> None:
        """Write the workloads as a file that every verb takes by ``-w``.

        Raises UsageError where there is none to write, StoreError where the file cannot be written.
        """
        write_catalogue(self.capture, Path(path))

    def __len__(self) -> int:
        return len(self.capture.calls)

    @overload
    def __getitem__(self, index: int) -> CapturedCall: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CapturedCall]: ...
    def __getitem__(self, index: int | slice) -> CapturedCall | Sequence[CapturedCall]:
        return self.capture.calls[index]

    def __enter__(self) -> Calls:
        try:
            import torch  # noqa: F401 - told here, where a reader of the sentence can do something about it
        except ImportError as error:
            raise MissingFrameworkError(
                "poolbench.capture() watches PyTorch, which is not installed here: pip install 'poolbench[torch]'."
            ) from error
        from poolbench.observe.torch_watch import TorchWatch

        if self._watch is not None:
            raise UsageError("This context of poolbench.capture() was entered before: make another one.")
        self._watch = TorchWatch()
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import torch

        assert self._watch is not None
        self._watch.stop()
        report = Report(framework="torch", version=str(torch.__version__), sightings=self._watch.sightings)
        is_training = any(Pass(seen.pass_).is_training for seen in report.sightings)
        self._capture = gather(report, target=self._name, pass_=Pass.TRAINING if is_training else Pass.FORWARD)
