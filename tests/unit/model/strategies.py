"""Workloads of every kind that the id grammar can write, small enough to enumerate their windows."""

from dataclasses import replace

from hypothesis import reject
from hypothesis import strategies as st

from poolbench.errors import InvalidSpecError
from poolbench.model.pooling import Kind, PoolSpec, dilated
from poolbench.model.workload import (
    CONTIGUOUS,
    DType,
    Pass,
    View,
    ViewKind,
    Workload,
    channels_last_order,
    default_order,
)


@st.composite
def windowed_specs(draw: st.DrawFn, rank: int) -> PoolSpec:
    kind = draw(st.sampled_from(Kind))

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        return draw(st.tuples(*[st.integers(low, high)] * rank))

    is_average = kind is Kind.AVG
    include_padding = not is_average or draw(st.booleans())
    return PoolSpec.windowed(
        kind,
        per_axis(1, 6),
        stride=per_axis(1, 4),
        padding=draw(st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * rank)),
        dilation=per_axis(1, 3),
        ceil_mode=draw(st.booleans()),
        include_padding=include_padding,
        divisor=draw(st.none() | st.integers(1, 9)) if is_average and include_padding else None,
    )


@st.composite
def adaptive_specs(draw: st.DrawFn, rank: int) -> PoolSpec:
    return PoolSpec.adaptive(draw(st.sampled_from(Kind)), draw(st.tuples(*[st.integers(1, 5)] * rank)))


@st.composite
def views(draw: st.DrawFn, channels: int) -> View:
    kind = draw(st.sampled_from(ViewKind))
    extra = draw(st.integers(1, 9))
    return View(kind=kind, channels=channels + extra if kind is ViewKind.CHANNEL_SLICE else None)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    rank = draw(st.sampled_from([1, 2, 3]))
    spec = draw(windowed_specs(rank).map(_without_windows_of_padding) | adaptive_specs(rank))
    channels = draw(st.integers(1, 70))
    dtype = draw(st.sampled_from(DType))
    pass_ = draw(st.sampled_from(Pass)) if dtype.is_float else Pass.FORWARD
    least = (
        [1] * rank
        if spec.window is None
        else [dilated(*sizes) for sizes in zip(spec.window, spec.dilation, strict=True)]
    )
    try:
        return Workload(
            spec=spec,
            batch=draw(st.integers(1, 9)),
            channels=channels,
            spatial=draw(st.tuples(*[st.integers(length, length + 9) for length in least])),
            dtype=dtype,
            order=draw(st.sampled_from([default_order(rank), channels_last_order(rank), default_order(rank)[::-1]])),
            view=draw(views(channels)),
            pass_=pass_,
            gradient_view=draw(views(channels)) if pass_.runs_backward else CONTIGUOUS,
        )
    except InvalidSpecError:  # the taps of a dilated window can all miss the input
        reject()


def _without_windows_of_padding(spec: PoolSpec) -> PoolSpec:
    assert spec.window is not None
    most = [dilated(*sizes) - 1 for sizes in zip(spec.window, spec.dilation, strict=True)]
    return replace(
        spec, padding=tuple((min(lo, m), min(hi, m)) for (lo, hi), m in zip(spec.padding, most, strict=True))
    )
