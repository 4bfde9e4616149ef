"""Importance-weighted likelihood: how probable the model finds a bar, both levels drawn jointly."""

import math
from typing import Any

import torch
from torch import Tensor

from drumvae.gaussian import standard

_ROWS = 2000  # decoded at once: what fits into a processor's cache is twice as fast


def log_mean_weights(log_weights: Tensor, k: int) -> Tensor:
    r"""Log (1/k) Σ w of groups of k, a lower bound of log p(x) (Burda et al. 2016, eq. 8).

    Args:
        log_weights: log p(x, z) − log q(z | x) of draws, shape (n, draws), draws a multiple of k.
        k: draws in a group; the groups' bounds are averaged.

    Returns:
        Nats, shape (n,).
    """
    n, draws = log_weights.shape
    if k < 1 or draws % k:
        raise ValueError(f"{draws} draws do not make groups of {k}")
    return (log_weights.view(n, draws // k, k).logsumexp(2) - math.log(k)).mean(1)


@torch.no_grad()
def log_weights(module: Any, bars: Tensor, draws: int) -> Tensor:
    """Log p(bar, z_high, z_low) − log q(z_high, z_low | bar) with β = 1, shape (n, draws).

    Args:
        module: a hierarchical VAE.
        bars: shape (n, 3, steps, voices).
        draws: of both latents for each bar.
    """
    parts = []
    for part in bars.split(max(1, _ROWS // draws)):
        rows = []
        for count in _counts(draws):
            q = module.encode(part, count)
            repeated = part.repeat_interleave(count, 0)
            log_p = module.log_density(repeated, q.z_high, q.z_low)
            log_p = log_p + standard(q.z_high).log_density(q.z_high).sum(1)
            log_p = log_p + q.low_prior.log_density(q.z_low).sum(1)
            log_q = q.high.log_density(q.z_high).sum(1) + q.low.log_density(q.z_low).sum(1)
            rows.append((log_p - log_q).view(len(part), count))
        parts.append(torch.cat(rows, 1))
    return torch.cat(parts)


def _counts(draws: int) -> list[int]:
    whole, rest = divmod(draws, _ROWS)
    return [_ROWS] * whole + ([rest] if rest else [])


def negative_log_likelihood(module: Any, bars: Tensor, draws: int = 500, seed: int = 0) -> Tensor:
    """−log p(bar) of each bar, nats, shape (n,): an upper bound that falls with `draws`.

    Args:
        module: a hierarchical VAE.
        bars: shape (n, 3, steps, voices).
        draws: k; 1 gives the negative evidence lower bound with one draw.
        seed: of the draws.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return -log_mean_weights(log_weights(module, bars, draws), draws)
