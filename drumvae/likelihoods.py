"""p(bar | z): what a decoder's outputs say of hits, velocities and offsets.

A likelihood says how many `channels` of a bar it reads and how many `outputs` a cell it takes.
Bars have shape (n, channels, steps, voices), the channels being hits, velocities and offsets;
outputs have shape (n, outputs, steps, voices).
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

_LEVELS = 127  # MIDI velocities 1-127


class Likelihood(Protocol):
    """What the model asks of a likelihood."""

    channels: int
    outputs: int

    def log_density(self, outputs: Tensor, bars: Tensor) -> Tensor:
        """Log p(bar | z) of each bar, nats, shape (n,)."""
        ...

    def draw(self, outputs: Tensor, generator: torch.Generator | None) -> Tensor:
        """Bars drawn from p(bar | z), shape (n, 3, steps, voices)."""
        ...

    def typical(self, outputs: Tensor) -> Tensor:
        """The bar of cells with p > 0.5, and the rest at its location, (n, 3, steps, voices).

        An offset is cut off at half a step, so that its mean is nearer to 0 than its location.
        """
        ...


class Hits:
    """Bernoulli hits; velocities and offsets are left out."""

    channels = 1
    outputs = 1

    def log_density(self, outputs: Tensor, bars: Tensor) -> Tensor:
        logits, hits = outputs[:, 0].float(), bars[:, 0]
        return -F.binary_cross_entropy_with_logits(logits, hits, reduction="none").sum((1, 2))

    def draw(self, outputs: Tensor, generator: torch.Generator | None) -> Tensor:
        return _straight(_hits(outputs, generator))

    def typical(self, outputs: Tensor) -> Tensor:
        return _straight((outputs[:, 0] > 0).float())


class Expressive:
    """Bernoulli hits; where there is one, its velocity and its offset.

    Velocities follow a logistic distribution discretised to the 127 of MIDI (Salimans et al. 2017,
    "PixelCNN++", eq. 2), offsets one truncated to [-0.5, 0.5] steps. The log-density of a bar is in
    nats, that of an offset being relative to a step.

    Args:
        narrowest: smallest scale of either distribution, in velocities and in steps times 127.
    """

    channels = 3
    outputs = 5

    def __init__(self, narrowest: float = 0.5) -> None:
        self.narrowest = narrowest

    def log_density(self, outputs: Tensor, bars: Tensor) -> Tensor:
        hits = bars[:, 0]
        found = -F.binary_cross_entropy_with_logits(outputs[:, 0].float(), hits, reduction="none")
        velocity = discretised_logistic(bars[:, 1] * _LEVELS, *self._velocity(outputs), _LEVELS)
        offset = truncated_logistic(bars[:, 2], *self._offset(outputs))
        # Where there is no hit there is nothing to be loud or late.
        felt = torch.where(hits > 0, velocity + offset, torch.zeros_like(velocity))
        return (found + felt).sum((1, 2))

    def draw(self, outputs: Tensor, generator: torch.Generator | None) -> Tensor:
        hits = _hits(outputs, generator)
        device = outputs.device
        u, w = (
            torch.rand(hits.shape, generator=generator, device=device).clamp(1e-6, 1 - 1e-6)
            for _ in range(2)
        )
        location, scale = self._velocity(outputs)
        velocity = (location + scale * u.logit()).round().clamp(1, _LEVELS) / _LEVELS
        location, scale = self._offset(outputs)
        low, high = ((edge - location) / scale for edge in (-0.5, 0.5))
        inside = low.sigmoid() + w * (high.sigmoid() - low.sigmoid())
        offset = (location + scale * inside.clamp(1e-6, 1 - 1e-6).logit()).clamp(-0.5, 0.5)
        return torch.stack([hits, hits * velocity, hits * offset], 1)

    def typical(self, outputs: Tensor) -> Tensor:
        hits = (outputs[:, 0] > 0).float()
        velocity = self._velocity(outputs)[0].round().clamp(1, _LEVELS) / _LEVELS
        return torch.stack([hits, hits * velocity, hits * self._offset(outputs)[0]], 1)

    def _velocity(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Location and scale, in MIDI velocities; about 64 ± 20 where the network says 0."""
        location, scale = outputs[:, 1].float(), outputs[:, 2].float()
        return 64 + 32 * location, self.narrowest + 20 * F.softplus(scale)

    def _offset(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Location in (-0.5, 0.5) and scale, in steps."""
        location, scale = outputs[:, 3].float(), outputs[:, 4].float()
        return 0.5 * torch.tanh(location), self.narrowest / _LEVELS + 0.15 * F.softplus(scale)


def discretised_logistic(value: Tensor, location: Tensor, scale: Tensor, levels: int) -> Tensor:
    """Log-probability of a level from 1 to `levels` under a rounded logistic, any shape.

    What lies beyond the ends counts for the ends, so that the levels' probabilities add up to 1.
    """
    high = torch.where(value > levels - 0.5, torch.inf, (value + 0.5 - location) / scale)
    low = torch.where(value < 1.5, -torch.inf, (value - 0.5 - location) / scale)
    return log_interval(low, high)


def truncated_logistic(value: Tensor, location: Tensor, scale: Tensor) -> Tensor:
    """Log-density of a logistic distribution truncated to [-0.5, 0.5], any shape."""
    z = (value - location) / scale
    density = F.logsigmoid(z) + F.logsigmoid(-z) - scale.log()
    return density - log_interval((-0.5 - location) / scale, (0.5 - location) / scale)


def log_interval(low: Tensor, high: Tensor) -> Tensor:
    """log(σ(high) − σ(low)) for low < high, stable far from 0; either end may be infinite."""
    # Both on the left of 0, where σ keeps its digits: σ(h) − σ(l) = σ(−l) − σ(−h).
    turn = low + high > 0
    low, high = torch.where(turn, -high, low), torch.where(turn, -low, high)
    upper, lower = F.logsigmoid(high), F.logsigmoid(low)
    return upper + torch.log1p(-(lower - upper).clamp(max=-1e-7).exp())


def _hits(outputs: Tensor, generator: torch.Generator | None) -> Tensor:
    p = outputs[:, 0].float().sigmoid()
    return (torch.rand(p.shape, generator=generator, device=p.device) < p).float()


def _straight(hits: Tensor) -> Tensor:
    """Hits of one loudness on the grid, shape (n, 3, steps, voices)."""
    return torch.stack([hits, 0.8 * hits, torch.zeros_like(hits)], 1)
