from itertools import product

import numpy as np
import pytest
import torch

from drumvae.gaussian import Gaussian, standard
from drumvae.metrics.probes import false_separation, leakage, linear_probes
from drumvae.metrics.style import separation

# Every combination of two factors equally often: nothing that one of them knows of the other.
EVEN = np.array([*product(range(4), range(3))] * 40)


def noisy(factors: np.ndarray, seed: int = 0) -> np.ndarray:
    return factors + np.random.default_rng(seed).normal(scale=0.3, size=factors.shape)


def test_probes_read_what_is_there_and_nothing_else():
    factors = EVEN[:120]
    codes = np.hstack([5.0 * noisy(factors[:, :1]), np.random.default_rng(1).normal(size=(120, 2))])
    told, untold = linear_probes(codes, factors, np.arange(120), permutations=19)
    assert (told.chance, untold.chance) == (1 / 4, pytest.approx(1 / 3))
    assert told.balanced > 0.8
    assert told.p_value == 1 / 20
    assert untold.balanced == pytest.approx(1 / 3, abs=0.12)
    assert untold.p_value > 0.05


def test_p_values_are_uniform_though_bars_of_a_performance_are_alike():
    # Were bars shuffled one by one, four in ten of these would be at most 0.2.
    groups, values = np.repeat(np.arange(12), 4), []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        codes = rng.normal(size=(12, 1))[groups] + 0.01 * rng.normal(size=(48, 1))
        styles = rng.permutation(np.arange(12) % 2)[groups]
        values.append(linear_probes(codes, styles[:, None], groups, 9, seed)[0].p_value)
    assert 0.4 < np.mean(values) < 0.7
    assert np.mean(np.array(values) <= 0.2) < 0.3


def test_a_factor_that_changes_within_performances_must_be_read_there():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 8)
    leaning = np.repeat(np.arange(20) % 2, 8)
    factor = np.where(rng.random(160) < 0.8, leaning, 1 - leaning)
    performance, bar = leaning[:, None] + 0.0, factor[:, None] + 0.0
    (of_group,) = linear_probes(performance, factor[:, None], groups, 19)
    (of_bar,) = linear_probes(bar, factor[:, None], groups, 19)
    assert of_group.balanced > 0.7
    assert of_group.p_value == 1  # whatever the bars of a performance are, it reads as much
    assert (of_bar.balanced, of_bar.p_value) == (1, 1 / 20)


@pytest.mark.parametrize("leaks", [False, True])
def test_leakage_of_the_style_into_detail(leaks):
    rng = np.random.default_rng(0)
    styles, details = EVEN[:96, 0], EVEN[:96, 1:]
    style = np.eye(4)[styles] * 5
    detail = np.eye(3)[details[:, 0]] * 5
    low = np.hstack([detail, style]) if leaks else detail
    high = np.hstack([style, detail]) if leaks else style
    noise = rng.normal(size=(96, 2))
    low, high = (x + 0.3 * rng.normal(size=x.shape) for x in (low, high))
    found = leakage(high, low, styles, details, np.arange(96), permutations=19)
    assert found.style_from_high == 1
    assert found.style_beyond == pytest.approx(0, abs=0.02)
    for told, chance in ((found.style_from_low, 1 / 4), (found.details_from_high[0], 1 / 3)):
        assert told.chance == chance
        if leaks:
            assert (told.balanced, told.p_value) == (1, 1 / 20)
        else:
            assert told.balanced < chance + 0.12
            assert told.p_value > 0.05
    # What z_high does not know, z_low adds.
    beyond = leakage(noise, low, styles, details, np.arange(96), permutations=0).style_beyond
    assert (beyond > 0.5) == leaks


def posterior(scales: list[float], separated: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Means of three styles far apart, at each scale, and their KL to N(0, 1)."""
    rng = np.random.default_rng(0)
    centres = np.arange(90) % 3 - 1.0 if separated else np.zeros(90)
    means = (centres[:, None] + 0.1 * rng.normal(size=(90, len(scales)))) * scales
    # Where a mean is small, nothing was learnt: the posterior is as wide as the prior.
    variance = np.where(np.array(scales) < 0.1, 1, 0.1)
    q = Gaussian(*(torch.from_numpy(a) for a in (means, np.log(variance) + 0 * means)))
    return means, q.kl(standard(q.mean)).mean(0).numpy()


def test_a_tiny_separation_is_false_and_the_same_at_scale_1_is_not():
    styles = np.arange(90) % 3
    means, kl = posterior([1e-3, 1.0])
    assert kl[0] < 1e-5
    assert kl[1] > 0.1
    means[:, 1] = means[:, 0] * 1e3
    found = false_separation(means, kl, styles)
    assert found.ratio[0] == pytest.approx(found.ratio[1])
    assert found.ratio[0] > 50
    assert found.p_value.tolist() == [1 / 201, 1 / 201]
    assert found.false.tolist() == [True, False]
    assert found.variance == pytest.approx(means.var(0, ddof=1))
    assert found.verdict.startswith("2 of 2 dimensions separate the styles, but 1 of these")
    assert "separation is false: 0 (ratio " in found.verdict
    only = false_separation(means[:, 1:], kl[1:], styles)
    assert only.verdict.endswith(
        "1 of 1 dimensions separate the styles, and each of these carries something."
    )
    by_hand = separation(torch.from_numpy(means[:, 1:]), torch.from_numpy(styles), 0)
    assert only.ratio[0] == pytest.approx(by_hand.ratio)


def test_a_mean_that_follows_its_conditional_prior_carries_nothing():
    means, _ = posterior([1.0])
    found = false_separation(means, [0.02], np.arange(90) % 3)
    assert found.variance[0] > 0.5
    assert found.false.tolist() == [True]


def test_a_kl_that_moves_no_mean_carries_nothing():
    means, _ = posterior([1e-3])
    assert false_separation(means, [0.5], np.arange(90) % 3).false.tolist() == [True]


def test_shuffled_styles_separate_nothing():
    means, kl = posterior([1e-3, 1.0, 1e-9])
    shuffled = np.random.default_rng(5).permutation(np.arange(90) % 3)
    alike, alike_kl = posterior([1e-3, 1.0, 1e-9], separated=False)
    for m, k, styles in ((means, kl, shuffled), (alike, alike_kl, np.arange(90) % 3)):
        found = false_separation(m, k, styles)
        assert found.ratio.max() < 0.2
        assert not found.false.any()
        assert found.verdict == "0 of 3 dimensions separate the styles."


def test_a_large_ratio_of_four_bars_is_no_separation():
    found = false_separation([[0.0], [0.1], [5.0], [5.1]], [0.0], [0, 0, 1, 1])
    assert found.ratio[0] > 1000
    # A third of all labellings is as good.
    assert found.p_value[0] == pytest.approx(1 / 3, abs=0.1)
    assert not found.false[0]


def test_chance_alone_is_significant_now_and_then_but_below_the_level():
    rng = np.random.default_rng(0)
    found = false_separation(rng.normal(size=(90, 60)), np.zeros(60), np.arange(90) % 3, 1.0, 99)
    assert (found.p_value <= 0.05).mean() == pytest.approx(0.05, abs=0.06)
    assert 0.35 < found.p_value.mean() < 0.65
    assert not found.false.any()
