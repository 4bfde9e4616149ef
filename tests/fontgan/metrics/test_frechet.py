import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from fontgan.metrics.frechet import Moments, frechet_distance, moments


def features(n: int, d: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator)
    return scale * torch.randn(n, d, generator=generator) @ mix + seed


def test_moments_agree_with_numpy():
    x = features(50, 6, seed=1)
    found = moments(x)
    assert np.allclose(found.mean, x.double().numpy().mean(0))
    assert np.allclose(found.covariance, np.cov(x.double().numpy(), rowvar=False))


def test_agrees_with_the_matrix_square_root():
    a, b = moments(features(300, 12, seed=1)), moments(features(200, 12, seed=2, scale=0.3))
    root = np.real(sqrtm(a.covariance.numpy() @ b.covariance.numpy()))
    expected = (a.mean - b.mean).square().sum() + np.trace(
        a.covariance.numpy() + b.covariance.numpy() - 2 * root
    )
    assert frechet_distance(a, b).item() == pytest.approx(expected.item(), rel=1e-10)


def test_closed_form_of_diagonal_gaussians():
    """Sum of (mean difference)^2 + (standard deviation difference)^2: 9 + 0 and 0 + (2 - 5)^2."""
    a = Moments(torch.tensor([0.0, 1.0]).double(), torch.tensor([1.0, 4.0]).double().diag())
    b = Moments(torch.tensor([3.0, 1.0]).double(), torch.tensor([1.0, 25.0]).double().diag())
    assert frechet_distance(a, b).item() == pytest.approx(18, rel=1e-12)


def test_symmetric_and_zero_on_itself():
    a, b = moments(features(100, 8, seed=3)), moments(features(100, 8, seed=4))
    assert frechet_distance(a, b).item() == pytest.approx(frechet_distance(b, a).item())
    assert frechet_distance(a, a).item() == pytest.approx(0, abs=1e-9)


def test_a_collapsed_generator_gets_a_finite_value():
    """Covariance 0: the distance is that of the means plus the variance that is missing."""
    real = moments(features(100, 8, seed=5))
    collapsed = moments(torch.ones(100, 8))
    expected = (1 - real.mean).square().sum() + real.covariance.trace()
    assert frechet_distance(collapsed, real).item() == pytest.approx(expected.item())
    assert frechet_distance(collapsed, collapsed) == 0


def test_fewer_samples_than_dimensions():
    """Singular covariances of different ranges, against their exact value on a common factor."""
    a, b = features(5, 20, seed=6), features(9, 20, seed=7)
    centred_a = (a.double() - a.double().mean(0)) / 2
    centred_b = (b.double() - b.double().mean(0)) / 8**0.5
    cross = torch.linalg.svdvals(centred_a @ centred_b.mT).sum()
    expected = (a.double().mean(0) - b.double().mean(0)).square().sum()
    expected += centred_a.square().sum() + centred_b.square().sum() - 2 * cross
    found = frechet_distance(moments(a), moments(b))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_too_few_features_are_refused():
    with pytest.raises(ValueError, match=r"n >= 2"):
        moments(torch.ones(1, 8))
