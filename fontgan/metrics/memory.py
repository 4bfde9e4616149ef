"""Does a generator draw from memory? Distances to the nearest training glyph.

A generator that returns its training set wins every other measure. It is caught by how near its
samples lie to training glyphs, beside how near unseen real glyphs lie (Meehan et al. 2020, "A
Non-Parametric Test to Detect Data-Copying in Generative Models", section 3). The cells of that test
are letters: any I lies near some training glyph, and a generator of nothing but I copies none.
"""

import math

import torch
from torch import Tensor


def nearest_distances(images: Tensor, training: Tensor, block: int = 500) -> Tensor:
    """Root mean squared pixel difference of each picture to its nearest training picture.

    Args:
        images: in [0, 1], shape (n, 1, h, w).
        training: in [0, 1], shape (m, 1, h, w).
        block: pictures compared at once.

    Returns:
        Distances in [0, 1], shape (n,).

    Raises:
        ValueError: no training pictures, or pictures of another size.
    """
    if not len(training) or images.shape[1:] != training.shape[1:]:
        raise ValueError(
            f"pictures of shape {tuple(images.shape)} have no nearest among {tuple(training.shape)}"
        )
    known = training.flatten(1).to(images)
    # A matrix product loses the last digits of a small distance: it finds the nearest, and the
    # distance itself is taken from the difference.
    energy = known.square().sum(1)
    parts = []
    for part in images.flatten(1).split(block):
        nearest = (energy - 2 * part @ known.T).argmin(1)
        parts.append((part - known[nearest]).square().mean(1).sqrt())
    return torch.cat(parts) if parts else torch.empty(0)


def closer_by_letter(
    distances: Tensor, letters: Tensor, others: Tensor, their_letters: Tensor
) -> tuple[float, float]:
    r"""`closer` within each letter, averaged over samples, and a bound on the error of that.

    A Mann-Whitney probability A of n and m values has at most the variance A (1 - A) / k, where
    k = min(n, m) (Birnbaum & Klose 1957); the mean over letters with shares w of the samples has
    at most :math:`\sum w^2 A (1 - A) / k`. For the unknown A of a letter stands (k A + 1) / (k + 2)
    of the one found, which is never 0 or 1. Refused samples, compared with the glyphs of all
    letters, are taken for independent of the others.

    Args:
        distances: of the samples, shape (n,).
        letters: what each was read as, shape (n,); one of which there is no unseen glyph (-1 where
            the judge refused) is compared with all of them.
        others: of unseen real glyphs, shape (m,).
        their_letters: of those, shape (m,).

    Raises:
        ValueError: no sample, or no unseen glyph.
    """
    if not len(distances) or not len(others):
        raise ValueError(f"{len(distances)} samples cannot lie nearer than {len(others)} glyphs")
    chance, variance = 0.0, 0.0
    for letter in letters.unique():
        mine, alike = distances[letters == letter], others[their_letters == letter]
        beside = alike if len(alike) else others
        share = len(mine) / len(distances)
        found, fewer = closer(mine, beside), min(len(mine), len(beside))
        chance += share * found
        likely = (fewer * found + 1) / (fewer + 2)
        variance += share**2 * likely * (1 - likely) / fewer
    return chance, math.sqrt(variance)


def closer(distances: Tensor, others: Tensor) -> float:
    """Probability that a distance is smaller than one of the others, ties counting half.

    The Mann-Whitney statistic over its maximum: 0.5 for equal distributions, 1 for copies.

    Args:
        distances: of the samples, shape (n,).
        others: of unseen real glyphs, shape (m,).
    """
    ordered = others.sort().values
    smaller = torch.searchsorted(ordered, distances, side="right").double()
    equal = smaller - torch.searchsorted(ordered, distances, side="left")
    return float((1 - (smaller - equal / 2) / len(ordered)).mean())
