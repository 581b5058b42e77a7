"""The windows along one axis, by arithmetic: whatever is asked of them takes time that does not grow with the axis.

A sequence of windows makes each one when it is asked for, and answers questions about all of them without a walk. The
walk is what the tests compare it with.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisWindow:
    """One window along one axis.

    It reads the input at ``range(first, first + count * step, step)``. ``counted`` is how many of its taps
    lie in the padded input, which is what an average that counts padding divides by.
    """

    first: int
    count: int
    step: int
    counted: int


class AxisWindows(Sequence[AxisWindow], ABC):
    """The windows along one axis, in the order of the output. Equal to any sequence of the same windows.

    ``size`` is how many there are: unlike ``len``, it may be more than an index can be.
    """

    size: int

    @property
    @abstractmethod
    def largest(self) -> int:
        """How many elements of the input the window reads that reads most."""

    @property
    @abstractmethod
    def are_inside(self) -> bool:
        """Whether no window has a tap in padding that an average would count."""

    @property
    @abstractmethod
    def interior(self) -> range:
        """Outputs whose windows are alike: all their taps lie in the input. What is left out are a few at the ends."""

    @abstractmethod
    def are_whole(self, *, counting_padding: bool) -> bool:
        """Whether all taps of each window lie in the input or, ``counting_padding``, in the padded input."""

    @abstractmethod
    def _at(self, output: int) -> AxisWindow:
        """Return the window of one output."""

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> AxisWindow: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[AxisWindow, ...]: ...

    def __getitem__(self, index: int | slice) -> AxisWindow | tuple[AxisWindow, ...]:
        if isinstance(index, slice):
            return tuple(self._at(output) for output in range(self.size)[index])
        if not -self.size <= index < self.size:
            raise IndexError(f"There are {self.size} windows; number {index} was asked for.")
        return self._at(index % self.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equal to tuples, whose hash would take a walk


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlidingWindows(AxisWindows):
    """``size`` windows of ``taps`` that are ``dilation`` apart, ``stride`` apart from each other.

    The first begins ``before`` elements before the input of ``length``; ``after`` elements of padding follow it.
    """

    length: int
    size: int
    taps: int
    stride: int
    dilation: int
    before: int
    after: int

    def _at(self, output: int) -> AxisWindow:
        start = self.start(output)
        skipped = -(start // self.dilation) if start < 0 else 0  # taps that lie in the left-hand padding
        first = start + skipped * self.dilation
        inside = min(self.taps - skipped, (self.length - 1 - first) // self.dilation + 1)
        counted = min(self.taps, (self.length + self.after - 1 - start) // self.dilation + 1)
        return AxisWindow(first=first, count=inside, step=self.dilation, counted=counted)

    def start(self, output: int) -> int:
        """Return where the first tap of a window lies; it is negative in the left-hand padding."""
        return output * self.stride - self.before

    @property
    def first_without_input(self) -> int | None:
        """The first output whose window would read padding alone, None where each reads something."""
        if self.before > (self.taps - 1) * self.dilation:
            return 0
        found = []
        if self.dilation > self.length:  # a window that begins in the padding may step over the whole input
            found.append(self._meets(self.length, self.dilation - 1, shift=-self.before, first=0, end=self._entering))
        behind = -(-(self.length + self.before) // self.stride)
        found.append(behind if behind < self.size else None)
        return min((output for output in found if output is not None), default=None)

    @property
    def largest(self) -> int:
        """How many elements of the input the window reads that reads most."""
        # From the first window on that begins in the input, they only lose taps at its end.
        most = self._at(self._entering).count if self._entering < self.size else 0
        if not self._entering:
            return most
        # Of those that begin before the input, later ones skip less, and each reads either so many multiples of the
        # dilation or one more, by where it enters.
        whole, rest = divmod(self.length, self.dilation)
        most = max(most, self._at(self._entering - 1).count)
        enough = max(-(-(self.before - (self.taps - whole - 1) * self.dilation) // self.stride), 0)
        if (
            rest
            and most == whole
            and self._meets(0, rest - 1, shift=-self.before, first=enough, end=self._entering) is not None
        ):
            return whole + 1
        return most

    @property
    def are_inside(self) -> bool:
        """Whether no window has a tap in padding that an average would count."""
        if self.before:
            return False
        if not self.after:
            return True
        # The windows that reach the end: is there one that has a tap in the padding, rather than beyond all of it?
        first = max(-(-(self.length - (self.taps - 1) * self.dilation) // self.stride), 0)
        last = min(self.after, self.dilation) - 1
        return self._meets(0, last, shift=-self.length, first=first, end=self.size) is None

    @property
    def interior(self) -> range:
        """Outputs of which all taps lie in the input."""
        first = self._entering
        last = (self.length - 1 - (self.taps - 1) * self.dilation + self.before) // self.stride
        return range(first, max(min(last + 1, self.size), first))

    def reads(self) -> Iterator[range]:
        """Yield which elements are read, each as often as it is: window by window or tap by tap, as are fewer."""
        if self.size <= self.taps:
            yield from (range(w.first, w.first + w.count * w.step, w.step) for w in self)
            return
        for tap in range(self.taps):
            offset = tap * self.dilation - self.before
            first = max(-(offset // self.stride), 0)
            last = min((self.length - 1 - offset) // self.stride, self.size - 1)
            yield range(first * self.stride + offset, last * self.stride + offset + 1, self.stride)

    def are_whole(self, *, counting_padding: bool) -> bool:
        """Whether all taps of each window lie in the input or, ``counting_padding``, in the padded input."""
        # What reaches beyond the end reaches furthest in the last window.
        last = self._at(self.size - 1)
        if counting_padding:
            return last.counted == self.taps
        return not self.before and last.count == self.taps

    @property
    def _entering(self) -> int:
        """How many windows begin before the input."""
        return min(-(-self.before // self.stride), self.size)

    def _meets(self, low: int, high: int, *, shift: int, first: int, end: int) -> int | None:
        """Return the least output in ``range(first, end)`` whose ``(output * stride + shift) % dilation`` fits a range.

        The range is from ``low`` to ``high``, both included. Such a remainder is where a window's taps enter the input,
        or its padding. None where there is no such output.
        """
        shift += first * self.stride
        low, high = (low - shift) % self.dilation, (high - shift) % self.dilation
        # A range that wraps around holds zero, which is where the first one stands.
        steps = 0 if low > high else _first_multiple(self.stride % self.dilation, self.dilation, low, high)
        if steps is None or first + steps >= end:
            return None
        return first + steps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdaptiveWindows(AxisWindows):
    """``size`` windows that share ``length`` elements: window i reads from ⌊i·L/O⌋ up to ⌈(i+1)·L/O⌉."""

    length: int
    size: int

    def _at(self, output: int) -> AxisWindow:
        first, end = output * self.length // self.size, -(-(output + 1) * self.length // self.size)
        return AxisWindow(first=first, count=end - first, step=1, counted=end - first)

    @property
    def largest(self) -> int:
        """How many elements of the input the window reads that reads most."""
        # With i·L mod O = a, which takes all multiples of gcd(L, O) below O, window i has ⌈(a + L)/O⌉ elements.
        common = math.gcd(self.length, self.size)
        return -(-(self.size - common + self.length) // self.size)

    @property
    def are_inside(self) -> bool:
        """There is no padding."""
        return True

    @property
    def interior(self) -> range:
        """None that could be named without a walk."""
        return range(0)

    def are_whole(self, *, counting_padding: bool) -> bool:
        """Each has its taps where its elements are."""
        return True


def _first_multiple(step: int, modulus: int, low: int, high: int) -> int | None:
    """Return the least x from 0 on with ``low <= step * x % modulus <= high``, None where there is none.

    Needs ``0 <= low <= high < modulus`` and ``0 <= step < modulus``. It takes the steps of Euclid's algorithm: where no
    multiple lies in the range before the first wrap, x follows from how many wraps there must be, which is the same
    question with the remainders of ``step``.
    """
    if low == 0:
        return 0
    if step == 0:
        return None
    x = -(-low // step)
    if step * x <= high:
        return x
    wraps = _first_multiple(modulus % step, step, -high % step, -low % step)
    return None if wraps is None else -(-(low + modulus * wraps) // step)
