import pytest
import torch
from scipy.stats import mannwhitneyu

from fontgan.metrics.memory import closer, closer_by_letter, nearest_distances


def test_copies_are_at_distance_zero_and_a_known_shift_at_its_size():
    generator = torch.Generator().manual_seed(0)
    training = torch.rand(40, 1, 6, 6, generator=generator) * 0.5
    assert nearest_distances(training.flip(0), training).abs().max() == 0
    shifted = training[:7] + 0.01  # far less than the distance between two training pictures
    assert torch.allclose(nearest_distances(shifted, training), torch.full((7,), 0.01), atol=1e-6)


def test_blocks_agree_with_all_pairs():
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(23, 1, 5, 5, generator=generator)
    training = torch.rand(31, 1, 5, 5, generator=generator)
    pairs = (images[:, None] - training[None]).square().mean((2, 3, 4)).sqrt().amin(1)
    assert torch.allclose(nearest_distances(images, training, block=4), pairs, atol=1e-6)


def test_closer_is_the_mann_whitney_statistic():
    generator = torch.Generator().manual_seed(2)
    near = torch.randint(0, 9, (50,), generator=generator).float()  # with ties
    far = torch.randint(2, 12, (70,), generator=generator).float()
    statistic = mannwhitneyu(far.numpy(), near.numpy()).statistic / (50 * 70)
    assert closer(near, far) == pytest.approx(statistic, abs=1e-9)
    assert closer(near, near) == pytest.approx(0.5, abs=1e-9)
    assert closer(torch.zeros(5), far + 1) == 1


def test_a_letter_is_compared_with_its_like():
    """A narrow letter lies near everything; drawing it alone is no copying."""
    generator = torch.Generator().manual_seed(3)
    narrow, wide = torch.rand(2, 400, generator=generator) * torch.tensor([[0.1], [1.0]]) + 0.05
    others, letters = torch.cat([narrow, wide]), torch.arange(2).repeat_interleave(400)
    assert closer(narrow, others) > 0.7
    drawn = torch.zeros(400, dtype=torch.long)
    chance, error = closer_by_letter(narrow, drawn, others, letters)
    assert chance == pytest.approx(0.5, abs=1e-9)
    assert error == pytest.approx(0.5 / 20, abs=1e-9)  # sqrt(1/4 / 400)
    # A quarter copies, the rest like unseen ones of theirs: 1/4 + 3/4 of a half.
    distances = torch.cat([torch.zeros(100), narrow[:300], torch.zeros(100), wide[:300]])
    halves = 0.25 + 0.375 * (closer(narrow[:300], narrow) + closer(wide[:300], wide))
    found, error = closer_by_letter(distances, letters, others, letters)
    assert found == pytest.approx(halves, abs=1e-9)
    each = [0.25 + 0.75 * closer(near[:300], near) for near in (narrow, wide)]
    likely = [(400 * chance + 1) / 402 for chance in each]
    variance = sum(0.25 * chance * (1 - chance) / 400 for chance in likely)
    assert error == pytest.approx(variance**0.5, abs=1e-9)
    # What is no letter has no like: all unseen ones are compared.
    refused = torch.full((400,), -1)
    assert closer_by_letter(narrow, refused, others, letters)[0] == closer(narrow, others)


@pytest.mark.parametrize("apart", [0.0, 2.0])
def test_the_error_is_not_smaller_than_what_chance_does(apart: float):
    """Two letters, 4 and 100 unseen glyphs of them: the spread over 400 draws of all.

    Where the second letter's samples all lie further away than its glyphs, the first alone varies.
    """
    generator = torch.Generator().manual_seed(4)
    letters, theirs = torch.arange(2).repeat_interleave(200), torch.tensor([0] * 4 + [1] * 100)
    found = [
        closer_by_letter(
            torch.rand(400, generator=generator) + apart * letters, letters,
            torch.rand(104, generator=generator), theirs,
        )
        for _ in range(400)
    ]  # fmt: skip
    chances, errors = torch.tensor(found).T
    assert 0.5 < float(chances.std() / errors.mean()) < 1.0  # the bound holds, and is no wild one


def test_other_sizes_and_an_empty_training_set_are_refused():
    with pytest.raises(ValueError, match="nearest"):
        nearest_distances(torch.rand(2, 1, 5, 5), torch.rand(3, 1, 6, 6))
    with pytest.raises(ValueError, match="nearest"):
        nearest_distances(torch.rand(2, 1, 5, 5), torch.rand(0, 1, 5, 5))
