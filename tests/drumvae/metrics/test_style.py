import math

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from scipy.special import xlogy
from scipy.stats import norm

from drumvae.gaussian import Gaussian
from drumvae.metrics.style import probe, separation, style_information


def clusters(n: int, apart: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    styles = torch.arange(n) % 3
    centres = apart * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return centres[styles] + torch.randn(n, 2, generator=source), styles


def test_separation_by_hand():
    means = torch.tensor([[0.0], [2.0], [10.0], [12.0]])
    found = separation(means, torch.tensor([0, 0, 1, 1]), permutations=0)
    assert (found.within, found.between, found.ratio) == (1.0, 25.0, 25.0)


def test_separation_is_free_of_scale_and_the_permutation_test_is_not_fooled():
    means, styles = clusters(90, 4.0)
    large, tiny = separation(means, styles), separation(1e-4 * means, styles)
    assert tiny.ratio == pytest.approx(large.ratio, rel=1e-3)
    assert large.p_value == pytest.approx(1 / 201)
    # Of noise the p-value is uniform.
    values = []
    for seed in range(40):
        noise = torch.randn(90, 2, generator=torch.Generator().manual_seed(seed))
        values.append(separation(noise, styles, permutations=50).p_value)
    assert 0.35 < sum(values) / len(values) < 0.65


def test_bars_of_a_performance_are_no_independent_witnesses():
    # Performances of 10 alike bars, a style each that has nothing to do with them.
    alone, together = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(30), 10)
        styles = torch.from_numpy((np.arange(30) % 3)[groups])
        means = torch.from_numpy(rng.normal(size=(30, 2))[groups] + rng.normal(size=(300, 2)))
        alone.append(separation(means, styles, 50, seed).p_value)
        together.append(separation(means, styles, 50, seed, groups).p_value)
    assert np.mean(np.array(alone) <= 0.05) > 0.8
    assert 0.35 < np.mean(together) < 0.65


def test_means_that_are_no_numbers_separate_nothing():
    means, styles = torch.randn(20, 2), torch.arange(20) % 2
    means[3, 1] = math.nan
    found = separation(means, styles)
    assert math.isnan(found.ratio) and math.isnan(found.p_value)


def test_no_dimension_separates_nothing():
    found = separation(torch.zeros(6, 0), torch.tensor([0, 0, 0, 1, 1, 1]))
    assert math.isnan(found.ratio)
    assert math.isnan(found.p_value)


@pytest.mark.parametrize(("apart", "expected"), [(100.0, math.log(3)), (0.0, 0.0)])
def test_style_information_of_known_clusters(apart, expected):
    means, styles = clusters(600, apart)
    q = Gaussian(means, torch.full_like(means, -1.0))
    z = q.draw(torch.Generator().manual_seed(1))
    assert style_information(q, z, styles) == pytest.approx(expected, abs=0.05)


def test_style_information_of_overlapping_styles_is_that_of_their_mixture():
    """Two styles at N(±1, 1): log 2 less the entropy of the style given z, by quadrature."""
    z = np.linspace(-12, 12, 100_001)
    right = 1 / (1 + np.exp(-2 * z))
    density = 0.5 * (norm.pdf(z, 1) + norm.pdf(z, -1))
    left = -(xlogy(right, right) + xlogy(1 - right, 1 - right))
    expected = math.log(2) - trapezoid(density * left, z)
    styles = torch.arange(2).repeat(4000)
    q = Gaussian((2.0 * styles - 1)[:, None], torch.zeros(8000, 1))
    draws = q.draw(torch.Generator().manual_seed(2))
    # Over draws the log ratio varies by 0.6 nat: by 0.007 in the mean.
    assert style_information(q, draws, styles) == pytest.approx(expected, abs=0.02)


def test_the_probe_reads_what_is_there():
    means, styles = clusters(300, 20.0)
    accuracy, balanced = probe(means.numpy(), styles.numpy(), np.arange(300))
    assert accuracy == balanced == 1
    noise = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    assert probe(noise, styles.numpy(), np.arange(300))[0] < 0.45


def test_the_probe_cannot_read_a_performance_it_has_seen():
    # Every performance has a place of its own that says nothing of its style: bars of one
    # performance on both sides of a split would give the answer away.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 20)
    styles = rng.integers(0, 2, 40)[groups]
    features = rng.normal(size=(40, 30)).astype(np.float32)[groups]
    features = features + 0.01 * rng.normal(size=features.shape).astype(np.float32)
    honest = probe(features, styles, groups)[0]
    leaking = probe(features, styles, np.arange(800))[0]
    assert leaking > 0.95
    assert honest < 0.75


def test_a_style_of_one_performance_is_left_out():
    features = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    styles = np.array([0] * 6 + [1] * 6)
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3])
    assert all(math.isnan(x) for x in probe(features, styles, groups))
