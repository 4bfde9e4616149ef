import math

import pytest
import torch
from torch import nn

from drumvae.gaussian import Gaussian
from drumvae.hierarchy import Networks
from drumvae.likelihoods import Hits
from drumvae.metrics import GrooveMeasures
from drumvae.metrics.collapse import (
    active_curve,
    active_units,
    cost_of_replacing,
    dimension_verdict,
    earning,
    sensitivity,
)
from drumvae.metrics.information import hierarchical_information
from drumvae.metrics.likelihood import log_mean_weights, negative_log_likelihood
from drumvae.metrics.reconstruction import onset_f1


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

    def central(self, bars: torch.Tensor):
        return self.averaged.central(bars[:, :1])

    def decode(self, z_high: torch.Tensor, z_low: torch.Tensor):
        return self.averaged.outputs(z_high, z_low)

    def log_density(self, bars, z_high, z_low):
        return self.likelihood.log_density(self.decode(z_high, z_low), bars[:, :1])


def bars(n: int = 400, seed: int = 0) -> torch.Tensor:
    x = (torch.rand(n, 4, generator=torch.Generator().manual_seed(seed)) < 0.5).float()
    return x.view(n, 1, 4, 1).expand(n, 3, 4, 1)


def test_active_units_by_hand():
    means = torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.1, 1.0]])  # variances 2, 0.005, 0
    assert active_units(means).tolist() == [True, False, False]
    assert active_curve(means, [0.0, 0.001, 0.1, 3.0]) == [2, 2, 1, 0]


def test_a_dimension_that_the_decoder_does_not_hear_costs_nothing():
    # All four follow the data alike; the decoder hears the first and the third.
    model = Model([2.0, 2.0, 2.0, 2.0], [1.0, 0.0, 1.0, 0.0])
    high, low = cost_of_replacing(model, bars())
    for cost in (high, low):
        assert cost.mean[0] > 0.5
        assert cost.mean[1].abs() < 1e-6
        assert cost.error[1] < 1e-6


def test_earning_needs_both():
    kl, cost = torch.tensor([0.2, 0.2, 0.05]), torch.tensor([0.1, 0.01, 1.0])
    assert earning(kl, cost).tolist() == [True, False, False]


def test_the_error_of_a_cost_is_how_far_it_varies_from_sample_to_sample():
    model = Model([2.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0])
    found = [cost_of_replacing(model, bars(100, seed), seed)[0] for seed in range(100)]
    means = torch.stack([torch.cat([c.mean, torch.tensor([c.whole])]) for c in found])
    errors = torch.stack([torch.cat([c.error, torch.tensor([c.whole_error])]) for c in found])
    assert means.std(0).tolist() == pytest.approx(errors.mean(0).tolist(), rel=0.25)


def test_of_few_bars_three_errors_are_as_sure_as_of_many():
    model = Model([2.0] * 4, [1.0] * 4)
    truth = cost_of_replacing(model, bars(20000))[0].mean
    missed = 0
    for seed in range(300):
        found = cost_of_replacing(model, bars(4, seed), seed)[0]
        missed += int(((found.mean - truth).abs() > 3 * found.error).sum())
    # 0.27 % of 1,200 if losses were Gaussian; with the plain error of four bars it is 6 % and more.
    assert missed / 1200 < 0.03


def test_a_level_is_worth_more_than_its_dimensions_one_by_one():
    cost, _ = cost_of_replacing(Model([2.0] * 4, [1.0] * 4), bars())
    # Cells are independent given z: here it is worth just their sum.
    assert cost.whole == pytest.approx(float(cost.mean.sum()), abs=1e-4)


def test_sensitivity_is_the_share_of_cells_that_a_dimension_can_flip():
    # One of four cells each. A mean of 20 is out of reach of 0; a mean of 0 or 1 is not.
    model, x = Model([1.0, 20.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0]), bars()
    high, low = sensitivity(model, x)
    off = 1 - x[:, 0].mean((0, 2))
    assert high.tolist() == pytest.approx([0.25, 0.25 * float(off[1])])
    assert low.tolist() == [0, 0.25]


class Narrow(nn.Module):
    """p(z_low | z_high) = N(follows · z_high, 0.1²)."""

    def __init__(self, follows: float) -> None:
        super().__init__()
        self.follows = follows

    def forward(self, z_high: torch.Tensor) -> Gaussian:
        return Gaussian(self.follows * z_high, torch.full_like(z_high, 2 * math.log(0.1)))


def test_sensitivity_moves_z_low_in_units_of_its_own_prior():
    model, x = Model([1.0] * 4, [1.0] * 4), bars()
    model.averaged.prior = Narrow(0.0)
    _, low = sensitivity(model, x)
    # From 1 it comes down to 0.8 only, from 0 to either side.
    assert low.tolist() == pytest.approx((0.25 * (1 - x[:, 0].mean((0, 2))[2:])).tolist())


def test_z_low_stays_when_z_high_moves():
    model = Model([1.0] * 4, [0.0, 0.0, 1.0, 1.0])
    model.averaged.prior = Narrow(5.0)
    high, low = sensitivity(model, bars())
    assert high.tolist() == [0, 0]
    assert (low > 0).all()


def test_sensitivity_asks_the_decoder_alone():
    # A posterior that says nothing of the bar: the decoder listens all the same.
    high, low = sensitivity(Model([0.0] * 4, [1.0] * 4, noise=1.0), bars())
    assert [*high.tolist(), *low.tolist()] == [0.25] * 4


@pytest.mark.parametrize("kl", [0.0, 0.0999, 0.1, 3.0])
@pytest.mark.parametrize("cost", [-0.2, 0.0499, 0.05, 2.0])
@pytest.mark.parametrize("variance", [0.0, 0.01, 0.0101, 1.0])
def test_a_dimension_is_exactly_one_of_three(kl: float, cost: float, variance: float):
    is_alive = kl >= 0.1 and cost >= 0.05
    looks_alive = (kl >= 0.1 or variance > 0.01) and cost < 0.05
    words = {"alive": is_alive, "in name only": looks_alive, "dead": not (is_alive or looks_alive)}
    assert [word for word, holds in words.items() if holds] == [
        dimension_verdict(kl, cost, variance)
    ]


def test_names_of_all_that_is_measured_of_collapse():
    model, measures = Model([2.0] * 4, [1.0, 0.0, 1.0, 1.0]), GrooveMeasures()
    values = measures.collapse(model, bars(100)) | measures.sensitivity(model, bars(100))
    each = ("kl_{}", "cost_{}", "cost_{}_error", "sensitivity_{}", "variance_{}")
    whole = ("active/{}", "earning/{}", "cost/{}", "cost/{}_error", "information/{}")
    whole += ("information/{}_bound", "information/{}_error", "aggregate/{}")
    levels = ("high", "low")
    assert set(values) == {
        "reconstruction/f1",
        *(f"{name.format(level)}/{i}" for name in each for level in levels for i in range(2)),
        *(name.format(level) for name in whole for level in levels),
    }
    assert values["sensitivity_high/1"] == 0
    assert values["earning/high"] == 1
    variance = 4 * bars(100)[:, 0, 0, 0].var()
    assert values["variance_high/0"] == pytest.approx(float(variance), rel=1e-5)


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
