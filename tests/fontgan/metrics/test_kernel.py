import numpy as np
import pytest
import torch

from fontgan.metrics.kernel import kernel_distance


def gaussian(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 6, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def test_by_the_definition():
    x, y = gaussian(30, 0), 0.5 + gaussian(30, 1)
    k = lambda a, b: float((a @ b / 6 + 1) ** 3)  # noqa: E731
    n = range(30)
    same = sum(k(s[i], s[j]) for s in (x, y) for i in n for j in n if i != j) / (30 * 29)
    across = sum(k(a, b) for a in x for b in y) / 900
    assert kernel_distance(x, y) == pytest.approx(same - 2 * across, rel=1e-9)


def test_unbiased_at_zero_and_finite_on_a_collapse():
    found = [kernel_distance(gaussian(100, s), gaussian(100, s + 50)) for s in range(30)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(30)
    assert kernel_distance(torch.zeros(50, 6), gaussian(50, 0)) > 0.1
    with pytest.raises(ValueError, match="equally many"):
        kernel_distance(gaussian(5, 0), gaussian(6, 0))
