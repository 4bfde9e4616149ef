r"""How much the latents say of the data: mutual information, and what is left of the KL.

.. math:: E_x\, KL(q(z|x) \| p(z)) = I_q(x; z) + KL(q(z) \| p(z))

(Hoffman & Johnson 2016, "ELBO surgery"). The aggregate posterior q(z) is taken as the mixture over
the N bars that are given, so that the estimate of I can never exceed log N.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drumvae.gaussian import Gaussian, standard


@dataclass(frozen=True)
class Information:
    """Two parts of a KL term, nats.

    Attributes:
        mutual: I(x; z).
        aggregate: KL(q(z) ‖ p(z)).
        bound: log N, which `mutual` cannot exceed.
        error: standard error of `mutual` over the bars.
    """

    mutual: float
    aggregate: float
    bound: float
    error: float


def aggregate(density: Tensor) -> Tensor:
    """Log q(z_i) of the mixture over all bars, from log q(z_i | x_j), shapes (n, n) → (n,)."""
    return density.logsumexp(1) - math.log(density.shape[1])


def pairwise(z: Tensor, q: Gaussian) -> Tensor:
    """Log q(z_i | x_j), summed over dimensions, shape (n, n)."""
    rows = [
        Gaussian(q.mean[None], q.log_variance[None]).log_density(part[:, None]).sum(2)
        for part in z.split(200)
    ]
    return torch.cat(rows)


def split(own: Tensor, mixed: Tensor, prior: Tensor, n: int) -> Information:
    """Parts of a KL term from log q(z_i | x_i), log q(z_i) and log p(z_i), each of shape (n,)."""
    difference = own - mixed
    return Information(
        float(difference.mean()),
        float((mixed - prior).mean()),
        math.log(n),
        float(difference.std()) / math.sqrt(n),
    )


def information(q: Gaussian, z: Tensor, prior: Gaussian) -> Information:
    """Of one level of latents.

    Args:
        q: posterior of n bars, shape (n, dimensions).
        z: one draw from each, same shape.
        prior: p(z), same shape.
    """
    own = q.log_density(z).sum(1)
    mixed = aggregate(pairwise(z, q))
    return split(own, mixed, prior.log_density(z).sum(1), len(z))


def hierarchical_information(module: Any, bars: Tensor) -> tuple[Information, Information]:
    """Of both levels of a hierarchical VAE, with one draw for each bar.

    Of z_high it is I(x; z_high). Of z_low it is what z_low says *beyond* z_high,
    I(x; z_low | z_high), since E[KL_low] = I(x; z_low | z_high) + E KL(q(z_low | z_high) ‖
    p(z_low | z_high)).

    Args:
        module: a hierarchical VAE.
        bars: shape (n, 3, steps, voices).

    Returns:
        Of z_high, of z_low.
    """
    networks, channels = module.averaged, module.likelihood.channels
    n = len(bars)
    with torch.no_grad():
        features = networks.encoder(bars[:, :channels])
        high: Gaussian = networks.inference.high(features)
        z_high = high.draw()
        prior: Gaussian = networks.prior(z_high)
        low: Gaussian = networks.inference.low(features, prior)
        z_low = low.draw()
        given_high = pairwise(z_high, high)
        rows = []
        for part in torch.arange(n).split(max(1, 20_000 // n)):
            # q(z_low | x_j, z_high_i): every bar's features beside every draw's prior.
            k = len(part)
            beside = Gaussian(prior.mean[part], prior.log_variance[part]).repeat(n)
            mixed = networks.inference.low(features.repeat(k, 1), beside)
            density = mixed.log_density(z_low[part].repeat_interleave(n, 0)).sum(1)
            rows.append(density.view(k, n))
        joint = aggregate(given_high + torch.cat(rows))
        of_high = aggregate(given_high)
    return (
        split(
            high.log_density(z_high).sum(1), of_high, standard(z_high).log_density(z_high).sum(1), n
        ),
        split(low.log_density(z_low).sum(1), joint - of_high, prior.log_density(z_low).sum(1), n),
    )
