"""What a few seeds say of a variant: interquartile mean, probability of improvement, intervals.

Paper: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice"
(https://arxiv.org/abs/2108.13264), sections 4.1 to 4.3. Their strata are the tasks; here every
measure is a task of its own, so a stratum is the seeds of one variant on one measure.

With so few values a bootstrap of the probability of improvement fails: where all seeds of one
variant beat all of the other, every resample says 1. Its interval is that of Newcombe 2006,
"Confidence intervals for an effect size measure based on the Mann–Whitney statistic. Part 2",
Statistics in Medicine 25, method 5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

Floats = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; the ends are NaN where too few seeds allow none."""

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

    Of few seeds the interval is too narrow: of normal values it covers the truth in 74 % of cases
    with three, 91 % with five, 93 % with eight.

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


def improvement_probability(values: ArrayLike, baseline: ArrayLike) -> Estimate:
    r"""Chance that a seed of a variant beats one of the baseline; larger values are better.

    .. math:: P(X > Y) = \frac{1}{n m} \sum_{i, j} [x_i > y_j] + \tfrac12 [x_i = y_j]

    which is the Mann–Whitney U over n m. The interval holds every θ that the value is no more than
    1.96 standard deviations away from, those under θ itself and two exponential distributions:

    .. math:: \frac{\theta (1 - \theta)}{n m} \left(1 + \Big(\frac{n + m}{2} - 1\Big)
        \Big(\frac{1 - \theta}{2 - \theta} + \frac{\theta}{1 + \theta}\Big)\right)

    Args:
        values: of the variant, shape (n,); negate both where smaller is better.
        baseline: of the baseline, shape (m,). There is an interval where both have two seeds or
            more.
    """
    x, y = (np.asarray(side, dtype=np.float64) for side in (values, baseline))
    n, m = len(x), len(y)
    value = float(((x[:, None] > y) + 0.5 * (x[:, None] == y)).mean())
    if n < 2 or m < 2:
        return Estimate(value)
    # A chance of y over x is one less that of x over y, and so is the end of its interval.
    return Estimate(value, _lowest(value, n, m), 1 - _lowest(1 - value, n, m))


def _lowest(value: float, n: int, m: int) -> float:
    """Lower end of the interval of a probability of improvement."""
    if value == 0:
        return 0.0
    quantile = norm.ppf((1 + LEVEL) / 2)

    def distance(theta: float) -> float:
        alike = (1 - theta) / (2 - theta) + theta / (1 + theta)
        variance = theta * (1 - theta) / (n * m) * (1 + ((n + m) / 2 - 1) * alike)
        return value - theta - quantile * variance**0.5

    # At 1 the deviation is 0 and the distance too: the end looked for is the one below.
    root: Any = brentq(distance, 0.0, min(value, 1 - 1e-12))
    return float(root)


def _interval(resampled: Floats) -> tuple[float, float]:
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)
