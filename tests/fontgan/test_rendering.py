import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont
from fontTools.ttLib.tables.TupleVariation import TupleVariation
from fontTools.varLib.instancer import instantiateVariableFont
from numpy.typing import NDArray

from fontgan import LETTERS
from fontgan.cleaning import DUPLICATE, relative_distances
from fontgan.provenance import Face
from fontgan.rendering import FontFile, find_fonts, render_all, render_file

REAL = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
TEXT_FACES = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralItalic.ttf",
    "cmr10.ttf",
    "cmss10.ttf",
)

Box = tuple[int, int, int, int]  # left, bottom, right, top, in font units
Glyphs = NDArray[np.int64]


def drawn(path: Path, size: int = 28, extra: str = "") -> Glyphs:
    """The one face of a font file, signed so that differences can be taken."""
    [(_, alphabet)], rejections = render_file(FontFile(path, path.parent), size, extra)
    assert not rejections
    return alphabet.astype(int)


def refused(path: Path) -> str:
    faces, [rejection] = render_file(FontFile(path, path.parent), 28)
    assert not faces and rejection.file == path.name
    return rejection.reason


def glyph(alphabet: Glyphs, letter: str) -> Glyphs:
    return alphabet[LETTERS.index(letter)]


def ink_box(picture: Glyphs, threshold: int = 64) -> Box:
    """First and last column and row with ink: left, top, right, bottom, inclusive."""
    rows, columns = np.nonzero(picture > threshold)
    return columns.min(), rows.min(), columns.max(), rows.max()


def blocks(letter: str) -> list[Box]:
    """Three corners of a frame of 500 x 700, and up to five squares: the letter in binary."""
    index = LETTERS.index(letter)
    corners = [(0, 0), (400, 600), (0, 600)]
    bits = [(100 * (k % 3 + 1), 200 * (k // 3 + 1)) for k in range(5) if index >> k & 1]
    return [(x, y, x + 100, y + 100) for x, y in corners + bits]


def outline(pen: TTGlyphPen | T2CharStringPen, boxes: list[Box]) -> None:
    for left, bottom, right, top in boxes:
        pen.moveTo((left, bottom))
        pen.lineTo((left, top))
        pen.lineTo((right, top))
        pen.lineTo((right, bottom))
        pen.closePath()


def make_font(
    path: Path,
    shapes: Callable[[str], list[Box]] = blocks,
    family: str = "Blocks",
    instances: dict[str, int] | None = None,
    cff: bool = False,
) -> Path:
    """A font of rectangles, named `family`, with `instances` (name: weight) a variable one.

    At weight 100 the rectangles of the default weight, 400, are 96 units narrower.
    """
    font = FontBuilder(1000, isTTF=not cff)
    names = [".notdef", *LETTERS]
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(letter): letter for letter in LETTERS})
    boxes = {name: shapes(name) if name in LETTERS else [] for name in names}
    if cff:
        strings = {}
        for name in names:
            pen = T2CharStringPen(600, None)
            outline(pen, boxes[name])
            strings[name] = pen.getCharString()
        font.setupCFF(family, {"FullName": family}, strings, {})
    else:
        glyphs = {}
        for name in names:
            pen = TTGlyphPen(None)
            outline(pen, boxes[name])
            glyphs[name] = pen.glyph()
        font.setupGlyf(glyphs)
    font.setupHorizontalMetrics({name: (600, 0) for name in names})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    if instances:
        places = [{"location": {"wght": w}, "stylename": name} for name, w in instances.items()]
        font.setupFvar([("wght", 100, 400, 400, "Weight")], places)
        phantoms = [(0, 0)] * 4
        font.setupGvar(
            {
                name: [
                    TupleVariation(
                        {"wght": (-1.0, -1.0, 0.0)},
                        [(48, 0), (48, 0), (-48, 0), (-48, 0)] * len(boxes[name]) + phantoms,
                    )
                ]
                for name in LETTERS
            }
        )
    font.save(path)
    return path


def converted(source: Path, path: Path, flavor: str) -> Path:
    with TTFont(source) as font:
        font.flavor = flavor
        font.save(path)
    return path


def with_box(source: Path, path: Path, letter: str, box: Box) -> Path:
    """The same font with one more rectangle in one letter; `box` in thousandths of an em."""
    with TTFont(source) as font:
        pen = TTGlyphPen(None)
        name = font.getBestCmap()[ord(letter)]
        font.getGlyphSet()[name].draw(pen)
        left, bottom, right, top = (round(x * font["head"].unitsPerEm / 1000) for x in box)
        outline(pen, [(left, bottom, right, top)])
        font["glyf"][name] = pen.glyph()
        # Hints speak of points by number, and there are more of them now.
        for table in {"fpgm", "prep", "cvt ", "hdmx", "VDMX"} & set(font.keys()):
            del font[table]
        font.save(path)
    return path


# How an alphabet is drawn.


@pytest.fixture(scope="module", params=TEXT_FACES)
def face(request: pytest.FixtureRequest) -> Glyphs:
    return drawn(REAL / request.param)


def test_ink_is_bright_on_dark(face: Glyphs):
    assert face.shape == (26, 28, 28)
    assert (np.median(face.reshape(26, -1), axis=1) == 0).all()
    assert (face.reshape(26, -1).max(1) > 200).all()


def test_every_ink_box_is_centred_to_half_a_pixel(face: Glyphs):
    for picture in face:
        left, top, right, bottom = ink_box(picture)
        assert abs(left + right - 27) / 2 <= 0.5 and abs(top + bottom - 27) / 2 <= 0.5


def test_symmetric_letters_have_their_mass_in_the_middle(face: Glyphs):
    place = np.arange(28) - 13.5
    for letter in "HIO":
        ink = glyph(face, letter)
        assert abs((ink.sum(0) * place).sum() / ink.sum()) < 0.3
        assert abs((ink.sum(1) * place).sum() / ink.sum()) < 0.3


def test_capitals_of_a_face_are_equally_tall(face: Glyphs):
    heights = [(glyph(face, letter).max(1) > 127).sum() for letter in "EFHIT"]
    assert max(heights) - min(heights) <= 1
    assert 17 <= min(heights) and max(heights) <= 21


def test_one_pixel_stays_free_on_each_side(face: Glyphs):
    assert not face[:, [0, -1], :].any() and not face[:, :, [0, -1]].any()


def test_the_cap_height_is_twenty_pixels_to_sub_pixel():
    # The brightest column of an upright stem, summed, is its height; a coverage has no rounding.
    stem = glyph(drawn(REAL / "DejaVuSans.ttf"), "I").sum(0).max() / 255
    assert stem == pytest.approx(20, abs=0.3)


def test_rectangles_come_out_where_they_should(tmp_path: Path):
    """Known answer: 700 units are 20 pixels, so a square of 100 units covers (20/7)² pixels."""
    alphabet = drawn(make_font(tmp_path / "blocks.ttf"))
    for letter in LETTERS:
        squares = len(blocks(letter))
        assert glyph(alphabet, letter).sum() / 255 == pytest.approx(
            squares * (20 / 7) ** 2, rel=0.08
        )
        # 500 units are 14.3 pixels: 6.9 to 21.1.
        assert (
            np.abs(np.subtract(ink_box(glyph(alphabet, letter)), (6.5, 4, 20.5, 23))).max() <= 0.5
        )


# A swash takes nothing from the other letters.


@pytest.mark.parametrize(
    ("letter", "box"),
    [("Q", (0, -150, 1200, -100)), ("W", (0, -150, 1450, -100)), ("J", (0, -730, 70, 50))],
)
@pytest.mark.parametrize("source", ["DejaVuSans.ttf", "DejaVuSansMono.ttf"])
def test_a_lone_swash_shrinks_itself_only(source: str, letter: str, box: Box, tmp_path: Path):
    with_swash = drawn(with_box(REAL / source, tmp_path / "with.ttf", letter, box))
    without = drawn(with_box(REAL / source, tmp_path / "without.ttf", letter, (50, 50, 55, 55)))
    others = [i for i, name in enumerate(LETTERS) if name != letter]
    assert np.abs(with_swash - without)[others].max() <= 25
    left, top, right, bottom = ink_box(glyph(with_swash, letter))
    assert max(right - left, bottom - top) >= 24  # as large as the picture allows


@pytest.mark.parametrize("source", ["DejaVuSerif.ttf", "STIXGeneral.ttf", "cmr10.ttf"])
def test_a_lone_swash_does_not_shrink_a_face_whose_w_is_wide(source: str, tmp_path: Path):
    swash = (0, -150, 1400, -100)
    heights = [
        (glyph(drawn(with_box(REAL / source, tmp_path / name, "Q", box)), "H").max(1) > 127).sum()
        for name, box in (("with.ttf", swash), ("without.ttf", (50, 50, 55, 55)))
    ]
    assert abs(heights[0] - heights[1]) <= 1


def test_a_letter_far_larger_than_the_others_is_refused(tmp_path: Path):
    path = with_box(REAL / "DejaVuSans.ttf", tmp_path / "giant.ttf", "Q", (0, -150, 4000, -100))
    assert refused(path) == "a letter is far larger than the others"


# File formats.


@pytest.mark.parametrize("flavor", ["woff", "woff2"])
def test_web_fonts_are_pixel_identical_to_the_font_in_them(flavor: str, tmp_path: Path):
    source = REAL / "STIXGeneral.ttf"
    packed = converted(source, tmp_path / f"packed.{flavor}", flavor)
    assert np.array_equal(drawn(packed), drawn(source))


def test_cubic_outlines_are_drawn_like_quadratic_ones(tmp_path: Path):
    cubic = drawn(make_font(tmp_path / "blocks.otf", cff=True))
    quadratic = drawn(make_font(tmp_path / "blocks.ttf"))
    assert relative_distances(np.stack([cubic, quadratic]).astype(np.uint8))[0, 1] < DUPLICATE


def test_every_member_of_a_collection_is_drawn(tmp_path: Path):
    sources = [REAL / "DejaVuSans.ttf", REAL / "STIXSizOneSymReg.ttf", REAL / "STIXGeneral.ttf"]
    collection = TTCollection()
    collection.fonts = [TTFont(source) for source in sources]
    collection.save(tmp_path / "three.ttc")
    collection.close()
    path = tmp_path / "three.ttc"
    faces, rejections = render_file(FontFile(path, tmp_path), 28)
    assert [face.family for face, _ in faces] == ["DejaVu Sans", "STIXGeneral"]
    assert np.array_equal(faces[0][1], drawn(sources[0]))
    assert np.array_equal(faces[1][1], drawn(sources[2]))
    assert faces[1][0].file == "three.ttc#2"
    assert [r.file for r in rejections] == ["three.ttc#1"]


def test_named_instances_of_a_variable_font_are_faces(tmp_path: Path):
    path = make_font(tmp_path / "variable.ttf", instances={"Light": 250, "Regular": 400})
    faces, rejections = render_file(FontFile(path, tmp_path), 28)
    assert not rejections
    assert [(face.style, face.file) for face, _ in faces] == [
        ("Light", "variable.ttf#Light"),
        ("Regular", "variable.ttf#Regular"),
    ]
    for weight, (_, alphabet) in zip((250, 400), faces, strict=True):
        with TTFont(path) as font:
            instantiateVariableFont(font, {"wght": weight}).save(tmp_path / "static.ttf")
        pair = np.stack([alphabet, drawn(tmp_path / "static.ttf").astype(np.uint8)])
        # Twins by the project's own measure, so that a static cut is dropped beside the instance.
        assert relative_distances(pair)[0, 1] < DUPLICATE
    assert faces[0][1].sum() < 0.9 * faces[1][1].sum()


@pytest.mark.parametrize("order", [("Hairline", "Regular"), ("Regular", "Hairline", "Book")])
def test_an_instance_that_cannot_be_drawn_leaves_the_others(order: tuple[str, ...], tmp_path: Path):
    weights = {"Hairline": 100, "Regular": 400, "Book": 350}
    path = make_font(tmp_path / "variable.ttf", instances={name: weights[name] for name in order})
    faces, rejections = render_file(FontFile(path, tmp_path), 28)
    assert [face.style for face, _ in faces] == [name for name in order if name != "Hairline"]
    [rejection] = rejections
    assert rejection.file == "variable.ttf#Hairline"
    assert rejection.reason.startswith("blank letters")


# Other sizes, other characters.


@pytest.mark.parametrize("size", [14, 32, 56])
def test_other_sizes_are_the_same_picture(size: int):
    small, large = drawn(REAL / "DejaVuSans.ttf", size), drawn(REAL / "DejaVuSans.ttf", 2 * size)
    assert small.shape == (26, size, size) and large.shape == (26, 2 * size, 2 * size)
    halved = large.reshape(26, size, 2, size, 2).mean((2, 4))
    assert relative_distances(np.stack([small, halved]).round().astype(np.uint8))[0, 1] < DUPLICATE
    assert (glyph(large, "H").max(1) > 127).sum() == pytest.approx(2 * size * 20 / 28, abs=1)


def test_eight_pixels_are_the_least():
    assert drawn(REAL / "DejaVuSans.ttf", 8).shape == (26, 8, 8)
    with pytest.raises(ValueError, match="at least 8"):
        render_all([FontFile(REAL / "DejaVuSans.ttf", REAL)], 7)


def test_extra_characters_are_drawn_at_the_scale_of_the_capitals():
    plain = drawn(REAL / "DejaVuSans.ttf")
    alphabet = drawn(REAL / "DejaVuSans.ttf", extra="x4\N{CJK UNIFIED IDEOGRAPH-4E00}")
    assert alphabet.shape == (29, 28, 28)
    assert np.array_equal(alphabet[:26], plain)
    heights = (alphabet.max(2) > 127).sum(1)
    with TTFont(REAL / "DejaVuSans.ttf") as font:
        share = font["glyf"]["x"].yMax / font["glyf"]["H"].yMax
    assert heights[26] == pytest.approx(20 * share, abs=1)
    assert heights[27] == pytest.approx(20, abs=1)
    assert not alphabet[28].any()  # the font does not have it


# Bad fonts: refused with a reason, and the others of the folder come out.


def blank(letter: str) -> list[Box]:
    return []


def alike(letter: str) -> list[Box]:
    return [(0, 0, 500, 700)]


def speck(letter: str) -> list[Box]:
    return [(0, 0, 2, 2)] if letter == "J" else blocks(letter)


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        (blank, "blank letters"),
        (alike, "letters all alike"),
        (lambda letter: [] if letter in "JQ" else blocks(letter), "blank letters"),
        (lambda letter: [(x, y, x + 10, y + 100) for x, y, _, _ in blocks(letter)], "too thin"),
        (speck, "blank letters"),
    ],
    ids=["blank", "alike", "two letters missing", "hairlines", "a speck"],
)
def test_an_alphabet_that_is_none_is_refused(
    shapes: Callable[[str], list[Box]], reason: str, tmp_path: Path
):
    assert reason in refused(make_font(tmp_path / "bad.ttf", shapes))


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.05, 0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["DejaVuSans.ttf", "cmr10.ttf", "web.woff", "web.woff2"])
def test_a_truncated_font_is_refused(name: str, share: float, tmp_path: Path):
    source = REAL / name
    if not source.exists():
        source = converted(REAL / "cmr10.ttf", tmp_path / f"whole.{name}", name.split(".")[1])
    whole = source.read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: int(share * len(whole))])
    faces, rejections = render_file(FontFile(path, tmp_path), 28)
    if faces:  # what was cut off is not needed to draw A-Z: then nothing may be missing
        assert share == 0.99 and np.array_equal(faces[0][1], drawn(source))
    else:
        assert [r.file for r in rejections] == [name]
        assert rejections[0].reason.startswith(("unreadable: ", "no capitals: "))
        assert rejections[0].reason.split(": ")[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just a text\n" * 40,
        b"ttcf" + bytes(40),
        b"OTTO" + b"\xff" * 400,
        b"wOF2" + b"\x01" * 99,
    ],
)
def test_a_file_that_is_no_font_is_refused(content: bytes, tmp_path: Path):
    (tmp_path / "text.ttf").write_bytes(content)
    assert refused(tmp_path / "text.ttf").startswith("unreadable: ")


def test_a_file_that_is_no_font_is_closed_again(tmp_path: Path):
    (tmp_path / "text.ttf").write_text("just a text")
    (tmp_path / "text.ttc").write_text("ttcf and just a text")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in ("text.ttf", "text.ttc"):
            refused(tmp_path / name)
    assert not [str(w.message) for w in caught if w.category is ResourceWarning]


def test_a_font_without_capitals_is_refused():
    assert refused(REAL / "STIXSizOneSymReg.ttf") == "no capitals: 26 of A-Z missing"


def test_a_font_that_lacks_a_table_says_which(tmp_path: Path):
    path = tmp_path / "a.ttf"
    path.write_bytes((REAL / "cmss10.ttf").read_bytes().replace(b"maxp", b"maxq", 1))
    assert refused(path) == "unreadable: no table 'maxp'"
    edited("cmss10.ttf", path, lambda f: [setattr(t, "platformID", 1) for t in f["cmap"].tables])
    assert refused(path) == "no capitals: no Unicode table of characters"


def test_a_font_without_names_is_called_after_its_file(tmp_path: Path):
    path = edited("cmss10.ttf", tmp_path / "mine.ttf", lambda font: font.__delitem__("name"))
    [(face, alphabet)], _ = render_file(FontFile(path, tmp_path), 28)
    assert (face.family, face.style, face.licence) == ("mine", "Regular", "unknown")
    assert np.array_equal(alphabet, drawn(REAL / "cmss10.ttf"))


def edited(source: str, path: Path, change: Callable[[TTFont], object]) -> Path:
    with TTFont(REAL / source) as font:
        change(font)
        font.save(path)
    return path


def test_bad_fonts_leave_the_good_ones_of_the_folder(tmp_path: Path):
    shutil.copy(REAL / "cmss10.ttf", tmp_path / "good.ttf")
    shutil.copy(REAL / "STIXSizOneSymReg.ttf", tmp_path / "symbols.ttf")
    (tmp_path / "cut.ttf").write_bytes((REAL / "cmr10.ttf").read_bytes()[:5000])
    (tmp_path / "text.ttf").write_text("just a text")
    faces, rejections = render_all(find_fonts([tmp_path]), 28)
    assert [face.file for face, _ in faces] == ["good.ttf"]
    assert np.array_equal(faces[0][1], drawn(REAL / "cmss10.ttf"))
    assert {r.file for r in rejections} == {"cut.ttf", "symbols.ttf", "text.ttf"}
    assert all(r.reason for r in rejections)


# What is found, and what is said of it.


def test_an_empty_or_a_missing_folder_is_named(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("no font")
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        find_fonts([tmp_path])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_fonts([REAL, tmp_path / "nowhere"])
    with pytest.raises(FileNotFoundError, match=r"cmr10\.ttf is a file; give the folder"):
        find_fonts([REAL / "cmr10.ttf"])
    with pytest.raises(FileNotFoundError, match="empty list"):
        find_fonts([])


def test_each_real_file_is_found_once_in_sorted_order(tmp_path: Path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("zeta.otf", "Beta.TTF", "deep/er/alpha.woff2", "deep/notes.md", "deep/gamma.ttc"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.ttf").symlink_to(tmp_path / "zeta.otf")
    found = find_fonts([tmp_path, tmp_path / "deep", tmp_path])
    assert [file.name for file in found] == [
        "Beta.TTF",
        "deep/er/alpha.woff2",
        "deep/gamma.ttc",
        "link.ttf",
    ]


def test_links_to_folders_are_followed_once(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.ttf").write_text("a")
    (tmp_path / "searched").mkdir()
    (tmp_path / "searched" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "round").symlink_to(tmp_path / "searched")
    assert [file.name for file in find_fonts([tmp_path / "searched"])] == ["linked/a.ttf"]


def test_a_face_says_where_it_comes_from(tmp_path: Path):
    folder = tmp_path / "fonts-example" / "usr" / "share" / "fonts"
    folder.mkdir(parents=True)
    shutil.copy(REAL / "DejaVuSans.ttf", folder)
    notes = tmp_path / "fonts-example" / "usr" / "share" / "doc" / "fonts-example"
    notes.mkdir(parents=True)
    (notes / "copyright").write_text("Files: *\nCopyright: us\nLicense: OFL-1.1\n text")
    [file] = find_fonts([tmp_path])
    [(face, _)], _ = render_file(file, 28)
    assert face == Face(
        family="DejaVu Sans",
        style="Book",
        kind="sans",
        package="fonts-example",
        licence="OFL-1.1",
        file="fonts-example/usr/share/fonts/DejaVuSans.ttf",
    )


def test_a_font_at_the_root_is_of_the_package_of_its_folder_and_its_own_licence():
    [(face, _)], _ = render_file(FontFile(REAL / "DejaVuSerif.ttf", REAL), 28)
    assert (face.package, face.licence, face.kind) == (REAL.name, "Bitstream-Vera", "serif")


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("Blocks Mono", "mono"),
        ("Blocks Sans Serif", "sans"),
        ("Blocks Serif", "serif"),
        ("Blocks Script", "script"),
        ("Blocks", "display"),
    ],
)
def test_the_kind_of_a_face(family: str, kind: str, tmp_path: Path):
    path = make_font(tmp_path / "font.ttf", family=family)
    [(face, _)], _ = render_file(FontFile(path, tmp_path), 28)
    assert face.kind == kind


def test_many_files_are_drawn_on_many_cores_in_order(tmp_path: Path):
    font = make_font(tmp_path / "000.ttf")
    for index in range(1, 70):
        shutil.copy(font, tmp_path / f"{index:03d}.ttf")
    (tmp_path / "033.ttf").write_bytes((REAL / "STIXSizOneSymReg.ttf").read_bytes())
    faces, rejections = render_all(find_fonts([tmp_path]), 28)
    assert [f.file for f, _ in faces] == [f"{i:03d}.ttf" for i in range(70) if i != 33]
    assert [r.file for r in rejections] == ["033.ttf"]
    assert all(np.array_equal(alphabet, drawn(font)) for _, alphabet in faces[::23])
