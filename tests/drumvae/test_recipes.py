import math
from itertools import product

import pytest
import torch

from drumvae.grooves import REPORT_VOICES
from drumvae.recipes import STYLES, Mixture, recipes


def small() -> Mixture:
    p = torch.tensor([[[0.9, 0.2], [0.5, 0.1]], [[0.1, 0.6], [0.5, 0.7]]])
    return Mixture(p, torch.tensor([1.0, 3.0]))


def enumerated(mixture: Mixture) -> list[float]:
    """p(bar) of every bar, by the definition."""
    found = []
    for bits in product((0, 1), repeat=4):
        total = 0.0
        for weight, p in zip(mixture.weights, mixture.probabilities.flatten(1), strict=True):
            term = float(weight)
            for bit, q in zip(bits, p.tolist(), strict=True):
                term *= q if bit else 1 - q
            total += term
        found.append(total)
    return found


def test_likelihood_by_enumeration():
    mixture, bars = small(), torch.tensor([*product((0, 1), repeat=4)]).view(-1, 2, 2)
    p = enumerated(mixture)
    assert sum(p) == pytest.approx(1)
    assert mixture.log_likelihood(bars).exp().tolist() == pytest.approx(p)


def test_entropy_by_enumeration():
    mixture = small()
    entropy = mixture.entropy()
    total = -sum(p * math.log(p) for p in enumerated(mixture))
    assert entropy.total == pytest.approx(total)
    assert entropy.error == 0
    prior = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert entropy.information == pytest.approx(prior - entropy.style_given_bar)


def test_entropy_of_many_cells_by_monte_carlo_agrees_with_the_likelihood():
    # Twenty cells are too many to list: the entropy is estimated another way than −log p is.
    mixture = Mixture(torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(1)) * 0.8 + 0.1)
    entropy = mixture.entropy(50_000)
    generator = torch.Generator().manual_seed(2)
    bars = mixture.draw(mixture.draw_styles(50_000, generator), generator)
    surprise = -mixture.log_likelihood(bars)
    error = float(surprise.std()) / math.sqrt(50_000)
    assert abs(float(surprise.mean()) - entropy.total) < 4 * (error + entropy.error)


def test_the_entropy_of_the_recipes():
    entropy = recipes().entropy()
    assert entropy.total == pytest.approx(32.006, abs=0.001)
    assert entropy.given_style == pytest.approx(30.401, abs=0.001)
    assert entropy.information == pytest.approx(1.605, abs=0.001)


def test_the_recipes_cells():
    # Every cell is flipped with probability 0.05 in the end.
    p = recipes().probabilities

    def cell(style: str, voice: str, step: int) -> float:
        return float(p[STYLES.index(style), step, REPORT_VOICES.index(voice)])

    assert cell("rock", "kick", 0) == pytest.approx(0.95)
    assert cell("rock", "kick", 2) == pytest.approx(0.7 * 0.95 + 0.3 * 0.05)
    assert cell("rock", "crash", 15) == pytest.approx(0.3 * 0.95 + 0.7 * 0.05)
    assert cell("jazz", "ride", 3) == pytest.approx(0.95)
    assert cell("jazz", "closed_hat", 0) == pytest.approx(0.05)
    assert cell("latin", "low_tom", 14) == pytest.approx(0.6 * 0.95 + 0.4 * 0.05)
    assert p.shape == (5, 16, 9)


def test_draws_follow_the_recipes():
    generator = torch.Generator().manual_seed(0)
    styles = torch.full((20_000,), 2)
    found = recipes().draw(styles, generator).double().mean(0)
    expected = recipes().probabilities[2]
    assert (found - expected).abs().max() < 5 * math.sqrt(0.25 / 20_000)


def test_what_is_no_mixture_is_refused():
    with pytest.raises(ValueError, match="shape"):
        Mixture(torch.rand(3, 4))
    with pytest.raises(ValueError, match="probabilities in"):
        Mixture(torch.ones(2, 3, 3))
    with pytest.raises(ValueError, match="positive weight"):
        Mixture(torch.full((2, 3, 3), 0.5), torch.tensor([1.0, 0.0]))
