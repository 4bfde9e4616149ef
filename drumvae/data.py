"""LightningDataModules of bars: recipes, factors, the Groove MIDI Dataset, folders of MIDI.

A batch is ``(bars, styles)``: bars float, shape (n, 3, steps, voices), the channels being hits,
velocities and offsets; styles long, shape (n,). Bars lie in memory as one tensor.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from platformdirs import user_cache_path
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from drumvae import factors, performances, recipes
from drumvae.bars import Bars
from drumvae.batches import EpochBatches, FreshBatches, Indexed, source
from drumvae.grooves import GMD_VOICES, REPORT_KIT, Kit


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


class _Played(GrooveData):
    """Performances, read once and cached."""

    def __init__(self, cache: str | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.cache = Path(cache) if cache else user_cache_path("modekeeper")

    def _key(self, *parts: object) -> Path:
        text = "\n".join(map(str, (performances.VERSION, self.steps, self.kit.voices, *parts)))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self.cache / "grooves" / digest


class GrooveMidi(_Played):
    """The Groove MIDI Dataset, official splits: see `drumvae.performances`.

    Args:
        archive: a local copy of its zip; by default it is fetched, once.
        kinds: of performances: "beat", "fill" or both.
        styles: of the bars that are kept; all by default.
        **arguments: see `GrooveData`, and `cache`.

    Raises:
        FileNotFoundError: no such archive.
        ValueError: the archive is damaged or another, or it cannot be fetched.
    """

    def __init__(
        self,
        archive: str | None = None,
        kinds: Sequence[str] = ("beat",),
        styles: Sequence[str] | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        unknown = [kind for kind in kinds if kind not in ("beat", "fill")]
        if unknown or not kinds:
            raise ValueError(f"data.kinds must be of beat and fill, got {list(kinds)}")
        for style in styles or ():
            if style not in performances.STYLES:
                known = ", ".join(performances.STYLES)
                raise ValueError(f"no style {style!r} in the dataset; there are {known}")
        self.archive, self.kinds, self.styles = archive, tuple(kinds), styles

    def sets(self) -> dict[str, Bars]:
        archive = Path(self.archive) if self.archive else performances.fetch(self.cache)
        if not archive.is_file():
            raise FileNotFoundError(
                f"no archive at {archive}; leave data.archive out to fetch the dataset"
            )
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != performances.SHA256:
            raise ValueError(
                f"{archive} is not the Groove MIDI Dataset 1.0.0, or a damaged copy: its sha256 is "
                f"{digest}, not {performances.SHA256}"
            )
        path = self._key(digest, *self.kinds)
        bars = self.steps // 16
        splits, note = performances.cached(
            path, lambda: performances.read_gmd(archive, self.kit, bars, self.kinds)
        )
        rank_zero_info(f"Groove MIDI Dataset: {note.splitlines()[0]}")
        if self.styles is None:
            return splits
        chosen = [performances.STYLES.index(style) for style in self.styles]
        kept = {s: bars[np.isin(bars.styles, chosen)] for s, bars in splits.items()}
        if empty := [split for split, bars in kept.items() if not len(bars)]:
            raise ValueError(
                f"no bar of {', '.join(self.styles)} in the split(s) {', '.join(empty)}"
                f" ({', '.join(performances.TRAIN_ONLY)} is in the training split alone)"
            )
        return kept


class MidiFolders(_Played):
    """Folders of your own MIDI files; the folder that a file lies in is its style.

    Args:
        dirs: folders, searched at any depth.
        **arguments: see `GrooveData`, and `cache`.

    Raises:
        FileNotFoundError: a missing folder, or no MIDI file.
        ValueError: fewer than three usable files.
    """

    def __init__(self, dirs: Sequence[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.dirs = [Path(folder) for folder in dirs]
        self._sets  # noqa: B018  what cannot be used is an error now, not after an epoch

    def sets(self) -> dict[str, Bars]:
        files = performances.find_midi(self.dirs)
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        named = [f"{file.parent.name} {d}" for file, d in zip(files, digests, strict=True)]
        splits, note = performances.cached(
            self._key(*named),
            lambda: performances.read_folders(self.dirs, self.kit, self.steps // 16),
        )
        rank_zero_info(f"MIDI folders: {note.splitlines()[0]}")
        return splits
