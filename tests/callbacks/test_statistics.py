import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm, trim_mean

from callbacks.statistics import (
    improvement_probability,
    interquartile_mean,
    interquartile_mean_estimate,
)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 20, 41])
def test_interquartile_mean_is_scipys_mean_trimmed_by_a_quarter(n: int):
    values = np.random.default_rng(n).normal(size=(3, n))
    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25, axis=1), rel=1e-14)


def test_an_outlier_moves_the_mean_and_not_the_interquartile_mean():
    assert interquartile_mean([1.0, 2.0, 3.0, 4.0]) == 2.5
    assert interquartile_mean([1.0, 2.0, 3.0, 4e9]) == 2.5


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (10, 10), (20, 7)])
def test_improvement_is_the_mann_whitney_statistic_over_all_pairs(n: int, m: int):
    generator = np.random.default_rng(n)
    # Few different values, so that there are ties.
    x, y = generator.integers(5, size=n), generator.integers(5, size=m)
    expected = mannwhitneyu(x, y).statistic / (n * m)
    assert improvement_probability(x, y).value == pytest.approx(expected, abs=1e-14)


def test_improvement_by_hand():
    assert improvement_probability([2.0, 3.0], [1.0, 1.5]).value == 1
    assert improvement_probability([1.0, 2.0], [1.5, 2.0]).value == 0.375
    assert improvement_probability([1.0], [1.0]).value == 0.5


def test_improvement_one_way_is_what_is_left_of_the_other():
    x, y = [1.0, 4.0, 2.0], [3.0, 2.0]
    there = improvement_probability(x, y).value
    assert there + improvement_probability(y, x).value == 1


def exact_interval(values: list[float]) -> np.ndarray:
    """Ends of the percentile interval over every resample there is."""
    return np.percentile(values, [2.5, 97.5], method="inverted_cdf")


def test_interval_of_the_interquartile_mean_is_that_of_all_resamples():
    # All 4**4 resamples; no probability lies near 2.5 %, so 2,000 drawn ones find the same ends.
    values = [0.0, 1.0, 5.0, 9.0]
    means = [float(trim_mean(drawn, 0.25)) for drawn in itertools.product(values, repeat=4)]
    found = interquartile_mean_estimate(values)
    assert (found.low, found.high) == tuple(exact_interval(means))
    assert found.value == 3


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("truth", [0.5, 0.8, 0.95])
def test_intervals_of_improvement_hold_the_truth_as_often_as_they_say(n: int, truth: float):
    rng = np.random.default_rng(n)
    apart = norm.ppf(truth) * 2**0.5
    x, y = rng.normal(apart, size=(600, n)), rng.normal(size=(600, n))
    found = [improvement_probability(*pair) for pair in zip(x, y, strict=True)]
    held = np.mean([each.low <= truth <= each.high for each in found])
    # Of 20 orders of three and three, two leave no pair undecided, and exclude one half: 0.90.
    assert held >= (0.86 if n == 3 else 0.91)
    assert held <= 0.995


@pytest.mark.parametrize(("n", "low"), [(3, 0.50), (5, 0.64)])
def test_seeds_that_all_beat_the_others_are_no_certainty(n: int, low: float):
    found = improvement_probability(np.arange(n) + 9.0, np.arange(n))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(low, abs=0.005)
    lost = improvement_probability(np.arange(n), np.arange(n) + 9.0)
    assert (lost.value, lost.low) == (0, 0)
    assert lost.high == pytest.approx(1 - found.low, abs=1e-9)


def test_one_seed_has_no_interval():
    for found in (
        interquartile_mean_estimate([2.0]),
        improvement_probability([2.0], [1.0, 1.5]),
        improvement_probability([2.0, 3.0], [1.0]),
    ):
        assert np.isnan(found.low)
        assert np.isnan(found.high)


def test_the_same_seeds_give_the_same_interval():
    values = np.random.default_rng(1).normal(size=9)
    assert interquartile_mean_estimate(values) == interquartile_mean_estimate(values)
    assert interquartile_mean_estimate(values) != interquartile_mean_estimate(values, seed=1)
