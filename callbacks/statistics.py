"""What a few seeds say of a variant: interquartile mean, probability of improvement, intervals.

Paper: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice"
(https://arxiv.org/abs/2108.13264), sections 4.1 to 4.3. Their strata are the tasks; here every
measure is a task of its own, so a stratum is the seeds of one variant on one measure.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its bootstrap interval; the ends are NaN where too few seeds allow none."""

    value: float
    low: float = np.nan
    high: float = np.nan


def interquartile_mean(values: ArrayLike) -> Floats:
    r"""Mean of the middle half: :math:`\lfloor n / 4 \rfloor` values are cut off at either end.

    It keeps more of the data than the median and bends to an outlier less than the mean. With
    fewer than four values nothing is cut, and it is the mean.

    Args:
        values: shape (…, n), n of 1 or more.

    Returns:
        Shape (…).
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    cut = ordered.shape[-1] // 4
    return ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)


def interquartile_mean_estimate(values: ArrayLike, seed: int = 0) -> Estimate:
    """The interquartile mean of a variant's seeds with its percentile bootstrap interval.

    Args:
        values: one for each seed, shape (n,), n of 1 or more; one seed has no interval.
        seed: of the resampling.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    value = float(interquartile_mean(values))
    if n < 2:
        return Estimate(value)
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    return Estimate(value, *_interval(interquartile_mean(values[drawn])))


def improvement_probability(values: ArrayLike, baseline: ArrayLike, seed: int = 0) -> Estimate:
    r"""Chance that a seed of a variant beats one of the baseline; larger values are better.

    .. math:: P(X > Y) = \frac{1}{n m} \sum_{i, j} [x_i > y_j] + \tfrac12 [x_i = y_j]

    which is the Mann–Whitney U over n m. Variant and baseline are resampled each on its own.

    Args:
        values: of the variant, shape (n,); negate both where smaller is better.
        baseline: of the baseline, shape (m,). There is an interval where both have two seeds or
            more.
        seed: of the resampling.
    """
    x, y = (np.asarray(side, dtype=np.float64) for side in (values, baseline))
    n, m = len(x), len(y)
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    value = float(wins.mean())
    if n < 2 or m < 2:
        return Estimate(value)
    # How often each seed is drawn says all of a resample, and turns the sum into a product.
    generator = np.random.default_rng(seed)
    counts_x, counts_y = (_times_drawn(side, generator) for side in (n, m))
    resampled = ((counts_x @ wins) * counts_y).sum(axis=1) / (n * m)
    return Estimate(value, *_interval(resampled))


def _times_drawn(n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """How often each of n seeds is in each resample, shape (RESAMPLES, n)."""
    drawn = generator.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n)


def _interval(resampled: Floats) -> tuple[float, float]:
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)
