"""A glyph's picture to closed outlines of lines and quadratic curves, as if drawn by hand.

A picture of 28 pixels says more than its pixels' edges: a grey pixel tells how much of it lies
under the ink. Four steps use that.

1. *Contours*: half-ink lines of a smoothly upsampled picture, sharpened until its ink, averaged
   over each pixel, is the glyph again.
2. *Pieces*: dynamic programming cuts each contour into the cheapest sequence of straight lines and
   circular arcs.
3. *Polygon*: the pieces' tangents meet in the vertices of a control polygon. A vertex is a corner,
   or it is rounded by one quadratic curve that touches the edges before and after it, so that all
   joints but corners are smooth by construction (as in potrace: Selinger 2003, "Potrace: a
   polygon-based tracing algorithm").
4. *Fit*: vertices and roundings move until the ink of the filled outline is the glyph's, pixel by
   pixel, in least squares. Roundings too small to be seen become corners.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from scipy import ndimage
from scipy.linalg import block_diag

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

UPSAMPLED = 6  # samples a pixel of the sharpened picture

# Lengths are in pixels, angles in radians.
_PAD = 2  # blank about a glyph, so that contours close
_STEP = 0.3  # between the points of a contour
_SPECK, _PINHOLE = 1.5, 0.6  # area of ink, and of white, too small for a part of a letter
_HAIRLINE = 1.0  # mean width of the strokes below which ink hardly reaches half
_FOG = 0.2  # ink that no stroke falls short of everywhere
_LINE, _ARC = 0.05, 0.08  # price of a piece: squared deviation, summed over its length
_SLENDER = 1.6  # width of the strokes below which deviations must be smaller
_LONGEST = 250  # points of a piece
_SMALLEST = 2.0  # radius of an arc; smaller ones are corners, rounded or not
_SMOOTH = np.deg2rad(16)  # turn up to which a piece goes on in the next one
_TURN = np.deg2rad(60)  # of one quadratic curve, at most
_ROUNDS = 15  # of the fit, at most
_MOST = 250  # vertices of a letter; what has more is noise, and is not fitted
_SEEN = 0.8  # extent that a rounding must have
_BEND, _WIDE = np.deg2rad(40), 1.5  # turn that is no corner in a letter; extent that it gets
_BLUNT, _CHAMFER = np.deg2rad(75), 1.8  # turns, and length of the edge between, of a small rounding
_SLOPE, _RISE = 0.12, 0.35  # of an edge that is meant to be level or upright


@dataclass(frozen=True)
class Contour:
    """A closed curve. The first point lies on it, and one between any two off-curve points.

    Attributes:
        points: on the curve, and control points of quadratic curves, shape (n, 2).
        on: which points lie on the curve, bool, shape (n,).
    """

    points: Array
    on: Flags

    def polyline(self, spacing: float) -> Array:
        """Points along the curve, about `spacing` apart, shape (m, 2)."""
        return _weights(self.points, self.on, spacing) @ self.points

    def with_extremes(self) -> "Contour":
        """The same curve with points on it wherever it turns back in x or in y, as fonts want."""
        points, on, n = [], [], len(self.points)
        for i in np.flatnonzero(self.on):
            start, control, end = self.points[(i + np.arange(3)) % n]
            points.append(start)
            on.append(True)
            if self.on[(i + 1) % n]:
                continue
            bend = start - 2 * control + end
            turns = (start - control) / np.where(bend == 0, np.inf, bend)
            done = 0.0
            for turn in sorted(t for t in turns if 0.01 < t < 0.99):
                t = (turn - done) / (1 - done)  # of what is left of the curve (de Casteljau)
                first, control = start + t * (control - start), control + t * (end - control)
                start, done = first + t * (control - first), turn
                points += [first, start]
                on += [False, True]
            points.append(control)
            on.append(False)
        return Contour(np.array(points), np.array(on))


@dataclass(frozen=True)
class Outline:
    """Outer contours clockwise to the eye, holes counterclockwise: what TrueType fills.

    `trace` gives pixels, x to the right and y down from the picture's upper left corner; `placed`
    brings them to a font's units, y up.
    """

    contours: tuple[Contour, ...]

    def placed(
        self, scale: float, origin: tuple[float, float] = (0, 0), stretch: float = 1.0
    ) -> "Outline":
        """In a font's units: `origin`, a point in pixels, becomes (0, 0), and y points up.

        Args:
            scale: units in a pixel.
            origin: where the baseline begins.
            stretch: further scale of the heights.
        """
        factors = np.array([scale, -scale * stretch])
        moved = (replace(c, points=(c.points - origin) * factors) for c in self.contours)
        return Outline(tuple(moved))

    def shifted(self, x: float, y: float) -> "Outline":
        return Outline(tuple(replace(c, points=c.points + np.array([x, y])) for c in self.contours))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest x and y, largest x and y of the curves."""
        lines = [c.polyline(0.01 * float(np.ptp(c.points))) for c in self.contours]
        (left, low), (right, high) = (f(np.concatenate(lines), axis=0) for f in (np.min, np.max))
        return float(left), float(low), float(right), float(high)

    def svg_path(self, digits: int = 2) -> str:
        """The `d` attribute of an SVG path, in the outline's own units and directions."""
        words = []
        for contour in self.contours:
            pairs = [" ".join(f"{v:.{digits}f}" for v in point) for point in contour.points]
            command = "M"
            for pair, on in zip([*pairs, pairs[0]], [*contour.on, True], strict=True):
                words.append((command if on else "Q") + pair)
                command = "L" if on else " "
            words.append("Z")
        return "".join(words)

    def coverage(self, height: int, width: int, rows: int = 8) -> Array:
        """Ink in each pixel of a picture, in [0, 1], shape (height, width); the units are pixels.

        Exact along x, `rows` samples a pixel along y.
        """
        lines = [c.polyline(0.1) for c in self.contours]
        starts = np.concatenate([np.empty((0, 2)), *lines])
        ends = np.concatenate([np.empty((0, 2)), *(np.roll(p, -1, 0) for p in lines)])
        return _coverage(starts, ends, height, width, rows).clip(0, 1)


@dataclass(frozen=True)
class Fidelity:
    """How well an outline renders its glyph: intersection over union.

    Attributes:
        upsampled: with the sharpened glyph, thresholded at half the ink. Strokes thinner than a
            pixel hardly reach half, and make it small.
        original: with the grey glyph at its own resolution, sum of minima over sum of maxima.
    """

    upsampled: float
    original: float


def overlap(one: Array, two: Array) -> float:
    """Intersection over union of two pictures of ink in [0, 1]: sum of minima over maxima."""
    return float(np.minimum(one, two).sum() / np.maximum(one, two).sum())


def fidelity(outline: Outline, glyph: Array) -> Fidelity:
    """Compare a traced outline, in pixels, with its glyph, shape (height, width)."""
    height, width = glyph.shape
    enlarged = outline.placed(UPSAMPLED, stretch=-1)
    large = enlarged.coverage(height * UPSAMPLED, width * UPSAMPLED)
    edge = _PAD * UPSAMPLED
    fine = sharpened(glyph)[edge:-edge, edge:-edge]
    return Fidelity(
        overlap(np.round(large), (fine > 0.5).astype(float)),
        overlap(outline.coverage(height, width), glyph),
    )


def trace(glyph: Array) -> Outline:
    """Draw the outline of a glyph.

    Args:
        glyph: ink in [0, 1], shape (height, width), at least 8 pixels each.

    Returns:
        The outline, in pixels.

    Raises:
        ValueError: another shape, values outside of [0, 1], or no ink to speak of.
    """
    glyph = np.asarray(glyph, dtype=float)
    if glyph.ndim != 2 or min(glyph.shape) < 8:
        raise ValueError(f"a glyph has a shape (height, width) from 8 up, found {glyph.shape}")
    if not ((glyph >= 0) & (glyph <= 1)).all():
        raise ValueError("the ink of a glyph must be finite and lie in [0, 1]")
    contours, width = _contours(sharpened(glyph), 0.5)
    if width < _HAIRLINE:
        # Hairlines fall to pieces at half the ink. A lower level keeps them whole; they come out
        # too fat, and the fit makes them slender again.
        contours, width = _contours(sharpened(glyph, rounds=2), 0.3)
    thrift = min(1.0, (width / _SLENDER) ** 2)
    polygons = [polygon for c in contours if (polygon := _polygon(c, thrift)) is not None]
    if not polygons or glyph.max() < _FOG:
        raise ValueError("it is blank: nowhere a spot of ink as large as a stroke")
    polygon = _settled(_fitted(_joined(polygons), glyph))
    return Outline(_levelled(_fitted(polygon, glyph)).contours())


# 1. Contours


@lru_cache(maxsize=8)
def _upsampling(size: int) -> tuple[Array, Array]:
    """Matrices for one axis: cubic upsampling, and a blur by 0.19 pixels of what came out."""
    fine = (UPSAMPLED, 1)
    rise = ndimage.zoom(np.eye(size), fine, order=3, mode="grid-constant", grid_mode=True)
    blur = ndimage.gaussian_filter1d(np.eye(size * UPSAMPLED), 0.19 * UPSAMPLED, 0, mode="constant")
    return np.asarray(rise), np.asarray(blur)


def sharpened(glyph: Array, rounds: int = 12) -> Array:
    """Upsample smoothly, such that the ink within the half-ink line agrees with the glyph.

    Back-projection (Irani & Peleg 1991, "Improving resolution by image registration"): what a pixel
    lacks is added to the upsampled picture, again and again. A fine sample holds no less ink than
    none and no more than all; that makes edges steep, and thin grey strokes solid.

    Returns:
        0.5 at the contour; shape (UPSAMPLED * (height + 4), UPSAMPLED * (width + 4)): it reaches
        two blank pixels beyond the glyph on each side.
    """
    padded = np.pad(glyph, _PAD)
    (rise_y, blur_y), (rise_x, blur_x) = map(_upsampling, padded.shape)
    height, width = padded.shape
    fine = rise_y @ padded @ rise_x.T
    for _ in range(rounds):
        ink = np.clip(2 * fine - 0.5, 0, 1)
        mean = ink.reshape(height, UPSAMPLED, width, UPSAMPLED).mean((1, 3))
        fine = blur_y @ (fine + rise_y @ (padded - mean) @ rise_x.T) @ blur_x.T
    return fine


def _contours(fine: Array, level: float) -> tuple[list[Array], float]:
    """Lines of equal ink, clockwise about it, points (n, 2) in even steps; width of the strokes."""
    y, x = ((np.arange(size) + 0.5) / UPSAMPLED - _PAD for size in fine.shape)
    contours, total, length = [], 0.0, 0.0
    for line in map(np.asarray, contour_generator(x, y, fine).lines(level)):
        way = np.r_[0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
        places = np.linspace(0, way[-1], max(int(way[-1] / _STEP), 8), endpoint=False)
        points = np.stack([np.interp(places, way, axis) for axis in line.T], 1)
        (px, py), (qx, qy) = points.T, np.roll(points, -1, 0).T
        area = float(px @ qy - py @ qx) / 2
        if area > _SPECK or area < -_PINHOLE:
            contours.append(points)
            total, length = total + area, length + way[-1]
    return contours, 2 * total / max(length, 1.0)


# 2. Pieces


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
        arc[(squared < _SMALLEST**2) | (count * _STEP > np.pi * np.sqrt(squared))] = np.inf
        straight = line.clip(0) * _STEP + _LINE * thrift
        bent = arc.clip(0) * _STEP + _ARC * thrift
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


class _Touch(NamedTuple):
    """A tangent of a contour: it touches from `first` to `last`, which is one point on an arc."""

    first: Array
    last: Array
    along: Array

    @property
    def straight(self) -> bool:
        return self.first is not self.last


def _touches(points: Array, arc: bool) -> list[_Touch]:
    """Tangents of a piece: the line itself, or those of an arc, no more than `_TURN` apart."""
    blurred = round(0.4 / _STEP)  # next to a corner
    core = points[blurred:-blurred] if len(points) > 10 else points
    centre = core.mean(0)
    if not arc:
        along = np.linalg.svd(core - centre, full_matrices=False)[2][0]
        along = along * np.sign(along @ (points[-1] - points[0]))
        first, last = (centre + along * (along @ (points[i] - centre)) for i in (0, -1))
        return [_Touch(first, last, along)]
    terms = np.c_[core - centre, np.ones(len(core))]
    solution = np.linalg.lstsq(terms, (terms[:, :2] ** 2).sum(1), rcond=None)[0]
    centre = centre + solution[:2] / 2
    radius = np.sqrt(solution[2] + (solution[:2] ** 2).sum() / 4)
    angle = np.unwrap(np.arctan2(*(points - centre).T[::-1]))
    turn = angle[-1] - angle[0]
    angles = np.linspace(angle[0], angle[-1], 2 + int(abs(turn) / _TURN))
    out = np.stack([np.cos(angles), np.sin(angles)], 1)
    along = np.sign(turn) * out[:, ::-1] * (-1, 1)
    return [_Touch(p, p, d) for p, d in zip(centre + radius * out, along, strict=True)]


def _merged(one: _Touch, two: _Touch) -> _Touch:
    """The tangent where a piece goes on smoothly in the next one; at most one is a line."""
    middle = (one.last + two.first) / 2
    if one.straight:
        return _Touch(one.first, middle, one.along)
    if two.straight:
        return _Touch(middle, two.last, two.along)
    along = one.along + two.along
    return _Touch(middle, middle, along / np.hypot(*along))


def _tangents(points: Array, thrift: float) -> list[_Touch]:
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
    touches: list[_Touch] = []
    for i, own in enumerate(pieces):
        last, first = pieces[i - 1][-1], own[0]
        if last.along @ first.along > np.cos(_SMOOTH) and not (last.straight and first.straight):
            (touches if i else pieces[-1]).pop()
            own[0] = _merged(last, first)
        touches += own
    return touches


# 3. Polygon


@dataclass(frozen=True)
class _Polygon:
    """Control polygon of all contours of a glyph.

    Attributes:
        vertices: shape (n, 2).
        following: the next vertex of the same contour, shape (n,).
        before: where the rounding of a vertex begins, as a share of the edge before it, counted
            from the vertex: 0 at a corner. Shape (n,).
        after: where it ends, as a share of the edge after it.
    """

    vertices: Array
    following: NDArray[np.intp]
    before: Array
    after: Array

    @property
    def preceding(self) -> NDArray[np.intp]:
        return np.argsort(self.following)

    @property
    def corner(self) -> Flags:
        return self.before == 0

    @property
    def shared(self) -> Flags:
        """Vertices whose rounding ends where that of the next one begins: `after` is not used."""
        return ~self.corner & (self.after + self.before[self.following] > 1 - 1e-6)

    @property
    def edges(self) -> Array:
        """The way to the next vertex, shape (n, 2)."""
        return self.vertices[self.following] - self.vertices

    def used(self) -> Flags:
        """Which rows of `spread` are points of the outline, shape (n, 3)."""
        smooth = ~self.corner
        return np.stack([smooth, np.full_like(smooth, True), smooth & ~self.shared], 1)

    def spread(self) -> Array:
        """Matrix (3 n, n) from vertices to the begin of each rounding, the vertex, and the end."""
        eye, before, after = np.eye(len(self.vertices)), self.before[:, None], self.after[:, None]
        begin = eye + before * (eye[self.preceding] - eye)
        end = eye + after * (eye[self.following] - eye)
        return np.stack([begin, eye, end], 1).reshape(-1, len(eye))

    def contours(self) -> tuple[Contour, ...]:
        points = (self.spread() @ self.vertices).reshape(-1, 3, 2)
        on = np.stack([~self.corner, self.corner, ~self.corner], 1)
        last = np.flatnonzero(self.following <= np.arange(len(on)))
        parts = (np.split(array, last[:-1] + 1) for array in (points, on, self.used()))
        return tuple(Contour(p[used], o[used]) for p, o, used in zip(*parts, strict=True))

    def samples(self) -> tuple[Array, NDArray[np.intp]]:
        """Matrix (m, 3 n) from rows of `spread` to points along the curves; the next point."""
        blocks = [_weights(c.points, c.on, 0.4) for c in self.contours()]
        starts = np.cumsum([0, *map(len, blocks)])
        weights = np.zeros((starts[-1], 3 * len(self.vertices)))
        weights[:, np.flatnonzero(self.used())] = block_diag(*blocks)
        following = np.arange(len(weights)) + 1
        following[starts[1:] - 1] = starts[:-1]
        return weights, following


def _polygon(points: Array, thrift: float) -> _Polygon | None:
    """Cut a contour into pieces and let their tangents meet; None for a mere sliver."""
    touches = _tangents(points, thrift)
    if len(touches) < 3:
        return None
    pairs = list(zip(touches, touches[1:] + touches[:1], strict=True))
    vertices = np.array([_meeting(one, two) for one, two in pairs])
    following = np.roll(np.arange(len(vertices)), -1)
    # A curve that ends at e on both edges passes its vertex at e |u + v| / 4, u and v being the
    # edges' directions: so far, at least, reaches what is rounded.
    u, v = np.roll(vertices, 1, 0) - vertices, vertices[following] - vertices
    before, after = np.hypot(*u.T).clip(1e-6), np.hypot(*v.T).clip(1e-6)
    depth = np.hypot(*(vertices[:, None] - points).transpose(2, 0, 1)).min(1)
    reach = 4 * depth / np.hypot(*(u / before[:, None] + v / after[:, None]).T).clip(0.05)
    touching = np.array([(one.last, two.first) for one, two in pairs]) - vertices[:, None]
    begin, end = np.maximum(reach, np.hypot(*touching.transpose(2, 1, 0)))
    shares = (begin / before).clip(0.05, 0.5), (end / after).clip(0.05, 0.5)
    return _met(_Polygon(vertices, following, *shares))


def _meeting(one: _Touch, two: _Touch) -> Array:
    """Where two tangents meet; half-way between them where that is far off."""
    middle, way = (one.last + two.first) / 2, two.first - one.last
    across = one.along[0] * two.along[1] - one.along[1] * two.along[0]
    if abs(across) > 0.03:
        far = (way[0] * two.along[1] - way[1] * two.along[0]) / across
        vertex = one.last + far * one.along
        if np.hypot(*(vertex - middle)) < max(2.0, np.hypot(*way)):
            return vertex
    return middle


def _joined(parts: list[_Polygon]) -> _Polygon:
    """All contours as one polygon."""
    starts = np.cumsum([0, *(len(p.vertices) for p in parts[:-1])])
    following = [p.following + start for p, start in zip(parts, starts, strict=True)]
    rest = ([p.before for p in parts], [p.after for p in parts])
    return _Polygon(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate(following),
        *map(np.concatenate, rest),
    )


def _met(polygon: _Polygon) -> _Polygon:
    """Let roundings that almost meet on an edge meet."""
    before, after = polygon.before[polygon.following], polygon.after
    meet = (before > 0) & (after > 0) & (before + after > 0.9)
    after = np.where(meet, after / np.where(meet, before + after, 1), after)
    before = np.where(meet, 1 - after, before)
    return replace(polygon, after=after, before=before[polygon.preceding])


def _settled(polygon: _Polygon) -> _Polygon:
    """Make corners of roundings too small to be seen, but not of chamfers, and let others meet.

    A rounding no wider than some strokes comes as a short edge between two blunt corners.
    """
    way, ahead, back = polygon.edges, polygon.following, polygon.preceding
    length = np.hypot(*way.T)
    cross = way[back, 0] * way[:, 1] - way[back, 1] * way[:, 0]
    turn = np.arctan2(cross, (way[back] * way).sum(1))
    blunt = np.abs(turn) < _BLUNT
    chamfer = (length < _CHAMFER) & (turn * turn[ahead] > 0) & blunt & blunt[ahead]
    corner = np.maximum(polygon.before * length[back], polygon.after * length) < _SEEN
    bend = corner & (np.abs(turn) < _BEND)
    corner &= ~(chamfer | chamfer[back] | bend)
    before, after = polygon.before, polygon.after
    before = np.where(bend, np.minimum(_WIDE / length[back], 0.5), before)
    after = np.where(bend, np.minimum(_WIDE / length, 0.5), after)
    before = np.where(corner, 0, np.where(chamfer[back], 0.5, before))
    after = np.where(corner, 0, np.where(chamfer, 0.5, after))
    return _met(replace(polygon, before=before, after=after))


def _level(polygon: _Polygon) -> NDArray[np.intp]:
    """Pairs of coordinates, all x, then all y, that should be equal, shape (pairs, 2)."""
    n, way = len(polygon.vertices), np.abs(polygon.edges)
    length = np.hypot(*way.T)
    level = way < np.minimum(_SLOPE * length, _RISE)[:, None]
    axis, vertex = np.nonzero(level.T & (length > 1.2))
    return np.stack([axis * n + vertex, axis * n + polygon.following[vertex]], 1)


def _levelled(polygon: _Polygon) -> _Polygon:
    """Make nearly level and upright edges exactly so."""
    values = polygon.vertices.T.ravel()
    for pair in _level(polygon):
        values[pair] = values[pair].mean()
    return replace(polygon, vertices=values.reshape(2, -1).T)


# 4. Fit


class _Fit:
    """The least-squares problem of a polygon and a glyph.

    The ink of a pixel changes by what the outline sweeps over it, so its derivative is an integral
    along the outline. Vertices are held back a little, for they start on the contour, and edges
    that are nearly level or upright are drawn to be so. Parameters are x, y, before and after of
    all vertices, of which `free` may change.
    """

    def __init__(self, polygon: _Polygon, glyph: Array) -> None:
        n = len(polygon.vertices)
        self.polygon, self.glyph = polygon, glyph
        self.weights, self.following = polygon.samples()
        smooth = ~polygon.corner
        self.free = np.flatnonzero(
            np.r_[np.ones(2 * n, bool), smooth, smooth & ~polygon.shared],
        )
        self.start = np.concatenate([*polygon.vertices.T, polygon.before, polygon.after])
        # Two roundings on an edge may grow to the middle of what is left between them.
        middle = (1 + polygon.after - polygon.before[polygon.following]) / 2
        most = np.where(polygon.shared, 0.9, 1 - middle)[polygon.preceding]
        self.low = np.repeat([-np.inf, 0.01], 2 * n)[self.free]
        self.high = np.r_[np.full(2 * n, np.inf), most, middle][self.free]
        pairs = _level(polygon)
        level = np.zeros((len(pairs), len(self.free)))
        level[np.arange(len(pairs))[:, None], pairs] = (2, -2)
        self.prior = np.vstack([np.diag(np.repeat([0.14, 0.5], 2 * n)[self.free]), level])
        self.rest = self.prior @ self.start[self.free]
        self.rest[len(self.free) :] = 0

    def at(self, values: Array) -> _Polygon:
        """The polygon with these free parameters."""
        everything = self.start.copy()
        everything[self.free] = values
        x, y, before, after = everything.reshape(4, -1)
        after = np.where(self.polygon.shared, 1 - before[self.polygon.following], after)
        return _Polygon(np.stack([x, y], 1), self.polygon.following, before, after)

    def error(self, values: Array) -> Array:
        """What ink there is too much in each pixel; distance from the start; slopes."""
        now = self.at(values)
        samples = self.weights @ (now.spread() @ now.vertices)
        ink = _coverage(samples, samples[self.following], *self.glyph.shape, rows=8)
        return np.concatenate([(ink - self.glyph).ravel(), self.prior @ values - self.rest])

    def slope(self, values: Array) -> Array:
        """Derivative of `error` by the free parameters."""
        now = self.at(values)
        height, width = self.glyph.shape
        spread = now.spread()
        samples = self.weights @ (spread @ now.vertices)
        way = samples[self.following] - samples
        across = np.stack([way[:, 1], -way[:, 0]], 1)  # outwards, as long as the step
        x, y = (samples + way / 2).T.astype(int)
        pixel = y.clip(0, height - 1) * width + x.clip(0, width - 1)
        middle = (self.weights + self.weights[self.following]) / 2
        moves = middle @ spread
        begin = middle[:, 0::3] * (across @ -now.edges[now.preceding].T)
        end = middle[:, 2::3] * (across @ now.edges.T)
        swept = np.hstack([across[:, :1] * moves, across[:, 1:] * moves, begin, end])
        ink = np.zeros((height * width, len(self.free)))
        np.add.at(ink, pixel, swept[:, self.free])
        return np.vstack([ink, self.prior])


def _fitted(polygon: _Polygon, glyph: Array) -> _Polygon:
    """Move vertices and roundings until the ink is the glyph's (Levenberg 1944, Marquardt 1963)."""
    if len(polygon.vertices) > _MOST:
        return polygon
    fit = _Fit(polygon, glyph)
    values, damping = fit.start[fit.free], 0.05
    error = fit.error(values)
    for _ in range(_ROUNDS):
        slope = fit.slope(values)
        normal = slope.T @ slope
        while True:
            damped = normal + damping * np.diag(normal.diagonal() + 0.01)
            step = np.linalg.solve(damped, -slope.T @ error).clip(-0.5, 0.5)
            tried = (values + step).clip(fit.low, fit.high)
            left = fit.error(tried)
            gain = 1 - float(left @ left) / float(error @ error)
            if gain > 0 or damping > 100:
                break
            damping *= 4
        if gain > 0:
            values, error, damping = tried, left, max(damping / 3, 1e-3)
        if gain < 1e-3:
            break
    return fit.at(values)


# Curves and ink


def _weights(points: Array, on: Flags, spacing: float) -> Array:
    """Matrix (m, n) from the points of a closed contour to places along it."""
    n, eye, rows = len(points), np.eye(len(points)), []
    for i in np.flatnonzero(on):
        bent = not on[(i + 1) % n]
        ahead = eye[(i + np.arange(3 if bent else 2)) % n]
        length = np.hypot(*np.diff(ahead @ points, axis=0).T).sum()
        count = max(4 if bent else 1, int(np.ceil(length / spacing)))
        t = np.arange(count)[:, None] / count
        bernstein = [(1 - t) ** 2, 2 * t * (1 - t), t**2] if bent else [1 - t, t]
        rows.append(np.hstack(bernstein) @ ahead)
    return np.concatenate(rows)


def _coverage(starts: Array, ends: Array, height: int, width: int, rows: int) -> Array:
    """Winding number, averaged over each pixel, of polygons with these edges, (m, 2) each.

    Every edge that crosses a row of samples adds its sign to all that lies to the right of it.
    """
    ink = np.zeros((height * rows, width + 2))
    top, bottom = starts[:, 1] * rows - 0.5, ends[:, 1] * rows - 0.5
    first = np.ceil(np.minimum(top, bottom)).astype(int)
    count = np.ceil(np.maximum(top, bottom)).astype(int) - first
    edge = np.repeat(np.arange(len(starts)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    share = (row - top[edge]) / (bottom - top)[edge]
    x = (starts[edge, 0] + share * (ends - starts)[edge, 0]).clip(0, width)
    sign = np.where(bottom > top, -1.0, 1.0)[edge]
    inside = (row >= 0) & (row < len(ink))
    row, x, sign = row[inside], x[inside], sign[inside]
    column = x.astype(int)
    np.add.at(ink, (row, column), sign * (1 + column - x))
    np.add.at(ink, (row, column + 1), sign * (x - column))
    return ink.cumsum(1)[:, :width].reshape(height, rows, width).mean(1)
