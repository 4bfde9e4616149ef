"""Bars where they stand: with their tempo and what is played before and after them.

A batch is ``(bars, around, tempos)``: bars float, shape (n, 3, steps, voices), the channels being
hits, velocities and offsets; around float, shape (n, 2, steps, voices), hits of the bar before and
the bar after, none where there is no such bar; tempos float, shape (n,).
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from drumvae.bars import Bars
from drumvae.data import GrooveData
from drumvae.played import GrooveMidi, MidiFolders


def around(hits: Tensor, tracks: Tensor) -> Tensor:
    """Hits of the bars before and after each bar, where these are of the same track.

    Args:
        hits: of bars in the order in which they are played, shape (n, steps, voices).
        tracks: of which track each is, shape (n,); bars of a track lie side by side.

    Returns:
        Float, shape (n, 2, steps, voices), without a hit at the ends of a track.
    """
    found = torch.zeros(len(hits), 2, *hits.shape[1:])
    same = (tracks[1:] == tracks[:-1])[:, None, None]
    found[1:, 0] = hits[:-1] * same
    found[:-1, 1] = hits[1:] * same
    return found


class Passages(Dataset):
    """Bars in memory with their surroundings, taken by the indices of a whole batch."""

    def __init__(self, bars: Bars) -> None:
        self.bars, self.tempos = bars.tensor, torch.from_numpy(bars.tempos)
        self.around = around(self.bars[:, 0], torch.from_numpy(bars.performances))

    def __getitem__(self, indices: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Bars, their surroundings and their tempos."""
        return self.bars[indices], self.around[indices], self.tempos[indices]


class _InPassages(GrooveData):
    def train_dataloader(self) -> DataLoader:
        batches = super().train_dataloader().sampler
        return DataLoader(Passages(self.reference("train")), sampler=batches, batch_size=None)


class GroovePassages(_InPassages, GrooveMidi):
    """The Groove MIDI Dataset, every bar in its place: see `drumvae.played.GrooveMidi`."""


class FolderPassages(_InPassages, MidiFolders):
    """Folders of your own MIDI files: see `drumvae.played.MidiFolders`."""
