import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from drumvae.gaussian import HIGH, LOW, Gaussian, bounded, standard


def random(n: int = 6, d: int = 3, seed: int = 0) -> Gaussian:
    source = torch.Generator().manual_seed(seed)
    return Gaussian(torch.randn(n, d, generator=source), torch.randn(n, d, generator=source))


def theirs(q: Gaussian) -> Normal:
    return Normal(q.mean, q.deviation)


def test_kl_and_density_agree_with_torch():
    q, p = random(seed=1), random(seed=2)
    assert torch.allclose(q.kl(p), kl_divergence(theirs(q), theirs(p)), atol=1e-5)
    z = torch.randn(6, 3)
    assert torch.allclose(q.log_density(z), theirs(q).log_prob(z), atol=1e-5)
    assert torch.equal(standard(z).kl(standard(z)), torch.zeros(6, 3))


def test_kl_is_the_mean_log_ratio_of_draws():
    q, p = random(1, 2, seed=3), random(1, 2, seed=4)
    wide = q.repeat(200_000)
    z = wide.draw(torch.Generator().manual_seed(0))
    ratio = wide.log_density(z) - p.log_density(z)
    error = ratio.std(0) / math.sqrt(len(z))
    assert ((ratio.mean(0) - q.kl(p)[0]).abs() < 5 * error).all()


def test_a_product_of_densities():
    q, p = random(seed=5), random(seed=6)
    both = q.times(p)
    # log of the product, up to a constant in z.
    z = torch.linspace(-2, 2, 9)[:, None, None].expand(9, 6, 3)
    difference = q.log_density(z) + p.log_density(z) - both.log_density(z)
    assert torch.allclose(difference, difference[:1].expand_as(difference), atol=1e-4)


def test_log_variances_are_bounded_and_unbent_at_zero():
    raw = torch.tensor([-1e9, -1.0, 0.0, 1.0, 1e9], requires_grad=True)
    bent = bounded(raw)
    assert bent.tolist() == pytest.approx([LOW, -1.0, 0.0, 1.0, HIGH], abs=0.03)
    (slope,) = torch.autograd.grad(bent.sum(), raw)
    assert slope[2] == 1
    assert slope.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_blows_up_whatever_a_network_says(dtype):
    said = torch.tensor([[1e4, -1e4, 1e9, -1e9], [0.0, 3.0, -1e9, 1e9]], dtype=dtype)
    said.requires_grad_(True)
    q = Gaussian.of(said)
    total = q.kl(standard(q.mean)).sum() + q.log_density(q.draw()).sum() + q.times(q).mean.sum()
    total.backward()
    assert q.mean.dtype == torch.float32
    assert total.isfinite()
    assert said.grad.isfinite().all()
