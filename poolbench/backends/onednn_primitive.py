"""oneDNN called through its C interface, with nothing between the array and its pooling primitive.

Semantics: maxima over what a window reads of the input, averages over that or over the whole window
(https://uxlfoundation.github.io/oneDNN/dev_guide_pooling.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

from poolbench.backends import onednn_library as onednn
from poolbench.backends.base import SUPPORTED, Prepared, Source, Support, refused
from poolbench.backends.geometry import exact_padding, is_below_window
from poolbench.backends.onednn_calls import average, prepared_forward, prepared_training
from poolbench.model.pooling import Kind
from poolbench.model.workload import DType, Workload, channels_last_order, default_order


class ChannelsFirst:
    """A pooling primitive on plain arrays whose channels stand before the spatial axes."""

    name = "onednn"
    framework = onednn.PACKAGE
    reuses_output = False
    """Whether each call writes to the same arrays, and makes none of its own."""

    def supports(self, workload: Workload) -> Support:
        """Say whether one primitive computes ``workload``, and for a training pass its backward."""
        spec, dtype = workload.spec, workload.dtype
        if dtype is DType.I32:
            return refused("Its maxima of i32 are compared as float32, so that they come out rounded from 2**24 on.")
        if dtype not in onednn.DTYPES:
            return refused(f"Its primitives are called here with f32, i8 and u8 alone, and not with {dtype}.")
        if spec.kind is Kind.AVG and dtype is not DType.F32:
            return refused(f"Its averages of {dtype} are rounded to whole numbers.")
        windowed = spec.as_windowed(workload.spatial)
        if windowed is None:
            return refused("There is no adaptive pooling in oneDNN: its windows are alike, and these are not.")
        if not is_below_window(exact_padding(windowed, workload.spatial), windowed):
            return refused("Padding must be below the window's size for oneDNN.")
        if spec.kind is Kind.AVG and average(windowed, workload) is None:
            return refused("An average is divided by its window, or by what that reads of the input, alone.")
        return SUPPORTED

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return OpenMP's variables: oneDNN takes as many threads as OpenMP gives."""
        return {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}

    def load(self, threads: int) -> None:
        """Open the library; threads are OpenMP's."""
        onednn.library()

    def facts(self) -> Mapping[str, str]:
        """Return the package's release and the library's instruction set, as it numbers them."""
        return {
            onednn.PACKAGE: metadata.version(onednn.PACKAGE),
            "isa": f"{onednn.isa():#x}",
            "output": "reused" if self.reuses_output else "new",
        }

    def form(self, rank: int) -> onednn.Form:
        """Return how the arrays lie that the primitive is given."""
        return onednn.Form(default_order(rank))

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Make the primitives; under GIVEN the timed call brings the caller's arrays into their form and back."""
        prepare = prepared_training if workload.pass_.is_training else prepared_forward
        return prepare(workload, source, self.form(workload.spec.rank), reuses=self.reuses_output)


class Out(ChannelsFirst):
    """The same, writing to arrays that are made once."""

    name = "onednn:out"
    reuses_output = True


class ChannelsLast(ChannelsFirst):
    """The same on arrays whose channels are innermost."""

    name = "onednn:channels_last"

    def form(self, rank: int) -> onednn.Form:
        """Return how the arrays lie that the primitive is given."""
        return onednn.Form(channels_last_order(rank))


class ChannelsLastOut(ChannelsLast):
    """The same, writing to arrays that are made once."""

    name = "onednn:channels_last_out"
    reuses_output = True


class Blocked(ChannelsFirst):
    """The same in oneDNN's own layout, with the channels in blocks of a vector's width innermost."""

    name = "onednn:blocked"

    def supports(self, workload: Workload) -> Support:
        """Say whether one primitive computes ``workload``."""
        if workload.dtype in (DType.I8, DType.U8):
            return refused("Its kernels for 8-bit integers have the channels last: no blocked layout.")
        return super().supports(workload)

    def form(self, rank: int) -> onednn.Form:
        """Return how the arrays lie that the primitive is given."""
        return onednn.Form(default_order(rank), onednn.widest_block())


class BlockedOut(Blocked):
    """The same, writing to arrays that are made once."""

    name = "onednn:blocked_out"
    reuses_output = True
