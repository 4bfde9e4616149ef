import math

import pytest
import torch

from drumvae.gaussian import Gaussian, standard
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
