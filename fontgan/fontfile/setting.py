"""Letters on a baseline, at one scale, between side bearings.

What a picture does not tell is set by rule:

- *Scale*: the median height of E, F, H, I, L, T and Z is the cap height, 0.7 em, for all letters.
- *Baseline*: a picture is centred on its ink and knows no baseline. Letters with flat ends are put
  on the baseline and on the cap line, round ones overshoot both by as much as C, G, O and S do, and
  a tail (of Q, of a low J) hangs. A height within 6 % of what it should be is stretched to it. A
  letter as wide as its picture, and lower than the others, as W may be, was drawn smaller to fit:
  it gets its height back.
- *Side bearings*: a side is open where white reaches in beside the letter, as beside an A or an O,
  and needs less room then than a straight stem: `BEARING` of the cap height, less `THICKNESS` of
  the strokes' width, less `OPENNESS` of the white, which counts up to a depth of 0.15 cap heights.
  Text faces (Liberation, DejaVu, Computer Modern) follow such a rule to 1 or 2 % of their cap
  height. There is no kerning.
"""

import statistics
from dataclasses import dataclass

import numpy as np

from fontgan import LETTERS
from fontgan.tracing import Array, Outline

FLAT = "EFHILTZ"  # they measure the cap height
ROUND = "CGOS"  # ... and the overshoot
CAP_HEIGHT = 0.7  # of an em
BEARING, THICKNESS, OPENNESS = 0.155, 0.2, 0.8
LEAST_BEARING = 0.01  # of the cap height
ALPHABET = "ABCDEFGHIJKLM", "NOPQRSTUVWXYZ"

_DEPTH = 0.15  # of the cap height: white further in counts no more
_CLOSE = 0.06  # a height that is off by less is meant to be right
_FULL = 0.9  # of a picture's width: wider letters are drawn smaller than the others
_TOP = dict.fromkeys(LETTERS, 0) | dict.fromkeys("CGOQS", 1)  # overshoot
_BOTTOM = dict.fromkeys(LETTERS, 0) | dict.fromkeys("CGJOSU", -1)
_POINTED = "A"  # an apex overshoots as it likes
_HANGING = "JQVW"  # what they have too much goes below the baseline


@dataclass(frozen=True)
class Letter:
    """A letter in units of the font, its ink between its side bearings."""

    outline: Outline
    advance: int


def typeset(outlines: dict[str, Outline], side: int, units_per_em: int) -> dict[str, Letter]:
    """Put letters on a baseline, at one scale, between side bearings.

    Args:
        outlines: in pixels.
        side: width of the pictures in pixels.
        units_per_em: units of what comes back.
    """
    cap = CAP_HEIGHT * units_per_em
    boxes = {letter: outline.bounds for letter, outline in outlines.items()}
    height = {letter: bottom - top for letter, (_, top, _, bottom) in boxes.items()}
    flat = statistics.median(height[letter] for letter in FLAT)
    over = (statistics.median(height[letter] for letter in ROUND) / flat - 1) / 2
    overshoot = cap * min(max(over, 0), 0.03)
    placed = {}
    for letter, outline in outlines.items():
        left, _, right, bottom = boxes[letter]
        scale = cap / flat
        if right - left > _FULL * side and height[letter] < flat * (1 - _CLOSE):
            scale = cap / height[letter]
        stretch, low = _place(letter, scale * height[letter], cap, overshoot)
        placed[letter] = outline.placed(scale, (0, bottom), stretch).shifted(0, low)
    thickness = statistics.median(_thickness(placed[letter], cap) for letter in FLAT)
    base = BEARING * cap - THICKNESS * thickness
    return {letter: _spaced(outline, cap, base) for letter, outline in placed.items()}


def _place(letter: str, height: float, cap: float, overshoot: float) -> tuple[float, float]:
    """Stretch of a letter, and where its lowest point goes."""
    top, bottom = cap + overshoot * _TOP[letter], overshoot * _BOTTOM[letter]
    wanted = top - bottom
    if letter not in _POINTED and abs(height / wanted - 1) <= _CLOSE:
        return wanted / height, bottom
    if letter in _HANGING and height > wanted:
        return 1.0, top - height
    if letter not in _POINTED and height > wanted:  # a swash, up or down: as it was centred
        return 1.0, (top + bottom - height) / 2
    return 1.0, bottom


def _lines(outline: Outline, cap: float) -> list[Array]:
    return [contour.polyline(cap / 160) for contour in outline.contours]


def _thickness(outline: Outline, cap: float) -> float:
    """Mean width of the strokes: twice the area over the length of the contours."""
    area = length = 0.0
    for points in _lines(outline, cap):
        way = np.roll(points, -1, 0) - points
        area += float(points[:, 1] @ way[:, 0] - points[:, 0] @ way[:, 1]) / 2
        length += float(np.hypot(*way.T).sum())
    return 2 * area / length


def _spaced(outline: Outline, cap: float, base: float) -> Letter:
    """Give a letter its side bearings: `base`, less where white reaches in."""
    x, y = np.concatenate(_lines(outline, cap)).T
    inside = (y >= 0) & (y < cap)
    row = (y[inside] / cap * 40).astype(int)
    bearings = []
    for distance in (x - x.min(), x.max() - x):
        white = np.full(40, _DEPTH * cap)
        np.minimum.at(white, row, distance[inside])
        bearings.append(max(base - OPENNESS * white.mean(), LEAST_BEARING * cap))
    left, right = bearings
    return Letter(outline.shifted(left - x.min(), 0), round(left + float(np.ptp(x)) + right))
