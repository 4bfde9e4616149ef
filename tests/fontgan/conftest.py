from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from numpy.typing import NDArray

from fontgan import LETTERS
from fontgan.cleaning import cleaned
from fontgan.provenance import Face
from fontgan.rendering import find_fonts, render_all
from fontgan.typefaces import BUILTIN, Typefaces

REAL = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
Rendered = list[tuple[Face, NDArray[np.uint8]]]


@pytest.fixture(scope="session")
def builtin() -> Typefaces:
    return Typefaces.load(BUILTIN)


@pytest.fixture(scope="session")
def rendered() -> Rendered:
    """Faces of eleven groups, and some that are no letters."""
    faces, _ = render_all(find_fonts([REAL]), 28)
    return faces


@pytest.fixture(scope="session")
def real(rendered: Rendered) -> Typefaces:
    typefaces, _ = cleaned(rendered)
    return typefaces


@pytest.fixture(scope="session")
def remapped() -> Callable[[str, Path, str, str], Path]:
    """Writes a font that draws other characters where A-Z should be."""

    def write(source: str, path: Path, characters: str, family: str) -> Path:
        with TTFont(REAL / source) as font:
            names = font.getBestCmap()
            for table in font["cmap"].tables:
                if table.isUnicode():
                    pairs = zip(LETTERS, characters, strict=True)
                    table.cmap = {ord(letter): names[ord(character)] for letter, character in pairs}
            for record in font["name"].names:
                if record.nameID in (1, 16):
                    record.string = family
            font.save(path)
        return path

    return write
