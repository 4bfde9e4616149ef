r"""Number of statistically different bins, and the Jensen–Shannon divergence over bins.

Paper: Richardson & Weiss 2018, "On GANs and GMMs" (arXiv 1805.12462), section 3.1. Real features
are cut into bins by k-means; a bin is *different* when the share of generated samples in it differs
from the real share by more than chance would have it, in a two-proportion z-test.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import norm
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from fontgan.metrics.features import refuse_nan


@dataclass(frozen=True)
class Bins:
    """Cells of a feature space.

    Attributes:
        centres: shape (k, d); a point belongs to the nearest.
        counts: real points in each, shape (k,), all positive.
    """

    centres: Tensor
    counts: Tensor

    def occupied(self, features: Tensor) -> Tensor:
        """How many of some features (n, d) fall into each bin, long, shape (k,)."""
        refuse_nan(features, "features")
        nearest = torch.cdist(features.double(), self.centres.to(features.device)).argmin(1)
        return torch.bincount(nearest.cpu(), minlength=len(self.centres))


@dataclass(frozen=True)
class DifferentBins:
    """How two sets of counts differ.

    Attributes:
        different: bins whose shares differ significantly.
        share: those over all bins. Where nothing differs it is about the significance level in a
            few dimensions and more in many, where k-means follows the real points themselves (0.12
            for 0.05, of 1,000 points in 64 dimensions): read it beside that of other real ones.
        divergence: Jensen–Shannon divergence of the shares, nats, in [0, ln 2].
        empty: bins without any generated sample.
    """

    different: int
    share: float
    divergence: float
    empty: int


def bins(real: Tensor, k: int = 100, seed: int = 0) -> Bins:
    """Cut real features into k bins by k-means.

    Args:
        real: shape (n, d), n at least k.
        k: bins; fewer where the features have fewer different points.
        seed: of the k-means.

    Raises:
        ValueError: fewer points than bins, or values that are not finite.
    """
    if real.ndim != 2 or len(real) < k or k < 2:
        raise ValueError(f"{k} bins need at least so many real features, got {tuple(real.shape)}")
    refuse_nan(real, "real features")
    points = real.detach().cpu().double().numpy()
    with warnings.catch_warnings():
        # Fewer different points than bins: k-means says so, and leaves bins empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(k, random_state=seed).fit(points)
    counts = torch.bincount(torch.from_numpy(fitted.labels_).long(), minlength=k)
    centres = torch.from_numpy(np.asarray(fitted.cluster_centers_))
    return Bins(centres[counts > 0], counts[counts > 0])


def different_bins(real: Tensor, generated: Tensor, level: float = 0.05) -> DifferentBins:
    r"""Compare counts over the same bins.

    With shares p and q of m real and n generated points, pooled :math:`\hat p`, a bin differs when
    :math:`|p - q| > z \sqrt{\hat p (1 - \hat p)(1/m + 1/n)}`.

    Args:
        real: counts, shape (k,).
        generated: counts, shape (k,).
        level: significance, two-sided.

    Raises:
        ValueError: other shapes, or no point at all on one side.
    """
    if real.shape != generated.shape or real.ndim != 1:
        raise ValueError(f"counts {tuple(real.shape)} and {tuple(generated.shape)} must be (k,)")
    m, n = int(real.sum()), int(generated.sum())
    if not m or not n:
        raise ValueError(f"bins compare two sets of points, got {m} real and {n} generated ones")
    p, q = real.double() / m, generated.double() / n
    pooled = (real + generated).double() / (m + n)
    error = (pooled * (1 - pooled) * (1 / m + 1 / n)).sqrt()
    different = int(((p - q).abs() > norm.ppf(1 - level / 2) * error).sum())
    middle = (p + q) / 2
    divergence = (torch.special.xlogy(p, p) + torch.special.xlogy(q, q)) / 2
    divergence = (divergence - torch.special.xlogy(middle, middle)).sum().clamp(min=0)
    empty = int((generated == 0).sum())
    return DifferentBins(different, different / len(real), float(divergence), empty)
