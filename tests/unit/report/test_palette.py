"""Colours must be told apart by readers whose eyes lack a kind of cone."""

import math
from itertools import combinations

import pytest

from poolbench.model.subject import parse_subject
from poolbench.report.figures.palette import LOOKS, TONES, Look, look_of

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SEEN_BY = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no M cones": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no L cones": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
}
LEAST = 0.06
"""Distance in Oklab: about three times what is just noticed on large areas."""


def linear(colour: str) -> list[float]:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def oklab(rgb):
    cones = times(
        ((0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566),
         (0.0883024619, 0.2817188376, 0.6299787005)), [min(max(part, 0.0), 1.0) for part in rgb],
    )  # fmt: skip
    return times(
        ((0.2104542553, 0.7936177850, -0.0040720468), (1.9779984951, -2.4285922050, 0.4505937099),
         (0.0259040371, 0.7827717662, -0.8086757660)), [math.cbrt(part) for part in cones],
    )  # fmt: skip


@pytest.mark.parametrize("eyes", SEEN_BY)
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_tones_stay_apart(eyes: str, scheme: int) -> None:
    seen = {name: oklab(times(SEEN_BY[eyes], linear(tones[scheme]))) for name, tones in TONES.items()}
    for first, second in combinations(seen, 2):
        assert math.dist(seen[first], seen[second]) > LEAST, (first, second)


def test_no_two_backends_look_alike() -> None:
    looks = [(look.tone, look.marker, look.is_filled) for look in LOOKS.values()]
    assert len(set(looks)) == len(looks)
    markers = [look.marker for look in LOOKS.values()]
    assert len(set(markers)) == len(markers)  # so that nothing is told by colour alone


def look(text: str) -> Look:
    return look_of(parse_subject(text))


def test_a_subject_always_looks_the_same_and_like_its_backend() -> None:
    assert look("torch:compile") == LOOKS["torch:compile"]
    assert look("torch+threads=2").tone == look("torch").tone
    assert look("torch+threads=2") != look("torch")
    assert look("mine:fast") == look("mine:fast")
