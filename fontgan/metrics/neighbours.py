"""k-nearest-neighbour measures of fidelity and diversity, on features.

Papers: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative
Models" (arXiv 1904.06991); Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for
Generative Models" (arXiv 2002.09797); Salvy et al. 2025, "Enhanced Generative Model Evaluation
with Clipped Density and Coverage" (arXiv 2507.01761).

**Ties.** Balls are closed: a point *on* the sphere through the k-th neighbour lies inside (<=), as
in eq. 1 of Kynkäänniemi et al.; the reference code of Naeem et al. has an open ball (<). On
continuous data both agree. On duplicated data (a collapsed generator, a reference with clones) more
than k equal points have radius 0, an open ball of radius 0 is empty, and a set would not even cover
itself. `Neighbours.ties` says how many points have a twin.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fontgan.metrics.features import refuse_nan

BLOCK_BYTES = 128 * 1024**2
"""Size of one block of distances; with its comparisons well below 1 GB."""


@dataclass(frozen=True)
class Neighbours:
    """The measures. All but `density`, which can exceed 1, and `ties` lie in [0, 1].

    Attributes:
        precision: share of generated points in some real ball.
        recall: share of real points in some generated ball.
        density: mean number of real balls around a generated point, over k.
        coverage: share of real balls that hold a generated point.
        clipped_density: see `neighbours`.
        clipped_coverage: see `neighbours`.
        ties: points of either set that have a twin at distance 0 in their own set.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    clipped_density: float
    clipped_coverage: float
    ties: int


@dataclass(frozen=True)
class Balls:
    """Closed balls about the points of a set, each reaching its k-th nearest *other* point.

    Attributes:
        radii: shape (n,); 0 where a point has k or more duplicates.
        clipped: `radii`, none larger than their median, shape (n,).
        typical: mean over the points of min(1, other clipped balls that hold it / k).
        twins: points at distance 0 from another.
    """

    radii: Tensor
    clipped: Tensor
    typical: float
    twins: int


def radii(features: Tensor, k: int = 5) -> tuple[Tensor, int]:
    """Distance of each point to its k-th nearest *other* point, and how many points have a twin.

    Args:
        features: shape (n, d), n > k.
        k: which neighbour, at least 1.

    Returns:
        Radii, float64, shape (n,); points at distance 0 from another.

    Raises:
        ValueError: too few points.
    """
    if features.ndim != 2 or not 1 <= k < len(features):
        raise ValueError(
            f"the k-th neighbour, k={k}, needs features (n > k >= 1, d), got "
            f"{tuple(features.shape)}; draw more samples"
        )
    refuse_nan(features, "features")
    # The k+1 smallest: each point finds itself, or a duplicate of itself, at distance 0.
    nearest = torch.empty(len(features), 2, dtype=torch.double, device=features.device)
    for rows, squared in _squared_distances(features, features):
        nearest[rows] = squared.topk(k + 1, largest=False).values[:, [1, k]]
    return nearest[:, 1].sqrt(), int((nearest[:, 0] == 0).sum())


def balls(features: Tensor, k: int = 5) -> Balls:
    """The balls of a set's own neighbourhoods; see `radii`."""
    reach, twins = radii(features, k)
    clipped = reach.clamp(max=reach.median().item())
    # Written into one tensor: small ones kept from block to block would scatter the memory between
    # them, gigabytes of it for 100,000 points. Its own ball holds each point, and does not count.
    around = torch.empty(len(features), dtype=torch.long, device=features.device)
    for rows, squared in _squared_distances(features, features):
        around[rows] = (squared <= _closed(clipped)).sum(1) - 1
    typical = (around.double() / k).clamp(max=1).mean().item()
    return Balls(reach, clipped, typical, twins)


def neighbours(
    generated: Tensor, real: Tensor, k: int = 5, real_balls: Balls | None = None
) -> Neighbours:
    r"""Precision, recall, density and coverage of generated against real features.

    With :math:`B(x)` the closed ball around x that reaches its k-th neighbour in its own set:

    - precision: share of generated points inside some :math:`B(x_i)` of a real point;
    - recall: share of real points inside some :math:`B(y_j)` of a generated point;
    - density: mean number of real balls around a generated point, over k;
    - coverage: share of real balls that hold a generated point. For two sets of n points from one
      distribution its expectation is :math:`1 - \prod_{i=1}^k (n - i) / (2n - i)`, about
      :math:`1 - 2^{-k}`;
    - clipped density: the same as density, but no real ball is larger than the median one, no
      generated point counts more than 1, and the mean is divided by what real points get of each
      other; at most 1. Outliers of the real set with their huge balls no longer count;
    - clipped coverage: a real ball counts by min(1, generated points in it / k); the mean is then
      read as the share of a generator's samples that would have to be good for it (`calibrated`).

    Args:
        generated: shape (n, d), n > k.
        real: shape (m, d), m > k.
        k: size of the neighbourhood.
        real_balls: `balls(real, k)` where they are known already.

    Raises:
        ValueError: too few points, or another number of features.
    """
    if generated.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"features differ in shape: generated {tuple(generated.shape)}, "
            f"real {tuple(real.shape)}"
        )
    known = balls(real, k) if real_balls is None else real_balls
    own, twins = radii(generated, k)
    around = torch.zeros(len(generated), device=real.device)
    close = torch.zeros_like(around)
    recalled = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    held = torch.zeros(len(real), dtype=torch.long, device=real.device)
    for rows, squared in _squared_distances(generated, real):
        inside = squared <= _closed(known.radii)
        around[rows] = inside.sum(dim=1).float()
        held += inside.sum(dim=0)
        close[rows] = (squared <= _closed(known.clipped)).sum(dim=1).float()
        recalled |= (squared <= _closed(own[rows, None])).any(dim=0)
    clipped = (close.double() / k).clamp(max=1).mean().item()
    return Neighbours(
        precision=(around > 0).double().mean().item(),
        recall=recalled.double().mean().item(),
        density=around.double().mean().item() / k,
        coverage=(held > 0).double().mean().item(),
        # Where no real point lies in another's ball, none can be asked for.
        clipped_density=min(1.0, clipped / known.typical) if known.typical else clipped,
        clipped_coverage=calibrated(
            (held.double() / k).clamp(max=1).mean().item(), len(generated), len(real), k
        ),
        ties=twins + known.twins,
    )


def calibrated(value: float, generated: int, real: int, k: int) -> float:
    r"""Share of n samples that must come from the real distribution to cover its balls so well.

    The mass of a ball that reaches the k-th of the N - 1 other points is Beta(k, N - k), so the
    number X of m good samples in it is beta-binomial, and the expected coverage is

    .. math:: f(m) = E[\min(X, k)] / k = 1 - \sum_{i<k} (1 - i / k) P(X = i).

    Args:
        value: mean of min(1, samples in a ball / k).
        generated: n, all samples.
        real: N, points with a ball.
        k: of the neighbourhood.

    Returns:
        m / n with f(m) = value, between whole m by a straight line; in [0, 1].
    """
    m = torch.arange(generated + 1, dtype=torch.double)
    a, b = torch.tensor(float(k)), torch.tensor(float(real - k))
    expected = torch.ones_like(m)
    for i in range(k):
        ways = torch.lgamma(m + 1) - torch.lgamma(m - i + 1) - torch.lgamma(torch.tensor(i + 1.0))
        odds = _log_beta(a + i, b + m - i) - _log_beta(a, b)
        chance = torch.where(m >= i, (ways + odds).exp(), 0.0)
        expected -= (1 - i / k) * chance
    return float(np.interp(value, expected.numpy(), (m / generated).numpy()))


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    a, b = a.double(), b.double()
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def _closed(reach: Tensor) -> Tensor:
    """Square of a radius, larger by more than rounding and by less than any distance matters."""
    return reach.square() * (1 + 1e-9)


def _squared_distances(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Rows of `a`, and their squared distances to all of `b`, block by block.

    In float64 by a matrix product, which is many times as fast as differences are. What is below
    its rounding is 0: twins are. That is told for each pair, and points lie about their median: one
    far outlier must not make twins of all others.
    """
    centre = b.double().median(0).values
    a, b = a.double() - centre, b.double() - centre
    energy = b.square().sum(1)
    size = max(1, BLOCK_BYTES // (len(b) * b.element_size()))
    for start in range(0, len(a), size):
        part = a[start : start + size]
        sums = part.square().sum(1, keepdim=True) + energy
        squared = torch.addmm(sums, part, b.mT, alpha=-2)
        yield slice(start, start + len(part)), squared.masked_fill_(squared <= 1e-14 * sums, 0.0)
