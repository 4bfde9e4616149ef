r"""Birthday paradox: how many different pictures can a generator draw?

Paper: Arora & Zhang 2017, "Do GANs actually learn the distribution?" (arXiv 1706.08224): if s
samples hold two that are alike with probability 1/2, the support has about s² pictures, of which
few are much more likely than others.

What "alike" means is **calibrated on real pictures**: two are alike when they are nearer than all
but one in a thousand of real ones are to *their* nearest other real one. So real pictures of known
families are the yardstick for the support, as the paper's human eye was.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from scipy.stats import chi2
from torch import Tensor

from fontgan.metrics.features import refuse_nan


@dataclass(frozen=True)
class Support:
    """An estimate from pairs.

    Attributes:
        pairs: pairs of samples that are alike, among all n (n - 1) / 2.
        size: n (n - 1) / 2 / pairs, the size of a uniform support with as many; infinite where no
            pair is alike.
        least: size that a 95 % Poisson bound on `pairs` still allows; finite always.
    """

    pairs: int
    size: float
    least: float


GREY = 1 / 255
"""The least difference that counts: a reference that holds twins would calibrate none."""


def likeness(real: Tensor, share: float = 0.001) -> float:
    """Distance below which two pictures count as alike: a low quantile over real pictures.

    Args:
        real: different real pictures in [0, 1], shape (n, 1, h, w), n at least 2.
        share: of real pictures that have so near a neighbour.

    Returns:
        Root mean squared pixel difference, one grey level of 255 at least.
    """
    if len(real) < 2:
        raise ValueError(f"likeness is calibrated on two or more real pictures, got {len(real)}")
    return max(GREY, float(torch.quantile(nearest_others(real).double(), share)))


def nearest_others(images: Tensor) -> Tensor:
    """Distance of each picture (n, 1, h, w) to the nearest *other* of the set, shape (n,)."""
    return torch.cat([distances.amin(1) for distances in _to_others(images)])


def support(images: Tensor, alike: float) -> Support:
    """Estimate how many different pictures there are from the pairs that are alike.

    Args:
        images: samples in [0, 1], shape (n, 1, h, w), n at least 2.
        alike: root mean squared pixel difference, from `likeness`; pairs at most so far apart
            are alike; one grey level at least, which is above the rounding of a distance.

    Raises:
        ValueError: fewer than two samples.
    """
    if len(images) < 2:
        raise ValueError(f"pairs need two or more samples, got {len(images)}")
    limit = max(GREY, alike)
    found = sum(int((distances <= limit).sum()) for distances in _to_others(images))
    pairs, every = found // 2, len(images) * (len(images) - 1) / 2
    most = chi2.ppf(0.95, 2 * (pairs + 1)) / 2  # Upper 95 % limit of a Poisson mean.
    return Support(pairs, every / pairs if pairs else math.inf, float(every / most))


def _to_others(images: Tensor) -> Iterator[Tensor]:
    """Distances of pictures to all others of the set, and infinity to themselves, in blocks."""
    refuse_nan(images, "pictures")
    flat = images.flatten(1)
    for start in range(0, len(flat), 500):
        part = flat[start : start + 500]
        distances = torch.cdist(part, flat, compute_mode="use_mm_for_euclid_dist")
        itself = distances.new_full((len(part),), torch.inf)
        yield distances.diagonal_scatter(itself, start) / math.sqrt(flat.shape[1])
