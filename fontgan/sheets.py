"""Pictures of glyphs in rows, each labelled with what the judge reads."""

import io
import math
import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from callbacks.figures import GREY, INK, VERMILION, styled_figure
from callbacks.sample_grid import compose
from fontgan import LETTERS
from fontgan.latents import Draws

REFUSED = "✕"


@dataclass(frozen=True)
class Row:
    """Glyphs beside each other.

    Attributes:
        images: bright ink, uint8, shape (n, 1, h, w).
        captions: one under each; that of a glyph that is no letter is `REFUSED` or ends in it.
        label: what the row is, at its left.
        quiet: real glyphs, to compare with: their captions are grey.
    """

    images: Tensor
    captions: Sequence[str]
    label: str = ""
    quiet: bool = False


def read(draws: Draws, confidence: bool = True) -> list[str]:
    """Captions of draws: the letter, with the judge's confidence in percent, or `REFUSED`."""
    letters, sure = draws.reading.letter.tolist(), draws.reading.confidence.tolist()
    return [
        REFUSED if i < 0 else f"{LETTERS[i]} {in_full(p)}" if confidence else LETTERS[i]
        for i, p in zip(letters, sure, strict=True)
    ]


def in_full(share: float) -> str:
    """Whole percent, of which 100 are only what is full."""
    return f"{math.floor(100 * share)}%"


def in_rows(images: Tensor, captions: Sequence[str], columns: int) -> list[Row]:
    """Glyphs broken into rows."""
    starts = range(0, len(images), columns)
    return [Row(images[i : i + columns], captions[i : i + columns]) for i in starts]


def sheet(path: Path, title: str, rows: Sequence[Row], note: str = "") -> None:
    """Write rows of glyphs as PNG, dark on paper, whole or not at all.

    Refused glyphs lie on tinted paper and are marked with a cross.

    Args:
        path: of the PNG.
        title: over the sheet.
        rows: one or more, of glyphs of one size.
        note: under the title, smaller.
    """
    columns = max(1, *(len(row.images) for row in rows))
    height, width = rows[0].images.shape[2:]
    images = np.zeros((len(rows), columns, height, width), dtype=np.uint8)
    accepted = np.ones((len(rows), columns), dtype=bool)
    for r, row in enumerate(rows):
        images[r, : len(row.images)] = row.images[:, 0].numpy()
        accepted[r, : len(row.images)] = [not text.endswith(REFUSED) for text in row.captions]
    paper, side, step = compose(
        images.reshape(-1, height, width), accepted.ravel(), len(rows), columns
    )
    for r, row in enumerate(rows):
        paper[r * step[0] : (r + 1) * step[0], len(row.images) * step[1] :] = 1
    margin = max(len(row.label) for row in rows) * 0.085 + 0.1
    wide = columns * min(0.85, max(0.52, 11 / columns))
    tall = wide * paper.shape[0] / paper.shape[1]
    lines = textwrap.wrap(note, int((wide + margin) / 0.08))
    heading = 0.45 + 0.18 * len(lines)
    size = 11 if wide / columns > 0.7 else 9
    with styled_figure(wide + margin, tall + heading) as figure:
        figure.set_layout_engine("none")
        axes = figure.add_axes((margin / (wide + margin), 0, wide / (wide + margin),
                                tall / (tall + heading)))  # fmt: skip
        axes.imshow(paper, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        for r, row in enumerate(rows):
            middle = r * step[0] + side[0] + 0.45 * (step[0] - side[0])
            for c, text in enumerate(row.captions):
                colour = VERMILION if text.endswith(REFUSED) else GREY if row.quiet else INK
                place = c * step[1] + (step[1] - 1) / 2
                axes.text(
                    place, middle, text, ha="center", va="center", fontsize=size, color=colour
                )
            axes.text(-3, r * step[0] + side[0] / 2, row.label, ha="right", va="center",
                      fontsize=11, color=INK)  # fmt: skip
        left, inch = 0.1 / (wide + margin), 1 / (tall + heading)
        figure.text(left, 1 - 0.24 * inch, title, fontsize=13, va="center", parse_math=False)
        figure.text(left, 1 - 0.4 * inch, "\n".join(lines), fontsize=10, va="top", color=GREY,
                    parse_math=False)  # fmt: skip
        content = io.BytesIO()
        figure.savefig(content, format="png", facecolor="white")
    save_picture(path, Image.open(content).convert("RGB").quantize(256))  # Half of the size.


def save_picture(path: Path, picture: Image.Image) -> None:
    """Write a PNG, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        picture.save(partial, "PNG", optimize=True)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
