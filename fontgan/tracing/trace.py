"""All steps from the picture of a glyph to its outline."""

import numpy as np

from fontgan.tracing.contours import contour_lines, sharpened
from fontgan.tracing.fit import fitted
from fontgan.tracing.outline import Array, Outline
from fontgan.tracing.polygon import control_polygon, joined, levelled, settled

# Lengths are in pixels.
_HAIRLINE = 1.0  # mean width of the strokes below which ink hardly reaches half
_FOG = 0.2  # ink that no stroke falls short of everywhere
_SLENDER = 1.6  # width of the strokes below which deviations must be smaller


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
    contours, width = contour_lines(sharpened(glyph), 0.5)
    if width < _HAIRLINE:
        # Hairlines fall to pieces at half the ink. A lower level keeps them whole; they come out
        # too fat, and the fit makes them slender again.
        contours, width = contour_lines(sharpened(glyph, rounds=2), 0.3)
    thrift = min(1.0, (width / _SLENDER) ** 2)
    polygons = [polygon for c in contours if (polygon := control_polygon(c, thrift)) is not None]
    if not polygons or glyph.max() < _FOG:
        raise ValueError("it is blank: nowhere a spot of ink as large as a stroke")
    polygon = settled(fitted(joined(polygons), glyph))
    return Outline(levelled(fitted(polygon, glyph)).contours())
