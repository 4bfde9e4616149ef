"""Posterior collapse: which latent dimensions carry anything, and does the decoder listen?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy.stats import norm as normal
from scipy.stats import t as student
from torch import Tensor

ACTIVE = 0.01  # variance of a posterior mean from which on a unit counts as active
LEAST_KL, LEAST_COST = 0.1, 0.05  # nats, from which on a dimension earns its place
POINTS = (-2.0, -1.0, 1.0, 2.0)  # where a dimension is moved to, in deviations of its prior
ALIVE, DEAD, IN_NAME_ONLY = "alive", "dead", "in name only"


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


@dataclass(frozen=True)
class Cost:
    """Nats of reconstruction a bar that are lost with parts of one level.

    Attributes:
        mean: of each dimension, the others staying, shape (dimensions,).
        error: its standard error over the bars, same shape; of few bars it is wider, so that three
            of them are as sure as three of many are (Student 1908).
        whole: of all dimensions of the level at once. Dimensions that say the same are worth
            nothing one by one, and something together.
        whole_error: its standard error.
    """

    mean: Tensor
    error: Tensor
    whole: float
    whole_error: float


def cost_of_replacing(module: Any, bars: Tensor, seed: int = 0) -> tuple[Cost, Cost]:
    """What each dimension is worth to the decoder: nats of reconstruction that its loss costs.

    A dimension is replaced by a draw from its prior, N(0, 1) for z_high and p(z_low | z_high) for
    z_low, all others staying as the posterior drew them. A KL term can be had without any effect
    on the output (free bits do that by construction); this cost cannot. Bar by bar it is the
    difference of two log-densities, so its error is that of a mean of paired differences.

    Args:
        module: a hierarchical VAE.
        bars: shape (n, 3, steps, voices), n at least 2.
        seed: of the draws.

    Returns:
        For z_high and z_low.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        q = module.encode(bars)
        kept = module.log_density(bars, q.z_high, q.z_low)
        other_high, other_low = torch.randn_like(q.z_high), q.low_prior.draw()
        high = [
            kept - module.log_density(bars, _replaced(q.z_high, other_high, i), q.z_low)
            for i in range(q.z_high.shape[1])
        ]
        low = [
            kept - module.log_density(bars, q.z_high, _replaced(q.z_low, other_low, i))
            for i in range(q.z_low.shape[1])
        ]
        high.append(kept - module.log_density(bars, other_high, q.z_low))
        low.append(kept - module.log_density(bars, q.z_high, other_low))
    return _cost(torch.stack(high)), _cost(torch.stack(low))


def _replaced(z: Tensor, other: Tensor, dimension: int) -> Tensor:
    changed = z.clone()
    changed[:, dimension] = other[:, dimension]
    return changed


def _cost(lost: Tensor) -> Cost:
    """From what each bar loses, shape (dimensions + 1, n), the whole level in the last row."""
    n = lost.shape[1]
    wider = float(student.ppf(normal.cdf(3), n - 1)) / 3
    mean, error = lost.mean(1), wider * lost.std(1) / math.sqrt(n)
    return Cost(mean[:-1], error[:-1], float(mean[-1]), float(error[-1]))


def earning(kl: Tensor, cost: Tensor) -> Tensor:
    """Which dimensions earn their place: KL ≥ 0.1 nat and a cost ≥ 0.05 nat, bool (dimensions,)."""
    return (kl >= LEAST_KL) & (cost >= LEAST_COST)


@torch.no_grad()
def sensitivity(module: Any, bars: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """How much of a bar a dimension can change: share of cells whose decoded hit (p > 0.5) flips.

    One dimension is moved by ±1 and ±2 standard deviations of its prior (1 for z_high, that of
    p(z_low | z_high) for z_low) about its posterior mean, all others staying at theirs: z_low
    stays where it is when z_high moves. A cell flips where its hit is not the same at all five
    points. It asks the decoder alone: a dimension that says nothing of the bar can still move it.

    Args:
        module: a hierarchical VAE.
        bars: shape (n, 3, steps, voices).
        seed: of the draws of a posterior whose means take any.

    Returns:
        For z_high and z_low, in [0, 1], shapes (high,) and (low,).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        means: tuple[Tensor, Tensor] = module.central(bars)
        widths = torch.ones_like(means[0]), module.averaged.prior(means[0]).deviation
    still = _hits(module, means)
    shares: tuple[list[Tensor], list[Tensor]] = ([], [])
    for level in range(2):
        for dimension in range(means[level].shape[1]):
            flipped = torch.zeros_like(still)
            for point in POINTS:
                moved = means[level].clone()
                moved[:, dimension] += point * widths[level][:, dimension]
                flipped |= still != _hits(module, (means[0], moved) if level else (moved, means[1]))
            shares[level].append(flipped.float().mean())
    return torch.stack(shares[0]), torch.stack(shares[1])


def _hits(module: Any, latents: tuple[Tensor, Tensor]) -> Tensor:
    """Decoded hits, bool, shape (n, steps, voices)."""
    return module.likelihood.typical(module.decode(*latents))[:, 0] > 0


def dimension_verdict(kl: float, cost: float, variance: float) -> str:
    """What a dimension is; exactly one of three words.

    - `alive`: it costs bits and is worth them, KL ≥ 0.1 nat and cost ≥ 0.05 nat;
    - `in name only`: it looks alive, by KL ≥ 0.1 nat or a variance > 0.01, but cost < 0.05 nat;
    - `dead`: every other one. Its KL is below 0.1 nat, and either its posterior mean stands still
      or a cost ≥ 0.05 nat rests on next to nothing that is said.

    Args:
        kl: nats.
        cost: nats, of `cost_of_replacing`.
        variance: of the posterior mean.
    """
    if kl >= LEAST_KL and cost >= LEAST_COST:
        return ALIVE
    if cost < LEAST_COST and (kl >= LEAST_KL or variance > ACTIVE):
        return IN_NAME_ONLY
    return DEAD
