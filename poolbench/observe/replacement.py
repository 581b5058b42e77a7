"""What ``replace_pooling`` did to a model, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from poolbench.quantities import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingSite:
    """A place in a model where it pools: the path of its layer ("" for the model itself), and what is called there.

    ``calls`` is how often the model came by on its inputs. ``is_module`` says that the layer is one of PyTorch's
    pooling modules.
    """

    layer: str
    function: str
    calls: int
    is_module: bool

    def __str__(self) -> str:
        return f"{self.layer or 'the model'} ({self.function})"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A place that stays as it was, and the sentence that says why."""

    site: PoolingSite
    reason: str

    def __str__(self) -> str:
        return f"{self.site}: {self.reason}"


class Replacement:
    """What was replaced in a model and what was left alone. ``undo``, or the end of ``with``, takes it back."""

    def __init__(
        self, replaced: Sequence[PoolingSite], left: Sequence[LeftAlone], undoing: Sequence[Callable[[], None]]
    ) -> None:
        self.replaced = tuple(replaced)
        self.left = tuple(left)
        self._undoing = list(undoing)

    @property
    def is_undone(self) -> bool:
        """Whether nothing is replaced, or no longer."""
        return not self._undoing

    def undo(self) -> None:
        """Make the model what it was. A second time does nothing."""
        while self._undoing:
            self._undoing.pop()()

    def __enter__(self) -> Replacement:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def __str__(self) -> str:
        lines = [f"{counted(len(self.replaced), 'place')} replaced, {len(self.left)} left alone."]
        lines += [f"replaced: {site}" for site in self.replaced]
        lines += [f"left alone: {left}" for left in self.left]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Replacement: {len(self.replaced)} replaced, {len(self.left)} left alone>"
