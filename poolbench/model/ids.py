"""The id grammar: one line of text that names a workload, prints everywhere and parses back.

    id    = (max|avg)(1|2|3)d "-" n# c# "-" [d#][h#]w# "-" WIN ["-ceil"] ["-xpad" | "-div"#] "-" DTYPE "-" ORDER
            ["." VIEW] [PASS [".g" VIEW]]
    WIN   = k T [s T] [p P] [d T]        s defaults to k, p to 0, d to 1
          | a T                          adaptive, T the output; a1 is global
    T     = # | #x# | #x#x#              P like T, and each side may be lo_hi
    VIEW  = c# | t | r
    PASS  = .train | .trainfwd | .trainbwd
            a training step as a whole, its forward alone (which takes no ".g"), its backward alone

Reading accepts defaults that are left out or spelt out, DTYPE (f32) and ORDER (channels before space) included;
writing gives the one canonical spelling.
"""

from __future__ import annotations

import re

from poolbench.errors import InvalidIdError, InvalidSpecError
from poolbench.model.pooling import AXIS_NAMES, Ints, Padding, PoolSpec
from poolbench.model.workload import CONTIGUOUS, DType, Origin, Pass, View, ViewKind, Workload

EXAMPLE_ID = "max2d-n1c64-h112w112-k3s2p1-f32-nchw"

_T = r"\d+(?:x\d+)*"
_P = r"\d+(?:_\d+)?(?:x\d+(?:_\d+)?)*"
_VIEW = r"(?:c\d+|t|r)"
_PASS = rf"(?P<train>\.train(?:fwd|bwd)?)(?:\.g(?P<gview>{_VIEW}))?"
_ID = re.compile(
    r"(?P<kind>max|avg)(?P<rank>[123])d"
    r"-n(?P<n>\d+)c(?P<c>\d+)"
    r"-(?:d(?P<d>\d+))?(?:h(?P<h>\d+))?w(?P<w>\d+)"
    rf"-(?:k(?P<k>{_T})(?:s(?P<s>{_T}))?(?:p(?P<p>{_P}))?(?:d(?P<dilation>{_T}))?|a(?P<a>{_T}))"
    r"(?P<ceil>-ceil)?(?:(?P<xpad>-xpad)|-div(?P<divisor>\d+))?"
    r"(?:-(?P<dtype>f64|f32|f16|bf16|i8|u8|i16|i32|i64))?"
    r"(?:-(?P<order>[ncdhw]{3,5}))?"
    rf"(?:\.(?P<view>{_VIEW}))?(?:{_PASS})?"
)
_NAME_AND_PASS = re.compile(rf"(?P<base>.+?){_PASS}")

_PASSES = {pass_.suffix: pass_ for pass_ in Pass}


def split_pass(text: str) -> tuple[str, Pass, View] | None:
    """Return what stands before the ending of ``pass_text`` in ``text``, and what it says; None where there is none.

    It reads the endings of names as well as those of ids: ``resnet50_stem.train.gc128``.
    """
    match = _NAME_AND_PASS.fullmatch(text)
    return match and (match["base"], _PASSES[match["train"]], _view(match["gview"]))


def parse_id(text: str, *, origin: Origin | None = None, tags: tuple[str, ...] = (), weight: int = 1) -> Workload:
    """Return the workload that ``text`` names.

    Raises InvalidIdError where the text does not follow the grammar, and where the shape does not fit the
    window; the message names the id and the part at fault.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise InvalidIdError(f"'{text}' is not a workload id: {_fault(text)} An id looks like {EXAMPLE_ID}.")
    part = match.groupdict()
    rank = int(part["rank"])
    names = AXIS_NAMES[rank]
    if any((part[axis] is not None) != (axis in names) for axis in ("d", "h", "w")):
        raise InvalidIdError(f"'{text}' pools {rank} spatial axes, so its sizes must be given as {'#'.join(names)}#.")
    try:
        return Workload(
            spec=_spec(part, rank),
            batch=int(part["n"]),
            channels=int(part["c"]),
            spatial=tuple(int(part[axis]) for axis in names),
            dtype=DType(part["dtype"] or "f32"),
            order=part["order"] or "",
            view=_view(part["view"]),
            pass_=_PASSES[part["train"] or ""],
            gradient_view=_view(part["gview"]),
            origin=origin or Origin(),
            tags=tags,
            weight=weight,
        )
    except InvalidSpecError as error:
        raise InvalidIdError(f"'{text}' cannot be computed: {error}") from error
    except ValueError as error:  # Python reads numbers of some thousand digits alone
        raise InvalidIdError(f"'{text[:80]}…' cannot be computed: a number in it is too long to be read.") from error


def looks_like_id(text: str) -> bool:
    """Whether ``text`` begins as an id does, so that a failure to parse it is worth explaining as one."""
    return re.match(r"(max|avg)\dd-", text) is not None


def _spec(part: dict[str, str | None], rank: int) -> PoolSpec:
    kind = part["kind"] or ""
    if part["a"] is not None:
        if part["ceil"] or part["xpad"] or part["divisor"]:
            raise InvalidSpecError("An adaptive window takes no -ceil, -xpad or -div.")
        return PoolSpec.adaptive(kind, _sizes(part["a"], rank), rank=rank)
    return PoolSpec.windowed(
        kind,
        _sizes(part["k"] or "", rank),
        rank=rank,
        stride=None if part["s"] is None else _sizes(part["s"], rank),
        padding=_padding_sizes(part["p"] or "0", rank),
        dilation=_sizes(part["dilation"] or "1", rank),
        ceil_mode=bool(part["ceil"]),
        include_padding=not part["xpad"],
        divisor=None if part["divisor"] is None else int(part["divisor"]),
    )


def _sizes(text: str, rank: int) -> Ints:
    values = tuple(int(value) for value in text.split("x"))
    return values * rank if len(values) == 1 else values


def _padding_sizes(text: str, rank: int) -> Padding:
    pairs = tuple(tuple(int(side) for side in entry.split("_")) for entry in text.split("x"))
    sides = tuple((pair[0], pair[-1]) for pair in pairs)
    return sides * rank if len(sides) == 1 else sides


def _view(text: str | None) -> View:
    if text is None:
        return CONTIGUOUS
    if text.startswith("c"):
        return View(kind=ViewKind.CHANNEL_SLICE, channels=int(text[1:]))
    return View(kind=ViewKind(text))


_STEPS = (
    (r"(max|avg)[123]d", "it must begin with max1d, max2d, max3d, avg1d, avg2d or avg3d"),
    (r"-n\d+c\d+", "batch and channels must follow, such as -n1c64"),
    (r"-(d\d+)?(h\d+)?w\d+", "the spatial sizes must follow, such as -h112w112"),
    (rf"-(k{_T}(s{_T})?(p{_P})?(d{_T})?|a{_T})", "the window must follow, such as -k3s2p1 or -a1"),
)


def _fault(text: str) -> str:
    """Say where the grammar is left: the first part that does not match, or what trails behind."""
    position = 0
    for pattern, expected in _STEPS:
        match = re.compile(pattern).match(text, position)
        if match is None:
            return f"{expected}; found '{text[position:] or 'nothing'}'."
        position = match.end()
    return (
        f"after '{text[:position]}' only -ceil, -xpad or -div#, a dtype, an axis order, a view and a pass (.train, "
        f".trainfwd, .trainbwd) may follow, in this order; found '{text[position:]}'."
    )
