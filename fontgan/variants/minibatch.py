"""Minibatch discrimination: the discriminator sees how close a picture is to the rest of its batch.

Paper: Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.2.
"""

import torch
from torch import Tensor, nn

from fontgan.networks import ReportDiscriminator
from fontgan.variants.vanilla import VanillaGAN


class MinibatchDiscrimination(nn.Module):
    """Appends to each sample's features its closeness to all others, in learned directions.

    With M_i = f(x_i) T, a matrix of `kernels` rows of `width`, closeness in row b is
    o(x_i)_b = Σ_{j≠i} exp(−‖M_ib − M_jb‖₁).

    Args:
        features: width of f(x).
        kernels: rows B.
        width: columns C.
    """

    def __init__(self, features: int, kernels: int = 50, width: int = 5) -> None:
        super().__init__()
        self.tensor = nn.Parameter(torch.randn(features, kernels, width) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Features of shape (n, features) to (n, features + kernels)."""
        matrices = torch.einsum("nf,fbc->nbc", x, self.tensor)
        distances = (matrices[:, None] - matrices[None]).abs().sum(-1)
        closeness = torch.exp(-distances).sum(1) - 1  # without itself, which is at distance 0
        return torch.cat([x, closeness], 1)


class MinibatchDiscriminator(ReportDiscriminator):
    """The report's discriminator with minibatch discrimination before its last layer.

    Args:
        size: side of the pictures.
        channels: channels of the pictures.
        kernels: see `MinibatchDiscrimination`.
        width: see `MinibatchDiscrimination`.
    """

    def __init__(
        self, size: int = 28, channels: int = 1, kernels: int = 50, width: int = 5
    ) -> None:
        super().__init__(size, channels)
        self.minibatch = MinibatchDiscrimination(self.head.in_features, kernels, width)
        self.head = nn.Linear(self.head.in_features + kernels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.minibatch(self.features(x))).squeeze(1)


class MinibatchGAN(VanillaGAN):
    """Vanilla losses; the cure is in the `MinibatchDiscriminator` that the config gives it."""
