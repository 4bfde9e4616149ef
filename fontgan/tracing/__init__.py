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

`contours`, `pieces`, `polygon` and `fit` are the steps, `trace` takes them all; `outline` is what
comes out, and `fidelity` compares it with the glyph.
"""

from fontgan.tracing.contours import sharpened
from fontgan.tracing.fidelity import Fidelity, fidelity, overlap
from fontgan.tracing.outline import Array, Contour, Outline
from fontgan.tracing.trace import trace

__all__ = [
    "Array",
    "Contour",
    "Fidelity",
    "Outline",
    "fidelity",
    "overlap",
    "sharpened",
    "trace",
]
