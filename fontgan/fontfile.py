"""An alphabet of pictures to a font: TrueType, SVG, and text set in it.

Capitals only: lower case is drawn as capitals. All letters keep one scale. The baseline and the cap
height are those of the flat letters (E, F, H, I, L, T, Z), so that round ones overshoot as drawn.
"""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from callbacks.atomic import write_atomically
from fontgan import LETTERS
from fontgan.outlines import Outline, fidelity, trace

UNITS = 1000
CAP_HEIGHT = 700
"""Of the flat letters, units."""
ASCENDER, DESCENDER = 900, -250
FLAT = "EFHILTZ"
# Shares of the cap height that stand free at the sides of letters: a straight stem needs more air
# than a curve, and that more than a diagonal (Tracy 1986, "Letters of Credit", chapter 10).
_STRAIGHT, _ROUND, _OPEN = 0.11, 0.06, 0.02
_SIDES = {
    _STRAIGHT: ("BDEFHIKLMNPRU", "HIMNU"),
    _ROUND: ("CGOQS", "BDOPQRS"),
}
PANGRAMS = (
    "SPHINX OF BLACK QUARTZ JUDGE MY VOW",
    "PACK MY BOX WITH FIVE DOZEN LIQUOR JUGS",
)


@dataclass(frozen=True)
class FontReport:
    """What became of the letters.

    Attributes:
        iou: of each traced letter with its upsampled glyph, intersection over union, 26 of them.
        original: the same with the grey glyph at its own resolution.
    """

    iou: tuple[float, ...]
    original: tuple[float, ...]


def outlines(images: Any) -> tuple[list[Outline], FontReport]:
    """Trace an alphabet.

    Args:
        images: ink in [0, 1], shape (26, height, width).

    Raises:
        ValueError: another shape, or a letter without ink; it is named.
    """
    glyphs = np.asarray(images, dtype=float)
    if glyphs.ndim != 3 or len(glyphs) != len(LETTERS):
        raise ValueError(
            f"a font needs {len(LETTERS)} pictures (26, height, width), got {glyphs.shape}"
        )
    traced, found = [], []
    for letter, glyph in zip(LETTERS, glyphs, strict=True):
        try:
            traced.append(trace(glyph))
        except ValueError as error:
            raise ValueError(f"the letter {letter} cannot be traced: {error}") from error
        found.append(fidelity(traced[-1], glyph))
    report = FontReport(tuple(f.upsampled for f in found), tuple(f.original for f in found))
    return traced, report


def write_font(
    images: Any, path: Path, family: str, version: str = "1.000", description: str = ""
) -> FontReport:
    """Write an alphabet as a TrueType font, whole or not at all.

    Args:
        images: ink in [0, 1], shape (26, height, width).
        path: of the .ttf file.
        family: name of the font.
        version: as in "1.000".
        description: for the name table: which run and which seed it comes from.

    Raises:
        ValueError: a letter cannot be traced.
    """
    traced, report = outlines(images)
    flat = [traced[LETTERS.index(letter)].bounds for letter in FLAT]
    top, base = (float(np.median([bounds[i] for bounds in flat])) for i in (1, 3))
    scale = CAP_HEIGHT / (base - top)
    glyphs: dict[str, Any] = {".notdef": _box(), "space": TTGlyphPen(None).glyph()}
    metrics = {".notdef": (600, 60), "space": (round(0.38 * CAP_HEIGHT), 0)}
    for letter, outline in zip(LETTERS, traced, strict=True):
        left, right = (round(share * CAP_HEIGHT) for share in _bearings(letter))
        low, _, high, _ = outline.bounds
        placed = outline.placed(scale, low - left / scale, base)
        glyphs[letter] = _glyph(placed)
        metrics[letter] = (round((high - low) * scale) + left + right, left)
    builder = FontBuilder(UNITS, isTTF=True)
    builder.setupGlyphOrder([*glyphs])
    characters = {ord(letter): letter for letter in LETTERS}
    characters |= {ord(letter.lower()): letter for letter in LETTERS}
    builder.setupCharacterMap({32: "space", 160: "space"} | characters)
    builder.setupGlyf(glyphs)
    # The left bearing of hmtx must be where the outline begins.
    table: Any = builder.font["glyf"]
    builder.setupHorizontalMetrics(
        {
            name: (width, getattr(table[name], "xMin", left))
            for name, (width, left) in metrics.items()
        }
    )
    builder.setupHorizontalHeader(ascent=ASCENDER, descent=DESCENDER)
    builder.setupNameTable(
        {
            "familyName": family,
            "styleName": "Regular",
            "uniqueFontIdentifier": f"{family} {version}",
            "fullName": family,
            "psName": "".join(c for c in family if c.isalnum() and c.isascii()) or "Modekeeper",
            "version": f"Version {version}",
            "description": description or "Drawn by a generator of modekeeper.",
        }
    )
    builder.setupOS2(
        sTypoAscender=ASCENDER,
        sTypoDescender=DESCENDER,
        sTypoLineGap=0,
        usWinAscent=max(ASCENDER, int(table["Q"].yMax)),
        usWinDescent=-DESCENDER,
        sCapHeight=CAP_HEIGHT,
        sxHeight=CAP_HEIGHT,
        fsSelection=0x40,  # regular
    )
    builder.setupPost()
    content = io.BytesIO()
    builder.save(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content.getvalue())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return report


def _bearings(letter: str) -> tuple[float, float]:
    """Left and right, shares of the cap height."""
    sides = []
    for side in (0, 1):
        share = next((s for s, letters in _SIDES.items() if letter in letters[side]), _OPEN)
        sides.append(share)
    return sides[0], sides[1]


def _glyph(outline: Outline) -> Any:
    pen = TTGlyphPen(None)
    for contour in outline.contours:
        points = [(round(x), round(y)) for x, y in contour.points.tolist()]
        _draw(pen, points, contour.on)
    return pen.glyph()


def _draw(pen: TTGlyphPen, points: Sequence[tuple[int, int]], on: NDArray[np.bool_]) -> None:
    """One closed contour; the first point lies on the curve."""
    pen.moveTo(points[0])
    waiting: list[tuple[int, int]] = []
    for point, on_curve in zip([*points[1:], points[0]], [*on[1:], True], strict=True):
        if not on_curve:
            waiting.append(point)
        elif waiting:
            pen.qCurveTo(*waiting, point)
            waiting = []
        elif point != points[0]:
            pen.lineTo(point)
    pen.closePath()


def _box() -> Any:
    pen = TTGlyphPen(None)
    for points in (
        ((60, 0), (60, 700), (540, 700), (540, 0)),
        ((120, 60), (480, 60), (480, 640), (120, 640)),
    ):
        _draw(pen, points, np.ones(4, dtype=bool))
    return pen.glyph()


def write_svg(images: Any, path: Path, columns: int = 13) -> FontReport:
    """Write the letters as one SVG, in rows, a path each.

    Args:
        images: ink in [0, 1], shape (26, height, width).
        path: of the file.
        columns: letters in a row.

    Raises:
        ValueError: a letter cannot be traced.
    """
    traced, report = outlines(images)
    height, width = np.asarray(images).shape[1:]
    rows = -(-len(LETTERS) // columns)
    paths = [
        f'<path id="{letter}" transform="translate({i % columns * width} {i // columns * height})"'
        f' d="{outline.svg_path()}"/>'
        for i, (letter, outline) in enumerate(zip(LETTERS, traced, strict=True))
    ]
    size = f"{columns * width} {rows * height}"
    write_atomically(
        path,
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}">\n'
        f"<title>{LETTERS}</title>\n" + "\n".join(paths) + "\n</svg>\n",
    )
    return report


def specimen(path: Path, lines: Sequence[str] = PANGRAMS, width: int = 1200) -> Image.Image:
    """Text set in a font, rendered by FreeType: the alphabet, then lines in falling sizes.

    Raises:
        ValueError: the file is no font.
    """
    margin, alphabet = width // 20, (LETTERS[:13], LETTERS[13:])
    try:
        sizes = [_fitting(path, text, width - 2 * margin, 110) for text in alphabet]
        fonts = [ImageFont.truetype(path, min(sizes))] * 2
        fonts += [
            ImageFont.truetype(path, _fitting(path, text, width - 2 * margin, largest))
            for text in lines
            for largest in (64, 36, 22)
        ]
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a font ({error})") from error
    texts = [*alphabet, *(text for text in lines for _ in range(3))]
    height = margin + sum(round(1.45 * font.size) for font in fonts) + margin
    paper = Image.new("L", (width, height), 255)
    pen, y = ImageDraw.Draw(paper), margin
    for font, text in zip(fonts, texts, strict=True):
        pen.text((margin, y), text, 20, font)
        y += round(1.45 * font.size)
    return paper


def _fitting(path: Path, text: str, width: int, largest: int) -> int:
    """The size at which a text is as wide as `width`, `largest` at most."""
    natural = ImageFont.truetype(path, 100).getlength(text)
    return max(8, min(largest, int(100 * width / max(natural, 1))))
