import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm

from fontgan.metrics.bins import bins, different_bins


def gaussian(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def two_proportions(real: np.ndarray, generated: np.ndarray, level: float) -> int:
    """The z-test of each bin, from its definition."""
    m, n, found = real.sum(), generated.sum(), 0
    for a, b in zip(real, generated, strict=True):
        pooled = (a + b) / (m + n)
        z = (a / m - b / n) / math.sqrt(pooled * (1 - pooled) * (1 / m + 1 / n))
        found += 2 * norm.sf(abs(z)) < level
    return found


def test_by_hand():
    real, generated = torch.tensor([50, 30, 20]), torch.tensor([50, 10, 40])
    found = different_bins(real, generated)
    assert found.different == two_proportions(real.numpy(), generated.numpy(), 0.05) == 2
    assert found.share == pytest.approx(2 / 3)
    expected = jensenshannon(real.numpy(), generated.numpy()) ** 2
    assert found.divergence == pytest.approx(expected, abs=1e-12)
    assert found.empty == 0


def test_nothing_differs_between_halves_of_one_set():
    """5 % of bins by chance; the mean of 10 pairs has a standard error of 0.7 % (measured)."""
    shares = []
    for seed in range(10):
        cells = bins(gaussian(2000, 4, seed), 50)
        shares.append(different_bins(cells.counts, cells.occupied(gaussian(2000, 4, seed + 50))))
    assert np.mean([found.share for found in shares]) == pytest.approx(0.06, abs=0.03)


def test_a_dropped_mode_empties_its_bins():
    modes = 10 * torch.eye(8)
    which = torch.arange(1600) % 8
    real = modes[which] + 0.1 * gaussian(1600, 8, 0)
    cells = bins(real, 8)
    assert sorted(cells.counts.tolist()) == [200] * 8
    kept = which != 3
    found = different_bins(cells.counts, cells.occupied(real[kept]))
    assert found.empty == 1
    # One of eight is gone, the others have each an eighth more than a seventh: p = 0.125, q = 1/7.
    expected = 0.5 * (math.log(2) / 8 + sum_of(1 / 8, 1 / 7))
    assert found.divergence == pytest.approx(expected, rel=1e-9)


def sum_of(p: float, q: float) -> float:
    middle = (p + q) / 2
    return 7 * (p * math.log(p / middle) + q * math.log(q / middle))


def test_repeated_points_make_fewer_bins():
    cells = bins(gaussian(5, 2, 0).repeat(10, 1), 20)
    assert cells.counts.tolist() == [10] * 5


def test_what_cannot_be_binned_is_refused():
    with pytest.raises(ValueError, match="100 bins need"):
        bins(gaussian(50, 2, 0))
    with pytest.raises(ValueError, match="not finite"):
        bins(torch.full((200, 2), math.nan))
    with pytest.raises(ValueError, match="0 generated"):
        different_bins(torch.ones(3), torch.zeros(3))
