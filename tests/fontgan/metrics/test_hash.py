import numpy as np
import pytest
import torch

from fontgan.metrics.hash import hash_class, hash_coverage


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_grey_squares_cover_every_letter(generator: torch.Generator):
    """What is wrong with it, in one line: 2,000 blank squares score 1.00."""
    brightness = torch.rand(2000, 1, 1, 1, generator=generator)
    assert hash_coverage(brightness.expand(-1, 1, 28, 28)) == 1


def test_noise_scores_as_in_the_report(generator: torch.Generator):
    """0.77 was measured, 20 of 26; the extreme classes come and go with the draw."""
    score = hash_coverage(torch.rand(2000, 1, 28, 28, generator=generator))
    assert score.item() == pytest.approx(20 / 26, abs=2.1 / 26)


def test_one_image_is_one_class(generator: torch.Generator):
    image = torch.rand(1, 1, 28, 28, generator=generator)
    assert hash_coverage(image.expand(100, -1, -1, -1)).item() == 1 / 26


def test_agrees_with_the_formula_on_the_white_paper(generator: torch.Generator):
    """Computed as the report does, in numpy, on dark ink: glyphs here are bright and inverted."""
    paper = torch.rand(50, 28, 28, generator=generator).double()
    expected = [
        int(100 * image.mean() + 10 * image.std() + image[10:18, 10:18].sum()) % 26
        for image in paper.numpy()
    ]
    assert hash_class(1 - paper[:, None]).tolist() == expected


def test_black_and_white_by_hand():
    """White paper: 100 + 0 + 64 = 164 = 6·26 + 8. All ink: 0."""
    images = torch.stack([torch.zeros(1, 28, 28), torch.ones(1, 28, 28)])
    assert hash_class(images).tolist() == [8, 0]


@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 3, 28, 28), (2, 1, 7, 28)])
def test_other_shapes_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="expected images"):
        hash_class(torch.from_numpy(np.zeros(shape)))
