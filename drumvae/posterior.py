"""Approximate posteriors q(z_high, z_low | x) = q(z_high | x) q(z_low | x, z_high).

Either way KL_high against N(0, I) and KL_low against p(z_low | z_high) are analytic, given a draw
of z_high, and the evidence lower bound is a true one.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from drumvae.gaussian import Gaussian


@dataclass(frozen=True)
class Posterior:
    """Means and log-variances of both levels, for given bars.

    Attributes:
        high: q(z_high | x), shape (n, high).
        low: q(z_low | x, z_high) at the draw of z_high that made it, shape (n, low).
        low_prior: p(z_low | z_high) there, shape (n, low).
        z_high: the draw, shape (n, high).
        z_low: a draw from `low`, shape (n, low).
    """

    high: Gaussian
    low: Gaussian
    low_prior: Gaussian
    z_high: Tensor
    z_low: Tensor


class Inference(Protocol):
    """What an approximate posterior offers; `features` are the encoder's, shape (n, width)."""

    def high(self, features: Tensor) -> Gaussian:
        """q(z_high | x)."""
        ...

    def low(self, features: Tensor, prior: Gaussian) -> Gaussian:
        """q(z_low | x, z_high), given p(z_low | z_high)."""
        ...


class TopDown(nn.Module):
    """z_low's posterior is a product of what the bar says and what z_high says.

    Paper: Sønderby et al. 2016, "Ladder Variational Autoencoders", section 2.2.

    Args:
        width: features of the encoder.
        high: dimensions of z_high.
        low: dimensions of z_low.
        hidden: features between the levels.
    """

    def __init__(self, width: int, high: int = 4, low: int = 12, hidden: int = 128) -> None:
        super().__init__()
        self.to_low = nn.Linear(width, 2 * low)
        self.to_high = nn.Sequential(
            nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, 2 * high)
        )

    def high(self, features: Tensor) -> Gaussian:
        return Gaussian.of(self.to_high(features))

    def low(self, features: Tensor, prior: Gaussian) -> Gaussian:
        return Gaussian.of(self.to_low(features)).times(prior)


class BottomUp(nn.Module):
    """The bar gives z_low, and z_low gives z_high, as in the report.

    z_high's posterior reads the mean of z_low's, or as in the report a draw from it. That draw is
    used for nothing else, so it only is a source of noise in q(z_high | x).

    Args:
        width: features of the encoder.
        high: dimensions of z_high.
        low: dimensions of z_low.
        hidden: features between the levels.
        reads_draw: read a draw of z_low, not its mean.
    """

    def __init__(
        self, width: int, high: int = 4, low: int = 12, hidden: int = 128, reads_draw: bool = False
    ) -> None:
        super().__init__()
        self.reads_draw = reads_draw
        self.to_low = nn.Linear(width, 2 * low)
        self.to_high = nn.Sequential(nn.Linear(low, hidden), nn.ReLU(), nn.Linear(hidden, 2 * high))

    def high(self, features: Tensor) -> Gaussian:
        low = Gaussian.of(self.to_low(features))
        return Gaussian.of(self.to_high(low.draw() if self.reads_draw else low.mean))

    def low(self, features: Tensor, prior: Gaussian) -> Gaussian:
        return Gaussian.of(self.to_low(features))


class ConditionalPrior(nn.Module):
    """p(z_low | z_high): a small network from z_high to means and log-variances.

    Args:
        high: dimensions of z_high.
        low: dimensions of z_low.
        hidden: features of its hidden layer.
    """

    def __init__(self, high: int = 4, low: int = 12, hidden: int = 128) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(high, hidden), nn.SiLU(), nn.Linear(hidden, 2 * low))
        with torch.no_grad():
            last = self.body[-1]
            last.weight.mul_(0.1)  # pyright: ignore
            last.bias.zero_()  # pyright: ignore

    def forward(self, z_high: Tensor) -> Gaussian:
        return Gaussian.of(self.body(z_high))
