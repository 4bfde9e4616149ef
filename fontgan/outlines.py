"""A glyph's picture to closed outlines of lines and quadratic curves, as a type designer draws them.

A picture of 28 pixels says far more than its pixels' edges: a grey pixel tells how much of it lies
under the ink. Four steps use that.

1. *Sharpened*: an upsampled picture whose ink, averaged over each pixel, is the glyph again. Its
   half-ink lines are the contours; strokes thinner than a pixel survive.
2. *Pieces*: each contour is cut, by dynamic programming, into the cheapest sequence of straight
   lines and circular arcs.
3. *Polygon*: the pieces' tangents meet in the vertices of a control polygon. A vertex is a corner,
   or it is rounded by one quadratic curve that touches the edges before and after it, so that all
   joints but corners are smooth by construction (as in potrace: Selinger 2003, "Potrace: a
   polygon-based tracing algorithm").
4. *Fit*: vertices and the ends of the curves move until the ink of the filled outline, pixel by
   pixel, is the glyph's, in the least-squares sense. Roundings too small to be seen in the picture
   become corners.
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

UPSAMPLED = 6  # samples a pixel of the sharpened picture
_PAD = 2  # blank pixels about a glyph, so that contours close
_STEP = 0.3  # pixels between the points of a contour
TT,HAIR,HR,HL=1.6,1.,0,.3
_LINE, _ARC = 0.05, 0.08  # price of a piece, in squared pixels of deviation times length
_LONGEST = 250  # points of a piece
_SMALLEST_ARC = 2.0  # radius in pixels; what is rounder is a corner, rounded or not
_SPECK, _PINHOLE = 1.5, 0.6  # squared pixels of ink, and of white, that are no part of a letter
_CORNER = np.deg2rad(32)  # two pieces that turn by more meet in a corner
_TURN = np.deg2rad(60)  # of one quadratic curve, at most
_ROUNDS = 15  # of the fit, at most
_SEEN = 0.8  # pixels along the edge that a rounding takes at least; else it is a corner
_BLUNT, _CHAMFER = np.deg2rad(75), 1.8  # turn, and pixels between two such, of a small rounding
_LEVEL = 0.12, 0.35  # slope, and pixels of rise, up to which an edge is meant to be straight


@dataclass(frozen=True)
class Contour:
    """A closed curve. Between two off-curve points there is always one on the curve.

    Attributes:
        points: on the curve, and control points of quadratic curves, shape (n, 2).
        on: which points lie on the curve, bool, shape (n,); the first one does.
    """

    points: Array
    on: NDArray[np.bool_]

    def polyline(self, spacing: float) -> Array:
        """Points along the curve, at most `spacing` apart, shape (m, 2)."""
        return _weights(self.points, self.on, spacing) @ self.points


@dataclass(frozen=True)
class Outline:
    """Outer contours clockwise to the eye, holes counterclockwise: what TrueType fills.

    `trace` gives pixels, x to the right and y down from the picture's upper left corner; `placed`
    brings them to a font's units, y up.
    """

    contours: tuple[Contour, ...]

    def placed(self, scale: float, x: float, y: float, stretch: float = 1.0) -> "Outline":
        """In a font's units: the pixel (x, y) becomes the origin, y points up."""
        factors = np.array([scale, -scale * stretch])
        return Outline(
            tuple(replace(c, points=(c.points - (x, y)) * factors) for c in self.contours)
        )

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest x and y, largest x and y of the curves."""
        points = np.concatenate([c.polyline(0.02 * np.ptp(c.points)) for c in self.contours])
        return (*points.min(0), *points.max(0))

    def svg_path(self, digits: int = 2) -> str:
        """The `d` attribute of an SVG path, in the outline's own units."""
        parts = []
        for contour in self.contours:
            pairs = [" ".join(f"{v:.{digits}f}" for v in point) for point in contour.points]
            words = [f"M{pairs[0]}"]
            for pair, on, after_off in zip(
                [*pairs[1:], pairs[0]],
                [*contour.on[1:], True],
                ~contour.on[np.r_[0 : len(pairs)]],
                strict=True,
            ):
                words.append(pair if after_off else f"L{pair}" if on else f"Q{pair}")
            parts.append(" ".join(words) + "Z")
        return "".join(parts)

    def coverage(self, height: int, width: int, rows: int = 8) -> Array:
        """Ink in each pixel of a picture, in [0, 1], shape (height, width); units are pixels.

        Exact along x, `rows` samples a pixel along y.
        """
        lines = [c.polyline(0.25) for c in self.contours]
        starts = np.concatenate([np.empty((0, 2)), *lines])
        ends = np.concatenate([np.empty((0, 2)), *(np.roll(p, -1, 0) for p in lines)])
        return _coverage(starts, ends, height, width, rows).clip(0, 1)


@dataclass(frozen=True)
class Fidelity:
    """How well an outline renders its glyph: intersection over union.

    Attributes:
        upsampled: with the sharpened glyph, thresholded at half the ink.
        original: with the grey glyph at its own resolution: sum of minima over sum of maxima.
    """

    upsampled: float
    original: float


def overlap(first: Array, second: Array) -> float:
    """Intersection over union of two pictures of ink in [0, 1]: sum of minima over maxima."""
    return float(np.minimum(first, second).sum() / np.maximum(first, second).sum())


def fidelity(outline: Outline, glyph: Array) -> Fidelity:
    """Compare a traced outline, in pixels, with its glyph, shape (height, width)."""
    height, width = glyph.shape
    large = outline.placed(UPSAMPLED, 0, 0, -1).coverage(height * UPSAMPLED, width * UPSAMPLED)
    edge = _PAD * UPSAMPLED
    fine = sharpened(glyph)[edge:-edge, edge:-edge]
    return Fidelity(
        overlap(large > 0.5, fine > 0.5), overlap(outline.coverage(height, width), glyph)
    )


def trace(glyph: Array) -> Outline:
    """Draw the outline of a glyph.

    Args:
        glyph: ink in [0, 1], shape (height, width), at least 8 pixels each.

    Returns:
        The outline, in pixels.

    Raises:
        ValueError: another shape, values outside of [0, 1], or no ink that reaches half.
    """
    glyph = np.asarray(glyph, dtype=float)
    if glyph.ndim != 2 or min(glyph.shape) < 8:
        raise ValueError(f"a glyph has a shape (height, width) from 8 up, found {glyph.shape}")
    if not (glyph >= 0).all() or not (glyph <= 1).all():
        raise ValueError("the ink of a glyph must lie in [0, 1], and be finite")
    contours, width = _contours(sharpened(glyph), 0.5)
    if width < HAIR:
        contours, width = _contours(sharpened(glyph, rounds=HR), HL)
    thrift = min(1.0, (width / TT) ** 2)
    polygons = [polygon for points in contours if (polygon := _polygon(points,thrift))]
    if not polygons:
        raise ValueError("blank: nowhere a spot of half the ink or more")
    polygon = _settled(_fitted(_joined(polygons), glyph))
    return Outline(_levelled(_fitted(polygon, glyph)).contours())


# 1. Sharpened


@lru_cache(maxsize=8)
def _upsampling(size: int) -> tuple[Array, Array]:
    """Matrices for one axis: cubic upsampling, and a blur by 0.19 pixels of what came out."""
    rise = ndimage.zoom(
        np.eye(size), (UPSAMPLED, 1), order=3, mode="grid-constant", grid_mode=True
    )
    blur = ndimage.gaussian_filter1d(np.eye(len(rise)), 0.19 * UPSAMPLED, axis=0, mode="constant")
    return rise, blur


def sharpened(glyph: Array, rounds: int = 12) -> Array:
    """Upsample smoothly, such that the ink within the half-ink line agrees with the glyph.

    Back-projection (Irani & Peleg 1991, "Improving resolution by image registration"): what a pixel
    lacks is added to the upsampled picture, again and again. A fine sample holds no less ink than
    none and no more than all; that makes edges steep, and thin grey strokes solid.

    Returns:
        Half ink at the contour; shape (UPSAMPLED * (height + 2 pad), UPSAMPLED * (width + 2 pad)).
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
    """Half-ink lines in pixels, evenly spaced points (n, 2), clockwise about ink."""
    y, x = ((np.arange(size) + 0.5) / UPSAMPLED - _PAD for size in fine.shape)
    contours = []
    for line in contour_generator(x, y, fine).lines(level):
        length = np.r_[0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
        places = np.linspace(0, length[-1], max(int(length[-1] / _STEP), 8), endpoint=False)
        points = np.stack([np.interp(places, length, axis) for axis in line.T], 1)
        area = _area(points)
        if area > _SPECK or area < -_PINHOLE:
            contours.append(points)
    length = _STEP * sum(map(len, contours))
    return contours, 2 * sum(map(_area, contours)) / length if length else 0.0


def _area(points: Array) -> float:
    """Signed area of a polygon: positive where it runs clockwise to the eye, y down."""
    x, y = points.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


# 2. Pieces


def _prices(points: Array, thrift: float) -> tuple[Array, NDArray[np.bool_]]:
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
        squared = np.maximum((a**2 + b**2) / 4 + mw - a * mx - b * my, 1e-9)
        arc = (ww - a * xw - b * yw) / (4 * squared)
        arc[(squared < _SMALLEST_ARC**2) | (count * _STEP > np.pi * np.sqrt(squared))] = np.inf
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


# 3. Polygon


class _Touch(NamedTuple):
    """A tangent of a contour: it touches from `first` to `last`, one point on an arc."""

    first: Array
    last: Array
    along: Array

    @property
    def straight(self) -> bool:
        return self.first is not self.last


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
    def corner(self) -> NDArray[np.bool_]:
        return self.before == 0

    @property
    def shared(self) -> NDArray[np.bool_]:
        """Vertices whose rounding ends where that of the next one begins: `after` is not used."""
        return ~self.corner & (self.after + self.before[self.following] > 1 - 1e-6)

    @property
    def edges(self) -> Array:
        """Length of the edge after each vertex, shape (n,)."""
        return np.hypot(*(self.vertices[self.following] - self.vertices).T)

    def contours(self) -> tuple[Contour, ...]:
        used, on = self._used()
        points = (self.spread() @ self.vertices).reshape(-1, 3, 2)
        last = np.flatnonzero(self.following <= np.arange(len(used))) + 1
        return tuple(
            Contour(p[u], o[u])
            for p, o, u in zip(*(np.split(a, last[:-1]) for a in (points, on, used)), strict=True)
        )

    def _used(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows of `spread` are points of the outline, and lie on it, shapes (n, 3)."""
        round_ = ~self.corner
        used = np.stack([round_, np.full_like(round_, True), round_ & ~self.shared], 1)
        return used, np.stack([round_, ~round_, round_], 1)

    def spread(self) -> Array:
        """Matrix (3 n, n) from vertices to the begin of each rounding, the vertex, and the end."""
        eye, before, after = np.eye(len(self.vertices)), self.before[:, None], self.after[:, None]
        begin = eye + before * (eye[self.preceding] - eye)
        end = eye + after * (eye[self.following] - eye)
        return np.stack([begin, eye, end], 1).reshape(-1, len(eye))

    def samples(self) -> tuple[Array, NDArray[np.intp]]:
        """Matrix (m, 3 n) from the rows of `spread` to points along the curves; the next point."""
        blocks = [_weights(c.points, c.on, 0.4) for c in self.contours()]
        weights = np.zeros((sum(map(len, blocks)), 3 * len(self.vertices)))
        weights[:, np.flatnonzero(self._used()[0])] = block_diag(*blocks)
        starts = np.cumsum([0, *map(len, blocks)])
        following = np.arange(len(weights)) + 1
        following[starts[1:] - 1] = starts[:-1]
        return weights, following


def _joined(parts: list[_Polygon]) -> _Polygon:
    starts = np.cumsum([0, *(len(p.vertices) for p in parts)])
    return _Polygon(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.following + start for p, start in zip(parts, starts, strict=False)]),
        np.concatenate([p.before for p in parts]),
        np.concatenate([p.after for p in parts]),
    )


def _touches(points: Array, arc: bool) -> list[_Touch]:
    """Tangents of a piece: the line itself, or those of an arc, no more than `_TURN` apart."""
    ends = round(0.4 / _STEP)  # corners are blurred
    core = points[ends:-ends] if len(points) > 10 else points
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


def _turn(one: Array, two: Array) -> float:
    """Angle between two directions, in [0, pi]."""
    return float(np.arccos(np.clip(one @ two / np.hypot(*one) / np.hypot(*two), -1, 1)))


def _merged(one: _Touch, two: _Touch) -> _Touch:
    """The tangent where a piece goes on smoothly in the next one; at most one is a line."""
    middle = (one.last + two.first) / 2
    if one.straight:
        return _Touch(one.first, middle, one.along)
    if two.straight:
        return _Touch(middle, two.last, two.along)
    along = one.along + two.along
    return _Touch(middle, middle, along / np.hypot(*along))


def _polygon(points: Array, thrift: float) -> _Polygon | None:
    """Cut a contour into pieces and let their tangents meet; None for a mere sliver."""
    prices, arcs = _prices(points, thrift)
    cuts = _breaks(prices, 0)
    cuts = _breaks(prices, cuts[len(cuts) // 2])  # the first time it was cut at any place
    n = len(points)
    pieces = []
    for start, end in zip(cuts, [*cuts[1:], cuts[0]], strict=True):
        count = (end - start) % n or n
        piece = points[(start + np.arange(count + 1)) % n]
        pieces.append(_touches(piece, bool(arcs[start, count])))
    # An arc, which has two tangents at least, comes last: its last one may merge with the first.
    shift = next((i + 1 for i, own in enumerate(pieces) if len(own) > 1), 0)
    pieces = pieces[shift:] + pieces[:shift]
    touches: list[_Touch | None] = []
    for i, own in enumerate(pieces):
        last = pieces[i - 1][-1]
        smooth = _turn(last.along, own[0].along) < _CORNER
        if smooth and not (last.straight and own[0].straight):
            if i:
                own = [_merged(touches.pop(), own[0]), *own[1:]]
            else:
                own = [_merged(last, own[0]), *own[1:]]
                pieces[-1].pop()
        touches += own
    if len(touches) < 3:
        return None
    pairs = list(zip(touches, touches[1:] + touches[:1], strict=True))
    vertices = np.array([_meeting(one, two) for one, two in pairs])
    # A curve that ends at e on both edges passes its vertex at e |u + v| / 4, u and v being the
    # edges' directions: so far, at least, reaches what is rounded.
    u, v = np.roll(vertices, 1, 0) - vertices, np.roll(vertices, -1, 0) - vertices
    before, after = np.hypot(*u.T), np.hypot(*v.T)
    depth = np.hypot(*(vertices[:, None] - points).transpose(2, 0, 1)).min(1)
    reach = 4 * depth / np.hypot(*(u / before[:, None] + v / after[:, None]).T).clip(0.05)
    touching = np.array([[one.last, two.first] for one, two in pairs]) - vertices[:, None]
    begin, end = np.maximum(reach, np.hypot(*touching.transpose(2, 1, 0)))
    following = np.roll(np.arange(len(vertices)), -1)
    return _met(
        _Polygon(
            vertices, following, (begin / before).clip(0.05, 0.5), (end / after).clip(0.05, 0.5)
        )
    )


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


def _met(polygon: _Polygon) -> _Polygon:
    """Let roundings that almost meet on an edge meet, where they are not corners."""
    before = polygon.before[polygon.following]
    total = before + polygon.after
    meet = (before > 0) & (polygon.after > 0) & (total > 0.9)
    after = np.where(meet, polygon.after / np.where(meet, total, 1), polygon.after)
    before = np.where(meet, 1 - after, before)
    return replace(polygon, after=after, before=before[polygon.preceding])


# 4. Fit


def _fitted(polygon: _Polygon, glyph: Array) -> _Polygon:
    """Move vertices and roundings until the outline's ink is the glyph's, in least squares.

    The ink of a pixel changes by what the outline sweeps over it, so its derivative is an integral
    along the outline. Vertices are held back a little (they start where the contour is), and edges
    that are nearly level or upright are drawn to be so.
    """
    height, width = glyph.shape
    n = len(polygon.vertices)
    weights, following = polygon.samples()
    free = np.flatnonzero(np.r_[~polygon.corner, ~polygon.corner & ~polygon.shared]) + 2 * n
    free = np.r_[0 : 2 * n, free]
    start = np.concatenate([*polygon.vertices.T, polygon.before, polygon.after])
    pairs = _level(polygon)
    level = np.zeros((len(pairs), len(free)))
    level[np.arange(len(pairs))[:, None], pairs] = (2, -2)
    hold = np.repeat([0.14, 0.5], 2 * n)
    between = (1 + polygon.after - polygon.before[polygon.following]) / 2
    most = np.where(polygon.shared, 0.9, 1 - between)[polygon.preceding]
    low = np.repeat([-np.inf, 0.01], 2 * n)
    high = np.r_[np.full(2 * n, np.inf), most, between]
    high = np.maximum(high, start + 1e-3)

    def moved(free_values: Array) -> _Polygon:
        values = start.copy()
        values[free] = free_values
        x, y, before, after = values.reshape(4, n)
        after = np.where(polygon.shared, 1 - before[polygon.following], after)
        return _Polygon(np.stack([x, y], 1), polygon.following, before, after)

    def residuals(values: Array) -> Array:
        now = moved(values)
        samples = weights @ (now.spread() @ now.vertices)
        ink = _coverage(samples, samples[following], height, width, 8)
        held = hold[free] * (values - start[free])
        return np.concatenate([(ink - glyph).ravel(), held, level @ values])

    def jacobian(values: Array) -> Array:
        now = moved(values)
        spread = now.spread()
        samples = weights @ (spread @ now.vertices)
        way = samples[following] - samples
        x, y = (samples + way / 2).T
        pixel = y.astype(int).clip(0, height - 1) * width + x.astype(int).clip(0, width - 1)
        middle = (weights + weights[following]) / 2
        edges = now.vertices[now.following] - now.vertices
        sides = (-edges[now.preceding], edges)
        swept = np.hstack(
            [
                way[:, 1:] * (middle @ spread),
                -way[:, :1] * (middle @ spread),
                *(
                    middle[:, i::3] * (way[:, 1:] * side[:, 0] - way[:, :1] * side[:, 1])
                    for i, side in zip((0, 2), sides, strict=True)
                ),
            ]
        )
        ink = np.zeros((height * width, 4 * n))
        np.add.at(ink, pixel, swept)
        return np.vstack([ink[:, free], np.diag(hold[free]), level])

    values, damping = start[free], 0.05
    error = residuals(values)
    for _ in range(_ROUNDS):
        slope = jacobian(values)
        normal = slope.T @ slope
        damp = np.diag(normal.diagonal() + 0.01)
        while damping < 100:  # Levenberg 1944, Marquardt 1963
            step = np.linalg.solve(normal + damping * damp, -slope.T @ error)
            moved_to = (values + step.clip(-0.5, 0.5)).clip(low[free], high[free])
            tried = residuals(moved_to)
            gain = 1 - (tried @ tried) / (error @ error)
            if gain > 0:
                break
            damping *= 4
        else:
            break
        values, error, damping = moved_to, tried, max(damping / 3, 1e-3)
        if gain < 1e-3:
            break
    return moved(values)


def _level(polygon: _Polygon) -> NDArray[np.intp]:
    """Pairs of coordinates that should be equal, of 2 n (all x, then all y), shape (pairs, 2)."""
    n, edges = len(polygon.vertices), polygon.edges
    slope, rise = _LEVEL
    way = np.abs(polygon.vertices[polygon.following] - polygon.vertices)
    limit = np.minimum(slope * edges, rise)
    axis, vertex = np.nonzero((way < limit[:, None]).T & (edges > 1.2))
    return np.stack([axis * n + vertex, axis * n + polygon.following[vertex]], 1)


def _levelled(polygon: _Polygon) -> _Polygon:
    """Make nearly level and upright edges exactly so."""
    values = polygon.vertices.T.ravel()
    for pair in _level(polygon):
        values[pair] = values[pair].mean()
    return replace(polygon, vertices=values.reshape(2, -1).T)


def _settled(polygon: _Polygon) -> _Polygon:
    """Make corners of roundings too small to be seen, but not of chamfers, and let others meet.

    A rounding no wider than some strokes comes as a short edge between two blunt corners.
    """
    edges, ahead, back = polygon.edges, polygon.following, polygon.preceding
    way = polygon.vertices[ahead] - polygon.vertices
    cross = way[back, 0] * way[:, 1] - way[back, 1] * way[:, 0]
    turn = np.arctan2(cross, (way[back] * way).sum(1))
    blunt = np.abs(turn) < _BLUNT
    chamfer = (edges < _CHAMFER) & (turn * turn[ahead] > 0) & blunt & blunt[ahead]
    corner = np.maximum(polygon.before * edges[back], polygon.after * edges) < _SEEN
    corner &= ~(chamfer | chamfer[back])
    before = np.where(corner, 0, np.where(chamfer[back], 0.5, polygon.before))
    after = np.where(corner, 0, np.where(chamfer, 0.5, polygon.after))
    return _met(replace(polygon, before=before, after=after))


# Curves and ink


def _weights(points: Array, on: NDArray[np.bool_], spacing: float) -> Array:
    """Matrix (m, n) from the points of a closed contour to places along it."""
    rows, eye, n = [], np.eye(len(points)), len(points)
    for i in np.flatnonzero(on):
        ahead = eye[(i + np.arange(3)) % n]
        if on[(i + 1) % n]:
            length = np.hypot(*(points[(i + 1) % n] - points[i]))
            t = np.arange(max(1, np.ceil(length / spacing)))[:, None]
            t = t / len(t)
            rows.append((1 - t) * ahead[0] + t * ahead[1])
        else:
            legs = np.diff(ahead @ points, axis=0)
            t = np.arange(max(4, np.ceil(np.hypot(*legs.T).sum() / spacing)))[:, None]
            t = t / len(t)
            rows.append((1 - t) ** 2 * ahead[0] + 2 * t * (1 - t) * ahead[1] + t**2 * ahead[2])
    return np.concatenate(rows)


def _coverage(starts: Array, ends: Array, height: int, width: int, rows: int) -> Array:
    """Winding number, averaged over each pixel, of the polygons with these edges, (m, 2) each.

    Every edge that crosses a row of samples adds its sign to all that lies right of it.
    """
    ink = np.zeros((height * rows, width + 2))
    top, bottom = starts[:, 1] * rows - 0.5, ends[:, 1] * rows - 0.5
    first = np.ceil(np.minimum(top, bottom)).astype(int)
    count = np.ceil(np.maximum(top, bottom)).astype(int) - first
    edge = np.repeat(np.arange(len(starts)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    share = (row - top[edge]) / (bottom - top)[edge]
    x = starts[edge, 0] + share * (ends - starts)[edge, 0]
    inside = (row >= 0) & (row < height * rows)
    row, x = row[inside], x[inside].clip(0, width)
    sign = np.where(bottom > top, -1.0, 1.0)[edge][inside]
    column = x.astype(int)
    np.add.at(ink, (row, column), sign * (1 + column - x))
    np.add.at(ink, (row, column + 1), sign * (x - column))
    return ink.cumsum(1)[:, :width].reshape(height, rows, width).mean(1)
