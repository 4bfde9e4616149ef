"""The course report's synthetic letters, redrawn from its description."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from fontgan import LETTERS
from fontgan.glyphs import GlyphSet

SIZE = 28
STYLES = 10  # of which only the first three change the picture
ITALIC, NARROW, WIDE = range(3)


def draw(counts: dict[str, int], seed: int) -> dict[str, GlyphSet]:
    """Sets of pictures drawn one after the other from one stream of random numbers.

    Each picture: the imaging library's built-in face at its default size, its corner at
    (14 + dx - s // 2, 14 + dy - s // 2) with s = int(20 U(0.8, 1.2)) and dx, dy ~ U(-2, 2); one of
    ten styles; Gaussian noise of 5 grey levels. The report has dark ink on white; the pictures here
    are inverted, bright ink on dark.

    Args:
        counts: pictures a letter in each set, in the order in which they are drawn.
        seed: of the stream.

    Returns:
        Glyph sets whose `faces` are styles.
    """
    random = np.random.default_rng(seed)
    return {name: _set(count, random) for name, count in counts.items()}


def _set(count: int, random: np.random.Generator) -> GlyphSet:
    styles = random.integers(STYLES, size=(len(LETTERS), count))
    pictures = [
        _picture(letter, int(style), random)
        for letter, row in zip(LETTERS, styles, strict=True)
        for style in row
    ]
    return GlyphSet(
        torch.from_numpy(255 - np.stack(pictures))[:, None],
        torch.arange(len(LETTERS)).repeat_interleave(count),
        torch.from_numpy(styles.flatten()),
    )


def _picture(letter: str, style: int, random: np.random.Generator) -> np.ndarray:
    """Dark ink on white, uint8, shape (28, 28)."""
    side = int(20 * random.uniform(0.8, 1.2))
    dx, dy = random.uniform(-2, 2, 2)
    picture = Image.new("L", (SIZE, SIZE), 255)
    corner = (14 + dx - side // 2, 14 + dy - side // 2)
    ImageDraw.Draw(picture).text(corner, letter, 0, ImageFont.load_default())
    if style == ITALIC:  # black wedges come in at the border, as in the report
        picture = picture.transform(picture.size, Image.Transform.AFFINE, (1, 0.2, 0, 0, 1, 0))
    elif style == NARROW:
        narrow = Image.new("L", (SIZE, SIZE), 255)
        narrow.paste(picture.resize((20, SIZE)), (4, 0))
        picture = narrow
    elif style == WIDE:
        picture = picture.crop((4, 0, 24, SIZE)).resize((SIZE, SIZE))
    noisy = np.asarray(picture, dtype=np.float64) + random.normal(0, 5, (SIZE, SIZE))
    return np.clip(noisy, 0, 255).astype(np.uint8)
