"""The tables of a TrueType font."""

import re

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.misc.timeTools import timestampNow
from fontTools.pens.ttGlyphPen import TTGlyphPointPen
from fontTools.ttLib import TTFont, newTable
from fontTools.ttLib.tables._g_l_y_f import Glyph

from fontgan import LETTERS
from fontgan.fontfile.setting import CAP_HEIGHT, Letter
from fontgan.tracing import Contour, Outline

SPACE = 0.28  # of an em


def build_font(
    glyphs: dict[str, Letter], family: str, version: str, description: str, units: int
) -> TTFont:
    """A font of letters that are set in these units, `units` an em; see `write_font`."""
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
        yStrikeoutPosition=round(cap / 2),
        yStrikeoutSize=round(0.05 * units),
        ySubscriptXSize=round(0.65 * units),
        ySubscriptYSize=round(0.6 * units),
        ySubscriptYOffset=round(0.075 * units),
        ySuperscriptXSize=round(0.65 * units),
        ySuperscriptYSize=round(0.6 * units),
        ySuperscriptYOffset=round(0.35 * units),
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
