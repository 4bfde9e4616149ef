"""Sets of bars: how much those of one set differ, and whether two sets differ alike.

Yang & Lerch 2020, "On the evaluation of generative models in music", section on relative
measurement: a feature's distances within a set are compared with those between the sets.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import KernelDensity
from torch import Tensor

GRID = 2048  # places at which densities are taken
BINS = 1000  # of equal width, that stand for a sample of more different values than that
NARROWEST = 0.005  # of the range of all distances: the least bandwidth that the grid resolves


@dataclass(frozen=True)
class Comparison:
    """Distances of a feature within a set against those between two sets.

    Attributes:
        overlap: area under both densities, in [0, 1]; 1 where the sets cannot be told apart.
        kl: KL(within ‖ between), nats.
    """

    overlap: float
    kl: float


def hamming(hits: Tensor) -> float:
    r"""Mean Hamming distance of two different bars of a set, as a share of all cells.

    .. math:: \frac{2}{n (n - 1)} \sum_{i < j} \frac1C \sum_c [x_{ic} \ne x_{jc}]
        = \frac1C \sum_c \frac{2 k_c (n - k_c)}{n (n - 1)}

    with k_c of the n bars having a hit in cell c of C.

    Args:
        hits: bool, shape (n, steps, voices), at least one bar; one alone has the distance 0.

    Returns:
        In [0, 1], 0 where all bars are alike.

    Raises:
        ValueError: no bars.
    """
    n = len(hits)
    if not n:
        raise ValueError("a set without bars has no distances")
    count = hits.sum(0).double()
    return float((2 * count * (n - count)).mean()) / max(1, n * (n - 1))


def distinct(hits: Tensor) -> float:
    """Different bars over bars: 1 / n where all of a set are alike, 1 where no two are.

    Args:
        hits: bool, shape (n, steps, voices).

    Raises:
        ValueError: no bars.
    """
    if not len(hits):
        raise ValueError("a set without bars has no different ones")
    return len(hits.flatten(1).unique(dim=0)) / len(hits)


def compare(values: Tensor, others: Tensor, most: int = 300, seed: int = 0) -> Comparison:
    """Distances within a set against distances to another set, as in Yang & Lerch 2020.

    The first set is the one whose inner distances are taken: a generator's values as the first
    argument show a collapse, the data's show what it adds. Even two samples of one distribution
    have an overlap of a little less than 1.

    Args:
        values: a feature of each bar of a set, shape (n,), or (n, dimensions) under the Euclidean
            distance; n at least 3, so that distances have a spread.
        others: of another set, shape (m,) or (m, dimensions), m at least 2.
        most: values of a set that are taken, drawn at random where there are more.
        seed: of that draw.

    Raises:
        ValueError: too few values, values that are not finite, or features of different sizes.
    """
    if most < 3:
        raise ValueError(f"most must be at least 3, got {most}")
    sets = []
    for name, least, part in (("values", 3, values), ("others", 2, others)):
        if len(part) < least:
            raise ValueError(f"{name} must be at least {least}, got {len(part)}")
        part = part.detach().cpu().double().reshape(len(part), -1)
        if not part.isfinite().all():
            raise ValueError(f"{int((~part.isfinite()).sum())} of the {name} are not finite")
        generator = torch.Generator().manual_seed(seed)
        sets.append(part[torch.randperm(len(part), generator=generator)[:most]])
    own, other = sets
    if own.shape[1] != other.shape[1]:
        raise ValueError(f"features have {own.shape[1]} and {other.shape[1]} dimensions")
    within, between = torch.pdist(own), torch.cdist(own, other).flatten()
    return Comparison(overlap_area(within, between), kl_divergence(within, between))


def overlap_area(p: Tensor, q: Tensor) -> float:
    r"""Area under the lower of two densities, :math:`\int \min(\hat p, \hat q)`.

    Args:
        p: a sample, shape (n,), n at least 2.
        q: another, shape (m,), m at least 2.

    Returns:
        In [0, 1]; of two samples of a single value, 1 where it is the same and else 0.

    Raises:
        ValueError: a sample that is too small, or has values that are not finite.
    """
    densities, step = _densities(p, q)
    return min(1.0, float(np.exp(np.minimum(*densities)).sum()) * step)


def kl_divergence(p: Tensor, q: Tensor) -> float:
    r"""KL(p ‖ q) of the densities of two samples, :math:`\int \hat p \log (\hat p / \hat q)`.

    Gaussian kernels nowhere vanish, so it is finite, though large for samples that lie far apart.

    Args:
        p: a sample, shape (n,), n at least 2.
        q: another, shape (m,), m at least 2.

    Returns:
        Nats, at least 0.

    Raises:
        ValueError: a sample that is too small, or has values that are not finite.
    """
    (log_p, log_q), step = _densities(p, q)
    return max(0.0, float((np.exp(log_p) * (log_p - log_q)).sum()) * step)


def _densities(p: Tensor, q: Tensor) -> tuple[list[NDArray[np.float64]], float]:
    """Log densities of two samples at the places of one grid, and how far these lie apart.

    Gaussian kernels; the bandwidth is Scott's, sd · n^(-1/5), but at least `NARROWEST` of the range
    of both samples: a sample of one value has none of its own. The grid goes on for six of the
    larger bandwidth on either side.
    """
    samples = []
    for name, sample in (("p", p), ("q", q)):
        if sample.ndim != 1 or len(sample) < 2 or not sample.isfinite().all():
            raise ValueError(f"{name} must be at least 2 finite values, got {sample}")
        samples.append(sample.detach().cpu().double().numpy())
    low, high = min(x.min() for x in samples), max(x.max() for x in samples)
    # Two samples of one and the same value: any bandwidth shows them to be alike.
    least = NARROWEST * (high - low) or 1.0
    widths = [max(least, float(x.std(ddof=1)) * len(x) ** -0.2) for x in samples]
    grid, step = np.linspace(low - 6 * max(widths), high + 6 * max(widths), GRID, retstep=True)
    return [_log_density(x, w, grid) for x, w in zip(samples, widths, strict=True)], float(step)


def _log_density(
    sample: NDArray[np.float64], width: float, grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Features are often counts, whose distances are few different values; where they are many, a
    # bin is at most a fifth of a bandwidth wide.
    places, counts = np.unique(sample, return_counts=True)
    if len(places) > BINS:
        counts, edges = np.histogram(sample, BINS)
        places, counts = ((edges[1:] + edges[:-1]) / 2)[counts > 0], counts[counts > 0]
    kernels = KernelDensity(bandwidth=width)
    kernels.fit(places[:, None], sample_weight=counts)
    return kernels.score_samples(grid[:, None])
