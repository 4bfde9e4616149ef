"""Kinds of pictures, found without labels: what a GAN may be told where nobody names the letters.

Papers: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection" (features);
Lucic et al. 2019, "High-Fidelity Image Generation With Fewer Labels" (clusters as labels of a GAN).
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor, nn

from fontgan.layers import translated

DIRECTIONS = 8
CELL = 4
"""Side of the squares, in pixels, over which gradients are gathered."""
LEAST = 10
"""Pictures a cluster, on average: smaller ones would name single pictures."""


def gradient_histograms(pictures: Tensor) -> Tensor:
    """How strongly ink rises in each direction, in each part of a picture.

    A gradient counts for the directions within 90° of its own by the square of the cosine, so that
    what is turned a little has features that differ a little.

    Args:
        pictures: shape (n, channels, h, w), sides multiples of `CELL`.

    Returns:
        Of length 1, or all 0 for a blank picture: shape (n, DIRECTIONS · h · w / CELL²).
    """
    soft = F.avg_pool2d(pictures.mean(1, keepdim=True), 3, stride=1, padding=1)
    across = torch.tensor([[[[-1.0, 0.0, 1.0]]]], device=pictures.device)
    right = F.conv2d(soft, across, padding=(0, 1))
    down = F.conv2d(soft, across.transpose(2, 3), padding=(1, 0))
    size = (right.square() + down.square()).sqrt().clamp(min=1e-6)
    angles = [2 * math.pi * i / DIRECTIONS for i in range(DIRECTIONS)]
    along = [(math.cos(a) * right + math.sin(a) * down).clamp(min=0) for a in angles]
    cells = F.avg_pool2d(torch.cat([a.square() / size for a in along], 1), CELL).flatten(1)
    return cells / cells.norm(dim=1, keepdim=True).clamp(min=1e-6)


def centred(pictures: Tensor) -> Tensor:
    """Pictures moved so that the centre of mass of their ink lies in the middle.

    Ink below a quarter has no weight, as noise would draw the centre to the middle.

    Args:
        pictures: in [0, 1], shape (n, channels, side, side); a blank one stays as it is.
    """
    ink = (pictures.mean(1) - 0.25).clamp(min=0)
    side = ink.shape[-1]
    places = (torch.arange(side, device=ink.device) - (side - 1) / 2) / (side / 2)
    mass = ink.sum((1, 2)).clamp(min=1e-6)
    right, down = (ink.sum(axis) @ places / mass for axis in (1, 2))
    return translated(pictures, -torch.stack([right, down], 1))


class Clusters(nn.Module):
    """k-means on gradient histograms; the centres are buffers, so a checkpoint keeps them.

    Args:
        k: clusters, at most: of fewer than `LEAST` · k pictures are made fewer, and the rest have a
            share of 0.
        size: side of the pictures, a multiple of `CELL`.
        centre: whether pictures are centred first: for letters that lie anywhere in the picture.
    """

    centres: Tensor
    shares: Tensor

    def __init__(self, k: int, size: int, centre: bool = False) -> None:
        super().__init__()
        self.centre = centre
        self.register_buffer("centres", torch.zeros(k, DIRECTIONS * (size // CELL) ** 2))
        self.register_buffer("shares", torch.full((k,), 1 / k))

    @torch.no_grad()
    def fit(self, pictures: Tensor, seed: int = 0) -> None:
        """Find the centres, and the share of pictures that lie next to each.

        Args:
            pictures: in [0, 1], shape (n, channels, size, size).
            seed: of the centres that k-means starts from.
        """
        k = max(1, min(len(self.centres), len(pictures) // LEAST))
        means = KMeans(k, random_state=seed).fit(self._features(pictures).cpu().numpy())
        self.centres.fill_(2)  # farther from any histogram than histograms are from each other
        self.centres[:k] = torch.from_numpy(np.asarray(means.cluster_centers_))
        counts = self(pictures).bincount(minlength=len(self.centres))
        self.shares.copy_(counts / counts.sum())

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """Cluster of each picture in [0, 1], long, shape (n,)."""
        return torch.cdist(self._features(pictures), self.centres).argmin(1)

    def _features(self, pictures: Tensor) -> Tensor:
        parts = (centred(part) if self.centre else part for part in pictures.split(1000))
        return torch.cat([gradient_histograms(part) for part in parts])
