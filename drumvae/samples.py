"""Bars of anybody's generator, read from files."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drumvae.grooves import Kit
from drumvae.midi import read_performance
from drumvae.performances import cut, find_midi

TEMPO = 120.0


def load(path: Path, kit: Kit, steps: int) -> tuple[Tensor, Tensor]:
    """Read bars from an .npz file or from a folder of MIDI files.

    Args:
        path: a file with an array `hits`, shape (n, steps, voices), and where there are any
            `velocities`, `offsets` (same shape) and `tempos` (n,), as `samples/final.npz` of a run;
            or a folder, searched at any depth, whose files are cut into bars.
        kit: the voices.
        steps: of a bar.

    Returns:
        Hits, velocities and offsets, float, shape (n, 3, steps, voices); tempos, shape (n,).

    Raises:
        FileNotFoundError: nothing at `path`, or no MIDI file in it.
        ValueError: what is there are no bars of this shape.
    """
    if path.is_dir():
        return _folder(path, kit, steps)
    if not path.is_file():
        raise FileNotFoundError(f"no samples at {path}; it must be an .npz file or a folder")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("it is one array; write it with numpy.savez(FILE, hits=ARRAY)")
        with loaded as archive:
            stored = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read as an .npz file of arrays: {error}") from error
    if "hits" not in stored:
        held = ", ".join(stored) or "nothing"
        raise ValueError(f"{path} has no array `hits`; it holds {held}")
    shape = stored["hits"].shape
    if shape[1:] != (steps, len(kit.voices)) or not shape[0]:
        raise ValueError(
            f"{path}: `hits` must be (n, {steps}, {len(kit.voices)}), n of 1 or more, got {shape}; "
            f"the voices are {', '.join(kit.voices)}"
        )
    hits = stored["hits"].astype(np.float32) > 0
    velocities = stored.get("velocities", 0.8 * hits)
    offsets = stored.get("offsets", np.zeros(shape))
    tempos = stored.get("tempos", np.full(shape[0], TEMPO))
    if velocities.shape != shape or offsets.shape != shape or tempos.shape != shape[:1]:
        raise ValueError(f"{path}: velocities, offsets and tempos must have the shape of hits")
    bars = np.stack([hits, velocities, offsets], 1).astype(np.float32)
    if not (np.isfinite(bars).all() and np.isfinite(tempos).all() and (tempos > 0).all()):
        raise ValueError(f"{path} holds values that are no numbers, or tempos of 0 or less")
    if (bars[:, 1] < 0).any() or (bars[:, 1] > 1).any():
        raise ValueError(f"{path}: velocities must lie in [0, 1]; divide those of MIDI by 127")
    if (np.abs(bars[:, 2]) > 0.5).any():
        raise ValueError(f"{path}: offsets are shares of a step and must lie in [-0.5, 0.5]")
    return torch.from_numpy(bars), torch.from_numpy(tempos.astype(np.float32))


def _folder(path: Path, kit: Kit, steps: int) -> tuple[Tensor, Tensor]:
    bars, tempos = [], []
    for file in find_midi([path]):
        try:
            grooves = cut(read_performance(file), kit, steps // 16)[0]
        except ValueError as error:
            text = str(error)
            raise ValueError(text if str(file) in text else f"{file}: {text}") from error
        for groove in grooves:
            bars.append(np.stack([groove.hits, groove.velocities, groove.offsets]))
            tempos.append(groove.tempo)
    if not bars:
        raise ValueError(f"no whole bar of {steps} steps in the MIDI files of {path}")
    return torch.from_numpy(np.stack(bars).astype(np.float32)), torch.tensor(tempos)
