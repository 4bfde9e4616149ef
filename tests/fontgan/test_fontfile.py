import io
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from fontTools.pens.areaPen import AreaPen
from fontTools.pens.boundsPen import BoundsPen
from fontTools.svgLib.path import parse_path
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from PIL import Image, ImageFont
from scipy import ndimage

from fontgan import LETTERS
from fontgan.fontfile import FontReport, specimen, write_font, write_svg
from fontgan.rendering import draw_alphabet
from fontgan.tracing import overlap

DEJAVU = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
BASIC = ImageFont.Layout.BASIC


@pytest.fixture(scope="module")
def alphabet() -> NDArray[np.uint8]:
    """DejaVu Sans, whose true outlines are known, as 28 x 28 pixels."""
    return draw_alphabet(ImageFont.truetype(str(DEJAVU), 64, layout_engine=BASIC), 28)


@pytest.fixture(scope="module")
def report(alphabet: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> FontReport:
    path = tmp_path_factory.mktemp("fonts") / "new folder" / "mine.ttf"
    return write_font(alphabet, path, "Möwe No. 3", "1.25", "seed 3 of run outputs/fontgan/x")


@pytest.fixture(scope="module")
def font(report: FontReport) -> TTFont:
    return TTFont(io.BytesIO(report.path.read_bytes()))


def drawn(path: Path, text: str, size: float = 300) -> NDArray[np.float64]:
    """Ink of a text, cropped to it."""
    pen = ImageFont.truetype(str(path), size, layout_engine=BASIC)
    mask = pen.getmask(text, mode="L")
    picture = np.asarray(mask, dtype=float).reshape(mask.size[::-1]) / 255
    rows, columns = np.nonzero(picture > 0.5)
    return picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def bounds(font: TTFont, name: str) -> tuple[float, ...]:
    """Of the curves, not of the control points: left, bottom, right, top."""
    pen = BoundsPen(font.getGlyphSet())
    font.getGlyphSet()[name].draw(pen)
    assert pen.bounds is not None
    return tuple(pen.bounds)


def test_each_letter_covers_its_picture(report: FontReport):
    assert list(report.fidelity) == list(LETTERS)
    assert min(f.original for f in report.fidelity.values()) >= 0.95
    assert min(f.upsampled for f in report.fidelity.values()) >= 0.93
    assert report.fidelity[report.worst].original <= report.mean


def test_letters_are_those_of_the_typeface_that_was_drawn(report: FontReport):
    # FreeType draws both fonts at the same height of an H, ten times that of the pictures.
    height = drawn(report.path, "H").shape[0]
    size = 300 * height / drawn(DEJAVU, "H").shape[0]
    for letter in "ABCEGKMORSVZ":
        mine, true = (
            Image.fromarray((255 * picture).astype(np.uint8))
            for picture in (drawn(report.path, letter), drawn(DEJAVU, letter, size))
        )
        assert mine.width == pytest.approx(true.width, abs=0.025 * height), letter
        assert mine.height == pytest.approx(true.height, abs=0.025 * height), letter
        again = np.asarray(mine.resize(true.size), float)
        assert overlap(again, np.asarray(true, float)) > 0.92, letter


def test_a_drawn_o_has_one_hole_and_a_b_has_two(report: FontReport):
    for letter, holes in (("O", 1), ("B", 2), ("E", 0), ("Q", 1)):
        paper = np.pad(drawn(report.path, letter) < 0.5, 1, constant_values=True)
        assert ndimage.label(paper)[1] == 1 + holes, letter


def test_outer_contours_are_clockwise_and_holes_are_not(font: TTFont):
    glyphs = font["glyf"]
    for letter, count in (("O", 2), ("B", 3), ("H", 1)):
        coordinates, ends, _ = glyphs[letter].getCoordinates(glyphs)
        areas = []
        for part in np.split(np.array(coordinates, float), np.array(ends[:-1]) + 1):
            x, y = part.T
            areas.append(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        assert sorted(np.sign(areas)) == [-1] + [1] * (count - 1)


def test_lower_case_shows_capitals(report: FontReport, font: TTFont):
    known = font.getBestCmap()
    assert known == {32: "space", 160: "space"} | {
        ord(c): letter for letter in LETTERS for c in (letter, letter.lower())
    }
    for letter in "AgQ":
        assert (drawn(report.path, letter.lower()) == drawn(report.path, letter.upper())).all()


def test_metrics_agree_in_all_tables_and_in_freetype(report: FontReport, font: TTFont):
    assert font["head"].unitsPerEm == 1000
    for name, (advance, left) in font["hmtx"].metrics.items():
        glyph = font["glyf"][name]
        assert left == getattr(glyph, "xMin", 0), name
        if name in LETTERS:
            assert 0 < left and glyph.xMax < advance, name
            pen = ImageFont.truetype(str(report.path), 1000, layout_engine=BASIC)
            assert pen.getlength(name) == advance
    os2, hhea = font["OS/2"], font["hhea"]
    assert (hhea.ascent, hhea.descent, hhea.lineGap) == (950, -250, 0)
    assert (os2.sTypoAscender, os2.sTypoDescender, os2.sTypoLineGap) == (950, -250, 0)
    assert (os2.usWinAscent, os2.usWinDescent) == (950, 250)
    assert (os2.sCapHeight, os2.sxHeight) == (700, 700)
    assert os2.fsSelection == 0b1100_0000 and font["head"].macStyle == 0
    assert font["post"].italicAngle == 0
    pen = ImageFont.truetype(str(report.path), 1000, layout_engine=BASIC)
    assert pen.getmetrics() == (950, 250)


def test_bounds_need_no_control_points(font: TTFont):
    for letter in LETTERS:
        glyph = font["glyf"][letter]
        box = (glyph.xMin, glyph.yMin, glyph.xMax, glyph.yMax)
        np.testing.assert_allclose(box, bounds(font, letter), atol=1.01)


def test_flat_letters_stand_on_the_baseline_and_round_ones_overshoot(font: TTFont):
    for letter in "BDEFHIKLMNPRTXZ":
        assert bounds(font, letter)[1::2] == pytest.approx((0, 700), abs=0.6), letter
    for letter in "CGOS":
        low, high = bounds(font, letter)[1::2]
        assert -20 < low < -3 and 703 < high < 720 and high - 700 == pytest.approx(-low, abs=1.1)
    assert bounds(font, "U")[1] == pytest.approx(bounds(font, "O")[1], abs=1.1)
    assert bounds(font, "U")[3] == pytest.approx(700, abs=0.6)
    assert bounds(font, "Q")[1] < -60, "the tail hangs"
    assert bounds(font, "Q")[3] == pytest.approx(bounds(font, "O")[3], abs=1.1)


def test_side_bearings_are_those_of_a_text_face(font: TTFont):
    with TTFont(DEJAVU) as true:
        glyphs = true["glyf"]
        cap = glyphs["H"].yMax
        for letter in "AHNO":
            mine, theirs = font["hmtx"][letter], true["hmtx"][letter]
            right = theirs[0] - glyphs[letter].xMax
            # DejaVu is set a little wider than most.
            assert mine[1] / 700 == pytest.approx(theirs[1] / cap, abs=0.03), letter
            assert (mine[0] - font["glyf"][letter].xMax) / 700 == pytest.approx(
                right / cap, abs=0.03
            ), letter
    left = {letter: font["hmtx"][letter][1] for letter in LETTERS}
    assert left["H"] > left["O"] > left["A"]
    assert left["H"] == pytest.approx(left["E"], abs=2) == pytest.approx(left["B"], abs=2)


def test_names_say_what_it_is(font: TTFont):
    names = {i: font["name"].getDebugName(i) for i in (1, 2, 3, 4, 5, 6, 10, 13)}
    assert names == {
        1: "Möwe No. 3",
        2: "Regular",
        3: "1.25;MweNo3-Regular",
        4: "Möwe No. 3 Regular",
        5: "Version 1.25",
        6: "MweNo3-Regular",
        10: "seed 3 of run outputs/fontgan/x",
        13: None,
    }
    assert font["head"].fontRevision == pytest.approx(1.25, abs=1e-4)


def test_a_round_trip_changes_no_table(report: FontReport, font: TTFont, tmp_path: Path):
    with TTFont(report.path, recalcTimestamp=False) as first:
        first.saveXML(tmp_path / "first.ttx")
        tags = [tag for tag in first.keys() if tag != "GlyphOrder"]
        assert set(tags) >= {"cmap", "glyf", "head", "hhea", "hmtx", "maxp", "name", "OS/2", "post"}
        again = TTFont(recalcTimestamp=False)
        again.importXML(tmp_path / "first.ttx")
        again.save(tmp_path / "second.ttf")
        second = TTFont(tmp_path / "second.ttf")
        for tag in tags:
            if tag not in ("head", "loca"):
                assert second.getTableData(tag) == first.reader[tag], tag


def test_the_sanitizer_of_browsers_takes_it(report: FontReport, tmp_path: Path):
    ots = pytest.importorskip("ots", reason="opentype-sanitizer is not installed")
    clean = ots.sanitize(str(report.path), str(tmp_path / "clean.ttf"), capture_output=True)
    assert clean.returncode == 0, clean.stderr


def test_the_same_pictures_give_the_same_bytes_whatever_they_come_in(
    alphabet: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    tensor = torch.from_numpy(alphabet)
    forms = (alphabet, tensor, tensor[:, None].double() / 255)
    files = [tmp_path / f"{i}.ttf" for i in range(len(forms))]
    for images, file in zip(forms, files, strict=True):
        write_font(images, file, "A", "1.0", "")
    first, *others = [file.read_bytes() for file in files]
    assert all(other == first for other in others)


def test_units_scale_everything(alphabet: NDArray[np.uint8], font: TTFont, tmp_path: Path):
    write_font(alphabet, tmp_path / "fine.ttf", "A", "1.0", "", units_per_em=2048)
    with TTFont(tmp_path / "fine.ttf") as fine:
        for letter in LETTERS:
            assert fine["hmtx"][letter][0] == pytest.approx(2.048 * font["hmtx"][letter][0], abs=2)
        assert fine["OS/2"].sCapHeight == 1434


def test_a_w_drawn_smaller_to_fit_gets_its_height_back(alphabet: NDArray[np.uint8], tmp_path: Path):
    images = alphabet.copy()
    wide = Image.fromarray(images[LETTERS.index("W")]).resize((34, 20), box=(0, 4, 28, 24))
    images[LETTERS.index("W")] = 0
    images[LETTERS.index("W"), 6:22] = np.asarray(wide.resize((28, 16)))
    write_font(images, tmp_path / "w.ttf", "A", "1.0", "")
    with TTFont(tmp_path / "w.ttf") as font:
        assert bounds(font, "W")[1::2] == pytest.approx((0, 700), abs=1)


def test_a_letter_that_hangs_hangs_from_the_cap_line(alphabet: NDArray[np.uint8], tmp_path: Path):
    images = alphabet.copy()
    images[LETTERS.index("J")] = 0
    images[LETTERS.index("J"), 1:27, 12:15] = 255
    write_font(images, tmp_path / "j.ttf", "A", "1.0", "")
    with TTFont(tmp_path / "j.ttf") as font:
        low, high = bounds(font, "J")[1::2]
    assert high == pytest.approx(700, abs=1)
    assert low == pytest.approx(700 - 26 * 35, abs=12)


def test_the_svg_draws_the_font(alphabet: NDArray[np.uint8], font: TTFont, tmp_path: Path):
    write_svg(alphabet, tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    paths = [e for e in root.iter() if e.tag.endswith("path")]
    assert [p.get("id") for p in paths] == list(LETTERS)
    for path in paths:
        areas = AreaPen(), AreaPen()
        parse_path(path.get("d"), areas[0])
        font.getGlyphSet()[path.get("id")].draw(areas[1])
        assert areas[0].value == pytest.approx(areas[1].value, rel=0.01)
    left, top, width, height = map(float, (root.get("viewBox") or "").split())
    assert left < 0 and top < -700 and top + height > 1000
    assert width > max(sum(font["hmtx"][c][0] for c in half) for half in (LETTERS[:13], "NOPQRS"))


def test_a_specimen_sets_the_text(report: FontReport):
    picture = specimen(report.path, ["HOH", "so much said no one"], 800)
    ink = np.asarray(picture) < 128
    assert picture.mode == "L" and picture.width == 800
    columns = np.flatnonzero(ink[100:].any(0))
    assert columns.min() > 25 and columns.max() < 800 - 25, "the margins are free"
    lines = ndimage.label(ink[60:, 50:].any(1))[1]
    assert lines >= 6, "a large line, and one at least in each of five sizes"


def test_a_specimen_needs_a_font_and_text_that_it_has(report: FontReport, tmp_path: Path):
    (tmp_path / "no.ttf").write_bytes(b"no font at all")
    with pytest.raises(ValueError, match=r"no\.ttf is no font"):
        specimen(tmp_path / "no.ttf")
    with pytest.raises(FileNotFoundError, match=r"no font at .*lost"):
        specimen(tmp_path / "lost.ttf")
    with pytest.raises(ValueError, match="lacks '!' '7'"):
        specimen(report.path, ["HELLO!", "7"])
    with pytest.raises(ValueError, match="blank"):
        specimen(report.path, ["A", " "])
    with pytest.raises(ValueError, match="300"):
        specimen(report.path, width=20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((25, 28, 28))}, r"\(26, height, width\), found \(25, 28, 28\)"),
        ({"images": np.full((26, 28, 28), 2.0)}, r"letter A .* \[0, 1\]"),
        ({"family": "–"}, "family is '–'"),
        ({"version": "one"}, "version is 'one'"),
        ({"units_per_em": 5}, r"units_per_em is 5.*\[16, 16384\]"),
    ],
)
def test_what_makes_no_font_is_refused(
    alphabet: NDArray[np.uint8], tmp_path: Path, change: dict, message: str
):
    arguments = {"images": alphabet, "family": "A", "version": "1.0", "description": ""} | change
    with pytest.raises(ValueError, match=message):
        write_font(path=tmp_path / "a.ttf", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "write", [lambda images, path: write_font(images, path, "A", "1.0", ""), write_svg]
)
def test_a_blank_letter_is_named_and_the_earlier_file_stays(
    write: Callable[[NDArray[np.uint8], Path], object],
    alphabet: NDArray[np.uint8],
    tmp_path: Path,
):
    path = tmp_path / "earlier"
    path.write_text("earlier")
    images = alphabet.copy()
    images[LETTERS.index("K")] = 0
    with pytest.raises(ValueError, match=r"letter K .* blank"):
        write(images, path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written_leaves_all_as_it_was(
    alphabet: NDArray[np.uint8], tmp_path: Path
):
    (tmp_path / "folder.ttf").mkdir()
    (tmp_path / "file").write_text("earlier")
    with pytest.raises(OSError, match="folder"):
        write_font(alphabet, tmp_path / "folder.ttf", "A", "1.0", "")
    with pytest.raises(OSError, match="file"):
        write_font(alphabet, tmp_path / "file" / "a.ttf", "A", "1.0", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.ttf"]
    assert (tmp_path / "file").read_text() == "earlier"
