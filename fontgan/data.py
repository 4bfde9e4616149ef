"""LightningDataModules of letters: built-in typefaces, folders of fonts, the report's letters.

The pictures are one tensor in memory, indexed a batch at a time; an epoch is a fixed number of
batches, so that runs on small and large data compare.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lightning import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from platformdirs import user_cache_path
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fontgan import cleaning, report_letters, typefaces
from fontgan.batches import AlphabeticalBatches, EpochBatches, FaceBatches, SetBatches
from fontgan.glyphs import GlyphSet
from fontgan.judge import BUILTIN as BUILTIN_JUDGE
from fontgan.judge import REPORT as REPORT_JUDGE
from fontgan.judge import Judge
from fontgan.near_letters import NearLetters
from fontgan.rendering import find_fonts
from fontgan.typefaces import Typefaces


class GlyphData(LightningDataModule):
    """What all letter data share; a subclass loads the sets.

    Args:
        batch_size: pictures in a batch (on each device).
        batches_per_epoch: batches in an epoch (on each device).
        size: side of the pictures in pixels.
        seed: of the order in which pictures come.
        cache: folder of rendered fonts and trained judges; the user's cache folder by default.
        workers: processes that load; the data lies in memory, so 0 is fastest.
        letters_at_once: letters that are in the stream at a time, see `AlphabeticalBatches`; None
            shuffles the whole alphabet.
        pace: batches until the next letter takes the place of the oldest.
        per_face: letters of one face in a set, see `FaceBatches`; None takes any pictures.
    """

    def __init__(
        self,
        batch_size: int = 64,
        batches_per_epoch: int = 500,
        size: int = 28,
        seed: int = 0,
        cache: str | None = None,
        workers: int = 0,
        letters_at_once: int | None = None,
        pace: int = 100,
        per_face: int | None = None,
    ) -> None:
        super().__init__()
        if per_face is not None and letters_at_once is not None:
            raise ValueError("data.per_face and data.letters_at_once do not go together")
        for name, value in (("batch_size", batch_size), ("batches_per_epoch", batches_per_epoch)):
            if value < 1:
                raise ValueError(f"data.{name} must be at least 1, got {value}")
        self.batch_size, self.batches_per_epoch = batch_size, batches_per_epoch
        self.size, self.seed, self.workers = size, seed, workers
        self.letters_at_once, self.pace, self.per_face = letters_at_once, pace, per_face
        self.cache = Path(cache) if cache else user_cache_path("modekeeper")
        self._in_sets: tuple[Tensor, int] | None = None

    def sets(self) -> dict[str, GlyphSet]:
        """Load the splits: "train", "validate", "test"."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        """Short digest of the data."""
        raise NotImplementedError

    @cached_property
    def _sets(self) -> dict[str, GlyphSet]:
        return self.sets()

    def reference(self, split: str) -> GlyphSet:
        """The real letters of a split, the same object at every call."""
        if split not in self._sets:
            raise ValueError(f"unknown split {split!r}; choose one of {', '.join(self._sets)}")
        return self._sets[split]

    @cached_property
    def judge(self) -> Judge:
        """The judge that belongs to this data: shipped, cached, or trained now and cached."""
        path = self.cache / "judges" / f"{self.fingerprint}-{self.size}-grained.safetensors"
        for candidate in (BUILTIN_JUDGE, REPORT_JUDGE, path):
            if candidate.is_file():
                try:
                    judge = Judge.load(candidate)
                except ValueError as error:
                    rank_zero_warn(f"{error}; training another")
                    continue
                if (judge.data, judge.size) == (self.fingerprint, self.size):
                    return judge
        from fontgan.judge_training import train

        rank_zero_info(
            "Training a judge for this data, once (a quarter of an hour on two cores); "
            f"it is kept in {path}"
        )
        judge = train(
            self.reference("train"),
            self.reference("validate"),
            NearLetters.builtin("train"),
            self.fingerprint,
        )
        judge.save(path)
        return Judge.load(path)

    def in_sets(self, labels: Tensor, n: int) -> None:
        """Let training batches come in sets of like pictures from now on, see `SetBatches`.

        Args:
            labels: kind of each training picture.
            n: pictures in a set.

        Raises:
            ValueError: the batches are of another kind already.
        """
        if self.per_face is not None or self.letters_at_once is not None:
            raise ValueError(
                "batches cannot come in sets of a cluster and as data.per_face or "
                "data.letters_at_once have them; choose one, with gan.clusters=false for the latter"
            )
        self._in_sets = labels.cpu(), n

    def setup(self, stage: str) -> None:
        self.reference("train")

    def train_dataloader(self) -> DataLoader:
        glyphs = self.reference("train")
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        stream = (self.batch_size, self.batches_per_epoch, self.seed, rank, world)
        if self._in_sets is not None:
            sampler = SetBatches(*self._in_sets, *stream)
        elif self.per_face is not None:
            sampler = FaceBatches(glyphs.faces, self.per_face, *stream)
        elif self.letters_at_once is not None:
            sampler = AlphabeticalBatches(glyphs.letters, self.letters_at_once, self.pace, *stream)
        else:
            sampler = EpochBatches(len(glyphs.letters), *stream)
        return DataLoader(
            _Indexed(glyphs),
            sampler=sampler,
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def test_dataloader(self) -> DataLoader:
        """One batch: callbacks do the measuring, and Lightning wants something to go through."""
        return DataLoader(_Indexed(self.reference("test")), sampler=[[0]], batch_size=None)


class _Indexed(Dataset):
    def __init__(self, glyphs: GlyphSet) -> None:
        self.glyphs = glyphs

    def __getitem__(self, indices: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures in [0, 1], letters and faces of a batch."""
        glyphs = self.glyphs
        return glyphs.images[indices].float() / 255, glyphs.letters[indices], glyphs.faces[indices]


class BuiltinTypefaces(GlyphData):
    """The typefaces that ship with the package, split by group."""

    def __init__(self, size: int = 28, **arguments: Any) -> None:
        super().__init__(size=size, **arguments)
        self.typefaces = Typefaces.load(typefaces.BUILTIN)
        if size != self.typefaces.size:
            raise ValueError(
                f"the built-in typefaces are {self.typefaces.size} pixels large, not {size}; "
                "render other sizes from font files with data=fonts data.dirs=[...]"
            )

    def sets(self) -> dict[str, GlyphSet]:
        return {split: GlyphSet.of(self.typefaces, split) for split in typefaces.SPLITS}

    @property
    def fingerprint(self) -> str:
        return self.typefaces.fingerprint


class FontFolders(GlyphData):
    """Typefaces from folders of font files, at any depth; a checkout of Google Fonts will do.

    Rendered once, then cached under a digest of the files' contents; a damaged cache is rebuilt.

    Args:
        dirs: folders of fonts, or one folder; `~` is the home.
        **arguments: see `GlyphData`.

    Raises:
        FileNotFoundError: a missing folder, or no font file in it.
        ValueError: no usable face, or fewer than three unrelated families.
    """

    def __init__(self, dirs: Sequence[str] | str, **arguments: Any) -> None:
        super().__init__(**arguments)
        folders = [dirs] if isinstance(dirs, str) else dirs
        self.dirs = [Path(folder).expanduser() for folder in folders]
        self.typefaces = self._cached()
        self.typefaces.split("train")  # too few groups are an error now, not after an epoch

    def _cached(self) -> Typefaces:
        digest = hashlib.sha256(f"{self.size} {cleaning.VERSION}".encode())
        for name, content in sorted(  # whatever the order of the folders
            (os.fsencode(file.name), hashlib.sha256(file.path.read_bytes()).digest())
            for file in find_fonts(self.dirs)
        ):
            digest.update(name + content)
        path = self.cache / "typefaces" / f"{digest.hexdigest()[:16]}.npz"
        if path.is_file():
            try:
                return Typefaces.load(path)
            except ValueError as error:
                rank_zero_warn(f"{error}; rendering the fonts again")
        reference = Typefaces.load(typefaces.BUILTIN).glyphs
        built, rejections = cleaning.build(self.dirs, self.size, reference, progress=True)
        rank_zero_info(
            f"{len(built.faces)} faces in {len(set(built.groups))} groups; {len(rejections)} "
            f"dropped (python -m fontgan.typefaces build says why); kept in {path}"
        )
        built.save(path)
        return built

    def sets(self) -> dict[str, GlyphSet]:
        return {split: GlyphSet.of(self.typefaces, split) for split in typefaces.SPLITS}

    @property
    def fingerprint(self) -> str:
        return self.typefaces.fingerprint


class ReportLetters(GlyphData):
    """The report's synthetic letters: ten styles of one small face, jitter and noise.

    The report has 200 training and 60 validation pictures a letter. Here the 60 are the test split,
    and 60 more, drawn alike, are the validation split, so that nothing is chosen on test.

    Args:
        per_letter: training pictures a letter.
        held_out: pictures a letter in each of the two other splits.
        **arguments: see `GlyphData`.
    """

    def __init__(self, per_letter: int = 200, held_out: int = 60, **arguments: Any) -> None:
        super().__init__(**arguments)
        if self.size != report_letters.SIZE:
            raise ValueError(
                f"the report's letters are {report_letters.SIZE} pixels large, not {self.size}"
            )
        self.per_letter, self.held_out = per_letter, held_out

    def sets(self) -> dict[str, GlyphSet]:
        counts = {"train": self.per_letter, "test": self.held_out, "validate": self.held_out}
        return report_letters.draw(counts, seed=641)

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for split in ("train", "validate", "test"):
            digest.update(self.reference(split).images.numpy().tobytes())
        return digest.hexdigest()[:12]

    @property
    def fingerprint(self) -> str:
        return self._digest
