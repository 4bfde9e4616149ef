"""Which bars come in which batch: endless streams, cut into epochs, the same when resumed."""

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from drumvae.bars import Bars


class Indexed(Dataset):
    """Bars in memory, taken by the indices of a whole batch."""

    def __init__(self, bars: Bars) -> None:
        self.bars, self.styles = bars.tensor, torch.from_numpy(bars.styles)

    def __getitem__(self, indices: Any) -> tuple[Tensor, Tensor]:
        """Bars and styles of a batch."""
        return self.bars[indices], self.styles[indices]


class EpochBatches(Sampler[Tensor]):
    """Index batches of an endless stream of permutations, cut into epochs of so many batches.

    The stream depends on seed and epoch alone, so a resumed run goes on where it was. Each of
    `world` processes takes every world-th batch.
    """

    def __init__(
        self, n: int, batch_size: int, batches: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self.n, self.batch_size, self.batches, self.seed = n, batch_size, batches, seed
        self.rank, self.world, self.epoch = rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Tensor]:
        start = self.epoch * self.batches * self.world * self.batch_size
        length = self.batches * self.world * self.batch_size
        first, last = start // self.n, (start + length - 1) // self.n
        stream = torch.cat(
            [
                torch.randperm(self.n, generator=source(self.seed, number))
                for number in range(first, last + 1)
            ]
        )[start - first * self.n :]
        for index in range(self.batches):
            place = (index * self.world + self.rank) * self.batch_size
            yield stream[place : place + self.batch_size]


class FreshBatches(Sampler[int]):
    """Seeds of batches that are drawn anew each time: an endless stream, cut into epochs."""

    def __init__(self, batches: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self.batches, self.seed, self.rank, self.world, self.epoch = batches, seed, rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[int]:
        for index in range(self.batches):
            yield (self.epoch * self.batches + index) * self.world + self.rank


def source(seed: int, number: int) -> torch.Generator:
    """A source of chance of its own for each number."""
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
