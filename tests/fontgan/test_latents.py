import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fontgan import LETTERS
from fontgan.data import BuiltinTypefaces
from fontgan.exported import LetterGenerator, Record
from fontgan.judge import Judge
from fontgan.latents import (
    drawn,
    largest_over_mean,
    linear,
    smoothness,
    spherical,
    truncated,
    walk,
)
from fontgan.search import find, indices, project
from fontgan.walks import Interval, interval, walks


class Toy(nn.Module):
    """A network of a function of latents."""

    def __init__(self, draw, gaussian: int, modes: int = 0) -> None:
        super().__init__()
        self.draw, self.gaussian, self.modes = draw, gaussian, modes

    def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        z = torch.randn(n, self.gaussian, generator=generator)
        choice = torch.randint(max(1, self.modes), (n,), generator=generator)
        return torch.cat([z, F.one_hot(choice, self.modes)], 1) if self.modes else z

    def forward(self, z: Tensor) -> Tensor:
        return self.draw(z) * 2 - 1


def toy(draw, gaussian: int, modes: int = 0) -> LetterGenerator:
    record = Record(generator={}, size=28, channels=1, gaussian=gaussian, modes=modes)
    return LetterGenerator(Toy(draw, gaussian, modes), record)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load()


@pytest.fixture(scope="module")
def glyphs(judge: Judge) -> Tensor:
    """A real glyph of each letter that the judge reads right even when it is moved, in [0, 1]."""
    real = BuiltinTypefaces().reference("train")
    images = real.images[: 26 * 8].float() / 255
    moves = [
        torch.roll(images, move, (2, 3)) for move in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    right = torch.stack([judge.read(m).letter == real.letters[: 26 * 8] for m in moves]).all(0)
    first = [int((right & (real.letters[: 26 * 8] == i)).nonzero()[0]) for i in range(26)]
    return images[first]


@pytest.fixture(scope="module")
def abq(glyphs: Tensor) -> LetterGenerator:
    """Draws A, B or Q, by its choice alone."""
    three = glyphs[indices("ABQ")]
    return toy(lambda z: torch.einsum("nk,kchw->nchw", z[:, 2:], three), gaussian=2, modes=3)


def pool(model: LetterGenerator, judge: Judge, n: int):
    return drawn(model, judge, model.latent(n, torch.Generator().manual_seed(0)))


def test_a_quarter_of_a_circle():
    half = spherical(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 3)[1]
    assert half.tolist() == pytest.approx([math.sqrt(0.5)] * 2, abs=1e-7)


def test_a_great_circle_keeps_the_norm_and_turns_evenly():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 64, generator=generator, dtype=torch.float64)
    b = b / b.norm() * a.norm()
    points = spherical(a, b, 9)
    assert torch.allclose(points.norm(dim=1), a.norm().expand(9), rtol=1e-12)
    assert torch.allclose(points[[0, -1]], torch.stack([a, b]), rtol=0, atol=1e-12)
    turns = F.cosine_similarity(points[1:], points[:-1], dim=1).acos()
    assert torch.allclose(turns, turns[:1].expand(8), rtol=1e-6)
    # A straight line cuts through the middle instead.
    assert linear(a, b, 9).norm(dim=1)[4] < 0.8 * a.norm()


def test_different_norms_are_passed_evenly():
    a, b = torch.tensor([2.0, 0.0]).double(), torch.tensor([0.0, 6.0]).double()
    assert spherical(a, b, 5).norm(dim=1).tolist() == pytest.approx([2, 3, 4, 5, 6], abs=1e-12)


@pytest.mark.parametrize("b", [[2.0, 0.0], [-2.0, 0.0], [0.0, 0.0]])
def test_where_there_is_no_one_circle_it_is_the_line(b: list[float]):
    a, end = torch.tensor([1.0, 0.0]), torch.tensor(b)
    assert torch.equal(spherical(a, end, 5), linear(a, end, 5))


@pytest.mark.parametrize("great_circle", [True, False])
def test_the_choice_is_mixed_linearly(great_circle: bool):
    a, b = torch.tensor([1.0, 0, 1, 0, 0]), torch.tensor([0.0, 1, 0, 0, 1])
    points = walk(a, b, 5, gaussian=2, great_circle=great_circle)
    share = [1, 0.75, 0.5, 0.25, 0]
    assert points[:, 2].tolist() == share and points[:, 4].tolist() == share[::-1]
    norms = [1] * 5 if great_circle else [1, 0.625**0.5, 0.5**0.5, 0.625**0.5, 1]
    assert points[:, :2].norm(dim=1).tolist() == pytest.approx(norms, abs=1e-6)


def test_truncation_shrinks_the_gaussian_part_alone():
    latents = torch.tensor([[2.0, -4.0, 0.0, 1.0]])
    assert truncated(latents, 2, 0.5).tolist() == [[1.0, -2.0, 0.0, 1.0]]
    assert torch.equal(truncated(latents, 2, 1), latents)
    with pytest.raises(ValueError, match=r"truncation must lie in \[0, 1\], got 1.5"):
        truncated(latents, 2, 1.5)


def test_an_even_walk_of_a_linear_generator_has_no_larger_step(judge: Judge):
    """17 points from black to grey level 160: ten levels a step, exactly."""
    model = toy(lambda z: z[:, :, None, None].expand(-1, 1, 28, 28), gaussian=1)
    path = walk(torch.tensor([0.0]), torch.tensor([160 / 255]), 17, 1, great_circle=False)
    draws = drawn(model, judge, path)
    assert draws.images[:, 0, 0, 0].tolist() == list(range(0, 161, 10))
    assert smoothness(draws).pixels == pytest.approx(1, abs=1e-12)


def test_a_single_jump_is_as_large_as_all_steps(abq: LetterGenerator, judge: Judge, glyphs: Tensor):
    a, b = glyphs[indices("AB")]
    model = toy(lambda z: torch.where(z[:, :, None, None] < 0.5, a, b), gaussian=1)
    path = walk(torch.tensor([0.0]), torch.tensor([1.0]), 17, 1, great_circle=False)
    found = smoothness(drawn(model, judge, path))
    assert (found.pixels, found.features) == (16, 16)
    assert (found.letters, found.legible) == ("AB", 1)


def test_what_does_not_move_does_not_jump():
    assert largest_over_mean(torch.ones(5, 3)) == 1


def test_letters_come_when_they_first_follow_another(abq: LetterGenerator, judge: Judge):
    order = torch.tensor([0, 0, 1, 1, 0, 2])
    latents = torch.cat([torch.zeros(6, 2), F.one_hot(order, 3)], 1)
    blank = torch.zeros(1, 5)  # No choice at all: a black picture, which is no letter.
    found = smoothness(drawn(abq, judge, torch.cat([latents[:3], blank, latents[3:]])))
    assert found.letters == "ABAQ"
    assert found.legible == pytest.approx(6 / 7)


def test_what_is_drawn_is_found_by_rejection(abq: LetterGenerator, judge: Judge):
    draws = pool(abq, judge, 200)
    for k, letter in enumerate(indices("ABQ")):
        found = find(abq, judge, letter, 8, draws)
        chosen = int((draws.latents[:, 2 + k] == 1).sum())
        assert (found.accepted, found.drawn, found.by_rejection) == (chosen, 200, 8)
        assert found.by_search == 0 and (found.draws.reading.letter == letter).all()
        assert (found.draws.latents[:, 2 + k] == 1).all()
        assert found.share == chosen / 200


def test_what_cannot_be_drawn_is_not_found(abq: LetterGenerator, judge: Judge):
    found = find(abq, judge, LETTERS.index("Z"), 2, pool(abq, judge, 50), steps=20)
    assert (found.accepted, found.by_rejection, found.by_search) == (0, 0, 0)
    assert len(found.draws) == 0


@pytest.fixture(scope="module")
def shy(glyphs: Tensor) -> LetterGenerator:
    """Draws M, too faint to be read unless the first of 16 coordinates is far out."""
    m = glyphs[LETTERS.index("M")]

    def draw(z: Tensor) -> Tensor:
        return (0.14 + 0.86 * torch.sigmoid(2 * z[:, :1, None, None] - 9)) * m

    return toy(draw, gaussian=16, modes=2)


def test_a_search_finds_what_is_hardly_ever_drawn(shy: LetterGenerator, judge: Judge):
    draws, letter = pool(shy, judge, 100), LETTERS.index("M")
    read = draws.reading.letter == letter
    found = find(shy, judge, letter, 5, draws, steps=60)
    assert found.accepted == found.by_rejection == int(read.sum()) < 5
    assert found.by_search == 5 - found.by_rejection
    assert (found.draws.reading.letter == letter).all()
    # The further out the first coordinate, the brighter.
    assert (found.draws.latents[:, 0] > draws.latents[~read, 0].max()).all()


def test_a_search_stays_among_latents_that_are_drawn(shy: LetterGenerator, judge: Judge):
    starts = shy.latent(4, torch.Generator().manual_seed(1))
    before = starts.clone()
    ends, sure = project(shy, judge, starts, LETTERS.index("M"), steps=40)
    norms = starts[:, :16].norm(dim=1)
    assert torch.allclose(ends[:, :16].norm(dim=1), norms, rtol=1e-5)
    assert torch.equal(ends[:, 16:], starts[:, 16:]) and torch.equal(starts, before)
    _, at_start = project(shy, judge, starts, LETTERS.index("M"), steps=0)
    assert (sure > at_start).all()


@pytest.mark.parametrize("wrong", ["", "A1", "Ä"])
def test_what_is_no_letter_is_refused(wrong: str):
    with pytest.raises(ValueError, match="must be letters A-Z"):
        indices(wrong)


def test_the_interval_of_two_values():
    """Means of two drawn anew are 0, 1/2 and 1 with chances 1/4, 1/2 and 1/4."""
    assert interval(np.array([0.0, 1.0])) == Interval(0.5, 0, 1)
    assert interval(np.full(7, 0.25)) == Interval(0.25, 0.25, 0.25)


def test_the_same_generator_twice_walks_alike(abq: LetterGenerator, judge: Judge):
    measured = walks({"one": abq, "two": abq}, judge, pairs=6, steps=9, draws=50)
    for kind, values in measured["one"].items():
        assert values.shape == (6, 4) and np.array_equal(values, measured["two"][kind])
    # What it draws between two modes is the mixture of their pictures, up to rounding: the choice
    # is mixed linearly, and this generator knows nothing else.
    one = measured["one"]
    assert one["linear"] == pytest.approx(one["cross-fade"], rel=0.05)
    assert np.array_equal(one["linear"], one["spherical"])
    assert (one["cross-fade"][:, 3] >= 2).all()


def test_walks_need_two_letters_that_all_draw(abq: LetterGenerator, judge: Judge, glyphs: Tensor):
    a = glyphs[0]
    one = toy(lambda z: a.expand(len(z), -1, -1, -1), gaussian=2)
    with pytest.raises(ValueError, match="only 1 letter"):
        walks({"abq": abq, "one": one}, judge, pairs=2, draws=50)
