"""Half-ink lines of a glyph: the picture is sharpened, and followed along its edges."""

from functools import lru_cache

import numpy as np
from contourpy import contour_generator
from scipy import ndimage

from fontgan.tracing.outline import Array

UPSAMPLED = 6  # samples a pixel of the sharpened picture

# Lengths are in pixels.
PAD = 2  # blank about a glyph, so that contours close
STEP = 0.3  # between the points of a contour
_SPECK, _PINHOLE = 1.5, 0.6  # area of ink, and of white, too small for a part of a letter


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
    padded = np.pad(glyph, PAD)
    (rise_y, blur_y), (rise_x, blur_x) = map(_upsampling, padded.shape)
    height, width = padded.shape
    fine = rise_y @ padded @ rise_x.T
    for _ in range(rounds):
        ink = np.clip(2 * fine - 0.5, 0, 1)
        mean = ink.reshape(height, UPSAMPLED, width, UPSAMPLED).mean((1, 3))
        fine = blur_y @ (fine + rise_y @ (padded - mean) @ rise_x.T) @ blur_x.T
    return fine


def contour_lines(fine: Array, level: float) -> tuple[list[Array], float]:
    """Lines of equal ink, clockwise about it, points (n, 2) in even steps; width of the strokes."""
    y, x = ((np.arange(size) + 0.5) / UPSAMPLED - PAD for size in fine.shape)
    contours, total, length = [], 0.0, 0.0
    for line in map(np.asarray, contour_generator(x, y, fine).lines(level)):
        way = np.r_[0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
        places = np.linspace(0, way[-1], max(int(way[-1] / STEP), 8), endpoint=False)
        points = np.stack([np.interp(places, way, axis) for axis in line.T], 1)
        (px, py), (qx, qy) = points.T, np.roll(points, -1, 0).T
        area = float(px @ qy - py @ qx) / 2
        if area > _SPECK or area < -_PINHOLE:
            contours.append(points)
            total, length = total + area, length + way[-1]
    return contours, 2 * total / max(length, 1.0)
