"""Bootstrap intervals: bars of one performance are drawn together, for they are near copies."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata, t

RESAMPLES = 1000
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with its bootstrap interval (percentiles; Efron & Tibshirani 1993, chapter 13).

    NaN are the ends where a set is of one performance only, which says nothing of others.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.value:.3f} (of one performance: no interval)"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Drawn:
    """Values of bars, and the performance each belongs to; both of shape (n,).

    Attributes:
        values: of the bars.
        groups: their performances.
        of: what the bars are of; sets of the same share their performances, and are resampled
            together. None for a set of its own.
    """

    values: Floats
    groups: NDArray[np.int64]
    of: Hashable = None

    @classmethod
    def alone(cls, values: Sequence[float] | NDArray[np.generic]) -> "Drawn":
        """Values that are independent of each other."""
        return cls(np.asarray(values, dtype=float), np.arange(len(values)))

    def means(self, drawn: NDArray[np.int64], places: NDArray[np.int64]) -> Floats:
        """Means of resamples of whole performances, shape (`RESAMPLES`,).

        A bootstrap of g performances is too narrow, the more so the fewer there are: its spread
        about the mean is widened to that of Student's t.

        Args:
            drawn: how often each performance of the pool is drawn, shape (`RESAMPLES`, pool).
            places: of this set's performances in the pool, in their order.
        """
        _, group = np.unique(self.groups, return_inverse=True)
        g, times = int(group.max()) + 1, drawn[:, places]
        if g < 2:
            return np.full(RESAMPLES, np.nan)
        total = times @ np.bincount(group)
        found = times @ np.bincount(group, self.values) / np.where(total > 0, total, np.nan)
        tail = (1 + LEVEL) / 2
        wider = t.ppf(tail, g - 1) / norm.ppf(tail) * np.sqrt(g / (g - 1))
        return self.values.mean() + wider * (found - self.values.mean())


def interval(
    parts: Sequence[Drawn],
    of: Callable[[list[Any]], Any] = lambda means: means[0],
    seed: int = 0,
) -> Interval:
    """Interval of a function of the means of sets, those of the same performances drawn together.

    Args:
        parts: the sets.
        of: takes their means, as numbers or as arrays of resamples.
        seed: of the resamples.
    """
    source = np.random.default_rng(seed)
    value = of([float(part.values.mean()) for part in parts])
    pools: dict[Hashable, NDArray[np.int64]] = {}
    keys = [("alone", i) if part.of is None else part.of for i, part in enumerate(parts)]
    for key, part in zip(keys, parts, strict=True):
        pools[key] = np.union1d(pools.get(key, part.groups), part.groups)
    drawn = {
        key: source.multinomial(len(pool), np.full(len(pool), 1 / len(pool)), RESAMPLES)
        for key, pool in pools.items()
    }
    means = [
        part.means(drawn[key], np.searchsorted(pools[key], np.unique(part.groups)))
        for key, part in zip(keys, parts, strict=True)
    ]
    spread = np.asarray(of(means))
    if np.isnan(spread).mean() > 1 - LEVEL:
        return Interval(float(value), np.nan, np.nan)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(spread, [tail, 100 - tail])
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
