import importlib
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from scipy.stats import betabinom

from fontgan.metrics.neighbours import Neighbours, balls, calibrated, neighbours


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
    clipped = np.minimum(real_radii, np.sort(real_radii)[(len(real) - 1) // 2])
    among = np.array([[math.dist(a, b) for a in real] for b in real]) <= clipped
    typical = np.minimum((among.sum(1) - 1) / k, 1).mean()
    density = np.minimum((apart <= clipped).sum(1) / k, 1).mean() / typical
    held = np.minimum(inside_real.sum(0) / k, 1).mean().item()
    return Neighbours(
        precision=np.mean([row.any() for row in inside_real]).item(),
        recall=np.mean([column.any() for column in inside_generated.T]).item(),
        density=inside_real.sum().item() / (k * len(generated)),
        coverage=np.mean([column.any() for column in inside_real.T]).item(),
        clipped_density=min(1.0, density.item()),
        clipped_coverage=calibrated(held, len(generated), len(real), k),
        ties=0,
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_agrees_with_brute_force(k: int):
    generated, real = 0.7 * gaussian(60, 4, seed=1) + 0.3, gaussian(45, 4, seed=2)
    expected = brute_force(generated.double().numpy(), real.double().numpy(), k)
    for one in (neighbours(generated.double(), real.double(), k), neighbours(generated, real, k)):
        assert asdict(one) == pytest.approx(asdict(expected), abs=1e-12)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    generated, real = gaussian(100, 4, seed=1), gaussian(80, 4, seed=2)
    expected = neighbours(generated, real)
    module = importlib.import_module("fontgan.metrics.neighbours")
    monkeypatch.setattr(module, "BLOCK_BYTES", 7 * 80 * 8)
    assert neighbours(generated, real) == expected
    assert neighbours(generated, real, real_balls=balls(real)) == expected


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
    assert balls(repeated).radii.eq(0).all()
    found = neighbours(repeated, repeated)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.clipped_density == found.clipped_coverage == 1
    assert found.ties == 160


def test_a_collapsed_generator():
    """One real point, again and again: all of it is precise, and nearly nothing is recalled."""
    real = gaussian(100, 4, seed=0)
    found = neighbours(real[:1].repeat(50, 1), real)
    assert found.precision == 1
    assert found.recall == 0.01
    assert found.coverage == pytest.approx(0.06, abs=0.05)


def test_far_away_is_zero():
    real = gaussian(50, 4, seed=0)
    assert neighbours(real + 100, real) == Neighbours(0, 0, 0, 0, 0, 0, 0)


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="k=5, needs features"):
        balls(torch.zeros(5, 2))
    with pytest.raises(ValueError, match="differ in shape"):
        neighbours(torch.zeros(9, 2), torch.zeros(9, 3))


def test_the_calibration_is_the_expected_coverage():
    """A beta-binomial by scipy, summed over all counts, for every number of good samples."""
    n, real, k = 40, 30, 5
    for good in (0, 1, 7, 40):
        chances = betabinom(good, k, real - k).pmf(np.arange(good + 1))
        value = (np.minimum(np.arange(good + 1), k) * chances).sum() / k
        assert calibrated(value, n, real, k) == pytest.approx(good / n, abs=1e-6)


@pytest.mark.parametrize("good", [0.25, 0.5, 0.75, 1.0])
def test_clipped_measures_read_the_share_of_good_samples(good: float):
    """The rest lies far away. The mean of 8 trials has a standard error below 0.01 (measured)."""
    n, found = 400, []
    for seed in range(8):
        generated = gaussian(n, 6, seed=seed)
        generated[int(good * n) :] += 50
        found.append(neighbours(generated, gaussian(n, 6, seed=seed + 99)))
    assert np.mean([one.clipped_coverage for one in found]) == pytest.approx(good, abs=0.04)
    assert np.mean([one.clipped_density for one in found]) == pytest.approx(good, abs=0.05)


def test_one_real_outlier_lets_noise_pass_for_precise_but_not_when_clipped():
    real, noise = gaussian(200, 4, seed=0), 20 * gaussian(200, 4, seed=1)
    real[:6] *= 30
    found = neighbours(noise, real)
    assert found.precision > 0.5
    assert found.clipped_density < 0.05


@pytest.mark.parametrize("far", [1e4, 1e6])
@pytest.mark.parametrize("side", ["generated", "real"])
def test_one_far_outlier_makes_no_twins_of_the_others(far: float, side: str):
    generated, real = gaussian(60, 4, seed=1).double() + 1.5, gaussian(45, 4, seed=2).double()
    (generated if side == "generated" else real)[0] = far
    expected = brute_force(generated.numpy(), real.numpy(), 3)
    assert asdict(neighbours(generated, real, 3)) == pytest.approx(asdict(expected), abs=1e-12)


@pytest.mark.parametrize("k", [3, 5])
def test_agrees_with_the_reference_code_on_continuous_features(k: int):
    generated, real = 0.8 * gaussian(150, 5, seed=3) + 0.2, gaussian(120, 5, seed=4)
    expected = compute_prdc(real.double().numpy(), generated.double().numpy(), k)
    found = asdict(neighbours(generated.double(), real.double(), k))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)


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
