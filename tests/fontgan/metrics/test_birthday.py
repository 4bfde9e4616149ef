import math

import numpy as np
import pytest
import torch

from fontgan.metrics.birthday import likeness, nearest_others, support


def pictures(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_nearest_others_by_hand():
    images = pictures(30, 0)
    flat = images.flatten(1).double().numpy()
    apart = np.sqrt(((flat[:, None] - flat[None]) ** 2).mean(2)) + 9 * np.eye(30)
    assert nearest_others(images).numpy() == pytest.approx(apart.min(1), rel=1e-5)


@pytest.mark.parametrize("size", [50, 400, 3000])
def test_finds_the_size_of_a_uniform_support(size: int):
    """Pairs are about Poisson: n²/2/size of them, here 400, 50 and 6.7; four deviations allowed."""
    n, known = 200, pictures(size, 1)
    drawn = torch.randint(size, (n,), generator=torch.Generator().manual_seed(2))
    found = support(known[drawn], 1e-3)
    expected = n * (n - 1) / 2 / size
    assert found.pairs == pytest.approx(expected, abs=4 * math.sqrt(expected))
    assert found.least <= size


def test_no_pair_bounds_the_support_from_below():
    found = support(pictures(100, 0), 1e-3)
    assert found.pairs == 0 and found.size == math.inf
    # The upper 95 % limit of a count of none is -ln 0.05.
    assert found.least == pytest.approx(4950 / -math.log(0.05))


def test_likeness_is_a_low_quantile_of_real_distances():
    real = pictures(500, 3)
    limit = likeness(real, 0.1)
    assert (nearest_others(real) <= limit).double().mean() == pytest.approx(0.1, abs=0.01)


def test_a_reference_with_a_twin_still_calibrates():
    """A limit of 0, and self-distances of rounding, would count fewer pairs than none."""
    real = pictures(300, 4)
    limit = likeness(torch.cat([real, real[:3]]), 0.001)
    assert limit == 1 / 255
    alone, twins = support(real, 0.0), support(torch.cat([real, real[:7]]), 0.0)
    assert alone.pairs == 0 and twins.pairs == 7
    assert math.isfinite(alone.least) and 0 < twins.least < alone.least


def test_one_sample_makes_no_pair():
    with pytest.raises(ValueError, match="two or more"):
        support(pictures(1, 0), 0.1)
    with pytest.raises(ValueError, match="two or more"):
        likeness(pictures(1, 0))
