"""Diagonal Gaussians whose log-variance is bounded, so that nothing done with them blows up."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LOW, HIGH = -8.0, 4.0  # of a log-variance: standard deviations from 0.018 to 7.4


@dataclass(frozen=True)
class Gaussian:
    """A diagonal Gaussian for each row.

    Attributes:
        mean: shape (..., dimensions).
        log_variance: natural logarithm, same shape.
    """

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def of(cls, parameters: Tensor) -> "Gaussian":
        """From what a network says: means, then raw log-variances, shape (..., 2 · dimensions).

        Raw log-variances are bent smoothly into [`LOW`, `HIGH`], with slope 1 at 0; in float32 even
        under autocast, where bfloat16 would round a small variance away.
        """
        mean, raw = parameters.float().chunk(2, -1)
        return cls(mean, bounded(raw))

    @property
    def deviation(self) -> Tensor:
        """Standard deviation, same shape."""
        return (0.5 * self.log_variance).exp()

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        """One reparametrised draw for each row (Kingma & Welling 2014, section 2.4)."""
        noise = torch.randn(
            self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean + self.deviation * noise

    def log_density(self, z: Tensor) -> Tensor:
        """Log-density of each dimension at z, nats, same shape as z."""
        squared = (z - self.mean).square() * (-self.log_variance).exp()
        return -0.5 * (squared + self.log_variance + math.log(2 * math.pi))

    def kl(self, other: "Gaussian") -> Tensor:
        """KL(self ‖ other) of each dimension, nats, same shape."""
        difference = self.log_variance - other.log_variance
        squared = (self.mean - other.mean).square() * (-other.log_variance).exp()
        return 0.5 * (difference.exp() + squared - 1 - difference)

    def times(self, other: "Gaussian") -> "Gaussian":
        """Product of densities, normalised: precisions add up (Sønderby et al. 2016, eq. 17-19)."""
        log_precision = torch.logaddexp(-self.log_variance, -other.log_variance)
        mean = self.mean * (-self.log_variance - log_precision).exp()
        mean = mean + other.mean * (-other.log_variance - log_precision).exp()
        return Gaussian(mean, -log_precision)

    def repeat(self, k: int) -> "Gaussian":
        """K copies of each row next to each other, shape (n · k, dimensions)."""
        return Gaussian(
            self.mean.repeat_interleave(k, 0), self.log_variance.repeat_interleave(k, 0)
        )


def standard(like: Tensor) -> Gaussian:
    """N(0, I), of the shape of `like`."""
    return Gaussian(torch.zeros_like(like), torch.zeros_like(like))


def bounded(raw: Tensor) -> Tensor:
    """A smooth, increasing map onto (`LOW`, `HIGH`) with value 0 and slope 1 at 0, any shape."""
    return torch.where(raw < 0, LOW * torch.tanh(raw / LOW), HIGH * torch.tanh(raw / HIGH))
