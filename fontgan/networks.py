"""Generators and discriminators, each to be read whole.

A generator turns latents into pictures in [-1, 1], shape (n, channels, size, size), and draws its
own latents: ``latent(n, generator) -> (n, dimensions)``. A discriminator turns pictures into one
logit each, shape (n,); ``features`` gives what comes before the last layer.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fontgan.layers import (
    SLOPE,
    DiscriminatorBlock,
    GeneratorBlock,
    conv,
    divisible,
    minibatch_deviation,
    translated,
)


class ReportGenerator(nn.Module):
    """The report's generator: z → 7×7×128 → 14×14×64 → 28×28, batch norm, ReLU, tanh.

    Args:
        size: side of the pictures, a multiple of 4.
        channels: channels of the pictures.
        dimensions: of the Gaussian latent.
    """

    def __init__(self, size: int = 28, channels: int = 1, dimensions: int = 100) -> None:
        super().__init__()
        divisible(size, 4, "the report's generator")
        self.dimensions = dimensions
        base = size // 4
        self.body = nn.Sequential(
            nn.Linear(dimensions, 128 * base * base),
            nn.BatchNorm1d(128 * base * base),
            nn.ReLU(),
            nn.Unflatten(1, (128, base, base)),
            nn.ConvTranspose2d(128, 64, 4, 2, 1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.ConvTranspose2d(64, channels, 4, 2, 1),
            nn.Tanh(),
        )

    def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal latents, shape (n, dimensions)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.dimensions, generator=generator, device=device)

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)


class ReportDiscriminator(nn.Module):
    """The report's discriminator: 64-128-256 convolutions, LeakyReLU 0.2, Dropout2d 0.25.

    The report ends in a sigmoid and binary cross-entropy; here the logit comes out and the loss
    takes it, which is the same function without overflow.

    Args:
        size: side of the pictures, at least 8.
        channels: channels of the pictures.
    """

    def __init__(self, size: int = 28, channels: int = 1) -> None:
        super().__init__()
        if size < 8:
            raise ValueError(
                f"the report's discriminator needs pictures of side 8 or more, not {size}"
            )
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, k, 2, 1), nn.LeakyReLU(SLOPE), nn.Dropout2d(0.25))
            for i, o, k in ((channels, 64, 4), (64, 128, 4), (128, 256, 3))
        )
        side = size
        for kernel in (4, 4, 3):
            side = (side + 2 - kernel) // 2 + 1
        self.head = nn.Linear(256 * side * side, 1)

    def layer_features(self, x: Tensor) -> list[Tensor]:
        """Output of each of the three convolutions, shapes (n, 64 | 128 | 256, h, w)."""
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return outputs

    def features(self, x: Tensor) -> Tensor:
        """The last convolution's output, flat, shape (n, features)."""
        return self.layer_features(x)[-1].flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)).squeeze(1)


class Generator(nn.Module):
    """Mixture latent → style → residual blocks at a quarter and half of the side → pixel shuffle.

    The latent is a Gaussian beside a one-of-k choice whose rows are learned. A continuous map of
    a connected latent must draw something between any two letters; a choice need not (Khayatkhoei
    et al. 2018, "Disconnected Manifold Learning for Generative Adversarial Networks"). With
    `modes=0` the latent is the Gaussian alone. A choice that speaks louder than the Gaussian draws
    one glyph a mode: all letters, in one style each.

    Args:
        size: side of the pictures, a multiple of 4.
        channels: channels of the pictures.
        dimensions: of the Gaussian part.
        modes: rows of the choice.
        mode_scale: standard deviation of its rows at the start, where the Gaussian part has 1.
        width: channels at a quarter of the side; half of the side has half of them.
        blocks: residual blocks at each of the two sides.
        weighted: draw the choice by `shares`, a buffer that training sets, not evenly.
        translate: draw two layers, and move one of them by a vector that the style gives, before
            they are added (a spatial transformer: Jaderberg et al. 2015): for letters that lie
            anywhere in the picture, so that each need not be learned again at each place.
    """

    shares: Tensor | None

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        dimensions: int = 64,
        modes: int = 64,
        mode_scale: float = 0.7,
        width: int = 64,
        blocks: int = 1,
        weighted: bool = False,
        translate: bool = False,
    ) -> None:
        super().__init__()
        divisible(size, 4, "this generator")
        self.gaussian, self.modes, self.base = dimensions, modes, size // 4
        self.dimensions = dimensions + modes
        shares = torch.full((modes,), 1 / modes) if weighted and modes else None
        self.register_buffer("shares", shares)
        first = nn.Linear(dimensions + modes, 128)
        with torch.no_grad():
            first.weight[:, :dimensions].normal_(std=max(dimensions, 1) ** -0.5)
            first.weight[:, dimensions:].normal_(std=mode_scale)
        self.mapping = nn.Sequential(first, nn.LeakyReLU(SLOPE), nn.Linear(128, 128))
        half = width // 2
        self.start = nn.Linear(128, width * self.base**2)
        self.low = nn.ModuleList(GeneratorBlock(width, 128) for _ in range(blocks))
        self.up = conv(width, 4 * half, 1)
        self.high = nn.ModuleList(GeneratorBlock(half, 128) for _ in range(blocks))
        self.out = conv(half, 4 * channels * (2 if translate else 1), gain=0.5)
        self.width = width
        self.place = nn.Linear(128, 2) if translate else None
        if self.place is not None:
            nn.init.normal_(self.place.weight, std=0.2 / math.sqrt(128))
            nn.init.zeros_(self.place.bias)

    def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal coordinates, then a one-hot choice: shape (n, dimensions)."""
        device = self.start.weight.device
        z = torch.randn(n, self.gaussian, generator=generator, device=device)
        if not self.modes:
            return z
        if self.shares is None:
            choice = torch.randint(self.modes, (n,), generator=generator, device=device)
        else:
            choice = torch.multinomial(self.shares, n, replacement=True, generator=generator)
        return self.chosen(z, choice)

    def chosen(self, z: Tensor, choice: Tensor) -> Tensor:
        """Latents of Gaussian coordinates, shape (n, gaussian), and of choices, shape (n,)."""
        return torch.cat([z, F.one_hot(choice, self.modes).to(z.dtype)], 1)

    def forward(self, z: Tensor) -> Tensor:
        style = self.mapping(z)
        style = style * style.square().mean(1, keepdim=True).add(1e-6).rsqrt()
        x = self.start(style).unflatten(1, (self.width, self.base, self.base))
        for block in self.low:
            x = block(x, style)
        x = F.pixel_shuffle(self.up(F.leaky_relu(x, SLOPE)), 2)
        for block in self.high:
            x = block(x, style)
        x = F.pixel_shuffle(self.out(F.leaky_relu(x, SLOPE)), 2)
        if self.place is not None:
            still, moved = x.chunk(2, 1)
            x = still + translated(moved, self.place(style))
        return torch.tanh(x)


class Discriminator(nn.Module):
    """Pixel unshuffle → residual blocks at half and a quarter of the side → minibatch deviation.

    No normalisation layers, as gradient penalties ask for; the standard deviation over groups of
    the batch is one more channel before the head (Karras et al. 2018, "Progressive Growing").

    Args:
        size: side of the pictures, a multiple of 4.
        channels: channels of the pictures.
        width: channels at half of the side; a quarter has twice as many.
        blocks: residual blocks at each of the two sides.
        group: pictures over which the deviation is taken; 0 leaves the channel out.
        classes: of pictures that it may be told; they enter the logit as an inner product with the
            features (Miyato and Koyama 2018, "cGANs with Projection Discriminator").
        pool: features beside the others that are summed over the places, so that what is learned
            of a letter at one of them holds at all: for letters that lie anywhere in the picture.
    """

    def __init__(
        self,
        size: int = 28,
        channels: int = 1,
        width: int = 24,
        blocks: int = 1,
        group: int = 8,
        classes: int = 0,
        pool: int = 0,
    ) -> None:
        super().__init__()
        divisible(size, 4, "this discriminator")
        self.group, self.pool = group, pool
        self.stem = conv(4 * channels, width)
        self.high = nn.Sequential(*(DiscriminatorBlock(width) for _ in range(blocks)))
        self.down = conv(4 * width, 2 * width, 1)
        self.low = nn.Sequential(*(DiscriminatorBlock(2 * width) for _ in range(blocks)))
        self.last = conv(2 * width + bool(group), 2 * width + pool)
        self.mix = nn.Linear(2 * width * (size // 4) ** 2 + pool, 128)
        self.head = nn.Linear(128, 1)
        self.classes = nn.Embedding(classes, 128) if classes else None
        if self.classes is not None:
            nn.init.normal_(self.classes.weight, std=128**-0.5)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, shape (n, 128)."""
        h = self.high(self.stem(F.pixel_unshuffle(x, 2)))
        h = self.low(self.down(F.pixel_unshuffle(F.leaky_relu(h, SLOPE), 2)))
        if self.group:
            h = torch.cat([h, minibatch_deviation(h, self.group)], 1)
        h = F.leaky_relu(self.last(F.leaky_relu(h, SLOPE)), SLOPE)
        placed, pooled = h[:, self.pool :], h[:, : self.pool]
        h = torch.cat([placed.flatten(1), pooled.sum((2, 3)) / h.shape[2]], 1)
        return F.leaky_relu(self.mix(h), SLOPE)

    def forward(self, x: Tensor, classes: Tensor | None = None) -> Tensor:
        h = self.features(x)
        logits = self.head(h).squeeze(1)
        if self.classes is None or classes is None:
            return logits
        return logits + (self.classes(classes) * h).sum(1)
