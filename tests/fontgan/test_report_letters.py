import hashlib

import numpy as np
import pytest
import torch
from scipy.ndimage import label

from fontgan import report_letters
from fontgan.data import ReportLetters
from fontgan.glyphs import GlyphSet
from fontgan.report_letters import ITALIC, NARROW, STYLES, WIDE


@pytest.fixture(scope="module")
def sets() -> dict[str, GlyphSet]:
    data = ReportLetters()
    return {split: data.reference(split) for split in ("train", "validate", "test")}


@pytest.fixture(scope="module")
def train(sets: dict[str, GlyphSet]) -> GlyphSet:
    return sets["train"]


def test_numbers_shapes_and_balance(sets: dict[str, GlyphSet]):
    for name, count in (("train", 200), ("validate", 60), ("test", 60)):
        glyphs = sets[name]
        assert glyphs.images.shape == (26 * count, 1, 28, 28) and glyphs.images.dtype == torch.uint8
        assert torch.bincount(glyphs.letters).tolist() == [count] * 26
        assert glyphs.faces.shape == glyphs.letters.shape
        assert set(glyphs.faces.tolist()) == set(range(STYLES))


def test_styles_come_equally_often(train: GlyphSet):
    expected = len(train.faces) / STYLES
    deviations = torch.bincount(train.faces, minlength=STYLES) - expected
    assert (deviations.abs() < 5 * expected**0.5).all()


def test_the_seed_decides():
    draws = [report_letters.draw({"a": 3}, seed)["a"] for seed in (641, 641, 642)]
    assert torch.equal(draws[0].images, draws[1].images)
    assert torch.equal(draws[0].faces, draws[1].faces)
    assert not torch.equal(draws[0].images, draws[2].images)


def test_no_picture_comes_twice_in_no_split(sets: dict[str, GlyphSet]):
    digests = {
        hashlib.sha256(i.numpy().tobytes()).digest() for s in sets.values() for i in s.images
    }
    assert len(digests) == 26 * 320


def test_ink_is_bright_and_small_on_dark(train: GlyphSet):
    plain = train.images[train.faces > WIDE].float()
    assert plain.flatten(1).median(1).values.max() < 5
    assert plain.mean() < 0.15 * 255
    # Anti-aliased strokes of a face of 10 pixels: bright, if not quite white.
    assert plain.flatten(1).amax(1).min() > 120


def test_capitals_are_about_eight_pixels_tall(train: GlyphSet):
    for letter in "EHI":
        chosen = (train.faces > WIDE) & (train.letters == ord(letter) - 65)
        heights = (train.images[chosen, 0] > 60).any(2).sum(1)
        assert 7 <= heights.float().mean() <= 9


def test_size_only_shifts_by_half_of_itself(train: GlyphSet):
    """The corner is at 14 + U(-2, 2) - int(20 U(0.8, 1.2)) // 2: from 0 to 8, about 4.5."""
    chosen = (train.faces > WIDE) & (train.letters == ord("H") - 65)
    columns = (train.images[chosen, 0] > 60).any(1).float()
    left = columns.argmax(1).float()
    assert left.min() >= 0.5 and left.max() <= 9.5
    assert 4 <= left.mean() <= 6.5 and left.std() > 1


def corners(images: torch.Tensor) -> torch.Tensor:
    """Brightness of the top and bottom rows' outer pixels, shape (n, 4)."""
    return images[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]


def test_italics_alone_have_wedges_that_come_in_at_the_border(train: GlyphSet):
    """Black on the report's white, so bright here: x + 0.2 y leaves the picture on the right."""
    italic = train.images[train.faces == ITALIC, 0]
    for row in range(28):
        outside = np.arange(28) + 0.5 + 0.2 * (row + 0.5) > 28 + 1e-6
        assert (italic[:, row, outside] > 200).all()
    assert (italic[:, :, 0] < 40).float().mean() > 0.95
    others = train.images[train.faces != ITALIC]
    assert corners(others).max() < 40
    wedge = (italic.float() > 200).float().mean(0).numpy() > 0.9
    pieces, count = label(wedge)
    assert count == 1 and (pieces > 0).sum() == pytest.approx(0.2 * 28 * 28 / 2, abs=20)


def test_italics_lean(train: GlyphSet):
    """Each row is read 0.2 further right for each row down, so stems drift left going down."""
    chosen = (train.faces == ITALIC) & (train.letters == ord("I") - 65)
    drifts = []
    for image in train.images[chosen, 0, :, :20].float():
        rows = (image.amax(1) > 100).nonzero().squeeze(1)
        ink = image[rows].clamp(min=20) - 20
        centre = (ink * torch.arange(20)).sum(1) / ink.sum(1)
        drifts.append(np.polyfit(rows.numpy(), centre.numpy(), 1)[0])
    assert np.median(drifts) == pytest.approx(-0.2, abs=0.06)


def width(train: GlyphSet, style: int | None) -> float:
    """Mean width of the ink of the letter H."""
    same = train.faces > WIDE if style is None else train.faces == style
    columns = (train.images[same & (train.letters == ord("H") - 65), 0] > 60).any(1)
    return float(columns.sum(1).float().mean())


def test_narrow_and_wide(train: GlyphSet):
    plain = width(train, None)
    assert width(train, NARROW) / plain == pytest.approx(20 / 28, abs=0.15)
    assert width(train, WIDE) / plain == pytest.approx(28 / 20, abs=0.25)
    narrow = train.images[train.faces == NARROW]
    assert narrow[..., :4].max() < 40 and narrow[..., -4:].max() < 40  # pasted at 4 of 28


def test_noise_is_of_five_grey_levels(train: GlyphSet):
    """On blank paper the half above white is clipped: what is left is half of a Gaussian."""
    blank = train.images[train.faces > WIDE][:, 0, -4:, :].double()
    assert float((blank == 0).double().mean()) == pytest.approx(0.5, abs=0.02)
    spread = float((2 * blank.square().mean()).sqrt())
    assert spread == pytest.approx(5, abs=0.5)
    assert blank.max() < 5 * 6


def test_the_data_module_draws_the_test_split_of_the_report_first():
    data = ReportLetters(per_letter=3, held_out=2)
    drawn = report_letters.draw({"train": 3, "test": 2, "validate": 2}, seed=641)
    for split, glyphs in drawn.items():
        assert torch.equal(data.reference(split).images, glyphs.images)
    assert data.fingerprint == ReportLetters(per_letter=3, held_out=2).fingerprint
    assert data.fingerprint != ReportLetters(per_letter=3, held_out=1).fingerprint
    with pytest.raises(ValueError, match="28 pixels large, not 32"):
        ReportLetters(size=32)
