"""Gaussian mixtures in the latents of a trained model, and how many components one may have."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

COMPONENTS = (1, 2, 4, 8)
RIDGE = 1e-2  # added to variances: latents have a spread of about 1
LEAST = 40  # points for each component: a covariance of 16 dimensions needs as many
COMPARED = 2000  # points, evenly spread, on which numbers of components are compared
SEED = 0


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians with full covariances.

    Attributes:
        weights: positive, adding up to 1, shape (k,).
        means: shape (k, d).
        factors: lower Cholesky factors of the covariances, shape (k, d, d).
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    def components(self, n: int, generator: torch.Generator) -> Tensor:
        """Components drawn by their weights, shape (n,)."""
        return torch.multinomial(self.weights, n, replacement=True, generator=generator)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Points drawn from the mixture, shape (n, d)."""
        chosen = self.components(n, generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator)
        return self.means[chosen] + (self.factors[chosen] @ noise[..., None])[..., 0]

    def grouped(self, groups: int, each: int, first: int, generator: torch.Generator) -> Tensor:
        """Points drawn in groups that share their first dimensions, shape (groups · each, d)."""
        drawn = []
        for component in self.components(groups, generator).tolist():
            mean, factor, slope, rest = self.split(component, first)
            deviation = torch.randn(first, generator=generator)
            own = torch.randn(each, len(rest), generator=generator) @ rest.T
            others = self.means[component, first:] + slope @ deviation + own
            drawn.append(torch.cat([(mean + factor @ deviation).expand(each, -1), others], 1))
        return torch.cat(drawn)

    def log_density(self, points: Tensor) -> Tensor:
        """Log-density of points of shape (n, d), nats, shape (n,)."""
        centred = (points[:, None] - self.means)[..., None]
        standard = torch.linalg.solve_triangular(self.factors, centred, upper=False)[..., 0]
        diagonal = self.factors.diagonal(dim1=1, dim2=2).log().sum(1)
        constant = 0.5 * self.means.shape[1] * math.log(2 * math.pi)
        own = -0.5 * standard.square().sum(2) - diagonal - constant
        return (own + self.weights.log()).logsumexp(1)

    def split(self, component: int, first: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One component's Gaussian of the dimensions from `first` on, given those before.

        Returns:
            Mean and Cholesky factor of the first dimensions; slope (d - first, first) and factor of
            the rest: given a standardised deviation e of the first ones it has the mean
            ``mean + slope @ e``, and its own part of the covariance has that factor.
        """
        factor = self.factors[component]
        return (
            self.means[component, :first],
            factor[:first, :first],
            factor[first:, :first],
            factor[first:, first:],
        )


def fit(points: NDArray[np.float64], groups: NDArray[np.int64]) -> Mixture:
    """Fit a mixture with as many components as points of unseen groups can tell apart.

    The number of components is the smallest whose mean log-density of left-out groups is within one
    standard error of the best one's (Breiman et al. 1984, "Classification and Regression Trees",
    section 3.4.3): bars of a performance are near copies, and a component for each performance says
    nothing of a style.

    Args:
        points: shape (n, d), n of 2 or more.
        groups: performance of each point, shape (n,).
    """
    from sklearn.mixture import GaussianMixture  # Here: only who fits one should wait for it.
    from sklearn.model_selection import GroupKFold

    def fitted(k: int, some: NDArray[np.float64]) -> GaussianMixture:
        return GaussianMixture(k, reg_covar=RIDGE, random_state=SEED).fit(some)

    some = np.linspace(0, len(points) - 1, min(len(points), COMPARED)).astype(int)
    tried, of = points[some], groups[some]
    folds = min(5, len(np.unique(of)))  # whole performances in each
    parts = [*GroupKFold(folds).split(tried, groups=of)] if folds > 1 else []
    # Where one performance has nearly all points, little is left to fit without it.
    least = min((len(a) for a, _ in parts), default=0)
    allowed = [k for k in COMPONENTS if k == 1 or k * LEAST <= least]
    chosen = 1
    if len(allowed) > 1:
        scores = np.array(
            [[fitted(k, tried[a]).score(tried[b]) for a, b in parts] for k in allowed]
        )
        means = scores.mean(1)
        best = int(means.argmax())
        enough = means[best] - scores[best].std(ddof=1) / math.sqrt(folds)
        chosen = next(k for k, mean in zip(allowed, means, strict=True) if mean >= enough)
    found = fitted(chosen, points)
    return Mixture(
        torch.from_numpy(found.weights_).float(),
        torch.from_numpy(found.means_).float(),
        torch.linalg.cholesky(torch.from_numpy(found.covariances_)).float(),
    )
