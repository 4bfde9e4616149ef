"""In which order letters come: index batches of an endless stream, an epoch at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from fontgan import LETTERS


class EpochBatches(Sampler[Tensor]):
    """Index batches of one epoch of an endless stream of permutations.

    The stream depends on seed and position alone, so a resumed run goes on where it was. Each of
    `world` processes takes every world-th batch.
    """

    def __init__(
        self, n: int, batch_size: int, batches: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self.n, self.batch_size, self.batches, self.seed = n, batch_size, batches, seed
        self.rank, self.world, self.epoch = rank, world, 0
        self._permutations: dict[int, Tensor] = {}

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Tensor]:
        for index in range(self.batches):
            yield self._batch((self.epoch * self.batches + index) * self.world + self.rank)

    def _batch(self, number: int) -> Tensor:
        positions = torch.arange(number * self.batch_size, (number + 1) * self.batch_size)
        rounds = positions // self.n
        return torch.cat(
            [
                self._permutation(turn)[positions[rounds == turn] % self.n]
                for turn in rounds.unique().tolist()
            ]
        )

    def _permutation(self, turn: int) -> Tensor:
        if turn not in self._permutations:
            self._permutations.pop(turn - 2, None)
            generator = torch.Generator().manual_seed(hash((self.seed, turn)) % 2**63)
            self._permutations[turn] = torch.randperm(self.n, generator=generator)
        return self._permutations[turn]


class AlphabeticalBatches(EpochBatches):
    """The stream of a loader that forgot to shuffle: the letters come in alphabetical order.

    A batch is drawn from `at_once` neighbouring letters. Every `pace` batches (of all processes
    together) the next letter comes and the oldest goes, A after Z. What a discriminator no longer
    sees it no longer defends (Thanh-Tung and Tran 2020, "Catastrophic Forgetting and Mode Collapse
    in GANs").

    Args:
        letters: letter of each picture, 0-25, shape (n,).
        at_once: letters in the stream at a time.
        pace: batches until it moves on by one letter.
        *stream: batch size, batches, seed, rank and world, see `EpochBatches`.

    Raises:
        ValueError: `at_once` or `pace` out of range, or no picture of any letter of a window.
    """

    def __init__(self, letters: Tensor, at_once: int, pace: int, *stream: int) -> None:
        super().__init__(len(letters), *stream)
        if not 1 <= at_once <= len(LETTERS) or pace < 1:
            raise ValueError(
                f"data.letters_at_once must lie in 1 to {len(LETTERS)} and data.pace be at least "
                f"1, got {at_once} and {pace}"
            )
        self.pace = pace
        self.windows = [
            ((letters - first) % len(LETTERS) < at_once).nonzero()[:, 0]
            for first in range(len(LETTERS))
        ]
        if not all(map(len, self.windows)):
            raise ValueError("the data has no picture of some letters; raise data.letters_at_once")

    def _batch(self, number: int) -> Tensor:
        window = self.windows[number // self.pace % len(LETTERS)]
        generator = torch.Generator().manual_seed(hash((self.seed, number)) % 2**63)
        return window[torch.randint(len(window), (self.batch_size,), generator=generator)]


class SetBatches(EpochBatches):
    """The stream of all pictures, each beside others of its kind.

    The batch consists of sets; the first picture of each comes from the stream, the others are
    drawn from those of the same label, with replacement. Members of a set lie `batch_size / n`
    apart, as `minibatch_deviation` compares them.

    Args:
        labels: kind of each picture, 0, 1, …, shape (pictures,).
        n: pictures in a set.
        *stream: batch size, batches, seed, rank and world, see `EpochBatches`.

    Raises:
        ValueError: the batch is no multiple of a set.
    """

    def __init__(self, labels: Tensor, n: int, *stream: int) -> None:
        super().__init__(len(labels), *stream)
        if n < 1 or self.batch_size % n:
            raise ValueError(
                f"batches of sets of {n} need a data.batch_size that is a multiple of {n}, "
                f"not {self.batch_size}"
            )
        self.labels, self.in_set = labels, n
        self.batch_size //= n  # of the stream
        self.sizes = torch.bincount(labels)
        self.ordered = torch.argsort(labels, stable=True)
        self.starts = self.sizes.cumsum(0) - self.sizes

    def _batch(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(hash((self.seed, number, 1)) % 2**63)
        first = super()._batch(number)
        kinds = self.labels[first]
        places = torch.rand(self.in_set - 1, len(first), generator=generator) * self.sizes[kinds]
        others = self.ordered[self.starts[kinds] + places.long()]
        return torch.cat([first, others.flatten()])


class FaceBatches(EpochBatches):
    """Sets of letters of one face: what a discriminator needs to see whether they share a hand.

    A batch holds `batch_size / per_face` faces, drawn with replacement, and of each `per_face`
    different pictures, one after the other.

    Args:
        faces: face of each picture, shape (n,).
        per_face: pictures of a face in a set.
        *stream: batch size, batches, seed, rank and world, see `EpochBatches`.

    Raises:
        ValueError: the batch is no multiple of a set, or a face has too few pictures.
    """

    def __init__(self, faces: Tensor, per_face: int, *stream: int) -> None:
        super().__init__(len(faces), *stream)
        if per_face < 1 or self.batch_size % per_face:
            raise ValueError(
                f"data.batch_size={self.batch_size} must be a multiple of "
                f"data.per_face={per_face}, and that at least 1"
            )
        self.per_face = per_face
        self.members = [(faces == face).nonzero()[:, 0] for face in faces.unique()]
        if (fewest := min(map(len, self.members))) < per_face:
            raise ValueError(
                f"a face of the data has {fewest} pictures only; lower data.per_face={per_face}"
            )

    def _batch(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(hash((self.seed, number)) % 2**63)
        sets = self.batch_size // self.per_face
        chosen = torch.randint(len(self.members), (sets,), generator=generator).tolist()
        return torch.cat(
            [
                pictures[torch.randperm(len(pictures), generator=generator)[: self.per_face]]
                for pictures in (self.members[face] for face in chosen)
            ]
        )
