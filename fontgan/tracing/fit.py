"""Least squares: vertices and roundings move until the ink of the filled outline is the glyph's."""

import numpy as np

from fontgan.tracing.outline import Array, coverage
from fontgan.tracing.polygon import Polygon, level

_ROUNDS = 15  # of the fit, at most
_MOST = 250  # vertices of a letter; what has more is noise, and is not fitted


class _Fit:
    """The least-squares problem of a polygon and a glyph.

    The ink of a pixel changes by what the outline sweeps over it, so its derivative is an integral
    along the outline. Vertices are held back a little, for they start on the contour, and edges
    that are nearly level or upright are drawn to be so. Parameters are x, y, before and after of
    all vertices, of which `free` may change.
    """

    def __init__(self, polygon: Polygon, glyph: Array) -> None:
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
        pairs = level(polygon)
        slopes = np.zeros((len(pairs), len(self.free)))
        slopes[np.arange(len(pairs))[:, None], pairs] = (2, -2)
        self.prior = np.vstack([np.diag(np.repeat([0.14, 0.5], 2 * n)[self.free]), slopes])
        self.rest = self.prior @ self.start[self.free]
        self.rest[len(self.free) :] = 0

    def at(self, values: Array) -> Polygon:
        """The polygon with these free parameters."""
        everything = self.start.copy()
        everything[self.free] = values
        x, y, before, after = everything.reshape(4, -1)
        after = np.where(self.polygon.shared, 1 - before[self.polygon.following], after)
        return Polygon(np.stack([x, y], 1), self.polygon.following, before, after)

    def error(self, values: Array) -> Array:
        """What ink there is too much in each pixel; distance from the start; slopes."""
        now = self.at(values)
        samples = self.weights @ (now.spread() @ now.vertices)
        ink = coverage(samples, samples[self.following], *self.glyph.shape, rows=8)
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


def fitted(polygon: Polygon, glyph: Array) -> Polygon:
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
