"""What the networks are made of: blocks, layers, and how to run them for measuring."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; every submodule as it was afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def divisible(size: int, by: int, name: str) -> None:
    """Refuse a side of pictures that a network cannot make, naming the network.

    Raises:
        ValueError: the side is no multiple of `by`.
    """
    if size < by or size % by:
        raise ValueError(f"{name} makes pictures whose side is a multiple of {by}, not {size}")


def conv(inputs: int, outputs: int, kernel: int = 3, gain: float = 1.0) -> nn.Conv2d:
    """Convolve and keep the side; weights start after He et al. 2015, times `gain`, biases at 0."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    with torch.no_grad():
        layer.weight.mul_(gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class GeneratorBlock(nn.Module):
    """Residual block whose channels the style scales and shifts; nothing is normalised."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.one, self.two = conv(channels, channels), conv(channels, channels, gain=0.1)
        self.style = nn.Linear(style, 2 * channels)
        nn.init.normal_(self.style.weight, std=0.5 / math.sqrt(style))
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.style(style)[:, :, None, None].chunk(2, 1)
        h = F.leaky_relu(self.one(F.leaky_relu(x, SLOPE)) * (1 + scale) + shift, SLOPE)
        return x + self.two(h)


class DiscriminatorBlock(nn.Module):
    """Residual block of two convolutions; nothing is normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = conv(channels, channels), conv(channels, channels, gain=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(F.leaky_relu(self.one(F.leaky_relu(x, SLOPE)), SLOPE))


def translated(x: Tensor, shift: Tensor) -> Tensor:
    """Pictures moved right and down, with zeros where nothing comes in, bilinear between pixels.

    Args:
        x: shape (n, channels, h, w).
        shift: right and down, in halves of the side, shape (n, 2).
    """
    unmoved = torch.eye(2, device=x.device, dtype=x.dtype).expand(len(x), 2, 2)
    grid = F.affine_grid(torch.cat([unmoved, -shift[:, :, None]], 2), list(x.shape), False)
    return F.grid_sample(x, grid, align_corners=False)


def minibatch_deviation(x: Tensor, group: int) -> Tensor:
    """Mean standard deviation over groups of the batch, as one channel, shape (n, 1, h, w).

    Pictures n / group apart are compared (Karras et al. 2018, section 3); a batch that does not
    divide is one group.
    """
    n, _, h, w = x.shape
    group = group if n % group == 0 else n
    groups = x.view(group, n // group, *x.shape[1:])
    # By hand: Tensor.var over a strided axis takes several times as long, a tenth of a whole step.
    variance = (groups - groups.mean(0)).square().mean(0)
    deviation = variance.add(1e-8).sqrt()
    return deviation.mean((1, 2, 3)).repeat(group).view(n, 1, 1, 1).expand(n, 1, h, w)
