import math

import numpy as np
import pytest
import torch

from fontgan.metrics import neighbours as module
from fontgan.metrics.neighbours import Neighbours, neighbours, radii


def gaussian(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def brute_force(generated: np.ndarray, real: np.ndarray, k: int) -> Neighbours:
    """The definitions, point by point, in float64 and from scratch."""

    def radius(points: np.ndarray, i: int) -> float:
        others = np.delete(points, i, axis=0)
        return np.sort([math.dist(points[i], other) for other in others])[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    generated_radii = [radius(generated, j) for j in range(len(generated))]
    apart = np.array([[math.dist(y, x) for x in real] for y in generated])
    inside_real, inside_generated = apart <= real_radii, (apart.T <= generated_radii).T
    return Neighbours(
        precision=np.mean([row.any() for row in inside_real]).item(),
        recall=np.mean([column.any() for column in inside_generated.T]).item(),
        density=inside_real.sum().item() / (k * len(generated)),
        coverage=np.mean([column.any() for column in inside_real.T]).item(),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_agrees_with_brute_force(k: int):
    generated, real = 0.7 * gaussian(60, 4, seed=1) + 0.3, gaussian(45, 4, seed=2)
    expected = brute_force(generated.double().numpy(), real.double().numpy(), k)
    assert neighbours(generated.double(), real.double(), k) == expected
    assert neighbours(generated, real, k) == expected


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    generated, real = gaussian(100, 4, seed=1), gaussian(80, 4, seed=2)
    expected = neighbours(generated, real)
    monkeypatch.setattr(module, "BLOCK_BYTES", 7 * 80 * 4)
    assert neighbours(generated, real) == expected
    assert neighbours(generated, real, real_radii=radii(real)) == expected


def test_coverage_of_one_distribution_by_itself():
    """Naeem et al. 2020, lemma 2: exactly 1 - prod (n - i) / (2n - i), near 1 - 2^-k.

    The mean over 20 pairs of sets of 200 has a standard error of 0.003 (measured); 4 are allowed.
    """
    n, k = 200, 5
    found = [neighbours(gaussian(n, 6, seed=s), gaussian(n, 6, seed=s + 99)) for s in range(20)]
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    assert expected == pytest.approx(1 - 2**-k, abs=0.002)
    assert np.mean([one.coverage for one in found]) == pytest.approx(expected, abs=0.012)


def test_a_set_covers_itself_even_where_it_repeats():
    """The rule of ties: with open balls, radius 0 would give 0 for all four here."""
    repeated = gaussian(10, 3, seed=0).repeat_interleave(8, dim=0)
    assert radii(repeated).eq(0).all()
    found = neighbours(repeated, repeated)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_a_collapsed_generator():
    """One real point, again and again: all of it is precise, and nearly nothing is recalled."""
    real = gaussian(100, 4, seed=0)
    found = neighbours(real[:1].repeat(50, 1), real)
    assert found.precision == 1
    assert found.recall == 0.01
    assert found.coverage == pytest.approx(0.06, abs=0.05)


def test_far_away_is_zero():
    real = gaussian(50, 4, seed=0)
    assert neighbours(real + 100, real) == Neighbours(0, 0, 0, 0)


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="k=5, needs features"):
        radii(torch.zeros(5, 2))
    with pytest.raises(ValueError, match="differ in shape"):
        neighbours(torch.zeros(9, 2), torch.zeros(9, 3))


@pytest.mark.slow
def test_published_example():
    """The README of Naeem et al.'s code: two sets of 10,000 from one 1000-d Gaussian, k = 5.

    Printed there: precision 0.4772, recall 0.4705, density 1.0555, coverage 0.9735. Six
    pairs, measured both ways with another implementation, spread from 0.90 to 1.11 in density and
    from 0.959 to 0.975 in coverage.
    """
    found = neighbours(gaussian(10_000, 1000, seed=0), gaussian(10_000, 1000, seed=1))
    assert found.precision == pytest.approx(0.477, abs=0.02)
    assert found.recall == pytest.approx(0.471, abs=0.02)
    assert found.density == pytest.approx(1.056, abs=0.17)
    assert found.coverage == pytest.approx(0.974, abs=0.02)
