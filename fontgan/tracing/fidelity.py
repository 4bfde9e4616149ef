"""How well an outline renders its glyph."""

from dataclasses import dataclass

import numpy as np

from fontgan.tracing.contours import PAD, UPSAMPLED, sharpened
from fontgan.tracing.outline import Array, Outline


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
    edge = PAD * UPSAMPLED
    fine = sharpened(glyph)[edge:-edge, edge:-edge]
    return Fidelity(
        overlap(np.round(large), (fine > 0.5).astype(float)),
        overlap(outline.coverage(height, width), glyph),
    )
