"""How each subject looks in every figure of every report: a colour, a marker and a dash.

Colours say the framework, markers and dashes tell its variants apart, so that nothing is told by colour alone. The
colours keep their distance under the common colour deficiencies (tests/unit/report/test_palette.py). Each has a tone
for light pages and one for dark ones.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

from poolbench.model.subject import LIMIT, Subject

Dash: TypeAlias = Literal["solid"] | tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A subject's ``tone`` (a key of TONES), its marker in matplotlib's letters, its dash, and whether it is filled."""

    tone: str
    marker: str = "o"
    dash: Dash = "solid"
    is_filled: bool = True

    @property
    def colour(self) -> str:
        """The colour on a light page."""
        return TONES[self.tone][0]


TONES = {
    "blue": ("#0072b2", "#2f93dd"),
    "sky": ("#56b4e9", "#8fd3ff"),
    "vermillion": ("#c94a00", "#f0682a"),
    "amber": ("#eda41f", "#ffc45c"),
    "green": ("#00835f", "#17a67d"),
    "pink": ("#cc79a7", "#e796c6"),
    "charcoal": ("#4d4d4d", "#d9d9d9"),
    "sand": ("#9c8f5e", "#c2b280"),
}
"""Light and dark tone by name."""

_LONG, _SHORT, _MIXED = (0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2))

LOOKS = {
    "strided": Look(tone="blue", marker="D"),
    "strided:out": Look(tone="sky", marker="d"),
    "strided:torch": Look(tone="blue", marker="<", dash=_SHORT, is_filled=False),
    "strided:jax": Look(tone="sky", marker="8", dash=_LONG, is_filled=False),
    "torch": Look(tone="vermillion", marker="o"),
    "torch:channels_last": Look(tone="amber", marker="s"),
    "torch:compile": Look(tone="vermillion", marker="p", dash=_LONG, is_filled=False),
    "tensorflow": Look(tone="green", marker="^"),
    "tensorflow:graph": Look(tone="green", marker="v", dash=_LONG, is_filled=False),
    "tensorflow:xla": Look(tone="green", marker=">", dash=_SHORT, is_filled=False),
    "onnxruntime": Look(tone="pink", marker="P"),
    "numpy": Look(tone="charcoal", marker="X"),
    "openvino": Look(tone="pink", marker="h", dash=_LONG, is_filled=False),
    "jax": Look(tone="sand", marker="*"),
    LIMIT: Look(tone="charcoal", marker="|", dash=_SHORT),
}
"""The looks that are given by name, of backends."""

_FAMILIES = {
    "strided": "sky",
    "torch": "amber",
    "tensorflow": "green",
    "numpy": "charcoal",
    "jax": "sand",
    "litert": "green",
    "ncnn": "pink",
    "mnn": "charcoal",
}
_MARKERS = "<>vph8*d"
_DASHES = (_LONG, _SHORT, _MIXED)


def look_of(subject: Subject) -> Look:
    """Return how ``subject`` looks. It depends on its name alone, so it is the same in each figure and each report."""
    text = str(subject)
    base = LOOKS.get(subject.backend)
    if base is not None and text == subject.backend:
        return base
    number = zlib.crc32(text.encode())
    tone = base.tone if base is not None else _FAMILIES.get(subject.framework, "sand")
    markers = _MARKERS.replace(base.marker, "") if base is not None else _MARKERS
    return Look(
        tone=tone,
        marker=markers[number % len(markers)],
        dash=_DASHES[number % len(_DASHES)],
        is_filled=base is not None and not base.is_filled,
    )
