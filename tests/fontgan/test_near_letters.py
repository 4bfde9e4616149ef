import shutil
from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from PIL import Image

from fontgan.cleaning import build, quantised
from fontgan.near_letters import BUILTIN, CHARACTERS, NearLetters, collect
from fontgan.rendering import find_fonts, render_all
from fontgan.typefaces import BUILTIN as TYPEFACES
from fontgan.typefaces import Typefaces

REAL = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    folder = tmp_path / "fonts"
    folder.mkdir()
    for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf", "cmr10.ttf"):
        shutil.copy(REAL / name, folder)
    return folder


def stretched(glyph: NDArray[np.uint8], side: int = 14) -> NDArray[np.float64]:
    """The ink's box at one size and of unit energy, by another resampling than the module's."""
    rows, columns = np.nonzero(glyph)
    box = glyph[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    picture = Image.fromarray(box).resize((side, side), Image.Resampling.BILINEAR)
    flat = np.asarray(picture, dtype=float).ravel()
    return flat / np.linalg.norm(flat)


def test_digits_and_lower_case_that_look_like_no_capital(fonts: Path):
    near = collect([fonts], build([fonts])[0])
    assert near.glyphs.dtype == np.uint8 and near.glyphs.shape == (len(near.characters), 28, 28)
    assert set(near.characters) <= set(CHARACTERS) and not set(near.characters) & set("0158coswvxz")
    assert {"4", "g", "a", "e"} <= set(near.characters)
    assert len(near.groups) == len(near.characters)
    assert np.array_equal(quantised(near.glyphs), near.glyphs)
    rendered, _ = render_all(find_fonts([fonts]), 28)
    capitals = np.stack([stretched(glyph) for _, alphabet in rendered for glyph in alphabet])
    for glyph in near.glyphs:
        assert (capitals @ stretched(glyph)).max() < 0.9


def test_pictures_are_those_of_the_font(fonts: Path):
    near = collect([fonts], build([fonts])[0])
    rendered, _ = render_all(find_fonts([fonts]), 28, extra="g")
    [g] = [alphabet[26] for face, alphabet in rendered if face.family == "cmr10"]
    mine = [i for i, name in enumerate(near.characters) if (name, near.groups[i]) == ("g", "cmr")]
    assert len(mine) == 1 and np.array_equal(near.glyphs[mine[0]], quantised(g))


def test_few_faces_of_a_group_and_none_of_other_groups(fonts: Path):
    typefaces, _ = build([fonts])
    counts = [Counter(collect([fonts], typefaces, most).groups) for most in (1, 2, 3)]
    assert counts[0]["dejavu sans"] < counts[1]["dejavu sans"] < counts[2]["dejavu sans"]
    assert counts[0]["cmr"] == counts[1]["cmr"] == counts[2]["cmr"] > 0
    keep = [i for i, group in enumerate(typefaces.groups) if group == "cmr"]
    only = Typefaces(typefaces.glyphs[keep], [typefaces.faces[i] for i in keep], ["cmr"])
    assert Counter(collect([fonts], only).groups) == {"cmr": counts[0]["cmr"]}


def test_lower_case_that_holds_capitals_is_left_out(tmp_path: Path):
    with TTFont(REAL / "DejaVuSans.ttf") as font:
        for table in font["cmap"].tables:
            if table.isUnicode():
                for code in range(ord("a"), ord("z") + 1):
                    table.cmap[code] = table.cmap[code - 32]
        font.save(tmp_path / "capitals.ttf")
    near = collect([tmp_path], build([tmp_path])[0])
    assert near.characters and not [name for name in near.characters if name.isalpha()]


def test_faces_of_two_folders_with_one_name_keep_their_groups(tmp_path: Path):
    """Else near-letters of held-out groups would pass for those of training groups."""
    for folder, source in (("one", "DejaVuSans.ttf"), ("two", "cmr10.ttf")):
        (tmp_path / folder).mkdir()
        shutil.copy(REAL / source, tmp_path / folder / "regular.ttf")
    folders = [tmp_path / "one", tmp_path / "two"]
    near = collect(folders, build(folders)[0])
    alone = collect([folders[1]], build([folders[1]])[0])
    [g] = [alone.glyphs[i] for i, name in enumerate(alone.characters) if name == "g"]
    [group] = [near.groups[i] for i, glyph in enumerate(near.glyphs) if np.array_equal(glyph, g)]
    assert group == "cmr"


def test_those_of_some_groups():
    near = NearLetters(np.arange(4, dtype=np.uint8)[:, None, None], list("2a3b"), list("xyxz"))
    chosen = near.of({"x", "z", "none"})
    assert chosen.glyphs.ravel().tolist() == [0, 2, 3]
    assert (chosen.characters, chosen.groups) == (["2", "3", "b"], ["x", "x", "z"])
    nothing = near.of(set())
    assert nothing.glyphs.shape == (0, 1, 1) and not nothing.characters


def test_what_is_saved_is_what_is_loaded(tmp_path: Path):
    near = NearLetters(np.full((2, 28, 28), 7, dtype=np.uint8), ["g", "4"], ["ä b", "c"])
    near.save(tmp_path / "near.npz")
    loaded = NearLetters.load(tmp_path / "near.npz")
    assert np.array_equal(loaded.glyphs, near.glyphs)
    assert (loaded.characters, loaded.groups) == (near.characters, near.groups)
    assert [path.name for path in tmp_path.iterdir()] == ["near.npz"]


def test_the_builtin_near_letters_are_of_builtin_groups():
    near, typefaces = NearLetters.load(), Typefaces.load(TYPEFACES)
    assert BUILTIN.stat().st_size < 500_000
    assert near.glyphs.shape[1:] == (28, 28) and len(near.glyphs) >= 1000
    assert set(near.groups) <= set(typefaces.groups)
    assert set(near.characters) == set(CHARACTERS)
    train = {typefaces.groups[i] for i in typefaces.split("train")}
    test = {typefaces.groups[i] for i in typefaces.split("test")}
    assert min(len(near.of(groups).characters) for groups in (train, test)) >= 100
