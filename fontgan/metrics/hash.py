"""The report's letter "classifier": a hash of the brightness, kept only to show what it claims.

It reads no letters: plain grey squares of random brightness "cover" all 26 classes.
"""

import torch
from torch import Tensor

CLASSES = 26
CENTRE = 8


def hash_class(images: Tensor) -> Tensor:
    r"""The class the report would give: int(100·mean + 10·std + sum of the centre 8x8) mod 26.

    The report draws dark ink on white paper with pixels in [0, 1] and hashes that. Glyphs here are
    bright ink on dark, so they are inverted first.

    Args:
        images: glyphs in [0, 1], ink bright, shape (n, 1, height, width), both sides at least 8.

    Returns:
        Classes in [0, 26), long, shape (n,).

    Raises:
        ValueError: another shape.
    """
    if images.ndim != 4 or images.shape[1] != 1 or min(images.shape[2:]) < CENTRE:
        raise ValueError(
            f"expected images (n, 1, height, width) of at least {CENTRE} pixels a side, "
            f"got {tuple(images.shape)}"
        )
    paper = 1 - images[:, 0].double()
    top, left = ((side - CENTRE) // 2 for side in paper.shape[1:])
    centre = paper[:, top : top + CENTRE, left : left + CENTRE].sum(dim=(1, 2))
    mean, std = paper.mean(dim=(1, 2)), paper.std(dim=(1, 2), correction=0)
    return (100 * mean + 10 * std + centre).long() % CLASSES


def hash_coverage(images: Tensor) -> Tensor:
    """Distinct hash classes over 26, the report's "mode coverage".

    Args:
        images: as in `hash_class`, at least one.

    Returns:
        Float64 scalar in (0, 1].
    """
    return torch.tensor(hash_class(images).unique().numel() / CLASSES, dtype=torch.double)
