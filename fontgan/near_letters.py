"""Digits and lower-case letters that do not look like a capital: the hardest pictures to refuse."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from callbacks.atomic import write_atomically
from fontgan import LETTERS
from fontgan.cleaning import quantised
from fontgan.rendering import find_fonts, render_all
from fontgan.typefaces import BUILTIN as TYPEFACES
from fontgan.typefaces import Typefaces

CHARACTERS = "234679abdeghnqr"  # 0 1 5 8 and c o s v w x z are capitals in some face or other
BUILTIN = Path(__file__).parent / "assets" / "near_letters.npz"
_ALIKE = 0.45  # relative distance of the shapes below which a character is a capital after all


@dataclass(frozen=True)
class NearLetters:
    """Glyphs of characters that are no capitals.

    Attributes:
        glyphs: ink bright, uint8, shape (n, size, size).
        characters: what each glyph is, n characters.
        groups: group of typefaces that each comes from.
    """

    glyphs: NDArray[np.uint8]
    characters: list[str]
    groups: list[str]

    def of(self, groups: set[str]) -> "NearLetters":
        """Those from the given groups of typefaces."""
        chosen = [i for i, group in enumerate(self.groups) if group in groups]
        return NearLetters(
            self.glyphs[chosen],
            [self.characters[i] for i in chosen],
            [self.groups[i] for i in chosen],
        )

    @classmethod
    def builtin(cls, split: str) -> "NearLetters":
        """The shipped ones, of the groups in a split of the built-in typefaces."""
        typefaces = Typefaces.load(TYPEFACES)
        return cls.load().of({typefaces.groups[i] for i in typefaces.split(split)})

    def save(self, path: Path) -> None:
        """Write one compressed file."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            glyphs=self.glyphs,
            characters=np.array(self.characters),
            groups=np.array(self.groups),
        )
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path = BUILTIN) -> "NearLetters":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["glyphs"], stored["characters"].tolist(), stored["groups"].tolist())


def collect(folders: list[Path], typefaces: Typefaces, most: int = 2) -> NearLetters:
    """Draw the characters of faces in a set, and drop those that look like a capital.

    In many display faces the lower case holds capitals, smaller or the same: a character whose
    shape, freed of its size, is that of any capital of its face is left out.

    Args:
        folders: where the fonts of the set are.
        typefaces: the set, built from those folders.
        most: faces of one group that are drawn at most.
    """
    group_of = dict(zip(typefaces.faces, typefaces.groups, strict=True))
    rendered, _ = render_all(find_fonts(folders), typefaces.size, extra=CHARACTERS)
    glyphs, characters, groups = [], [], []
    taken: dict[str, int] = {}
    for face, drawn in rendered:
        group = group_of.get(face)
        if group is None or taken.get(group, 0) >= most:
            continue
        taken[group] = taken.get(group, 0) + 1
        capitals = np.stack([_shape(glyph) for glyph in drawn[: len(LETTERS)]])
        for character, glyph in zip(CHARACTERS, drawn[len(LETTERS) :], strict=True):
            if glyph.max() == 0:
                continue
            shape = _shape(glyph)
            difference = ((capitals - shape) ** 2).sum((1, 2))
            energy = ((capitals**2).sum((1, 2)) + (shape**2).sum()) / 2
            if (difference / energy).min() >= _ALIKE:
                glyphs.append(quantised(glyph))
                characters.append(character)
                groups.append(group)
    return NearLetters(np.stack(glyphs), characters, groups)


def _shape(glyph: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The ink's box stretched to 14 x 14, in [0, 1]."""
    picture = Image.fromarray(glyph)
    small = picture.resize((14, 14), Image.Resampling.BOX, box=picture.getbbox())
    return np.asarray(small, dtype=np.float32) / np.float32(255)
