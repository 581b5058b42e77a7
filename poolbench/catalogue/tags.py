"""Tags that follow from a workload itself, so that no file has to state them."""

from __future__ import annotations

from collections.abc import Callable

from poolbench.model.pooling import Kind
from poolbench.model.workload import Pass, Workload

LARGE_WINDOW = 7
"""From this side length on, a window that slides counts as large: rereading then costs more than reading."""


def derived_tags(workload: Workload) -> tuple[str, ...]:
    """Return the tags that hold for ``workload``, in the order of the table below."""
    return tuple(tag for tag, holds in _RULES if holds(workload))


def derivable_tags() -> tuple[str, ...]:
    """Return every tag that can be derived."""
    return tuple(tag for tag, _ in _RULES)


def _is_global(workload: Workload) -> bool:
    """Whether each output element reads a whole plane, by an adaptive call or by a window as large as the input."""
    return all(
        len(windows) == 1 and windows[0].count == length
        for windows, length in zip(workload.spec.windows(workload.spatial), workload.spatial, strict=True)
    )


def _slides(workload: Workload) -> bool:
    """Whether a window of more than one element moves over the input."""
    window = workload.spec.window
    return window is not None and max(window) > 1 and not _is_global(workload)


def _has_stride_1(workload: Workload) -> bool:
    return _slides(workload) and workload.spec.stride == (1,) * workload.spec.rank


def _overlaps(workload: Workload) -> bool:
    spec = workload.spec
    return (
        _slides(workload)
        and spec.window is not None
        and spec.stride is not None
        and any(s < k for s, k in zip(spec.stride, spec.window, strict=True))
    )


def _has_large_window(workload: Workload) -> bool:
    return _slides(workload) and max(workload.spec.window or ()) >= LARGE_WINDOW


def _is_anisotropic(workload: Workload) -> bool:
    spec = workload.spec
    return _slides(workload) and any(
        len(set(per_axis or ())) > 1 for per_axis in (spec.window, spec.stride, spec.padding, spec.dilation)
    )


def _is_uneven(workload: Workload) -> bool:
    return workload.spec.is_adaptive and not workload.spec.divides_evenly(workload.spatial)


_RULES: tuple[tuple[str, Callable[[Workload], bool]], ...] = (
    ("max", lambda workload: workload.spec.kind is Kind.MAX),
    ("avg", lambda workload: workload.spec.kind is Kind.AVG),
    ("1d", lambda workload: workload.spec.rank == 1),
    ("2d", lambda workload: workload.spec.rank == 2),
    ("3d", lambda workload: workload.spec.rank == 3),
    ("global", _is_global),
    ("adaptive", lambda workload: workload.spec.is_adaptive),
    ("uneven", _is_uneven),
    ("stride1", _has_stride_1),
    ("overlapping", _overlaps),
    ("large-window", _has_large_window),
    ("anisotropic", _is_anisotropic),
    ("padded", lambda workload: workload.spec.is_padded),
    ("asymmetric", lambda workload: not workload.spec.has_symmetric_padding),
    ("xpad", lambda workload: not workload.spec.include_padding),
    ("ceil", lambda workload: workload.spec.ceil_mode),
    ("dilated", lambda workload: any(size > 1 for size in workload.spec.dilation)),
    ("channels-last", lambda workload: workload.is_channels_last),
    ("view", lambda workload: not (workload.view.is_contiguous and workload.gradient_view.is_contiguous)),
    ("training", lambda workload: workload.pass_ is Pass.TRAINING),
)
