"""Within-letter collapse: a generator with all 26 letters in one typeface has collapsed too.

Real glyphs of each letter are cut into clusters of style by k-means on the judge's features, and
the generator's glyphs of that letter are dealt out to the nearest cluster. A cell (letter, style)
is alive by the rule of `coverage`: from a quarter of its fair share of all samples on.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from fontgan import LETTERS
from fontgan.metrics.coverage import THRESHOLD
from fontgan.metrics.features import refuse_nan


@dataclass(frozen=True)
class Styles:
    """Clusters of style of each letter.

    Attributes:
        centres: shape (letters, k, d).
        counts: real glyphs in each, shape (letters, k); a cell without any is no cell.
    """

    centres: Tensor
    counts: Tensor

    def cells(self, features: Tensor, letters: Tensor) -> Tensor:
        """Samples in each cell, long, shape (letters, k).

        Args:
            features: shape (n, d).
            letters: what the judge reads, -1 where it refuses, shape (n,).
        """
        refuse_nan(features, "features")
        counted = torch.zeros_like(self.counts)
        for letter in range(len(self.centres)):
            mine = features[letters == letter].double().cpu()
            if len(mine):
                nearest = torch.cdist(mine, self.centres[letter]).argmin(1)
                counted[letter] = torch.bincount(nearest, minlength=self.counts.shape[1])
        return counted


@dataclass(frozen=True)
class StyleCoverage:
    """How many styles a generator draws its letters in.

    Attributes:
        coverage: alive cells over all cells, in [0, 1].
        within: share of its letter's styles that are alive, mean over accepted samples: 1 / k for
            one typeface. A mean over letters would let a few misread samples count as a letter
            that comes in one style.
        entropy: entropy of a letter's styles over the real letters' own entropy, mean over accepted
            samples; may exceed 1 where the real styles are uneven, and is 1 where they are one.
    """

    coverage: float
    within: float
    entropy: float


def styles(features: Tensor, letters: Tensor, k: int = 8, seed: int = 0) -> Styles:
    """Cluster real glyphs of each letter.

    Args:
        features: the judge's, shape (n, d).
        letters: 0-25, shape (n,); every letter at least k times.
        k: clusters a letter.
        seed: of the k-means.

    Raises:
        ValueError: a letter with fewer than k glyphs.
    """
    refuse_nan(features, "features")
    centres, counts = [], []
    for letter in range(len(LETTERS)):
        mine = features[letters == letter].detach().cpu().double().numpy()
        if len(mine) < k:
            raise ValueError(
                f"{k} styles of {LETTERS[letter]} need so many real glyphs of it, got {len(mine)}"
            )
        with warnings.catch_warnings():
            # Fewer different glyphs than clusters: the cells left over stay empty.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = KMeans(k, random_state=seed).fit(mine)
        centres.append(torch.from_numpy(np.asarray(fitted.cluster_centers_)))
        counts.append(torch.bincount(torch.from_numpy(fitted.labels_).long(), minlength=k))
    return Styles(torch.stack(centres), torch.stack(counts))


def style_coverage(
    real: Tensor, generated: Tensor, drawn: int, threshold: float = THRESHOLD
) -> StyleCoverage:
    """Which (letter, style) cells a generator reaches.

    Args:
        real: glyphs in each cell, shape (letters, k).
        generated: accepted samples in each cell, shape (letters, k).
        drawn: samples drawn, accepted or not, at least 1.
        threshold: part of a cell's fair share that keeps it alive.

    Returns:
        All values 0 where nothing was accepted.

    Raises:
        ValueError: shapes that differ, or more accepted than drawn.
    """
    if real.shape != generated.shape or generated.sum() > drawn or drawn < 1:
        raise ValueError(
            f"cells {tuple(real.shape)} and {tuple(generated.shape)} must be alike, with at most "
            f"{drawn} samples in them, found {int(generated.sum())}"
        )
    cells = real > 0
    # Multiplied out, so that a share met exactly is met.
    alive = cells & (generated.double() * real.sum() >= threshold * drawn * real)
    counts = generated.sum(1, keepdim=True).double()
    if not counts.any():
        return StyleCoverage(0.0, 0.0, 0.0)
    # Within a letter the fair share is of that letter's own samples.
    own = generated.double() * real.sum(1, keepdim=True)
    own_alive = cells & (own >= threshold * counts * real) & (generated > 0)
    within = own_alive.sum(1) / cells.sum(1).clamp(min=1)
    most = _entropy(real)
    entropy = torch.where(most > 0, _entropy(generated) / most.clamp(min=1e-12), 1.0)
    # Divided last: a mean of ones is 1, whatever the order in which it is summed.
    means = (counts.flatten() @ torch.stack([within.double(), entropy], 1)) / counts.sum()
    return StyleCoverage(float(alive.sum() / cells.sum()), *means.tolist())


def _entropy(counts: Tensor) -> Tensor:
    share = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    return -torch.special.xlogy(share, share).sum(1)
