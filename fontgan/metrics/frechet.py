"""Fréchet distance between two sets of features, each taken as a Gaussian.

Paper: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium" (arXiv 1706.08500), after Dowson and Landau 1982.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fontgan.metrics.features import refuse_nan


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and covariance (d, d) of a set of features, float64 on the CPU."""

    mean: Tensor
    covariance: Tensor


def moments(features: Tensor) -> Moments:
    """Sample mean and unbiased covariance.

    Args:
        features: shape (n, d), n at least 2.

    Raises:
        ValueError: another shape, or fewer than two rows.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"moments need features (n >= 2, d), got {tuple(features.shape)}")
    refuse_nan(features, "features")
    features = features.detach().cpu().double()
    mean = features.mean(dim=0)
    centred = features - mean
    return Moments(mean, centred.mT @ centred / (len(features) - 1))


def frechet_distance(a: Moments, b: Moments) -> Tensor:
    r"""Squared 2-Wasserstein distance of the two Gaussians.

    .. math:: \|\mu_a - \mu_b\|^2 + \operatorname{tr}(\Sigma_a + \Sigma_b
        - 2 (\Sigma_a \Sigma_b)^{1/2})

    The last trace is the nuclear norm of :math:`\Sigma_a^{1/2} \Sigma_b^{1/2}`, which is real,
    finite and continuous for singular covariances too. The usual eigenvalues of the
    asymmetric :math:`\Sigma_a \Sigma_b` are not: a generator that has collapsed to one image
    (:math:`\Sigma_a = 0`) can come out as NaN or complex.

    Returns:
        The distance in squared units of the features, float64 scalar, at least 0.
    """
    cross = torch.linalg.svdvals(_root(a.covariance) @ _root(b.covariance).mT).sum()
    trace = a.covariance.trace() + b.covariance.trace()
    return ((a.mean - b.mean).square().sum() + trace - 2 * cross).clamp(min=0)


def _root(covariance: Tensor) -> Tensor:
    r"""The symmetric square root; negative eigenvalues are rounding, and become 0."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.mT
