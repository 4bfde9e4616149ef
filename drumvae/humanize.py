"""Play what is written: velocities and offsets of a trained `Humanizer` for grooves and bars.

.. code-block:: python

    from drumvae.humanize import humanize, load_humanizer

    humanizer = load_humanizer(Path("RUN/checkpoints/last.ckpt"))
    played = humanize(humanizer, groove, amount=0.8, generator=torch.Generator().manual_seed(1))
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from callbacks.atomic import write_atomically
from conf.checkpoints import restored
from drumvae.bars import Bars
from drumvae.grooves import GMD_KIT, Groove, Kit
from drumvae.humanizer import Humanizer
from drumvae.passages import around

Played = TypeVar("Played", Groove, Bars, Sequence[Groove])

# Voices that the drummers of the data did not play, and what they are played like.
PLAYED_LIKE = {"clap": "snare", "mid_tom": "low_tom"}


def humanize(
    humanizer: Humanizer,
    played: Played,
    amount: float = 1.0,
    generator: torch.Generator | None = None,
    kit: Kit = GMD_KIT,
) -> Played:
    """The same hits with drawn velocities and offsets.

    Bars that follow one another are played in one feel, and each in sight of its neighbours: the
    bars of a groove, grooves in a row, the bars of one performance.

    Args:
        humanizer: in any mode.
        played: a groove of whole bars, several in a row, or bars.
        amount: 0 for the velocities and offsets that `played` has, 1 for the drawn ones, between
            them for what lies so far on the way.
        generator: source of chance; the global one where there is none.
        kit: that the humanizer was trained on.

    Returns:
        As `played`, new.

    Raises:
        ValueError: an amount outside of [0, 1], bars of another length than the humanizer's, or a
            voice that it neither knows nor has another for.
    """
    if not 0 <= amount <= 1:
        raise ValueError(f"amount must be from 0 to 1, got {amount}")
    if isinstance(played, Bars):
        tracks = np.unique(played.performances, return_inverse=True)[1]
        drawn = _drawn(humanizer, played.hits, played.tempos, tracks, (played.kit, kit), generator)
        velocities, offsets = (
            _between(old, new, amount, played.hits)
            for old, new in zip((played.velocities, played.offsets), drawn, strict=True)
        )
        return cast(Played, replace(played, velocities=velocities, offsets=offsets))
    if isinstance(played, Groove):
        return cast(Played, _grooves(humanizer, [played], amount, generator, kit)[0])
    return cast(Played, _grooves(humanizer, list(played), amount, generator, kit))


def _grooves(
    humanizer: Humanizer,
    grooves: list[Groove],
    amount: float,
    generator: torch.Generator | None,
    kit: Kit,
) -> list[Groove]:
    steps = humanizer.sizes["steps"]
    for groove in grooves:
        if groove.steps % steps or groove.meter != (4, 4):
            raise ValueError(
                f"the humanizer plays whole bars of {steps} steps in 4/4, got {groove.steps} steps "
                f"in {groove.meter[0]}/{groove.meter[1]}"
            )
    if len({groove.kit for groove in grooves}) > 1:
        raise ValueError("grooves in a row must have one kit")
    if not grooves:
        return []
    hits = np.concatenate([groove.hits for groove in grooves])
    bars = hits.reshape(-1, steps, hits.shape[1])
    counts = [groove.steps // steps for groove in grooves]
    tempos = np.repeat(np.array([g.tempo for g in grooves], np.float32), counts)
    one = np.zeros(len(bars), np.int64)
    kits = (grooves[0].kit, kit)
    drawn = [
        new.reshape(hits.shape) for new in _drawn(humanizer, bars, tempos, one, kits, generator)
    ]
    ends = np.cumsum([groove.steps for groove in grooves])[:-1]
    humanized = []
    for groove, velocities, offsets in zip(
        grooves, *(np.split(new, ends) for new in drawn), strict=True
    ):
        velocities = _between(groove.velocities, velocities, amount, groove.hits)
        offsets = _between(groove.offsets, offsets, amount, groove.hits)
        humanized.append(replace(groove, velocities=velocities, offsets=offsets))
    return humanized


def _drawn(
    humanizer: Humanizer,
    hits: NDArray[np.bool_],
    tempos: NDArray[np.float32],
    tracks: NDArray[np.int64],
    kits: tuple[Kit, Kit],
    generator: torch.Generator | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Velocities and offsets of every cell, whether it has a hit or not, as the kit has them."""
    columns = _columns(*kits)
    known = torch.zeros(*hits.shape[:2], len(kits[1].voices))
    # Two voices that are played like one sound in its cell.
    for column, own in zip(columns, torch.from_numpy(hits).unbind(2), strict=True):
        known[:, :, column] = torch.maximum(known[:, :, column], own.float())
    numbers = torch.from_numpy(tracks)
    bars = humanizer.sample(
        known, torch.from_numpy(tempos), generator, around(known, numbers), numbers
    )
    velocities, offsets = bars[:, 1:, :, columns].cpu().numpy().swapaxes(0, 1)
    return velocities, offsets


def _columns(kit: Kit, known: Kit) -> list[int]:
    """Column of the humanizer's kit that each voice of a kit is played like."""
    columns = []
    for voice in kit.voices:
        like = voice if voice in known.voices else PLAYED_LIKE.get(voice, voice)
        if like not in known.voices:
            raise ValueError(
                f"the humanizer does not know the voice {voice!r}; it knows "
                f"{', '.join(known.voices)}"
            )
        columns.append(known.voices.index(like))
    return columns


def _between(
    old: NDArray[np.float32], new: NDArray[np.float32], amount: float, hits: NDArray[np.bool_]
) -> NDArray[np.float32]:
    if amount == 0:
        return old.copy()
    mixed = np.where(hits, (1 - amount) * old + amount * new, 0)
    return mixed.astype(np.float32)


def save_humanizer(humanizer: Humanizer, path: Path) -> None:
    """Write the averaged weights in half precision, whole or not at all, for `load_humanizer`."""
    weights: dict[str, Tensor] = {
        name: weight.half().contiguous().cpu()
        for name, weight in humanizer.averaged.state_dict().items()
    }
    write_atomically(path, save(weights, {"sizes": json.dumps(humanizer.sizes)}))


def load_humanizer(path: Path) -> Humanizer:
    """A trained humanizer on the CPU, in eval mode.

    Args:
        path: what `save_humanizer` wrote (.safetensors), or RUN/checkpoints/NAME.ckpt of a run.

    Raises:
        FileNotFoundError: no such file, or no config.yaml of a checkpoint's run.
        ValueError: it is none, or a damaged one.
    """
    if path.suffix == ".ckpt":
        module = restored(path)[1]
        if not isinstance(module, Humanizer):
            raise ValueError(f"{path} is no humanizer, but a {type(module).__name__}")
        return module
    if not path.is_file():
        raise FileNotFoundError(f"no humanizer at {path}")
    try:
        with safe_open(path, "pt") as file:
            sizes = json.loads(file.metadata()["sizes"])
            weights = {name: file.get_tensor(name).float() for name in file.keys()}
        humanizer = Humanizer(**sizes)
        humanizer.network.load_state_dict(weights)
        humanizer.averaged.load_state_dict(weights)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no humanizer, or a damaged one ({error})") from error
    return humanizer.eval()
