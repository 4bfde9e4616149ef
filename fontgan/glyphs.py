"""A labelled set of glyph pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fontgan import LETTERS
from fontgan.typefaces import Typefaces


@dataclass(frozen=True)
class GlyphSet:
    """Pictures of letters.

    Attributes:
        images: bright ink on dark, uint8, shape (n, 1, size, size).
        letters: 0-25, long, shape (n,).
        faces: index of the face (or style) each comes from, long, shape (n,).
    """

    images: Tensor
    letters: Tensor
    faces: Tensor

    @classmethod
    def of(cls, typefaces: Typefaces, split: str) -> "GlyphSet":
        """All glyphs of a split's faces, face by face."""
        chosen = typefaces.split(split)
        images = torch.from_numpy(np.ascontiguousarray(typefaces.glyphs[chosen])).flatten(0, 1)
        return cls(
            images[:, None],
            torch.arange(len(LETTERS)).repeat(len(chosen)),
            torch.from_numpy(chosen).repeat_interleave(len(LETTERS)),
        )
