import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fontgan import LETTERS
from fontgan.metrics.measures import LetterMeasures


@dataclass(frozen=True)
class Reading:
    letter: Tensor
    confidence: Tensor
    features: Tensor


@dataclass(frozen=True)
class Glyphs:
    images: Tensor
    letters: Tensor
    faces: Tensor


class BrightnessJudge(nn.Module):
    """Reads how bright the top left pixel is: dark is junk, then A to Z; counts what it reads."""

    fingerprint, size = "brightness", 8

    def __init__(self) -> None:
        super().__init__()
        self.glyphs_read = 0

    def read(self, images: Tensor) -> Reading:
        self.glyphs_read += len(images)
        if images.dtype == torch.uint8:
            images = images / 255
        letter = (images[:, 0, 0, 0] * 27).long().clamp(max=26) - 1
        return Reading(letter, torch.ones(len(images)), images[:, 0, 2:4, 2:4].flatten(1))


def glyphs(faces: int, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    letters = torch.arange(26).repeat(faces)
    images = torch.randint(0, 256, (len(letters), 1, 8, 8), generator=generator).byte()
    images[:, 0, 0, 0] = ((letters + 1.5) / 27 * 255).byte()
    return Glyphs(images, letters, torch.arange(faces).repeat_interleave(26))


def brightness_judge() -> Any:
    return BrightnessJudge()


COVERAGE = (
    *("letters", "any", "certain", "accepted", "entropy"),
    *("kl", "kl_corrected", "total_variation", "hash"),
)
NEIGHBOURS = (
    *("precision", "recall", "density", "coverage"),
    *("clipped_density", "clipped_coverage", "ties"),
)
NAMES = {
    *(f"coverage/{name}" for name in COVERAGE),
    *(f"letters/{letter}" for letter in LETTERS),
    *(f"neighbours/{name}" for name in NEIGHBOURS),
    *("styles/coverage", "styles/within", "styles/entropy"),
    "frechet/judge",
}
WHOLE = NAMES | {
    *("bins/different", "bins/divergence", "kernel/judge", "vendi/judge"),
    *("support/pairs", "support/least"),
}


@pytest.mark.parametrize("whole", [False, True])
def test_real_glyphs_get_everything_right(whole: bool):
    real = glyphs(20, seed=1)
    images = glyphs(20, seed=2).images.float() / 255
    values = LetterMeasures()(images, brightness_judge(), real, whole)
    assert set(values) == (WHOLE if whole else NAMES)
    assert values["coverage/letters"] == 26 and values["coverage/accepted"] == 1
    assert values["letters/Q"] == pytest.approx(1 / 26)
    assert values["neighbours/coverage"] > 0.9 and values["frechet/judge"] < 0.02


@pytest.mark.parametrize("value", [0.0, 1.0, math.nan, math.inf])
def test_a_dead_generator_gets_finite_values(value: float):
    images = torch.full((40, 1, 8, 8), value)
    values = LetterMeasures()(images, brightness_judge(), glyphs(5, seed=1), whole=True)
    assert set(values) == WHOLE
    assert all(math.isfinite(number) for number in values.values())
    assert values["coverage/any"] == (value == 1)
    assert values["coverage/hash"] == 1 / 26


def test_the_reference_is_read_once_for_each_judge():
    real, images = glyphs(5, seed=1), torch.rand(40, 1, 8, 8)
    judge, measures = brightness_judge(), LetterMeasures()
    first = measures(images, judge, real)
    assert judge.glyphs_read == 130 + 40
    assert measures(images, judge, real) == first
    assert judge.glyphs_read == 130 + 40 + 40
    measures(images, judge, glyphs(5, seed=2))
    other = brightness_judge()
    other.fingerprint = "another"
    measures(images, other, real)
    assert judge.glyphs_read == 170 + 40 + 170 and other.glyphs_read == 170


def test_generated_and_real_features_come_in_equal_numbers():
    """So a run that draws more samples is compared with the same floor and ceiling."""
    real, images = glyphs(5, seed=1), torch.rand(400, 1, 8, 8)
    more = LetterMeasures()(images, brightness_judge(), real, whole=True)
    less = LetterMeasures()(images, brightness_judge(), real, whole=True, most=130)
    for name in WHOLE:
        if name.startswith(("neighbours/", "frechet/", "bins/", "kernel/", "vendi/")):
            assert more[name] == less[name], name


def test_the_order_of_samples_tells_nothing():
    """Sorted by name, as a folder is, the first half of an alphabet must not stand for all."""
    real, images = glyphs(60, seed=1), glyphs(60, seed=2).images.float() / 255
    images[:, :, 2:4, 2:4] /= 4
    images[:, 0, 2, 2] += images[:, 0, 0, 0] / 2  # Each letter has features of its own.
    real.images[:, :, 2:4, 2:4] = (real.images[:, :, 2:4, 2:4] / 4).byte()
    real.images[:, 0, 2, 2] += (real.images[:, 0, 0, 0] / 2).byte()
    measures, judge = LetterMeasures(compared=300, compared_whole=300), brightness_judge()
    given = measures(images, judge, real, whole=True)
    by_letter = measures(images[images[:, 0, 0, 0].argsort()], judge, real, whole=True)
    for name, tolerance in {
        "neighbours/recall": 0.05, "neighbours/coverage": 0.1, "vendi/judge": 0.2,
        "frechet/judge": 0.005, "kernel/judge": 0.02,
    }.items():  # fmt: skip
        assert by_letter[name] == pytest.approx(given[name], abs=tolerance), name


def test_so_many_can_be_compared_as_all_have():
    measures = LetterMeasures(compared_whole=400)
    few, many = glyphs(10, seed=1), glyphs(20, seed=2)
    assert measures.comparable(300, few, many) == 260
    assert measures.comparable(200, few, many) == 200
    assert measures.comparable(1000, many, many) == 400


def test_floor_and_ceiling():
    measures, judge = LetterMeasures(), brightness_judge()
    source, reference = glyphs(10, seed=1), glyphs(10, seed=2)
    floor = measures.floor(500, judge, reference)
    ceiling = measures.ceiling(500, judge, source, reference)
    assert set(floor) == set(ceiling) == WHOLE
    # The noise is bright or dark at the pixel that this judge reads: 26 of 27 are "letters".
    assert floor["coverage/accepted"] == pytest.approx(26 / 27, abs=0.03)
    assert ceiling["coverage/accepted"] == 1
    # All 260 glyphs of the source, once each.
    assert ceiling["letters/A"] == pytest.approx(1 / 26, abs=1e-12)
    assert measures.floor(500, judge, reference) == floor
    with pytest.raises(ValueError, match="two different sets"):
        measures.ceiling(500, judge, reference, reference)


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    LetterMeasures().floor(50, brightness_judge(), glyphs(3, seed=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_reference_without_a_letter_is_refused():
    real = glyphs(3, seed=1)
    keep = real.letters != 4
    partial: Any = Glyphs(real.images[keep], real.letters[keep], real.faces[keep])
    with pytest.raises(ValueError, match=r"no glyph of classes \[4\]"):
        LetterMeasures()(torch.rand(40, 1, 8, 8), brightness_judge(), partial)
