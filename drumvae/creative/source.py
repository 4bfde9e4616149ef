"""A MIDI file as the bars that a model reads, and bars as a groove that is written."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drumvae.grooves import Groove, Kit, Losses, quantise, steps_in_bar
from drumvae.midi import read_performance

LEAST, MOST = 20.0, 400.0  # quarter notes a minute that a drummer plays
LONGEST = 2000  # bars of a file: an hour at 130 beats a minute


@dataclass(frozen=True)
class Source:
    """Bars of a file.

    Attributes:
        bars: hits, velocities and offsets, shape (n, 3, steps, voices); the last is filled up with
            rest.
        tempo: of the file's beginning, quarter notes a minute.
        kit: the voices.
        losses: notes that the grid or the kit could not hold.
        remarks: what of the file the bars do not have, in words.
    """

    bars: Tensor
    tempo: float
    kit: Kit
    losses: Losses
    remarks: tuple[str, ...] = ()


def read_source(path: Path, kit: Kit, steps: int) -> Source:
    """Read a MIDI file of any looseness as bars.

    Notes go to the nearest sixteenth and keep how far they lie off it, so swing survives. Rests
    before the first bar that sounds and after the last are left out.

    Args:
        path: of the file.
        kit: the voices.
        steps: of a bar.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no MIDI file, one without drums that the kit has, not in 4/4, or of more than
            `LONGEST` bars.
    """
    performance = read_performance(path)
    if steps_in_bar(performance.meter) != 16 or performance.meter[0] != 4:
        beats, unit = performance.meter
        raise ValueError(
            f"{path} is in {beats}/{unit}, and the model plays 4/4; give it a file in 4/4"
        )
    if performance.sounding > LONGEST:
        raise ValueError(
            f"{path} is {performance.sounding:,} bars long, and {LONGEST:,} are the most; cut it"
        )
    count = -(-performance.sounding * 16 // steps)
    whole, losses = quantise(performance.notes, kit, count * steps)
    cells = np.stack([whole.hits, whole.velocities, whole.offsets]).astype(np.float32)
    bars = torch.from_numpy(cells).unflatten(1, (count, steps)).transpose(0, 1).contiguous()
    sounding = bars[:, 0].flatten(1).any(1)
    if not sounding.any():
        raise ValueError(
            f"{path} has {losses.outside} notes on the drum channel and none of a voice of this "
            f"kit ({', '.join(kit.voices)}); write it with General MIDI drum notes"
        )
    first = int(sounding.int().argmax())
    tempo = performance.tempo_at(first * steps / 4)
    later = [t for place, t in performance.tempos if place > first * steps / 4]
    remarks = losses.told()
    if changed := [other for other in later if abs(other - tempo) > 0.5]:
        low, high = min(tempo, *changed), max(tempo, *changed)
        remarks += (
            f"its tempo moves between {low:.0f} and {high:.0f} beats a minute, and what is written "
            f"has the {tempo:.0f} of its beginning",
        )
    others = Counter(
        (note.note, kit.note_of(column))
        for note in performance.notes
        if (column := kit.voice_of(note.note)) is not None and note.note != kit.note_of(column)
    )
    if others:
        pairs = ", ".join(f"{one} as {other}" for one, other in sorted(others))
        count = "1 note is" if others.total() == 1 else f"{others.total()} notes are"
        remarks += (f"{count} written as the kit's own of their voice ({pairs})",)
    last = len(sounding) - int(sounding.flip(0).int().argmax())
    if first:
        rest = "first bar is" if first == 1 else f"first {first} bars are"
        remarks += (f"its {rest} silent and left out",)
    return Source(bars[first:last], tempo, kit, losses, remarks)


def body(bars: Tensor) -> Tensor:
    """Bars of shape (n, 3, steps, voices) without the last stroke, and the rest about it.

    Many files end in one: a last bar with less than half as many hits as the bars that sound have
    in the median.
    """
    hits = bars[:, 0].sum((1, 2))
    sounding = hits.nonzero()[:, 0]
    if len(sounding) > 1 and hits[sounding[-1]] < hits[sounding].quantile(0.5) / 2:
        sounding = sounding[:-1]
    return bars[: int(sounding[-1]) + 1] if len(sounding) else bars


def groove_of(bars: Tensor, kit: Kit, tempo: float) -> Groove:
    """Bars of shape (n, 3, steps, voices), one after the other, as a groove.

    Raises:
        ValueError: a tempo that nobody plays.
    """
    if not LEAST <= tempo <= MOST:
        raise ValueError(
            f"a tempo lies in [{LEAST:g}, {MOST:g}] beats a minute, got {tempo:g}; "
            "tempo=120 writes what is made at that tempo"
        )
    hits, velocities, offsets = bars.transpose(0, 1).flatten(1, 2).numpy()
    return Groove(hits > 0.5, velocities, offsets, float(tempo), kit=kit)
