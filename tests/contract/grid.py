"""The basic shapes: small workloads that between them ask for everything a spec can say.

Sizes are odd where that shows an error, and a plane has fewer than 128 elements, the most that PyTorch's
channels-last kernels take of 8-bit integers.
"""

from __future__ import annotations

from itertools import permutations

from poolbench.model.ids import parse_id
from poolbench.model.workload import DType, Workload, channels_last_order, default_order

SIZES = {1: "w19", 2: "h9w12", 3: "d4h5w6"}

# Windows that are alike along every axis, with what of a spec each asks for.
WINDOWS = (
    "k2",  # no overlap, no padding
    "k3s1p1",  # overlap
    "k3s2p1",  # the usual downsampling
    "k3s2-ceil",  # a last window that overhangs the input
    "k3s2p1-ceil",  # the same beside padding
    "k2s3p1-ceil",  # a last window that is dropped, since it would start in the padding
    "k3s2p0_1",  # padding at the end alone
    "k3s2p1_0",  # padding at the start alone
    "k3s1p2",  # padding beyond half of the window
    "k3s2p1_2-ceil",  # a last window that is dropped, beside uneven padding
    "k5s3p1_2-ceil",  # an overhang beside uneven padding
    "k1s2",  # reads a part of the input
    "k3s1d2-wide",  # dilation (needs the wide input in three dimensions)
    "k2s1p1d2",  # dilation beside padding
    "k3s1p2d2",  # padding that is within half of the dilated window, but not of the window
    "k2s2p1d2",  # dilation beside a stride
)
DIVISOR_WINDOWS = (
    "k3s2p1",
    "k3s2p1-ceil",
    "k3s2-ceil",
    "k3s2p0_1",
    "k3s1p2",
    "k3s2p1_2-ceil",
    "k5s3p1_2-ceil",
    "k3s1p1",
)

# Ceil mode's only window, longer than the padded input by less than a stride, along one axis and along all.
LONE_SIZES = {1: "w1", 2: "h1w2", 3: "d1h2w1"}
LONE_WINDOWS = ("k3-ceil", "k4s3p1-ceil", "k2s3d2-ceil")

# What only rank 2 and 3 can say: axes that differ, and adaptive outputs.
MIXED = {
    1: ("a1", "a19", "a4", "a7"),
    2: ("k3x2s1x2p1x0_1", "k1x3s1x2-ceil", "k9x12", "a1", "a3x4", "a4x5", "a9x1", "a12x15"),
    3: ("k1x3x3s1x2x2p0x1x1", "k2x3x2s2x1x3p1x0x0_1-ceil", "k4x5x6", "a1", "a2x5x3", "a3x2x4", "a1x5x1"),
}
DTYPE_WINDOWS = ("k2", "k3s2p1", "k3s2p1-ceil", "k3s1p2", "k3s2p0_1", "a1")
TRAINED_WINDOWS = ("k2", "k3s2p1", "k3s1p2", "a1")
FEW_WINDOWS = ("k2", "k3s2p1", "k5s3p1_2-ceil", "k3s1p2", "k3s2p0_1", "k2s1p1d2")
FEW_ADAPTIVE = ("a1", "a3x4", "a4x5")
ORDER_WINDOWS = ("k3s2p1", "a1")


def workloads() -> list[Workload]:
    """Return the basic shapes, each once, in a fixed order."""
    found: dict[str, Workload] = {}
    for text in _texts():
        workload = parse_id(text)
        found.setdefault(workload.id, workload)
    return list(found.values())


def few() -> list[Workload]:
    """Return enough of the basic shapes to go each way through a backend once: for what takes long to prepare."""
    texts = [_text(kind, 2, window) for kind in ("max", "avg") for window in (*FEW_WINDOWS, *FEW_ADAPTIVE)]
    texts += [_text("avg", 2, window) for window in ("k3s2p1-xpad", "k3s2p0_1-xpad", "k3s2p1-ceil-div5")]
    for rank in (1, 3):
        texts += [_text(kind, rank, window) for kind in ("max", "avg") for window in ("k5s3p1_2-ceil", "a1")]
        texts += [_text("max", rank, "k3s1p2", DType.I8), _text("avg", rank, "k3s2p1-div5")]
    texts += [_text(kind, 2, "k3s2p1", dtype) for kind in ("max", "avg") for dtype in DType if dtype is not DType.F32]
    texts += [_text("max", 2, "k3s2p1", DType.F32, "nhwc") + view for view in ("", ".c9", ".r")]
    for kind in ("max", "avg"):
        texts += [_text(kind, 2, "k3s2p1") + part for part in (".train", ".trainfwd", ".trainbwd", ".train.gc9")]
        texts += [_text(kind, 2, "k3s2p1", DType.F32, "nhwc") + ".trainbwd.gt", _text(kind, 3, "k2") + ".train.gr"]
        texts += [_text(kind, 2, "k3s1p2", DType.BF16) + ".train", _text(kind, 1, "a1") + ".train"]
    return [parse_id(text) for text in texts]


def _texts() -> list[str]:
    texts: list[str] = []
    for rank in (1, 2, 3):
        for kind in ("max", "avg"):
            texts += [_text(kind, rank, window) for window in (*WINDOWS, *MIXED[rank])]
            for dtype in DType:
                texts += [_text(kind, rank, window, dtype) for window in (*DTYPE_WINDOWS, MIXED[rank][-2])]
            texts += [_text(kind, rank, w, DType.F32, order) for w in ORDER_WINDOWS for order in _orders(rank)]
            for order in (default_order(rank), channels_last_order(rank)):
                texts += [_text(kind, rank, "k3s2p1", DType.F32, order) + f".{view}" for view in ("c9", "t", "r")]
            texts += [_text(kind, rank, "k3s2p1", DType.BF16) + f".{view}" for view in ("c9", "r")]
            texts += _training_texts(kind, rank)
            texts += [_text(kind, rank, f"{w}-lone") + step for w in LONE_WINDOWS for step in ("", ".train")]
        for rule in ("xpad", "div5"):
            texts += [_text("avg", rank, f"{window}-{rule}") for window in DIVISOR_WINDOWS]
            texts += [_text("avg", rank, f"{window}-{rule}-lone") for window in LONE_WINDOWS]
            texts += [_text("avg", rank, f"k3s2p1_2-ceil-{rule}", dtype) for dtype in DType if dtype is not DType.F32]
    # A window that the input holds only with its padding, and an axis of length 1 that is reversed.
    texts += [f"{kind}3d-n1c3-d2h5w6-k3s2p1-{dtype}-ncdhw" for kind in ("max", "avg") for dtype in ("f32", "i64")]
    texts += [f"{kind}2d-n1c3-h9w12-k3s2p1-f32-chwn.r" for kind in ("max", "avg")]
    # A plane of 8-bit integers that PyTorch's channels-last kernels refuse.
    texts += ["max2d-n1c3-h16w16-k2-u8-nhwc", "max2d-n1c3-h16w16-k2-i16-nchw", "max3d-n1c3-d8h8w8-k2-i8-ndhwc"]
    return texts


def _training_texts(kind: str, rank: int) -> list[str]:
    """Return training steps on every window, float type and order, their parts, and gradients of every view."""
    step = ".train"
    texts = [_text(kind, rank, window) + step for window in (*WINDOWS, *MIXED[rank])]
    texts += [
        _text(kind, rank, window, dtype) + step
        for dtype in DType
        if dtype.is_float
        for window in (*TRAINED_WINDOWS, MIXED[rank][-2])
    ]
    texts += [_text(kind, rank, "k3s2p1", DType.F32, order) + step for order in _orders(rank)]
    texts += [_text(kind, rank, window) + part for window in ("k3s2p1", "a1") for part in (".trainfwd", ".trainbwd")]
    for order in (default_order(rank), channels_last_order(rank)):
        step_in_order = _text(kind, rank, "k3s2p1", DType.F32, order)
        texts += [f"{step_in_order}{ending}" for ending in (".train.gc9", ".train.gt", ".train.gr", ".trainbwd.gc9")]
        texts += [f"{step_in_order}.{view}.train" for view in ("c9", "r")]
    if kind == "avg":
        texts += [_text(kind, rank, f"k3s2p1_2-ceil-{rule}") + step for rule in ("xpad", "div5")]
    return texts


def _text(kind: str, rank: int, window: str, dtype: DType = DType.F32, order: str = "") -> str:
    sizes = SIZES[rank]
    if window.endswith("-wide"):
        window = window.removesuffix("-wide")
        sizes = sizes if rank < 3 else "d5h5w5"
    if window.endswith("-lone"):
        window, sizes = window.removesuffix("-lone"), LONE_SIZES[rank]
    return f"{kind}{rank}d-n2c5-{sizes}-{window}-{dtype}-{order or default_order(rank)}"


def _orders(rank: int) -> list[str]:
    """Return every axis order for rank 1, and for higher ranks those that move each axis at least once."""
    if rank == 1:
        return ["".join(axes) for axes in permutations("ncw")]
    natural = default_order(rank)
    spatial = natural[2:]
    return [natural, channels_last_order(rank), f"cn{spatial}", f"{spatial}nc", f"n{spatial[::-1]}c", natural[::-1]]
