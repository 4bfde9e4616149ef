"""Bootstrap intervals: bars of one performance are drawn together, for they are near copies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

RESAMPLES = 1000
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with its bootstrap interval (percentiles; Efron & Tibshirani 1993, chapter 13)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Drawn:
    """Values of bars, and the performance each belongs to; both of shape (n,)."""

    values: Floats
    groups: NDArray[np.int64]

    @classmethod
    def alone(cls, values: Sequence[float] | NDArray[np.generic]) -> "Drawn":
        """Values that are independent of each other."""
        return cls(np.asarray(values, dtype=float), np.arange(len(values)))

    def means(self, source: np.random.Generator) -> Floats:
        """Means of resamples of whole performances, shape (`RESAMPLES`,)."""
        _, group = np.unique(self.groups, return_inverse=True)
        sums, sizes = np.bincount(group, self.values), np.bincount(group)
        chosen = source.integers(len(sizes), size=(RESAMPLES, len(sizes)))
        return sums[chosen].sum(1) / sizes[chosen].sum(1)


def interval(
    parts: Sequence[Drawn],
    of: Callable[[list[Any]], Any] = lambda means: means[0],
    seed: int = 0,
) -> Interval:
    """Interval of a function of the means of sets that were drawn independently.

    Args:
        parts: the sets.
        of: takes their means, as numbers or as arrays of resamples.
        seed: of the resamples.
    """
    source = np.random.default_rng(seed)
    value = of([float(part.values.mean()) for part in parts])
    spread = np.asarray(of([part.means(source) for part in parts]))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(spread, [tail, 100 - tail])
    return Interval(float(value), float(low), float(high))


def mean_of(means: list[Any]) -> Any:
    """Mean of the means of several sets."""
    return sum(means) / len(means)


def ratio(means: list[Any]) -> Any:
    """Mean of the first half of some means over that of the second."""
    half = len(means) // 2
    return sum(means[:half]) / sum(means[half:])


def rank_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's: Pearson's correlation of the ranks, ties sharing theirs; NaN without a spread."""
    ranks = rankdata(a), rankdata(b)
    if any(np.ptp(rank) == 0 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
