import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from numpy.typing import NDArray

from fontgan import LETTERS
from fontgan.cleaning import (
    DUPLICATE,
    LINK,
    build,
    cleaned,
    family_key,
    grouped,
    legibility,
    quantised,
    relative_distances,
)
from fontgan.provenance import Face, Rejection
from fontgan.rendering import find_fonts, render_all
from fontgan.typefaces import Typefaces

REPOSITORY = Path(__file__).parents[2]
REAL = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
Rendered = list[tuple[Face, NDArray[np.uint8]]]
Remap = Callable[[str, Path, str, str], Path]


def test_relative_distance_on_hand_made_numbers():
    one, two = np.zeros((2, 26, 2, 2), dtype=np.uint8)
    one[0, 0, 0] = 255
    two[0, 0, 0] = two[0, 1, 1] = 255
    # Squared difference 1 over the mean of the energies 1 and 2.
    distances = relative_distances(np.stack([one, two]))
    assert distances == pytest.approx(np.array([[0, 2 / 3], [2 / 3, 0]]))


def test_quantised_keeps_sixteen_even_levels():
    levels = quantised(np.arange(256, dtype=np.uint8))
    assert np.unique(levels).tolist() == list(range(0, 256, 17))
    assert np.abs(levels.astype(int) - np.arange(256)).max() <= 9
    assert levels[0] == 0 and levels[255] == 255


def test_a_near_duplicate_is_dropped_whatever_its_name(rendered: Rendered):
    clone = next(f for f in rendered if f[0].file == "DejaVuSans-Bold.ttf")
    renamed = replace(clone[0], family="Zeta", style="Heavy", file="zeta.ttf")
    altered = clone[1].copy()
    altered[0] = altered[0] // 10 * 9
    typefaces, rejections = cleaned([*rendered, (renamed, altered)])
    assert Rejection("zeta.ttf", "near-duplicate of DejaVu Sans Bold") in rejections
    assert "zeta.ttf" not in {face.file for face in typefaces.faces}
    assert "DejaVuSans-Bold.ttf" in {face.file for face in typefaces.faces}


def test_other_formats_of_one_font_are_near_duplicates(tmp_path: Path):
    for name in ("DejaVuSans.ttf", "cmr10.ttf", "cmss10.ttf"):
        shutil.copy(REAL / name, tmp_path)
    with TTFont(REAL / "cmss10.ttf") as font:
        font.flavor = "woff2"
        font.save(tmp_path / "cmss10.woff2")
    typefaces, rejections = build([tmp_path])
    assert [face.family for face in typefaces.faces] == ["cmr10", "cmss10", "DejaVu Sans"]
    assert rejections == [Rejection("cmss10.woff2", "near-duplicate of cmss10 Regular")]


def test_cuts_of_a_family_and_look_alikes_are_one_group(real: Typefaces, rendered: Rendered):
    groups = dict(zip((face.file for face in real.faces), real.groups, strict=True))
    assert {g for f, g in groups.items() if f.startswith("DejaVuSans-")} == {"dejavu sans"}
    assert {g for f, g in groups.items() if f.startswith("DejaVuSansMono")} == {"dejavu sans mono"}
    assert {g for f, g in groups.items() if f.startswith("STIX")} == {"stixgeneral"}
    # A little heavier, and of another name: linked by the picture.
    face, alphabet = next(f for f in rendered if f[0].file == "cmss10.ttf")
    ink = alphabet.astype(float)
    for factor in np.arange(1.0, 3, 0.02):
        alike = np.clip(ink * factor, 0, 255).astype(np.uint8)
        distance = relative_distances(quantised(np.stack([alphabet, alike])))[0, 1]
        if DUPLICATE < distance < LINK:
            break
    stranger = replace(face, family="Other", file="other.ttf")
    typefaces, _ = cleaned([*rendered, (stranger, alike)])
    members = [
        f.file for f, g in zip(typefaces.faces, typefaces.groups, strict=True) if g == "cmss"
    ]
    assert members == ["cmss10.ttf", "other.ttf"]


def test_groups_are_chains_of_links():
    random = np.random.default_rng(0)
    first = random.random((26, 28, 28))
    chain = [first]
    for _ in range(2):
        chain.append(
            chain[-1] + 0.135 * np.sqrt((first**2).mean()) * random.standard_normal(first.shape)
        )
    far = random.random((26, 28, 28))
    alphabets = (np.clip(np.stack([*chain, far]) / 2 + 0.2, 0, 1) * 255).astype(np.uint8)
    distances = relative_distances(alphabets)
    if not (distances[0, 1] < LINK and distances[1, 2] < LINK):
        pytest.fail(f"not a chain: {distances}")
    assert grouped(alphabets, ["delta", "beta", "gamma", "alpha"]) == [
        "beta",
        "beta",
        "beta",
        "alpha",
    ]


@pytest.mark.parametrize(
    ("family", "key"),
    [
        ("Gentium Book Plus", "gentium plus"),
        ("Linux Libertine Display O", "linux libertine o"),
        ("Fira Sans Extra Condensed", "fira sans"),
        ("Computer Modern 10", "computer modern"),
        ("Café-Noir SC", "cafe noir"),
        ("Bold", "bold"),
        ("FooExtraLight", "foo"),
        ("Foo SemiBold", "foo"),
        ("BlackAdder", "blackadder"),
        ("源ノ角", "源ノ角"),
        ("東風", "東風"),
        ("", "unnamed"),
    ],
)
def test_family_key(family: str, key: str):
    assert family_key(family) == key


GREEK = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ"  # as the Symbol font has it
CYRILLIC = "абвгдежзийклмнпрстуфхцчшщъ"
DINGBATS = "".join(
    chr(c) for c in [*range(0x2701, 0x2705), *range(0x2706, 0x270A), *range(0x270C, 0x271E)]
)


@pytest.mark.parametrize(
    ("characters", "source"),
    [
        (GREEK, "DejaVuSans.ttf"),
        (GREEK, "DejaVuSerif.ttf"),
        (GREEK, "STIXGeneral.ttf"),
        (CYRILLIC, "DejaVuSans.ttf"),
        (DINGBATS, "DejaVuSans.ttf"),
        (LETTERS[1:] + "A", "DejaVuSans.ttf"),
    ],
    ids=["Greek sans", "Greek serif", "Greek STIX", "Cyrillic", "dingbats", "moved by one"],
)
@pytest.mark.parametrize("reference", ["eleven groups", "built-in"])
def test_what_is_no_alphabet_is_dropped_where_real_faces_vouch(
    reference: str,
    characters: str,
    source: str,
    builtin: Typefaces,
    rendered: Rendered,
    tmp_path: Path,
    remapped: Remap,
):
    remapped(source, tmp_path / "other.ttf", characters, "Other Script")
    other, _ = render_all(find_fonts([tmp_path]), 28)
    if reference == "built-in":
        few = [f for f in rendered if f[0].file in ("cmr10.ttf", "cmss10.ttf", "STIXGeneral.ttf")]
        typefaces, rejections = cleaned([*few, *other], builtin.glyphs)
        assert len(typefaces.faces) == 3
    else:
        typefaces, rejections = cleaned([*rendered, *other])
    assert "other.ttf" not in {face.file for face in typefaces.faces}
    [reason] = [r.reason for r in rejections if r.file == "other.ttf"]
    assert reason.startswith("not letters: only ")


def test_real_faces_are_read_by_strangers_of_any_size(real: Typefaces, builtin: Typefaces):
    enough = 0.6
    own = [i for i, face in enumerate(real.faces) if face.family not in ("cmsy10", "cmmi10")]
    assert legibility(real.glyphs, real.groups)[own].min() >= enough
    small = builtin.glyphs[::8, :, ::2, ::2]
    assert legibility(real.glyphs[own], ["a"] * len(own), small).min() >= enough


def test_too_few_faces_to_vouch_are_believed(tmp_path: Path, remapped: Remap):
    remapped("DejaVuSans.ttf", tmp_path / "cyrillic.ttf", CYRILLIC, "Cyrillic")
    shutil.copy(REAL / "cmr10.ttf", tmp_path)
    typefaces, rejections = build([tmp_path])
    assert len(typefaces.faces) == 2 and not rejections


# Folders.


def test_bad_files_of_a_folder_are_told_and_the_others_come_out(tmp_path: Path):
    for name in ("cmss10.ttf", "cmr10.ttf", "STIXSizOneSymReg.ttf"):
        shutil.copy(REAL / name, tmp_path)
    (tmp_path / "notes.ttf").write_text("a text file")
    (tmp_path / "cut.ttf").write_bytes((REAL / "DejaVuSans.ttf").read_bytes()[:60_000])
    typefaces, rejections = build([tmp_path])
    assert [face.family for face in typefaces.faces] == ["cmr10", "cmss10"]
    reasons = {r.file: r.reason for r in rejections}
    assert set(reasons) == {"STIXSizOneSymReg.ttf", "notes.ttf", "cut.ttf"}
    assert reasons["STIXSizOneSymReg.ttf"] == "no capitals: 26 of A-Z missing"
    assert reasons["notes.ttf"].startswith("unreadable: ")
    assert reasons["cut.ttf"].startswith("unreadable: ")


def test_nothing_left_names_the_reasons(tmp_path: Path):
    (tmp_path / "notes.ttf").write_text("a text file")
    shutil.copy(REAL / "STIXSizOneSymReg.ttf", tmp_path)
    with pytest.raises(ValueError, match="no typeface with letters A-Z is left") as caught:
        build([tmp_path])
    assert "notes.ttf: unreadable" in str(caught.value)
    assert "STIXSizOneSymReg.ttf: no capitals" in str(caught.value)


def test_no_letters_at_all_after_cleaning_names_the_reasons(
    tmp_path: Path, builtin: Typefaces, remapped: Remap
):
    remapped("DejaVuSans.ttf", tmp_path / "runes.ttf", CYRILLIC, "Runes")
    with pytest.raises(ValueError, match=r"runes\.ttf: not letters: only"):
        build([tmp_path], reference=builtin.glyphs)


def test_an_empty_folder_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        build([tmp_path])


def test_other_sizes_are_built_alike(tmp_path: Path):
    for name in ("cmss10.ttf", "cmr10.ttf", "DejaVuSans.ttf"):
        shutil.copy(REAL / name, tmp_path)
    typefaces, _ = build([tmp_path], size=32)
    assert typefaces.size == 32 and typefaces.glyphs.shape == (3, 26, 32, 32)
