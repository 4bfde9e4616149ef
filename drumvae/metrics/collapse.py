"""Posterior collapse: which latent dimensions carry anything, and does the decoder listen?"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

ACTIVE = 0.01  # variance of a posterior mean from which on a unit counts as active
LEAST_KL, LEAST_COST = 0.1, 0.05  # nats, from which on a dimension earns its place


def active_units(means: Tensor, threshold: float = ACTIVE) -> Tensor:
    """Which dimensions move with the data: variance of the posterior mean above a threshold.

    Paper: Burda et al. 2016, "Importance Weighted Autoencoders", section 5.

    Args:
        means: posterior means of n bars, shape (n, dimensions), n at least 2.
        threshold: of the variance.

    Returns:
        bool, shape (dimensions,).
    """
    return means.var(0) > threshold


def active_curve(means: Tensor, thresholds: Sequence[float]) -> list[int]:
    """Number of active units at each threshold: the choice of 0.01 is a convention."""
    variances = means.var(0)
    return [int((variances > threshold).sum()) for threshold in thresholds]


def cost_of_replacing(module: Any, bars: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """What each dimension is worth to the decoder: nats of reconstruction that its loss costs.

    A dimension is replaced by a draw from its prior, N(0, 1) for z_high and p(z_low | z_high) for
    z_low, all others staying as the posterior drew them. A KL term can be had without any effect
    on the output (free bits do that by construction); this cost cannot.

    Args:
        module: a hierarchical VAE.
        bars: shape (n, 3, steps, voices).
        seed: of the draws.

    Returns:
        For z_high and z_low, nats a bar, shapes (high,) and (low,).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        q = module.encode(bars)
        kept = module.log_density(bars, q.z_high, q.z_low).mean()
        other_high, other_low = torch.randn_like(q.z_high), q.low_prior.draw()
        costs: tuple[list[Tensor], list[Tensor]] = ([], [])
        for level, (z, other) in enumerate(((q.z_high, other_high), (q.z_low, other_low))):
            for dimension in range(z.shape[1]):
                changed = z.clone()
                changed[:, dimension] = other[:, dimension]
                latents = (changed, q.z_low) if level == 0 else (q.z_high, changed)
                costs[level].append(kept - module.log_density(bars, *latents).mean())
    return torch.stack(costs[0]), torch.stack(costs[1])


def earning(kl: Tensor, cost: Tensor) -> Tensor:
    """Which dimensions earn their place: KL ≥ 0.1 nat and a cost ≥ 0.05 nat, bool (dimensions,)."""
    return (kl >= LEAST_KL) & (cost >= LEAST_COST)
