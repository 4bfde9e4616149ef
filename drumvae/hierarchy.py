"""Encoder, inference, conditional prior and decoder as one."""

from typing import cast

import torch
from torch import Tensor, nn

from drumvae.gaussian import Gaussian
from drumvae.posterior import Inference, Posterior


class Networks(nn.Module):
    """The four parts of the model, as one, so that they can be averaged as one.

    Attributes:
        encoder: bars → features.
        inference: features → q(z_high | x) and q(z_low | x, z_high).
        prior: z_high → p(z_low | z_high).
        decoder: both latents → what the likelihood takes.
    """

    def __init__(
        self, encoder: nn.Module, inference: nn.Module, prior: nn.Module, decoder: nn.Module
    ) -> None:
        super().__init__()
        self.encoder, self.inference, self.prior = encoder, inference, prior
        self.decoder = decoder

    def posterior(self, bars: Tensor, k: int = 1) -> Posterior:
        """Q for bars (n, channels, steps, voices) and k draws of each: n · k rows."""
        features = self.encoder(bars)
        inference = cast(Inference, self.inference)
        high = inference.high(features)
        if k > 1:
            high, features = high.repeat(k), features.repeat_interleave(k, 0)
        z_high = high.draw()
        prior: Gaussian = self.prior(z_high)
        low = inference.low(features, prior)
        return Posterior(high, low, prior, z_high, low.draw())

    def central(self, bars: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior means: of z_high, and of z_low at that z_high; shapes (n, high), (n, low)."""
        features = self.encoder(bars)
        inference = cast(Inference, self.inference)
        high = inference.high(features)
        low = inference.low(features, self.prior(high.mean))
        return high.mean, low.mean

    def outputs(self, z_high: Tensor, z_low: Tensor) -> Tensor:
        """What the likelihood takes, shape (n, outputs, steps, voices)."""
        return self.decoder(torch.cat([z_high, z_low], 1))
