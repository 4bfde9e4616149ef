"""A finished run's model for use alone: the averaged networks, and what is asked of them.

It needs neither Lightning nor the run's data, so that a groove is there in a few seconds.
"""

from collections.abc import Mapping
from typing import Any, Protocol, cast

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from drumvae.gaussian import Gaussian
from drumvae.likelihoods import Likelihood
from drumvae.posterior import ConditionalPrior, Inference

MODEL = "drumvae.vae.HierarchicalVAE"


class Model(Protocol):
    """What making grooves asks of a model; bars have shape (n, 3, steps, voices)."""

    likelihood: Likelihood
    high: int

    def features(self, bars: Tensor) -> Tensor:
        """What the encoder says of bars, shape (n, width)."""
        ...

    def posterior_high(self, features: Tensor) -> Gaussian:
        """q(z_high | bar)."""
        ...

    def posterior_low(self, features: Tensor, z_high: Tensor) -> Gaussian:
        """q(z_low | bar, z_high)."""
        ...

    def detail_prior(self, z_high: Tensor) -> Gaussian:
        """p(z_low | z_high)."""
        ...

    def decode(self, z_high: Tensor, z_low: Tensor) -> Tensor:
        """What the likelihood takes, shape (n, outputs, steps, voices)."""
        ...


class Trained(nn.Module):
    """The averaged networks of a hierarchical VAE, without gradients.

    Args:
        config: the `vae` node of a run's config.yaml, as plain containers.

    Raises:
        ValueError: it describes another kind of model.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        if config.get("_target_") != MODEL:
            raise ValueError(f"grooves are made by {MODEL}, this is {config.get('_target_')}")
        self.likelihood: Likelihood = instantiate(config["likelihood"])
        self.steps, self.voices = config["steps"], tuple(config["voices"])
        self.high, self.low = config["high"], config["low"]
        shape = self.steps, len(self.voices)
        self.encoder = instantiate(config["encoder"])(self.likelihood.channels, *shape)
        self.inference = instantiate(config["inference"])(self.encoder.width, self.high, self.low)
        self.prior = ConditionalPrior(self.high, self.low)
        self.decoder = instantiate(config["decoder"])(
            self.high + self.low, self.likelihood.outputs, *shape
        )
        self.eval().requires_grad_(False)

    def features(self, bars: Tensor) -> Tensor:
        return self.encoder(bars[:, : self.likelihood.channels])

    def posterior_high(self, features: Tensor) -> Gaussian:
        return cast(Inference, self.inference).high(features)

    def posterior_low(self, features: Tensor, z_high: Tensor) -> Gaussian:
        return cast(Inference, self.inference).low(features, self.prior(z_high))

    def detail_prior(self, z_high: Tensor) -> Gaussian:
        return self.prior(z_high)

    def decode(self, z_high: Tensor, z_low: Tensor) -> Tensor:
        return self.decoder(torch.cat([z_high, z_low], 1))


def averaged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The averaged networks' part of a checkpoint's `state_dict`."""
    start = "averaged."
    return {name[len(start) :]: t for name, t in state.items() if name.startswith(start)}
