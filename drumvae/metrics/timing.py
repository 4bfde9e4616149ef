"""When and how loud hits come: swing, microtiming and dynamics.

`hits` is bool of shape (n, steps, voices), a step being a sixteenth of 4/4. An offset is a share of
a step, positive is late.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from drumvae.grooves import STEPS_PER_BEAT


@dataclass(frozen=True)
class Swing:
    """Swing of a set of bars.

    Attributes:
        ratio: long over short part, 1 is straight, 2 is a triplet; NaN where there is no pair.
        pairs: number of pairs that it was taken from.
    """

    ratio: float
    pairs: int


@dataclass(frozen=True)
class Microtiming:
    """Deviation of hits from the grid, ms, positive is late, of each voice, shape (voices,).

    Attributes:
        mean: how late a voice is on the whole; NaN, as the others, where a voice never sounds.
        sd: standard deviation about that mean (of the hits themselves: 0 for a single one).
        absolute: mean absolute deviation from the grid.
    """

    mean: Tensor
    sd: Tensor
    absolute: Tensor


@dataclass(frozen=True)
class Dynamics:
    """Velocities of hits, in [0, 1], of each voice, shape (voices,).

    Attributes:
        mean: NaN, as the others, where a voice never sounds.
        sd: standard deviation (of the hits themselves: 0 for a single one).
        accents: share of hits that are accents.
    """

    mean: Tensor
    sd: Tensor
    accents: Tensor


def swing(hits: Tensor, offsets: Tensor, division: int = 8) -> Swing:
    r"""Swing ratio: mean long part of a pair of notes over its mean short part.

    .. math:: \sum (t_2 - t_1) \Big/ \sum (t_3 - t_2)

    over hits of one voice with nothing between them: t_1 on a beat, t_2 on its off-beat and t_3 on
    the next beat of the row, since one beyond it is not known. An off-beat eighth lies on the third
    sixteenth of its beat or, from a ratio of 5 : 3 on, on the fourth: a dotted eighth and a
    sixteenth are a ratio of 3. For sixteenths, halves of beats take the place of beats.

    Paper: Friberg & Sundström 2002, "Swing ratios and ensemble timing in jazz performance".

    Args:
        hits: shape (n, steps, voices).
        offsets: same shape.
        division: note value that is swung, 8 or 16.

    Raises:
        ValueError: another division, steps that are no whole beats, or offsets that are not finite.
    """
    refuse_nan(offsets, "offsets")
    if division not in (8, 16):
        raise ValueError(f"swing is that of notes of value 8 or 16, got {division}")
    n, steps, voices = hits.shape
    if steps % STEPS_PER_BEAT:
        raise ValueError(f"{steps} steps are no whole beats of {STEPS_PER_BEAT}")
    beats = (n, -1, STEPS_PER_BEAT * 8 // division, voices)
    grid = torch.arange(steps, device=hits.device)[:, None]
    sounds, times = hits.reshape(beats), (grid + offsets.double()).reshape(beats)
    between = sounds[:, :-1, 1:]
    pair = sounds[:, :-1, 0] & sounds[:, 1:, 0] & (between.sum(2) == 1)
    if division == 8:
        pair &= ~between[:, :, 0]
    middle = (between * times[:, :-1, 1:]).sum(2)
    long, short = middle - times[:, :-1, 0], times[:, 1:, 0] - middle
    # Offsets of half a step each way can bring two hits of a voice together: no pair.
    pair &= (long > 0) & (short > 0)
    return Swing(float(long[pair].sum() / short[pair].sum()), int(pair.sum()))


def microtiming(hits: Tensor, offsets: Tensor, tempos: Tensor) -> Microtiming:
    """Deviations from the grid, offset · 60,000 / tempo / 4 ms, of all hits of each voice.

    Args:
        hits: shape (n, steps, voices).
        offsets: same shape.
        tempos: quarter notes a minute, shape (n,).

    Raises:
        ValueError: a tempo that is no positive number, or not one for each row, or offsets that
            are not finite.
    """
    refuse_nan(offsets, "offsets")
    tempos = tempos.to(hits.device, torch.double)
    if tempos.shape != hits.shape[:1]:
        raise ValueError(f"{len(hits)} bars need as many tempos, got shape {tuple(tempos.shape)}")
    if not (tempos.isfinite() & (tempos > 0)).all():
        wrong = tempos[~(tempos.isfinite() & (tempos > 0))][0]
        raise ValueError(f"a tempo is a positive number of beats a minute, got {wrong:g}")
    late = offsets.double() * (60_000 / STEPS_PER_BEAT / tempos)[:, None, None]
    return Microtiming(*_mean_and_sd(late, hits), _mean_and_sd(late.abs(), hits)[0])


def dynamics(hits: Tensor, velocities: Tensor, accent: float = 1.25) -> Dynamics:
    """Loudness of all hits of each voice.

    Args:
        hits: shape (n, steps, voices).
        velocities: in [0, 1], same shape.
        accent: a hit is an accent above this multiple of its voice's mean velocity, so that the
            share of accents does not change with the volume.

    Raises:
        ValueError: velocities that are not finite.
    """
    refuse_nan(velocities, "velocities")
    mean, sd = _mean_and_sd(velocities.double(), hits)
    loud = (velocities > accent * mean).double()
    return Dynamics(mean, sd, _mean_and_sd(loud, hits)[0])


def _mean_and_sd(values: Tensor, hits: Tensor) -> tuple[Tensor, Tensor]:
    """Of the hits of each voice, shapes (voices,); 0 / 0 is NaN where a voice never sounds."""
    count = hits.sum((0, 1))
    mean = torch.where(hits, values, 0).sum((0, 1)) / count
    return mean, (torch.where(hits, values - mean, 0).square().sum((0, 1)) / count).sqrt()


def refuse_nan(values: Tensor, name: str) -> None:
    """Raise a ValueError that counts what is not finite."""
    if not values.isfinite().all():
        raise ValueError(f"{int((~values.isfinite()).sum())} {name} are not finite")
