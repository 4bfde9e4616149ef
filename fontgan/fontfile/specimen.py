"""A specimen: text set in a font by FreeType, to look at."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError
from PIL import Image, ImageDraw, ImageFont

from fontgan.fontfile.setting import ALPHABET

SIZES = 0.06, 0.04, 0.03, 0.02, 0.015  # of a specimen's last line, of its width
PANGRAM = "The five boxing wizards jump quickly"


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
