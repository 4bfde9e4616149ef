"""LightningDataModules of bars that were played: the Groove MIDI Dataset, folders of MIDI."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.utilities import rank_zero_info
from platformdirs import user_cache_path

from drumvae import performances
from drumvae.bars import Bars
from drumvae.data import GrooveData


class _Played(GrooveData):
    """Performances, read once and cached."""

    def __init__(self, cache: str | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.cache = Path(cache) if cache else user_cache_path("modekeeper")

    def _key(self, *parts: object) -> Path:
        text = "\n".join(map(str, (performances.VERSION, self.steps, self.kit.voices, *parts)))
        digest = hashlib.sha256(os.fsencode(text)).hexdigest()[:16]
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
        dirs: folders, searched at any depth, or one folder; `~` is the home.
        **arguments: see `GrooveData`, and `cache`.

    Raises:
        FileNotFoundError: a missing folder, or no MIDI file.
        ValueError: fewer than three usable files.
    """

    def __init__(self, dirs: Sequence[str] | str, **arguments: Any) -> None:
        super().__init__(**arguments)
        folders = [dirs] if isinstance(dirs, str) else dirs
        self.dirs = [Path(folder).expanduser() for folder in folders]
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
