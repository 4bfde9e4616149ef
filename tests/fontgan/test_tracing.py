import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely import Polygon
from shapely.geometry import Point

from fontgan import LETTERS
from fontgan.tracing import Contour, Outline, fidelity, overlap, sharpened, trace
from fontgan.typefaces import Typefaces

Picture = NDArray[np.float64]


def inked(draw: str, *boxes: tuple[float, float, float, float], fine: int = 32) -> Picture:
    """Shapes of ImageDraw, filled and cut out in turn, as 28 x 28 pixels of exact ink."""
    large = Image.new("L", (28 * fine, 28 * fine))
    pen = ImageDraw.Draw(large)
    for i, box in enumerate(boxes):
        left, top, right, bottom = (round(v * fine) for v in box)
        getattr(pen, draw)((left, top, right - 1, bottom - 1), fill=255 * (1 - i % 2))
    return np.asarray(large, float).reshape(28, fine, 28, fine).mean((1, 3)) / 255


def signed_area(contour: Contour) -> float:
    """Positive where clockwise to the eye, y down."""
    x, y = contour.polyline(0.05).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@pytest.mark.parametrize("box", [(4, 5, 24, 23), (4.3, 5.6, 23.9, 22.7)])
def test_a_square_has_four_corners_where_they_are(box: tuple[float, float, float, float]):
    [contour] = trace(inked("rectangle", box)).contours
    left, top, right, bottom = box
    assert contour.on.all()
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    assert len(contour.points) == 4
    start = int(np.argmin(contour.points.sum(1)))
    np.testing.assert_allclose(np.roll(contour.points, -start, 0), corners, atol=0.04)
    assert signed_area(contour) == pytest.approx((right - left) * (bottom - top), rel=0.005)
    assert len(set(contour.points[:, 0])) == 2, "upright edges are exactly upright"
    assert len(set(contour.points[:, 1])) == 2


@pytest.mark.parametrize("radius", [3.0, 6.5, 10.0])
def test_a_discs_outline_is_the_circle(radius: float):
    centre = np.array([14.2, 13.7])
    box = (*(centre - radius), *(centre + radius))
    [contour] = trace(inked("ellipse", box)).contours
    distance = np.hypot(*(contour.polyline(0.05) - centre).T)
    assert np.abs(distance - radius).max() < 0.12
    assert signed_area(contour) == pytest.approx(np.pi * radius**2, rel=0.01)


def test_a_ring_is_an_outer_contour_and_a_hole_that_runs_the_other_way():
    outline = trace(inked("ellipse", (4, 4, 24, 24), (8, 8, 20, 20)))
    outer, hole = sorted(outline.contours, key=lambda c: -signed_area(c))
    assert signed_area(outer) > 0 > signed_area(hole)
    ring = np.pi * (10**2 - 6**2)
    assert signed_area(outer) + signed_area(hole) == pytest.approx(ring, rel=0.015)
    assert Polygon(outer.polyline(0.1)).contains(Polygon(hole.polyline(0.1)))


def test_smooth_curves_have_no_corner_in_them():
    [contour] = trace(inked("ellipse", (5, 3, 22, 25))).contours
    points, n = contour.points, len(contour.points)
    for i in np.flatnonzero(contour.on):
        before, after = points[i] - points[i - 1], points[(i + 1) % n] - points[i]
        cosine = before @ after / np.hypot(*before) / np.hypot(*after)
        assert cosine > np.cos(np.deg2rad(1))


def test_a_stroke_half_a_pixel_wide_stays_one_stroke():
    outline = trace(inked("rectangle", (13.6, 4, 14.2, 24)))
    [contour] = outline.contours
    assert signed_area(contour) == pytest.approx(0.6 * 20, rel=0.05)
    left, top, right, bottom = outline.bounds
    assert (top, bottom) == pytest.approx((4, 24), abs=0.5)
    assert (left, right) == pytest.approx((13.6, 14.2), abs=0.15)


def test_specks_and_pinholes_are_dropped():
    picture = inked("rectangle", (4, 4, 20, 24))
    clean = trace(picture)
    picture[2:3, 25:26] = 1
    picture[12, 12] = 0.4
    spoiled = trace(picture)
    assert len(spoiled.contours) == 1
    np.testing.assert_allclose(spoiled.bounds, clean.bounds, atol=0.05)


def test_two_parts_beside_each_other_are_two_outer_contours():
    picture = np.maximum(inked("rectangle", (3, 4, 10, 24)), inked("rectangle", (16, 6, 25, 20)))
    areas = sorted(map(signed_area, trace(picture).contours))
    assert areas == pytest.approx([9 * 14, 7 * 20], rel=0.01)


def test_a_glyph_in_the_picture_s_corner_closes():
    [contour] = trace(inked("rectangle", (0, 0, 9, 12))).contours
    assert signed_area(contour) == pytest.approx(9 * 12, rel=0.02)


def test_the_sharpened_picture_s_ink_is_the_glyph_s(builtin: Typefaces):
    for letter in "BS":
        glyph = builtin.glyphs[builtin.split("test")[10], LETTERS.index(letter)] / 255
        fine = np.clip(2 * sharpened(glyph) - 0.5, 0, 1)
        mean = fine.reshape(32, 6, 32, 6).mean((1, 3))[2:-2, 2:-2]
        assert np.abs(mean - glyph).mean() < 0.03 * glyph.mean()


@pytest.fixture(scope="module")
def traced(builtin: Typefaces) -> list[tuple[Picture, Outline]]:
    """A to Z from unseen text faces, a different one for each letter."""
    kinds = ("sans", "serif", "mono")
    faces = [i for i in builtin.split("test") if builtin.faces[i].kind in kinds]
    faces = [i for i in faces if "Thin" not in builtin.faces[i].style]
    glyphs = [builtin.glyphs[faces[3 * k % len(faces)], k] / 255 for k in range(26)]
    return [(glyph, trace(glyph)) for glyph in glyphs]


def test_outlines_of_real_letters_cover_their_pictures(traced: list[tuple[Picture, Outline]]):
    scores = [fidelity(outline, glyph) for glyph, outline in traced]
    assert min(s.upsampled for s in scores) >= 0.9
    assert min(s.original for s in scores) >= 0.9
    assert np.mean([s.original for s in scores]) >= 0.96


def test_real_letters_are_sound_polygons_with_holes_within(traced: list[tuple[Picture, Outline]]):
    holes = {letter: 0 for letter in LETTERS}
    for letter, (_, outline) in zip(LETTERS, traced, strict=True):
        parts = [(signed_area(c), Polygon(c.polyline(0.1))) for c in outline.contours]
        assert all(polygon.is_valid for _, polygon in parts), letter
        inner = [polygon for area, polygon in parts if area < 0]
        outer = [polygon for area, polygon in parts if area > 0]
        assert all(any(o.contains(i) for o in outer) for i in inner), letter
        holes[letter] = len(inner)
    assert [holes[c] for c in "ABDOPR"] == [1, 2, 1, 1, 1, 1]
    assert sum(holes[c] for c in "CEFGHIJKLMNSTUVWXYZ") == 0


def test_coverage_agrees_with_an_independent_area(traced: list[tuple[Picture, Outline]]):
    _, outline = traced[LETTERS.index("B")]
    ink = outline.coverage(28, 28, rows=32)
    shape = Polygon()
    for contour in outline.contours:
        shape = shape.symmetric_difference(Polygon(contour.polyline(0.05)))
    assert ink.sum() == pytest.approx(shape.area, rel=1e-3)
    for row, column in ((14, 9), (6, 12), (20, 15), (10, 10)):
        pixel = Point(column + 0.5, row + 0.5).buffer(0.5, cap_style="square")
        assert ink[row, column] == pytest.approx(shape.intersection(pixel).area, abs=0.02)


def test_extremes_become_points_of_the_same_curve(traced: list[tuple[Picture, Outline]]):
    for letter in "OSQ":
        for contour in traced[LETTERS.index(letter)][1].contours:
            full = contour.with_extremes()
            assert Polygon(full.polyline(0.02)).symmetric_difference(
                Polygon(contour.polyline(0.02))
            ).area < 0.002 * abs(signed_area(contour))
            np.testing.assert_allclose(
                [full.points.min(0), full.points.max(0)],
                [f(contour.polyline(0.01), axis=0) for f in (np.min, np.max)],
                atol=0.02,
            )


def test_a_placed_outline_has_the_baseline_below_it():
    outline = trace(inked("rectangle", (4, 5, 24, 23))).placed(35.0, (4, 23))
    np.testing.assert_allclose(outline.bounds, (0, 0, 700, 630), atol=2)
    assert signed_area(outline.contours[0]) < 0, "still clockwise to the eye, where y points up"


def test_svg_path_speaks_of_the_same_points():
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float)
    flags = np.array([True, True, False, True])
    path = Outline((Contour(square, flags),)).svg_path(0)
    assert path == "M0 0L2 0Q2 2 0 2L0 0Z"


def test_svg_path_of_a_curve_that_closes_ends_where_it_began():
    path = trace(inked("ellipse", (4, 4, 24, 24))).svg_path(1)
    numbers = re.findall(r"-?\d+\.\d", path)
    assert numbers[:2] == numbers[-2:]
    assert path.startswith("M") and path.endswith("Z") and path.count("Q") >= 6


def test_overlap_of_known_pictures():
    one, two = np.zeros((4, 4)), np.zeros((4, 4))
    one[:, :2], two[:, 1:3] = 1, 0.5
    assert overlap(one, two) == pytest.approx(2 / 10)
    assert overlap(one, one) == 1


@pytest.mark.parametrize(
    ("glyph", "message"),
    [
        (np.zeros((28, 28)), "blank"),
        (np.full((28, 28), 0.1), "blank"),
        (np.zeros((3, 28, 28)), "shape"),
        (np.zeros((28, 5)), "shape"),
        (np.full((28, 28), 255.0), r"\[0, 1\]"),
        (np.full((28, 28), np.nan), r"\[0, 1\]"),
    ],
)
def test_what_is_no_glyph_is_refused(glyph: Picture, message: str):
    with pytest.raises(ValueError, match=message):
        trace(glyph)
