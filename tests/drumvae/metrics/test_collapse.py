import pytest
import torch
from torch import nn

from drumvae.gaussian import Gaussian
from drumvae.likelihoods import Hits
from drumvae.metrics.collapse import active_curve, active_units, cost_of_replacing, earning
from drumvae.metrics.information import hierarchical_information
from drumvae.metrics.likelihood import log_mean_weights, negative_log_likelihood
from drumvae.metrics.reconstruction import onset_f1
from drumvae.vae import Networks


class Flat(nn.Module):
    def forward(self, bars: torch.Tensor) -> torch.Tensor:
        return bars.flatten(1)


class Fixed(nn.Module):
    """z_high = x · slope + noise; z_low the same of the second half of the cells."""

    def __init__(self, slopes: torch.Tensor, noise: float) -> None:
        super().__init__()
        self.slopes, self.noise = slopes, noise

    def _gaussian(self, x: torch.Tensor, slopes: torch.Tensor) -> Gaussian:
        mean = x * slopes
        return Gaussian(mean, torch.full_like(mean, 2 * torch.tensor(self.noise).log().item()))

    def high(self, features: torch.Tensor) -> Gaussian:
        return self._gaussian(features[:, :2], self.slopes[:2])

    def low(self, features: torch.Tensor, prior: Gaussian) -> Gaussian:
        return self._gaussian(features[:, 2:], self.slopes[2:])


class Normal(nn.Module):
    def forward(self, z_high: torch.Tensor) -> Gaussian:
        return Gaussian(torch.zeros_like(z_high), torch.zeros_like(z_high))


class Listening(nn.Module):
    """Cell i's logit is 4 · weight_i · z_i: what each dimension is worth is known."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (4 * self.weights * z).view(-1, 1, 4, 1)


class Model:
    """Four cells, two dimensions in each level, everything by hand."""

    likelihood = Hits()
    device = torch.device("cpu")

    def __init__(self, slopes: list[float], weights: list[float], noise: float = 0.3) -> None:
        self.averaged = Networks(
            Flat(), Fixed(torch.tensor(slopes), noise), Normal(), Listening(torch.tensor(weights))
        )

    def encode(self, bars: torch.Tensor, k: int = 1):
        return self.averaged.posterior(bars[:, :1], k)

    def log_density(self, bars, z_high, z_low):
        return self.likelihood.log_density(self.averaged.outputs(z_high, z_low), bars[:, :1])


def bars(n: int = 400) -> torch.Tensor:
    x = (torch.rand(n, 4, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    return x.view(n, 1, 4, 1).expand(n, 3, 4, 1)


def test_active_units_by_hand():
    means = torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.1, 1.0]])  # variances 2, 0.005, 0
    assert active_units(means).tolist() == [True, False, False]
    assert active_curve(means, [0.0, 0.001, 0.1, 3.0]) == [2, 2, 1, 0]


def test_a_dimension_that_the_decoder_does_not_hear_costs_nothing():
    # All four follow the data alike; the decoder hears the first and the third.
    model = Model([2.0, 2.0, 2.0, 2.0], [1.0, 0.0, 1.0, 0.0])
    high, low = cost_of_replacing(model, bars())
    assert high[0] > 0.5
    assert low[0] > 0.5
    assert high[1].abs() < 1e-6
    assert low[1].abs() < 1e-6


def test_earning_needs_both():
    kl, cost = torch.tensor([0.2, 0.2, 0.05]), torch.tensor([0.1, 0.01, 1.0])
    assert earning(kl, cost).tolist() == [True, False, False]


def test_information_of_both_levels_of_a_model_by_hand():
    # Each dimension is a fair coin under noise that leaves it legible: log 2 nats each.
    model = Model([20.0, 20.0, 20.0, 0.0], [1.0, 1.0, 1.0, 1.0], noise=0.5)
    high, low = hierarchical_information(model, bars(1000))
    assert high.mutual == pytest.approx(2 * 0.6931, abs=0.03)
    assert low.mutual == pytest.approx(0.6931, abs=0.03)


def exact_log_likelihood(x: torch.Tensor, draws: int = 200_000) -> torch.Tensor:
    """log p(x) by plain Monte Carlo from the prior: cells are independent given nothing."""
    z = torch.randn(draws, generator=torch.Generator().manual_seed(5))
    p = torch.sigmoid(4 * z).mean()
    return torch.where(x > 0, p.log(), torch.log1p(-p)).sum(1)


def test_importance_weighted_likelihood_finds_the_truth():
    model, x = Model([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], noise=1.0), bars(50)
    truth = -exact_log_likelihood(x[:, 0].flatten(1))
    found = negative_log_likelihood(model, x, 5000)
    assert float((found - truth).abs().max()) < 0.15
    assert float((found - truth).mean()) == pytest.approx(0, abs=0.03)


def test_more_draws_give_a_tighter_bound():
    model, x = Model([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], noise=0.5), bars(200)
    bounds = [float(negative_log_likelihood(model, x, k).mean()) for k in (1, 10, 500)]
    assert bounds[0] > bounds[1] > bounds[2]


def test_log_mean_weights_by_hand():
    weights = torch.tensor([[1.0, 3.0, 2.0, 2.0]]).log()
    assert log_mean_weights(weights, 4).exp().item() == pytest.approx(2)
    assert log_mean_weights(weights, 1).item() == pytest.approx(weights.mean().item())
    assert log_mean_weights(weights, 2).item() == pytest.approx(
        torch.tensor([2.0, 2.0]).log().mean().item()
    )
    with pytest.raises(ValueError, match="groups of 3"):
        log_mean_weights(weights, 3)


def test_f1_by_hand():
    found = torch.tensor([True, True, False, False])
    truth = torch.tensor([True, False, True, False])
    assert onset_f1(found, truth) == pytest.approx(0.5)
    assert onset_f1(truth, truth) == 1
    assert onset_f1(~truth, truth) == 0
    nothing = torch.zeros(4, dtype=torch.bool)
    assert onset_f1(nothing, nothing) == 1
