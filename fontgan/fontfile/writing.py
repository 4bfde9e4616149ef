"""An alphabet's pictures to the file of a font, or of an SVG."""

import io
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from callbacks.atomic import write_atomically
from fontgan import LETTERS
from fontgan.fontfile.setting import ALPHABET, typeset
from fontgan.fontfile.tables import build_font
from fontgan.tracing import Array, Fidelity, Outline, fidelity, trace

if TYPE_CHECKING:
    from torch import Tensor

_LINE = 1200  # units between the lines of the SVG, and of the font


@dataclass(frozen=True)
class FontReport:
    """What was written, and how close its outlines are to the pictures.

    Attributes:
        path: the font.
        fidelity: intersection over union of each letter, as traced.
    """

    path: Path
    fidelity: Mapping[str, Fidelity]

    @property
    def worst(self) -> str:
        """The letter whose outline is furthest from its picture."""
        return min(self.fidelity, key=lambda letter: self.fidelity[letter].original)

    @property
    def mean(self) -> float:
        """Mean intersection over union with the pictures at their own resolution."""
        return statistics.fmean(f.original for f in self.fidelity.values())


def write_font(
    images: "NDArray | Tensor",
    path: Path,
    family: str,
    version: str,
    description: str,
    units_per_em: int = 1000,
) -> FontReport:
    """Trace an alphabet and write it as a TrueType font, whole or not at all.

    Args:
        images: A-Z, ink bright, float in [0, 1] or uint8, shape (26, height, width) or
            (26, 1, height, width).
        path: of the font, usually `.ttf`; its folder is made where it is missing.
        family: name of the typeface.
        version: such as "1.0"; more may follow a space.
        description: where it comes from: the run, the seed. A licence is the user's to add.
        units_per_em: 16 to 16,384.

    Returns:
        The report.

    Raises:
        ValueError: other shapes or values, a letter without ink (it is named), a family without a
            letter or digit, a version that is no number, `units_per_em` out of range.
        OSError: the path cannot be written.
    """
    if not re.search("[A-Za-z0-9]", family):
        raise ValueError(f"family is {family!r}; it needs a letter or a digit")
    if not re.fullmatch(r"\d+\.\d{1,3}( .*)?", version):
        raise ValueError(f"version is {version!r}; write it as 1.0, more only after a space")
    if not 16 <= units_per_em <= 16384:
        raise ValueError(f"units_per_em is {units_per_em}, it must lie in [16, 16384]")
    pictures = _pictures(images)
    outlines, scores = _traced(pictures)
    glyphs = typeset(outlines, pictures.shape[-1], units_per_em)
    font = build_font(glyphs, family, version, description, units_per_em)
    file = io.BytesIO()
    font.save(file)
    write_atomically(path, file.getvalue())
    return FontReport(path, scores)


def write_svg(images: "NDArray | Tensor", path: Path) -> None:
    """Write an alphabet as one SVG, two lines set as in the font: 1,000 units an em, a path each.

    Args:
        images: see `write_font`.
        path: of the picture.

    Raises:
        ValueError: see `write_font`.
        OSError: the path cannot be written.
    """
    pictures = _pictures(images)
    glyphs = typeset(_traced(pictures)[0], pictures.shape[-1], 1000)
    paths = []
    for row, line in enumerate(ALPHABET):
        x = 0
        for letter in line:
            shape = glyphs[letter].outline.svg_path(0)
            place = f"translate({x} {_LINE * row}) scale(1 -1)"
            paths.append(f"<path id={quoteattr(letter)} transform={quoteattr(place)} d='{shape}'/>")
            x += glyphs[letter].advance
    width = max(sum(glyphs[letter].advance for letter in line) for line in ALPHABET)
    box = f"-100 {100 - _LINE} {width + 200} {2 * _LINE + 100}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><title>A to Z</title>'
    write_atomically(path, "\n".join([head, *paths, "</svg>\n"]))


def _pictures(images: "NDArray | Tensor") -> Array:
    array = images if isinstance(images, np.ndarray) else images.detach().cpu().numpy()
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 3 or len(array) != len(LETTERS):
        raise ValueError(
            f"an alphabet has the shape (26, height, width), found {tuple(images.shape)}"
        )
    return array / 255 if array.dtype == np.uint8 else array.astype(float)


def _traced(pictures: Array) -> tuple[dict[str, Outline], dict[str, Fidelity]]:
    outlines, scores = {}, {}
    for letter, picture in zip(LETTERS, pictures, strict=True):
        try:
            outlines[letter], scores[letter] = _outline(picture.tobytes(), picture.shape)
        except ValueError as error:
            raise ValueError(f"the letter {letter} makes no outline: {error}") from error
    return outlines, scores


@lru_cache(maxsize=256)
def _outline(ink: bytes, shape: tuple[int, int]) -> tuple[Outline, Fidelity]:
    # Kept, for the font and the SVG of an alphabet are usually both wanted.
    glyph = np.frombuffer(ink).reshape(shape)
    outline = trace(glyph)
    return outline, fidelity(outline, glyph)
