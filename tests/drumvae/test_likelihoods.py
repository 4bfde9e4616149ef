import math

import pytest
import torch
from scipy.stats import logistic
from torch.distributions import Bernoulli

from drumvae.likelihoods import (
    Expressive,
    Hits,
    discretised_logistic,
    log_interval,
    truncated_logistic,
)


def bars(n: int = 4, seed: int = 0) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    hits = (torch.rand(n, 16, 9, generator=source) < 0.3).float()
    velocity = torch.randint(1, 128, hits.shape, generator=source) / 127
    offset = torch.rand(hits.shape, generator=source) - 0.5
    return torch.stack([hits, hits * velocity, hits * offset], 1)


def test_hits_are_bernoulli():
    x, outputs = bars(), torch.randn(4, 1, 16, 9)
    expected = Bernoulli(logits=outputs[:, 0]).log_prob(x[:, 0]).sum((1, 2))
    assert torch.allclose(Hits().log_density(outputs, x), expected, atol=1e-4)


@pytest.mark.parametrize(("location", "scale"), [(64.0, 20.0), (130.0, 3.0), (-5.0, 8.0)])
def test_the_probabilities_of_all_velocities_add_up_to_one(location, scale):
    levels = torch.arange(1, 128).double()
    p = discretised_logistic(
        levels, torch.tensor(location).double(), torch.tensor(scale).double(), 127
    ).exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-6)
    by_scipy = logistic(location, scale)
    assert p[39].item() == pytest.approx(by_scipy.cdf(40.5) - by_scipy.cdf(39.5), rel=1e-4)


@pytest.mark.parametrize(("location", "scale"), [(0.0, 0.1), (0.45, 0.02), (-0.3, 1.0)])
def test_the_density_of_offsets_adds_up_to_one_over_a_step(location, scale):
    x = torch.linspace(-0.5, 0.5, 100_001).double()
    density = truncated_logistic(
        x, torch.tensor(location).double(), torch.tensor(scale).double()
    ).exp()
    assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=1e-5)


def test_an_interval_far_out_keeps_its_digits():
    # σ(h) − σ(l) for h = -40, l = -41 is e^-40 (1 − e^-1), which 1 − (1 − …) would round to 0.
    expected = -40 + math.log1p(-math.exp(-1))
    for low, high in ((-41.0, -40.0), (40.0, 41.0)):
        found = log_interval(torch.tensor(low).double(), torch.tensor(high).double())
        assert found.item() == pytest.approx(expected, rel=1e-9)


def test_velocities_and_offsets_count_only_where_there_is_a_hit():
    x, outputs = bars(), torch.randn(4, 5, 16, 9)
    silent = torch.zeros_like(x)
    expected = Hits().log_density(outputs[:, :1], silent)
    assert torch.allclose(Expressive().log_density(outputs, silent), expected)
    assert not torch.allclose(
        Expressive().log_density(outputs, x), Hits().log_density(outputs[:, :1], x)
    )


def test_gradients_stay_finite_for_extreme_outputs():
    x = bars()
    for size in (1.0, 30.0, 1e3):
        outputs = (size * torch.randn(4, 5, 16, 9)).requires_grad_(True)
        Expressive().log_density(outputs, x).sum().backward()
        assert outputs.grad.isfinite().all()


def test_draws_follow_what_they_are_drawn_from():
    outputs = torch.zeros(4000, 5, 16, 9)
    outputs[:, 0], outputs[:, 1], outputs[:, 3] = 1.0, 0.5, 0.3
    drawn = Expressive().draw(outputs, torch.Generator().manual_seed(0))
    hits, velocity, offset = drawn[:, 0], drawn[:, 1], drawn[:, 2]
    assert hits.mean().item() == pytest.approx(1 / (1 + math.exp(-1)), abs=0.003)
    assert (velocity[hits == 0] == 0).all()
    assert velocity[hits > 0].min() >= 1 / 127
    assert offset.abs().max() <= 0.5
    # Of 0.5 · 32 + 64 = 80 in MIDI velocities the median, as the logistic is symmetric.
    assert velocity[hits > 0].median().item() * 127 == pytest.approx(80, abs=1)
    late = offset[hits > 0]
    law = logistic(0.5 * math.tanh(0.3), 0.5 / 127 + 0.15 * math.log(2))
    inside = law.cdf(0.1) - law.cdf(-0.5)
    expected = inside / (law.cdf(0.5) - law.cdf(-0.5))
    assert (late <= 0.1).float().mean().item() == pytest.approx(expected, abs=0.005)


def test_the_typical_bar_has_the_cells_above_a_half():
    outputs = torch.randn(3, 5, 16, 9)
    assert torch.equal(Expressive().typical(outputs)[:, 0], (outputs[:, 0] > 0).float())
    assert torch.equal(Hits().typical(outputs[:, :1])[:, 0], (outputs[:, 0] > 0).float())
