"""Control polygons of letters: corners, and vertices that one quadratic curve rounds."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from fontgan.tracing.outline import Array, Contour, Flags, weights
from fontgan.tracing.pieces import Touch, tangents

# Lengths are in pixels, angles in radians.
_SEEN = 0.8  # extent that a rounding must have
_BEND, _WIDE = np.deg2rad(40), 1.5  # turn that is no corner in a letter; extent that it gets
_BLUNT, _CHAMFER = np.deg2rad(75), 1.8  # turns, and length of the edge between, of a small rounding
_SLOPE, _RISE = 0.12, 0.35  # of an edge that is meant to be level or upright


@dataclass(frozen=True)
class Polygon:
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
        blocks = [weights(c.points, c.on, 0.4) for c in self.contours()]
        starts = np.cumsum([0, *map(len, blocks)])
        matrix = np.zeros((starts[-1], 3 * len(self.vertices)))
        matrix[:, np.flatnonzero(self.used())] = block_diag(*blocks)
        following = np.arange(len(matrix)) + 1
        following[starts[1:] - 1] = starts[:-1]
        return matrix, following


def control_polygon(points: Array, thrift: float) -> Polygon | None:
    """Cut a contour into pieces and let their tangents meet; None for a mere sliver."""
    touches = tangents(points, thrift)
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
    return _met(Polygon(vertices, following, *shares))


def _meeting(one: Touch, two: Touch) -> Array:
    """Where two tangents meet; half-way between them where that is far off."""
    middle, way = (one.last + two.first) / 2, two.first - one.last
    across = one.along[0] * two.along[1] - one.along[1] * two.along[0]
    if abs(across) > 0.03:
        far = (way[0] * two.along[1] - way[1] * two.along[0]) / across
        vertex = one.last + far * one.along
        if np.hypot(*(vertex - middle)) < max(2.0, np.hypot(*way)):
            return vertex
    return middle


def joined(parts: list[Polygon]) -> Polygon:
    """All contours as one polygon."""
    starts = np.cumsum([0, *(len(p.vertices) for p in parts[:-1])])
    following = [p.following + start for p, start in zip(parts, starts, strict=True)]
    rest = ([p.before for p in parts], [p.after for p in parts])
    return Polygon(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate(following),
        *map(np.concatenate, rest),
    )


def _met(polygon: Polygon) -> Polygon:
    """Let roundings that almost meet on an edge meet."""
    before, after = polygon.before[polygon.following], polygon.after
    meet = (before > 0) & (after > 0) & (before + after > 0.9)
    after = np.where(meet, after / np.where(meet, before + after, 1), after)
    before = np.where(meet, 1 - after, before)
    return replace(polygon, after=after, before=before[polygon.preceding])


def settled(polygon: Polygon) -> Polygon:
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


def level(polygon: Polygon) -> NDArray[np.intp]:
    """Pairs of coordinates, all x, then all y, that should be equal, shape (pairs, 2)."""
    n, way = len(polygon.vertices), np.abs(polygon.edges)
    length = np.hypot(*way.T)
    aligned = way < np.minimum(_SLOPE * length, _RISE)[:, None]
    axis, vertex = np.nonzero(aligned.T & (length > 1.2))
    return np.stack([axis * n + vertex, axis * n + polygon.following[vertex]], 1)


def levelled(polygon: Polygon) -> Polygon:
    """Make nearly level and upright edges exactly so."""
    values = polygon.vertices.T.ravel()
    for pair in level(polygon):
        values[pair] = values[pair].mean()
    return replace(polygon, vertices=values.reshape(2, -1).T)
