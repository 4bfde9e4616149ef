"""A generated alphabet as a TrueType font, as one SVG, and as a specimen.

    report = write_font(images, Path("mine.ttf"), "Mine", "1.0", "seed 3 of run ...")
    specimen(report.path).save("mine.png")

Capitals only; lower case shows them too. What a picture does not tell is set by rule:

- *Scale*: the median height of E, F, H, I, L, T and Z is the cap height, 0.7 em, for all letters.
- *Baseline*: a picture is centred on its ink and knows no baseline. Letters with flat ends are put
  on the baseline and on the cap line, round ones overshoot both by as much as C, G, O and S do, and
  a tail (of Q, of a low J) hangs. A height within 6 % of what it should be is stretched to it. A
  letter as wide as its picture, and lower than the others, as W may be, was drawn smaller to fit:
  it gets its height back.
- *Side bearings*: a side is open where white reaches in beside the letter, as beside an A or an O,
  and needs less room then than a straight stem: `BEARING` of the cap height, less `THICKNESS` of
  the strokes' width, less `OPENNESS` of the white, which counts up to a depth of 0.15 cap heights.
  Text faces (Liberation, DejaVu, Computer Modern) follow such a rule to 1 or 2 % of their cap
  height. There is no kerning.
"""

import io
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.misc.timeTools import timestampNow
from fontTools.pens.ttGlyphPen import TTGlyphPointPen
from fontTools.ttLib import TTFont, TTLibError, newTable
from fontTools.ttLib.tables._g_l_y_f import Glyph
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fontgan import LETTERS
from fontgan.outlines import Array, Contour, Fidelity, Outline, fidelity, trace

if TYPE_CHECKING:
    from torch import Tensor

FLAT = "EFHILTZ"  # they measure the cap height
ROUND = "CGOS"  # ... and the overshoot
CAP_HEIGHT = 0.7  # of an em
BEARING, THICKNESS, OPENNESS = 0.155, 0.2, 0.8
LEAST_BEARING = 0.01  # of the cap height
SPACE = 0.28  # of an em
ALPHABET = "ABCDEFGHIJKLM", "NOPQRSTUVWXYZ"
SIZES = 0.06, 0.04, 0.03, 0.02, 0.015  # of a specimen's last line, of its width
PANGRAM = "The five boxing wizards jump quickly"

_DEPTH = 0.15  # of the cap height: white further in counts no more
_CLOSE = 0.06  # a height that is off by less is meant to be right
_LINE = 1200  # units between the lines of the SVG, and of the font
_FULL = 0.9  # of a picture's width: wider letters are drawn smaller than the others
_TOP = dict.fromkeys(LETTERS, 0) | dict.fromkeys("CGOQS", 1)  # overshoot
_BOTTOM = dict.fromkeys(LETTERS, 0) | dict.fromkeys("CGJOSU", -1)
_POINTED = "A"  # an apex overshoots as it likes
_HANGING = "JQVW"  # what they have too much goes below the baseline


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


@dataclass(frozen=True)
class _Glyph:
    """A letter in units of the font, its ink between its side bearings."""

    outline: Outline
    advance: int


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
    glyphs = _set(outlines, pictures.shape[-1], units_per_em)
    font = _font(glyphs, family, version, description, units_per_em)
    file = io.BytesIO()
    font.save(file)
    _write(path, file.getvalue())
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
    glyphs = _set(_traced(pictures)[0], pictures.shape[-1], 1000)
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
    _write(path, "\n".join([head, *paths, "</svg>\n"]).encode())


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


def _set(outlines: dict[str, Outline], side: int, units_per_em: int) -> dict[str, _Glyph]:
    """Put letters on a baseline, at one scale, between side bearings.

    Args:
        outlines: in pixels.
        side: width of the pictures in pixels.
        units_per_em: units of what comes back.
    """
    cap = CAP_HEIGHT * units_per_em
    boxes = {letter: outline.bounds for letter, outline in outlines.items()}
    height = {letter: bottom - top for letter, (_, top, _, bottom) in boxes.items()}
    flat = statistics.median(height[letter] for letter in FLAT)
    over = (statistics.median(height[letter] for letter in ROUND) / flat - 1) / 2
    overshoot = cap * min(max(over, 0), 0.03)
    placed = {}
    for letter, outline in outlines.items():
        left, _, right, bottom = boxes[letter]
        scale = cap / flat
        if right - left > _FULL * side and height[letter] < flat * (1 - _CLOSE):
            scale = cap / height[letter]
        stretch, low = _place(letter, scale * height[letter], cap, overshoot)
        placed[letter] = outline.placed(scale, (0, bottom), stretch).shifted(0, low)
    thickness = statistics.median(_thickness(placed[letter], cap) for letter in FLAT)
    base = BEARING * cap - THICKNESS * thickness
    return {letter: _spaced(outline, cap, base) for letter, outline in placed.items()}


def _place(letter: str, height: float, cap: float, overshoot: float) -> tuple[float, float]:
    """Stretch of a letter, and where its lowest point goes."""
    top, bottom = cap + overshoot * _TOP[letter], overshoot * _BOTTOM[letter]
    wanted = top - bottom
    if letter not in _POINTED and abs(height / wanted - 1) <= _CLOSE:
        return wanted / height, bottom
    if letter in _HANGING and height > wanted:
        return 1.0, top - height
    if letter not in _POINTED and height > wanted:  # a swash, up or down: as it was centred
        return 1.0, (top + bottom - height) / 2
    return 1.0, bottom


def _lines(outline: Outline, cap: float) -> list[Array]:
    return [contour.polyline(cap / 160) for contour in outline.contours]


def _thickness(outline: Outline, cap: float) -> float:
    """Mean width of the strokes: twice the area over the length of the contours."""
    area = length = 0.0
    for points in _lines(outline, cap):
        way = np.roll(points, -1, 0) - points
        area += float(points[:, 1] @ way[:, 0] - points[:, 0] @ way[:, 1]) / 2
        length += float(np.hypot(*way.T).sum())
    return 2 * area / length


def _spaced(outline: Outline, cap: float, base: float) -> _Glyph:
    """Give a letter its side bearings: `base`, less where white reaches in."""
    x, y = np.concatenate(_lines(outline, cap)).T
    inside = (y >= 0) & (y < cap)
    row = (y[inside] / cap * 40).astype(int)
    bearings = []
    for distance in (x - x.min(), x.max() - x):
        white = np.full(40, _DEPTH * cap)
        np.minimum.at(white, row, distance[inside])
        bearings.append(max(base - OPENNESS * white.mean(), LEAST_BEARING * cap))
    left, right = bearings
    return _Glyph(outline.shifted(left - x.min(), 0), round(left + float(np.ptp(x)) + right))


def _font(
    glyphs: dict[str, _Glyph], family: str, version: str, description: str, units: int
) -> TTFont:
    cap = round(CAP_HEIGHT * units)
    drawn = {".notdef": _box(cap, units), "space": Glyph()}
    drawn |= {letter: _drawn(glyph.outline) for letter, glyph in glyphs.items()}
    advances = {".notdef": round(0.5 * units), "space": round(SPACE * units)}
    advances |= {letter: glyph.advance for letter, glyph in glyphs.items()}
    builder = FontBuilder(units, isTTF=True)
    builder.setupGlyphOrder(list(drawn))
    letters = {ord(c): letter for letter in LETTERS for c in (letter, letter.lower())}
    builder.setupCharacterMap({0x20: "space", 0xA0: "space"} | letters)
    builder.setupGlyf(drawn)
    table = builder.font["glyf"]
    edges = {name: getattr(table[name], "xMin", 0) for name in drawn}
    builder.setupHorizontalMetrics({name: (advances[name], edges[name]) for name in drawn})
    highest = max(getattr(table[name], "yMax", 0) for name in drawn)
    lowest = min(getattr(table[name], "yMin", 0) for name in drawn)
    # Line gap 0 and the same heights everywhere: all systems then set lines alike.
    ascent, descent = max(round(0.95 * units), highest), min(round(-0.25 * units), lowest)
    builder.setupHorizontalHeader(ascent=ascent, descent=descent, lineGap=0)
    name = re.sub("[^A-Za-z0-9]", "", family)[:50] + "-Regular"
    builder.setupNameTable(
        {
            "familyName": family,
            "styleName": "Regular",
            "uniqueFontIdentifier": f"{version};{name}",
            "fullName": f"{family} Regular",
            "version": f"Version {version}",
            "psName": name,
            "description": description,
        },
        mac=False,  # no system needs these any more, and they know few characters
    )
    builder.setupOS2(
        version=4,
        sTypoAscender=ascent,
        sTypoDescender=descent,
        sTypoLineGap=0,
        usWinAscent=ascent,
        usWinDescent=-descent,
        sCapHeight=cap,
        sxHeight=cap,  # lower case shows capitals
        usWeightClass=400,
        fsType=0,  # nothing is forbidden here; the licence is the user's
        fsSelection=0b1100_0000,  # regular, and the typographic heights are meant
        achVendID="NONE",
        ulCodePageRange1=1,
    )
    builder.setupPost(
        italicAngle=0,
        underlinePosition=round(-0.1 * units),
        underlineThickness=round(0.05 * units),
    )
    now = timestampNow()
    builder.updateHead(
        created=now, modified=now, fontRevision=float(version.split(" ")[0]), lowestRecPPEM=8
    )
    font = builder.font
    font["OS/2"].recalcUnicodeRanges(font)
    font["OS/2"].recalcAvgCharWidth(font)
    # No hints: smoothing at all sizes.
    font["gasp"] = newTable("gasp")
    font["gasp"].version, font["gasp"].gaspRange = 1, {0xFFFF: 0b1111}
    return font


def _drawn(outline: Outline) -> Glyph:
    """Points on the font's grid; what falls on one place there becomes one point."""
    pen = TTGlyphPointPen(None)
    for contour in (c.with_extremes() for c in outline.contours):
        kept: list[tuple[tuple[int, int], bool]] = []
        for (x, y), on in zip(contour.points, contour.on, strict=True):
            place = round(x), round(y)
            if kept and kept[-1][0] == place:
                on = kept.pop()[1] or on
            kept.append((place, bool(on)))
        if len(kept) > 1 and kept[-1][0] == kept[0][0]:
            kept.pop()
        if len(kept) > 2:
            pen.beginPath()
            for (place, on), (_, before) in zip(kept, [kept[-1], *kept[:-1]], strict=True):
                pen.addPoint(place, ("line" if before else "qcurve") if on else None)
            pen.endPath()
    return pen.glyph()


def _box(cap: int, units: int) -> Glyph:
    """The sign for what the font lacks: a frame as high as a capital."""
    edge, width = round(0.05 * units), round(0.4 * units)
    low, right, top = edge, edge + width, cap
    inner = low + edge, right - edge, top - edge
    frame = np.array([[low, 0], [low, top], [right, top], [right, 0]], float)
    hole = np.array([[inner[0], edge], [inner[1], edge], inner[1:], inner[::2]], float)
    flags = np.ones(4, bool)
    return _drawn(Outline((Contour(frame, flags), Contour(hole, flags))))


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def specimen(
    font_path: Path, lines: Sequence[str] = (*ALPHABET, PANGRAM), width: int = 1200
) -> Image.Image:
    """Text set in a font by FreeType: lines as large as the width allows; the last in five sizes.

    Args:
        font_path: of the font.
        lines: what to set; the last one is wrapped at spaces.
        width: of the picture in pixels, at least 300.

    Returns:
        Dark on white, mode "L".

    Raises:
        FileNotFoundError: no such font.
        ValueError: no font, no text, characters that the font lacks, or a width below 300.
    """
    if not font_path.is_file():
        raise FileNotFoundError(f"no font at {font_path}; make one with write_font")
    if width < 300:
        raise ValueError(f"a specimen {width} pixels wide shows nothing; give at least 300")
    if not lines or not all(line.strip() for line in lines):
        raise ValueError("a specimen needs lines of text, none of them blank")
    try:
        with font_path.open("rb") as file, TTFont(file, lazy=True) as font:
            known = font.getBestCmap() or {}
            title = font["name"].getDebugName(4), font["name"].getDebugName(5)
    except (TTLibError, KeyError, OSError) as error:
        raise ValueError(f"{font_path} is no font that can be read: {error}") from error
    if lacking := sorted(set("".join(lines)) - set(map(chr, known))):
        raise ValueError(f"{font_path} lacks {' '.join(map(repr, lacking))}; leave them out")
    margin = width // 16
    room = width - 2 * margin
    rows = [(line, _fitting(font_path, line, room), "") for line in lines[:-1]]
    for part in SIZES:
        size = round(part * width)
        wrapped = _wrapped(_pen(font_path, size), lines[-1], room)
        rows += [(line, size, f"{size} px" if line is wrapped[0] else "") for line in wrapped]
    small = ImageFont.load_default(max(11, width // 90))
    sizes = [0, *(size for _, size, _ in rows)]
    # Room for what hangs from one line, and stands up from the next.
    steps = [round(0.4 * above + 0.8 * size) for above, size in pairwise(sizes)]
    picture = Image.new("L", (width, 2 * margin + sum(steps) + round(0.3 * sizes[-1])), 255)
    draw = ImageDraw.Draw(picture)
    draw.text((margin, margin // 2), "   ".join(filter(None, title)), 110, small, anchor="lm")
    y = margin
    for (text, size, label), step in zip(rows, steps, strict=True):
        y += step
        draw.text((margin, y), text, 20, _pen(font_path, size), anchor="ls")
        draw.text((margin - 10, y), label, 150, small, anchor="rs")
    return picture


def _pen(font_path: Path, size: int) -> ImageFont.FreeTypeFont:
    # The basic layout is the same everywhere; Raqm is not installed on all systems.
    return ImageFont.truetype(str(font_path), size, layout_engine=ImageFont.Layout.BASIC)


def _fitting(font_path: Path, text: str, room: int) -> int:
    """The largest size, up to a fifth of the room, at which a text fits."""
    size = int(1000 * room / max(_pen(font_path, 1000).getlength(text), 1))
    return max(1, min(size, room // 5))


def _wrapped(pen: ImageFont.FreeTypeFont, text: str, room: int) -> list[str]:
    """A text broken at spaces, as many words a line as fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and pen.getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
