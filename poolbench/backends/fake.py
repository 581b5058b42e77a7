"""Subjects for tests: one that answers right, and one for each way of going wrong.

``Fake`` computes through the reference, so it is right by definition and slow. The others deviate from it in a single
way each: they prove that a run survives its subjects.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support
from poolbench.backends.training import TrainingCall
from poolbench.model.workload import Workload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Fake:
    """Answers right."""

    name = "fake"
    framework = ""

    def supports(self, workload: Workload) -> Support:
        """Whatever the reference computes, which is everything."""
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Need nothing."""
        return {}

    def load(self, threads: int) -> None:
        """Import nothing."""

    def facts(self) -> Mapping[str, str]:
        """Say what this is."""
        return {"fake": self.name}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Compute the answer here; the timed call copies it."""
        answer = _answer(workload, source.array)
        if source.gradient is not None:
            return self._prepare_training(workload, source, answer)
        return Call(layout=workload.order, compute=self.call(answer), fetch=lambda result: result)

    def call(self, answer: NDArray[Any]) -> Any:
        """Return the timed function, which gives ``answer``."""
        return answer.copy

    def gradient_call(self, answer: NDArray[Any]) -> Any:
        """Return the timed function of a backward, which gives ``answer``."""
        return self.call(answer)

    def _prepare_training(self, workload: Workload, source: Source, answer: NDArray[Any]) -> Prepared:
        pool, send = self.call(answer), self.gradient_call(_gradient(workload, source))
        return TrainingCall(
            layout=workload.order,
            pass_=workload.pass_,
            forward=lambda: (pool(), send),
            fetch=lambda result: result,
            fetch_gradient=lambda result: result,
        )


class Crash(Fake):
    """Ends itself with a signal during the first call."""

    name = "fake:crash"

    def call(self, answer: NDArray[Any]) -> Any:
        """Return a function that never returns."""
        return lambda: os.kill(os.getpid(), signal.SIGSEGV)


class Hang(Fake):
    """Never comes back."""

    name = "fake:hang"

    def call(self, answer: NDArray[Any]) -> Any:
        """Return a function that never returns."""

        def hang() -> None:
            while True:
                time.sleep(3600)

        return hang


class Memory(Fake):
    """Takes memory without end."""

    name = "fake:memory"

    def call(self, answer: NDArray[Any]) -> Any:
        """Return a function that returns only by running out of memory."""

        def eat() -> None:
            import numpy as np

            hoard: list[NDArray[np.uint8]] = []
            while True:
                # Not touched: the cap is on what is mapped, and filling gigabytes takes a small machine a minute.
                hoard.append(np.empty(16 << 20, dtype=np.uint8))

        return eat


class Wrong(Fake):
    """Is off in one element."""

    name = "fake:wrong"

    def call(self, answer: NDArray[Any]) -> Any:
        """Return a function that spoils the last element."""

        def spoil() -> NDArray[Any]:
            result = answer.copy()
            result.reshape(-1)[-1] += 1
            return result

        return spoil


class WrongGradient(Fake):
    """Pools right, and has a gradient that is off in one element."""

    name = "fake:wrong_gradient"

    def gradient_call(self, answer: NDArray[Any]) -> Any:
        """Return a function that spoils the last element."""
        return Wrong().call(answer)


class Chatty(Fake):
    """Prints to stdout without end, from a thread of its own, and answers right."""

    name = "fake:chatty"

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Start to talk."""

        def talk() -> None:
            while True:
                sys.stdout.write("poolbench must not read this\n" * 64)
                sys.stdout.flush()

        threading.Thread(target=talk, daemon=True).start()
        return super().prepare(workload, source)


class Dies(Fake):
    """Answers right, and dies soon after, while nobody asks it anything."""

    name = "fake:dies"

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Set the end."""
        timer = threading.Timer(0.05, os._exit, args=(7,))
        timer.daemon = True
        timer.start()
        return super().prepare(workload, source)


def _answer(workload: Workload, array: NDArray[Any]) -> NDArray[Any]:
    """Return the reference's result in the workload's dtype, batch and channels outermost."""
    from poolbench.verify.fill import to_reference
    from poolbench.verify.reference import pool

    values = to_reference(array, workload.order)
    result: NDArray[Any] = pool(workload.spec, values).astype(array.dtype)
    return result


def _gradient(workload: Workload, source: Source) -> NDArray[Any]:
    """Return the reference's gradient of the input in the workload's dtype, batch and channels outermost."""
    from poolbench.verify.fill import to_reference
    from poolbench.verify.gradient import pool_gradient

    assert source.gradient is not None
    values, given = (to_reference(array, workload.order) for array in (source.array, source.gradient))
    result: NDArray[Any] = pool_gradient(workload.spec, values, given).astype(source.array.dtype)
    return result
