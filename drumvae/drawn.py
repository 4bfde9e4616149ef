"""LightningDataModules of bars drawn from known distributions: recipes and factors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from drumvae import factors, recipes
from drumvae.bars import Bars
from drumvae.batches import FreshBatches, source
from drumvae.data import GrooveData
from drumvae.grooves import REPORT_KIT


class Drawn(GrooveData):
    """Bars drawn from a known distribution: a fixed set, or an endless stream of fresh ones.

    Args:
        train: bars in the training split.
        held_out: bars in each of the two other splits.
        endless: train on fresh bars only; the training split then serves measuring alone.
        **arguments: see `GrooveData`.
    """

    def __init__(
        self, train: int = 800, held_out: int = 200, endless: bool = False, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        for name, value in (("train", train), ("held_out", held_out)):
            if value < 5:
                raise ValueError(f"data.{name} must be at least 5 bars, got {value}")
        if self.steps != recipes.STEPS:
            raise ValueError(f"these bars have {recipes.STEPS} steps, not {self.steps}")
        self.train, self.held_out, self.endless = train, held_out, endless

    def draw(self, n: int, generator: torch.Generator, even: bool = False) -> Bars:
        """Fresh bars; with `even` as many of each style as the number allows."""
        raise NotImplementedError

    def sets(self) -> dict[str, Bars]:
        counts = {"train": self.train, "validate": self.held_out, "test": self.held_out}
        # A fixed seed: the data do not change with the seed of the run.
        return {
            split: self.draw(n, source(641, number), even=True)
            for number, (split, n) in enumerate(counts.items())
        }

    def fresh(self, n: int, seed: int) -> Bars:
        """Bars that no split holds."""
        return self.draw(n, source(seed, -1))

    def train_dataloader(self) -> DataLoader:
        if not self.endless:
            return super().train_dataloader()
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        batches = self.batches_per_epoch or max(1, self.train // (self.batch_size * world))
        sampler = FreshBatches(batches, self.seed, rank, world)
        return DataLoader(_Fresh(self), sampler=sampler, batch_size=None)


class _Fresh(Dataset):
    def __init__(self, data: Drawn) -> None:
        self.data = data

    def __getitem__(self, number: Any) -> tuple[Tensor, Tensor]:
        bars = self.data.draw(self.data.batch_size, source(self.data.seed, number))
        return bars.tensor, torch.from_numpy(bars.styles)


def even_styles(n: int, styles: int, generator: torch.Generator) -> Tensor:
    """As many of each style as n allows, in random order, shape (n,)."""
    return (torch.arange(n) % styles)[torch.randperm(n, generator=generator)]


class Recipes(Drawn):
    """The report's five style recipes, with their exact likelihood: see `drumvae.recipes`.

    Each split holds the styles in equal shares, as in the report. The report has 800 and 200 bars;
    its 200 are the test split here, and 200 more the validation split.
    """

    def __init__(self, voices: Sequence[str] = REPORT_KIT.voices, **arguments: Any) -> None:
        super().__init__(voices=voices, **arguments)
        if self.kit != REPORT_KIT:
            raise ValueError(f"the recipes are for the voices {', '.join(REPORT_KIT.voices)}")
        self.truth = recipes.recipes()

    def draw(self, n: int, generator: torch.Generator, even: bool = False) -> Bars:
        mixture = recipes.recipes()
        styles = (
            even_styles(n, len(recipes.STYLES), generator)
            if even
            else mixture.draw_styles(n, generator)
        )
        hits = mixture.draw(styles, generator).numpy()
        return Bars(
            hits,
            (0.8 * hits).astype(np.float32),
            np.zeros(hits.shape, np.float32),
            styles.numpy(),
            np.arange(n),
            np.full(n, 120, np.float32),
            recipes.STYLES,
            self.kit,
        )


class Factors(Drawn):
    """Bars whose details have structure, and known factors: see `drumvae.factors`."""

    def __init__(self, voices: Sequence[str] = REPORT_KIT.voices, **arguments: Any) -> None:
        super().__init__(voices=voices, **arguments)
        if self.kit != REPORT_KIT:
            raise ValueError(f"the factors are for the voices {', '.join(REPORT_KIT.voices)}")
        self.truth = factors.Generator()

    def draw(self, n: int, generator: torch.Generator, even: bool = False) -> Bars:
        return factors.Generator().bars(n, generator, even)
