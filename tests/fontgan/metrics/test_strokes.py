import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from fontgan import LETTERS
from fontgan.glyphs import GlyphSet
from fontgan.metrics.strokes import letter_strokes, strokes, survival_correlation
from fontgan.typefaces import BUILTIN, Typefaces


def picture(draw) -> torch.Tensor:
    """A shape of 64 x 64 pixels from a function of x and y in pixels about the middle."""
    y, x = np.mgrid[:64, :64] - 31.5
    return torch.from_numpy(np.clip(draw(x, y), 0, 1)).float()[None, None]


def disc(radius: float) -> torch.Tensor:
    return picture(lambda x, y: radius - np.hypot(x, y) + 0.5)


def bar(angle: float, half: float = 4, long: float = 20) -> torch.Tensor:
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return picture(
        lambda x, y: np.minimum(
            half - np.abs(y * c - x * s) + 0.5, long - np.abs(x * c + y * s) + 0.5
        )
    )


def test_a_disc():
    found = strokes(disc(15))
    # Its edge is one pixel wide, and a pixel outside the ideal outline on average.
    assert found.complexity[0] == pytest.approx(1, abs=0.05)
    assert found.curvature[0] == pytest.approx(1 / 15, rel=0.15)
    assert found.holes[0] == 0
    # 8 sectors of 10° in 360°.
    assert found.aligned[0] == pytest.approx(80 / 360, abs=0.08)


def test_a_ring_has_two_outlines_and_a_hole():
    ring = disc(20) - disc(10)
    found = strokes(ring)
    expected = (2 * math.pi * 30) ** 2 / (4 * math.pi * math.pi * 300)
    assert found.complexity[0] == pytest.approx(expected, rel=0.05)
    assert found.holes[0] == 1


def test_upright_bars_are_aligned_and_oblique_ones_are_not():
    upright, lying, oblique = (strokes(bar(angle)) for angle in (90, 0, 35))
    assert upright.aligned[0] > 0.85 and lying.aligned[0] > 0.85
    assert oblique.aligned[0] < 0.1
    expected = (2 * (9 + 41)) ** 2 / (4 * math.pi * 9 * 41)
    assert lying.complexity[0] == pytest.approx(expected, rel=0.06)
    assert oblique.complexity[0] == pytest.approx(lying.complexity[0], rel=0.1)


def test_the_thinner_a_bar_the_more_complex_it_is():
    found = [float(strokes(bar(0, half)).complexity[0]) for half in (1, 1.5, 2, 3, 4)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx((2 * (2 + 41)) ** 2 / (4 * math.pi * 2 * 41), rel=0.1)


def test_no_ink_is_zero_throughout():
    found = strokes(torch.zeros(2, 1, 28, 28))
    for values in (found.complexity, found.aligned, found.curvature, found.holes):
        assert values.tolist() == [0, 0]


def test_real_letters_have_the_holes_and_the_strokes_that_one_sees():
    glyphs = GlyphSet.of(Typefaces.load(BUILTIN), "validate")
    means = letter_strokes(glyphs.images.float() / 255, glyphs.letters)
    holes = dict(zip(LETTERS, means["holes"], strict=True))
    assert holes["B"] > 1.2 and 0.6 < holes["O"] < 1.2 and 0.6 < holes["D"] < 1.2
    # Outlined faces have a hole in every letter.
    assert all(holes[letter] < 0.4 for letter in "CEFHIJKLMNSTUVWXYZ")
    aligned = dict(zip(LETTERS, means["aligned"], strict=True))
    assert min(aligned[letter] for letter in "EFHILT") > max(aligned[letter] for letter in "OSVWX")
    complexity = dict(zip(LETTERS, means["complexity"], strict=True))
    assert complexity["I"] == min(complexity.values())
    curvature = dict(zip(LETTERS, means["curvature"], strict=True))
    assert curvature["S"] > curvature["L"]


def test_the_rank_correlation_is_spearmans():
    random = np.random.default_rng(1)
    measure, survival = random.random(26), random.random((3, 26))
    found = survival_correlation(measure, survival, resamples=500)
    expected = spearmanr(measure, survival.mean(0))
    assert found.rho == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.06)
    assert found.low < found.rho < found.high


def test_a_measure_that_decides_survival():
    measure = np.arange(26.0)
    survival = np.tile(measure**2, (4, 1))
    found = survival_correlation(measure, survival, resamples=300)
    assert found.rho == pytest.approx(1) and found.low > 0.9 and found.p_value < 0.01
    alike = survival_correlation(measure, np.ones((4, 26)), resamples=10)
    assert (alike.rho, alike.low, alike.high, alike.p_value) == (0, -1, 1, 1)


@pytest.mark.parametrize(
    ("images", "letters", "message"),
    [
        (torch.zeros(3, 28, 28), torch.zeros(3).long(), "too few of B"),
        (torch.zeros(52, 28, 28), torch.arange(26).repeat(2), "strokes need images"),
    ],
)
def test_what_cannot_be_measured_is_refused(images, letters, message):
    with pytest.raises(ValueError, match=message):
        letter_strokes(images, letters)
    with pytest.raises(ValueError, match="finite"):
        survival_correlation(np.full(26, np.nan), np.ones((1, 26)))
