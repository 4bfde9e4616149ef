import numpy as np
import pytest
import torch

from drumvae.factors import COMBINATIONS, FACTORS, Generator, cell_probabilities, mixture
from drumvae.grooves import REPORT_VOICES

NAMES = list(FACTORS)


def with_level(factor: str, level: int) -> np.ndarray:
    combination = np.zeros(len(FACTORS), dtype=np.int64)
    combination[NAMES.index("density")] = 1
    combination[NAMES.index(factor)] = level
    return cell_probabilities(combination)


def test_every_factor_moves_many_cells():
    for factor, levels in FACTORS.items():
        moved = np.abs(with_level(factor, len(levels) - 1) - with_level(factor, 0)) > 0.1
        assert moved.sum() >= 4, factor


def test_what_the_factors_mean():
    voice = REPORT_VOICES.index
    assert with_level("density", 2)[:, voice("closed_hat")].sum() == pytest.approx(16 * 0.95)
    assert with_level("openness", 2)[2, voice("open_hat")] == pytest.approx(0.95)
    assert with_level("openness", 2)[2, voice("closed_hat")] == pytest.approx(0.02)
    assert with_level("syncopation", 2)[7, voice("kick")] == pytest.approx(0.95)
    assert with_level("syncopation", 0)[8, voice("kick")] == pytest.approx(0.95)
    assert with_level("fill", 1)[12:, [voice("low_tom"), voice("high_tom")]].sum() > 3


def test_the_combinations_are_all_and_each_once():
    assert len(COMBINATIONS) == np.prod([len(levels) for levels in FACTORS.values()]) == 972
    assert len(np.unique(COMBINATIONS, axis=0)) == 972


def test_likelihood_given_the_factors_by_hand():
    bars = Generator().bars(3, torch.Generator().manual_seed(0))
    found = Generator().log_given_factors(bars)
    from scipy.stats import logistic

    for number in range(3):
        p = cell_probabilities(bars.factors[number])
        hits = bars.hits[number]
        expected = np.where(hits, np.log(p), np.log1p(-p)).sum()
        swing = (0.0, 0.17, 0.33)[bars.factors[number, NAMES.index("swing")]]
        for step, v in np.argwhere(hits):
            law = logistic((108.0, 58.0, 82.0, 58.0)[step % 4], 5.0)
            loud = round(float(bars.velocities[number, step, v]) * 127)
            low = 0.0 if loud == 1 else law.cdf(loud - 0.5)
            high = 1.0 if loud == 127 else law.cdf(loud + 0.5)
            expected += np.log(high - low)
            late = logistic(swing * (step % 2), 0.03)
            inside = late.cdf(0.5) - late.cdf(-0.5)
            expected += late.logpdf(bars.offsets[number, step, v]) - np.log(inside)
        assert float(found[number]) == pytest.approx(expected, rel=1e-4)


def test_the_marginal_likelihood_is_the_mean_over_all_combinations():
    bars = Generator().bars(5, torch.Generator().manual_seed(1))
    hits = torch.from_numpy(bars.hits)
    each = []
    for combination in COMBINATIONS:
        p = torch.from_numpy(cell_probabilities(combination))
        each.append(torch.where(hits, p.log(), torch.log1p(-p)).sum((1, 2)))
    expected = torch.stack(each).logsumexp(0) - np.log(972)
    assert torch.allclose(Generator().log_likelihood(hits), expected)


def test_the_factors_are_worth_more_than_the_style():
    entropy = mixture().entropy(5000)
    assert entropy.information > 3.5 > np.log(4)


def test_drawn_swing_shows_in_the_offsets():
    bars = Generator().bars(2000, torch.Generator().manual_seed(0))
    odd = bars.hits.copy()
    odd[:, ::2] = False
    for level, late in enumerate((0.0, 0.17, 0.33)):
        mine = bars.factors[:, NAMES.index("swing")] == level
        assert bars.offsets[mine][odd[mine]].mean() == pytest.approx(late, abs=0.01)
