"""Bars of eight independent bits, and models by hand that read and write them.

A bar has eight steps. Each holds a fair bit, on in all nine voices or in none, and then one voice,
drawn at random, is flipped: a bit can always be read, and a cell follows it with probability 8/9.
All 256 bars of bits come equally often, so that bits are independent in the very sample. The style
is the first bit.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from drumvae.bars import Bars
from drumvae.gaussian import Gaussian
from drumvae.grooves import REPORT_KIT
from drumvae.hierarchy import Networks
from drumvae.likelihoods import Hits
from drumvae.planted_cases import BITS, LEVEL, VOICES, VOTERS, Case
from drumvae.posterior import Posterior


def planted_bars(seed: int, shuffled: bool = False) -> Bars:
    """All 256 bars of bits, in random order.

    Args:
        seed: of the order and the flips.
        shuffled: give them styles that are not theirs.
    """
    source = np.random.default_rng(seed)
    n = 2**BITS
    bits = (source.permutation(n)[:, None] >> np.arange(BITS) & 1).astype(bool)
    flipped = np.arange(VOICES) == source.integers(VOICES, size=(n, BITS, 1))
    hits = bits[:, :, None] ^ flipped
    styles = bits[:, 0].astype(np.int64)
    return Bars(
        hits,
        0.8 * hits.astype(np.float32),
        np.zeros(hits.shape, np.float32),
        source.permutation(styles) if shuffled else styles,
        np.arange(n) // 8,
        np.full(n, 120, np.float32),
        ("off", "on"),
        REPORT_KIT,
    )


class _Reader(nn.Module):
    """The bits of a bar as ±1."""

    def forward(self, bars: Tensor) -> Tensor:
        return torch.where(bars.mean((1, 3)) > 0.5, 1.0, -1.0)


class _Inference(nn.Module):
    def __init__(self, case: Case) -> None:
        super().__init__()
        self.slopes = torch.from_numpy(case.slopes).float()
        self.log_variance = 2 * torch.from_numpy(case.deviations).float().log()

    def high(self, features: Tensor) -> Gaussian:
        mean = features @ self.slopes[:LEVEL].T
        return Gaussian(mean, self.log_variance[:LEVEL].expand_as(mean))

    def low(self, features: Tensor, prior: Gaussian) -> Gaussian:
        mean = prior.mean + prior.deviation * (features @ self.slopes[LEVEL:].T)
        return Gaussian(mean, prior.log_variance + self.log_variance[LEVEL:])


class _Prior(nn.Module):
    def __init__(self, case: Case) -> None:
        super().__init__()
        self.follows, self.log_variance = case.follows, 2 * math.log(case.width)

    def forward(self, z_high: Tensor) -> Gaussian:
        return Gaussian(self.follows * z_high, torch.full_like(z_high, self.log_variance))


class _Decoder(nn.Module):
    def __init__(self, case: Case) -> None:
        super().__init__()
        self.gains, self.votes = torch.tensor([d.gain for d in case.dimensions]), case.votes

    def forward(self, z: Tensor) -> Tensor:
        if self.votes:
            majority = z[:, :VOTERS].median(1, keepdim=True).values.sign()
            z = torch.cat([majority, torch.zeros_like(z[:, 1:VOTERS]), z[:, VOTERS:]], 1)
        return (self.gains * z)[:, None, :, None].expand(-1, 1, BITS, VOICES)


class PlantedVAE:
    """A case as a model, with all that measures ask of a `HierarchicalVAE`."""

    device = torch.device("cpu")
    likelihood = Hits()

    def __init__(self, case: Case) -> None:
        parts = _Reader(), _Inference(case), _Prior(case), _Decoder(case)
        self.averaged = Networks(*parts)

    def encode(self, bars: Tensor, k: int = 1) -> Posterior:
        return self.averaged.posterior(bars[:, :1], k)

    def central(self, bars: Tensor) -> tuple[Tensor, Tensor]:
        return self.averaged.central(bars[:, :1])

    def decode(self, z_high: Tensor, z_low: Tensor) -> Tensor:
        return self.averaged.outputs(z_high, z_low)

    def log_density(self, bars: Tensor, z_high: Tensor, z_low: Tensor) -> Tensor:
        return self.likelihood.log_density(self.decode(z_high, z_low), bars[:, :1])
