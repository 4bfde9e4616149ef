import math

import pytest
import torch
from torch import nn

from drumvae.gaussian import Gaussian, standard
from drumvae.hierarchy import Networks
from drumvae.likelihoods import Hits
from drumvae.metrics import GrooveMeasures
from drumvae.metrics.information import information


def linear_gaussian(
    n: int, slope: float, noise: float, dimensions: int = 1, seed: int = 0
) -> tuple[Gaussian, torch.Tensor]:
    """q(z | x) = N(slope · x, noise²) with x ~ N(0, I): I = d/2 log(1 + slope²/noise²)."""
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dimensions, generator=source)
    q = Gaussian(slope * x, torch.full_like(x, 2 * math.log(noise)))
    return q, q.draw(source)


@pytest.mark.parametrize(
    ("slope", "noise", "dimensions"), [(1.0, 1.0, 1), (0.5, 1.0, 3), (2.0, 0.7, 1), (0.0, 1.0, 4)]
)
def test_information_and_aggregate_kl_of_gaussians(slope, noise, dimensions):
    q, z = linear_gaussian(4000, slope, noise, dimensions)
    found = information(q, z, standard(z))
    mutual = dimensions / 2 * math.log(1 + slope**2 / noise**2)
    variance = slope**2 + noise**2  # q(z) = N(0, slope² + noise²)
    aggregate = dimensions / 2 * (variance - 1 - math.log(variance))
    assert found.mutual == pytest.approx(mutual, abs=0.05)
    assert found.aggregate == pytest.approx(aggregate, abs=0.05)


def test_the_two_parts_add_up_to_the_mean_kl():
    q, z = linear_gaussian(3000, 1.3, 0.6, 2)
    found = information(q, z, standard(z))
    kl = float(q.kl(standard(z)).sum(1).mean())
    assert found.mutual + found.aggregate == pytest.approx(kl, abs=0.1)
    # On the very same draws the identity is exact.
    ratio = float((q.log_density(z) - standard(z).log_density(z)).sum(1).mean())
    assert found.mutual + found.aggregate == pytest.approx(ratio, abs=1e-4)


def test_the_estimate_never_exceeds_its_bound():
    # Twenty bars that are told apart for certain: log 20 nats, however much more there is.
    q, z = linear_gaussian(20, 1000.0, 0.01)
    found = information(q, z, standard(z))
    assert found.bound == pytest.approx(math.log(20))
    assert found.mutual <= found.bound + 1e-6
    assert found.mutual == pytest.approx(found.bound, abs=1e-4)


def test_a_dead_posterior_carries_nothing():
    zeros = torch.zeros(500, 4)
    q = Gaussian(zeros, zeros)
    found = information(q, q.draw(torch.Generator().manual_seed(0)), standard(zeros))
    assert found.mutual == pytest.approx(0, abs=1e-5)
    assert found.aggregate == pytest.approx(0, abs=1e-5)


NOISE, DETAIL, WIDTH = 0.8, 0.5, 1.5


class TwoLooks(nn.Module):
    """z_high = x + 0.8 ε and z_low = x + 0.5 ε', for bars of one cell with x ~ N(0, 1)."""

    def high(self, features: torch.Tensor) -> Gaussian:
        return Gaussian(features, torch.full_like(features, 2 * math.log(NOISE)))

    def low(self, features: torch.Tensor, prior: Gaussian) -> Gaussian:
        return Gaussian(features, torch.full_like(features, 2 * math.log(DETAIL)))


class Follows(nn.Module):
    """p(z_low | z_high) = N(z_high, 1.5²)."""

    def forward(self, z_high: torch.Tensor) -> Gaussian:
        return Gaussian(z_high, torch.full_like(z_high, 2 * math.log(WIDTH)))


class FirstCell(nn.Module):
    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z[:, :1, None, None]


class Gaussians:
    """Two levels of one dimension each, everything known."""

    likelihood = Hits()
    device = torch.device("cpu")
    averaged = Networks(nn.Flatten(), TwoLooks(), Follows(), FirstCell())

    def encode(self, bars: torch.Tensor):
        return self.averaged.posterior(bars[:, :1])

    def central(self, bars: torch.Tensor):
        return self.averaged.central(bars[:, :1])

    def decode(self, z_high: torch.Tensor, z_low: torch.Tensor):
        return self.averaged.outputs(z_high, z_low)

    def log_density(self, bars: torch.Tensor, z_high: torch.Tensor, z_low: torch.Tensor):
        return self.likelihood.log_density(self.decode(z_high, z_low), bars[:, :1])


def test_kl_and_information_of_both_levels_of_gaussians():
    x = torch.randn(3000, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    values = GrooveMeasures(pairs=3000).collapse(Gaussians(), x.expand(-1, 3, 1, 1))
    first, second = NOISE**-2, DETAIL**-2
    assert values["kl_high/0"] == pytest.approx(0.5 * (NOISE**2 - 2 * math.log(NOISE)), abs=0.05)
    # Against p(z_low | z_high): x − z_high has the variance of z_high's noise.
    squared = (DETAIL**2 + NOISE**2) / WIDTH**2
    kl_low = 0.5 * (squared - 1 - 2 * math.log(DETAIL / WIDTH))
    assert values["kl_low/0"] == pytest.approx(kl_low, abs=0.05)
    high = 0.5 * math.log(1 + first)
    assert values["information/high"] == pytest.approx(high, abs=0.05)
    # What a second look at x tells beyond the first.
    low = 0.5 * math.log(1 + first + second) - high
    assert values["information/low"] == pytest.approx(low, abs=0.05)
    assert values["aggregate/low"] == pytest.approx(kl_low - low, abs=0.05)
