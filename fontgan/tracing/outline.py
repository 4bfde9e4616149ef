"""Closed outlines of lines and quadratic curves, and the ink that they cover."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


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
        return weights(self.points, self.on, spacing) @ self.points

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
        return coverage(starts, ends, height, width, rows).clip(0, 1)


def weights(points: Array, on: Flags, spacing: float) -> Array:
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


def coverage(starts: Array, ends: Array, height: int, width: int, rows: int) -> Array:
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
