"""The cheapest sequence of straight lines and circular arcs along a contour, and its tangents."""

from typing import NamedTuple

import numpy as np

from fontgan.tracing.contours import STEP
from fontgan.tracing.outline import Array, Flags

# Lengths are in pixels, angles in radians.
_LINE, _ARC = 0.05, 0.08  # price of a piece: squared deviation, summed over its length
_LONGEST = 250  # points of a piece
_SMALLEST = 2.0  # radius of an arc; smaller ones are corners, rounded or not
_SMOOTH = np.deg2rad(16)  # turn up to which a piece goes on in the next one
_TURN = np.deg2rad(60)  # of one quadratic curve, at most


def _prices(points: Array, thrift: float) -> tuple[Array, Flags]:
    """Price of every piece of a closed contour, and whether an arc is what is cheapest.

    A line is fitted by total least squares, an arc by Kåsa's circle (1976, "A circle fitting
    procedure and its error analysis"); both follow from sums that a start shares with all its ends.

    Returns:
        Prices and flags, shape (n, longest + 1), of the piece from point i to point i + j.
    """
    n = len(points)
    longest = min(n, _LONGEST)
    count = np.arange(1, longest + 2)
    prices, arcs = np.full((n, longest + 1), np.inf), np.zeros((n, longest + 1), bool)
    around = np.concatenate([points, points, points[:1]])
    for i in range(n):
        x, y = (around[i : i + longest + 1] - points[i]).T
        terms = np.stack([x, y, x * x + y * y])
        mx, my, mw = mean = np.cumsum(terms, 1) / count
        (xx, xy, xw), (_, yy, yw), (_, _, ww) = (
            np.cumsum(terms[:, None] * terms, 2) - count * mean[:, None] * mean
        )
        line = (xx + yy - np.sqrt((xx - yy) ** 2 + 4 * xy**2)) / 2
        det = np.maximum(xx * yy - xy**2, 1e-9)
        a, b = (yy * xw - xy * yw) / det, (xx * yw - xy * xw) / det  # twice the centre
        squared = np.maximum((a**2 + b**2) / 4 + mw - a * mx - b * my, 1e-9)  # radius
        arc = (ww - a * xw - b * yw) / (4 * squared)
        arc[(squared < _SMALLEST**2) | (count * STEP > np.pi * np.sqrt(squared))] = np.inf
        straight = line.clip(0) * STEP + _LINE * thrift
        bent = arc.clip(0) * STEP + _ARC * thrift
        prices[i, 2:], arcs[i] = np.minimum(straight, bent)[2:], bent < straight
    return prices, arcs


def _breaks(prices: Array, start: int) -> list[int]:
    """Where to cut a closed contour that is cut at `start`, so that the pieces cost least."""
    n, longest = len(prices), prices.shape[1] - 1
    best, previous = np.full(n + 1, np.inf), np.zeros(n + 1, int)
    best[0] = 0
    for end in range(2, n + 1):
        begin = np.arange(max(0, end - longest), end - 1)
        total = best[begin] + prices[(start + begin) % n, end - begin]
        best[end], previous[end] = total.min(), begin[total.argmin()]
    cuts = [n]
    while cuts[-1]:
        cuts.append(int(previous[cuts[-1]]))
    return [(start + cut) % n for cut in cuts[:0:-1]]


class Touch(NamedTuple):
    """A tangent of a contour: it touches from `first` to `last`, which is one point on an arc."""

    first: Array
    last: Array
    along: Array

    @property
    def straight(self) -> bool:
        return self.first is not self.last


def _touches(points: Array, arc: bool) -> list[Touch]:
    """Tangents of a piece: the line itself, or those of an arc, no more than `_TURN` apart."""
    blurred = round(0.4 / STEP)  # next to a corner
    core = points[blurred:-blurred] if len(points) > 10 else points
    centre = core.mean(0)
    if not arc:
        along = np.linalg.svd(core - centre, full_matrices=False)[2][0]
        along = along * np.sign(along @ (points[-1] - points[0]))
        first, last = (centre + along * (along @ (points[i] - centre)) for i in (0, -1))
        return [Touch(first, last, along)]
    terms = np.c_[core - centre, np.ones(len(core))]
    solution = np.linalg.lstsq(terms, (terms[:, :2] ** 2).sum(1), rcond=None)[0]
    centre = centre + solution[:2] / 2
    radius = np.sqrt(solution[2] + (solution[:2] ** 2).sum() / 4)
    angle = np.unwrap(np.arctan2(*(points - centre).T[::-1]))
    turn = angle[-1] - angle[0]
    angles = np.linspace(angle[0], angle[-1], 2 + int(abs(turn) / _TURN))
    out = np.stack([np.cos(angles), np.sin(angles)], 1)
    along = np.sign(turn) * out[:, ::-1] * (-1, 1)
    return [Touch(p, p, d) for p, d in zip(centre + radius * out, along, strict=True)]


def _merged(one: Touch, two: Touch) -> Touch:
    """The tangent where a piece goes on smoothly in the next one; at most one is a line."""
    middle = (one.last + two.first) / 2
    if one.straight:
        return Touch(one.first, middle, one.along)
    if two.straight:
        return Touch(middle, two.last, two.along)
    along = one.along + two.along
    return Touch(middle, middle, along / np.hypot(*along))


def tangents(points: Array, thrift: float) -> list[Touch]:
    """Tangents of a contour, in order, of its pieces."""
    prices, arcs = _prices(points, thrift)
    cuts = _breaks(prices, 0)
    cuts = _breaks(prices, cuts[len(cuts) // 2])  # the first time it was cut at any place
    n = len(points)
    pieces = []
    for start, end in zip(cuts, [*cuts[1:], cuts[0]], strict=True):
        count = (end - start) % n or n
        piece = points[(start + np.arange(count + 1)) % n]
        pieces.append(_touches(piece, bool(arcs[start, count])))
    # Arcs have two tangents at least; with one at the end, its last may merge with the first piece.
    shift = next((i + 1 for i, own in enumerate(pieces) if len(own) > 1), 0)
    pieces = pieces[shift:] + pieces[:shift]
    touches: list[Touch] = []
    for i, own in enumerate(pieces):
        last, first = pieces[i - 1][-1], own[0]
        if last.along @ first.along > np.cos(_SMOOTH) and not (last.straight and first.straight):
            (touches if i else pieces[-1]).pop()
            own[0] = _merged(last, first)
        touches += own
    return touches
