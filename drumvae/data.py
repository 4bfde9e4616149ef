"""What the LightningDataModules of bars share; `drawn` and `played` hold the modules themselves.

A batch is ``(bars, styles)``: bars float, shape (n, 3, steps, voices), the channels being hits,
velocities and offsets; styles long, shape (n,). Bars lie in memory as one tensor.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from drumvae.bars import Bars
from drumvae.batches import EpochBatches, Indexed
from drumvae.grooves import GMD_VOICES, Kit


class Truth(Protocol):
    """The distribution that bars were drawn from, where it is known."""

    def log_likelihood(self, hits: Tensor) -> Tensor:
        """Exact log p(hits) in nats, shape (n,), of hits of shape (n, steps, voices)."""
        ...


class GrooveData(LightningDataModule):
    """What all groove data share; a subclass loads the splits.

    Args:
        batch_size: bars in a batch (on each device).
        batches_per_epoch: batches in an epoch (on each device); None for one pass over the bars.
        steps: of a bar, a multiple of 16.
        voices: of the kit.
        seed: of the order in which bars come, and of those that are drawn.
    """

    truth: Truth | None = None
    note = ""

    def __init__(
        self,
        batch_size: int = 128,
        batches_per_epoch: int | None = None,
        steps: int = 16,
        voices: Sequence[str] = GMD_VOICES,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("batches_per_epoch", batches_per_epoch)):
            if value is not None and value < 1:
                raise ValueError(f"data.{name} must be at least 1, got {value}")
        if steps < 16 or steps % 16:
            raise ValueError(f"data.steps must be a multiple of 16 (a bar of 4/4), got {steps}")
        self.batch_size, self.steps, self.seed = batch_size, steps, seed
        self.batches_per_epoch = batches_per_epoch
        self.kit = Kit(tuple(voices))

    def sets(self) -> dict[str, Bars]:
        """Load the splits: "train", "validate", "test"."""
        raise NotImplementedError

    @cached_property
    def _sets(self) -> dict[str, Bars]:
        return self.sets()

    @property
    def fingerprint(self) -> str:
        """Short digest of the splits."""
        parts = [self._sets[split].fingerprint for split in ("train", "validate", "test")]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]

    def reference(self, split: str) -> Bars:
        """The bars of a split, the same object at every call."""
        if split not in self._sets:
            raise ValueError(f"unknown split {split!r}; choose one of {', '.join(self._sets)}")
        return self._sets[split]

    def setup(self, stage: str) -> None:
        self.reference("train")

    def train_dataloader(self) -> DataLoader:
        bars = self.reference("train")
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        batches = self.batches_per_epoch or max(1, len(bars) // (self.batch_size * world))
        sampler = EpochBatches(len(bars), self.batch_size, batches, self.seed, rank, world)
        return DataLoader(Indexed(bars), sampler=sampler, batch_size=None)

    def test_dataloader(self) -> DataLoader:
        """One batch: callbacks do the measuring, and Lightning wants something to go through."""
        return DataLoader(Indexed(self.reference("test")), sampler=[[0]], batch_size=None)
