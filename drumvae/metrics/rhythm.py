"""Rhythm of drum bars: how dense, syncopated, swung, loose, even and well-formed they are.

`hits` is bool of shape (n, steps, voices) and `onsets` bool of shape (..., steps), a step being a
sixteenth of 4/4; a row may hold several bars. An offset is a share of a step, positive is late.
"""

import math

import torch
from torch import Tensor

from drumvae.grooves import STEPS_PER_BEAT, Kit
from drumvae.metrics.distributions import distinct, hamming
from drumvae.metrics.syncopation import (
    BAR,
    METRE,
    polyphonic_syncopation,
    stream,
    syncopation,
    weights,
)
from drumvae.metrics.timing import dynamics, microtiming, refuse_nan, swing


def density(hits: Tensor) -> Tensor:
    """Hits of each voice in a row of steps, shape (n, voices)."""
    return hits.sum(1).double()


def balance(onsets: Tensor) -> Tensor:
    r"""How near the centre of mass of the onsets lies to the centre of the circle of the row.

    .. math:: 1 - \Big| \frac1K \sum_k e^{2 \pi i\, t_k / N} \Big|

    for onsets at steps t_k, k < K, of N. 1 is perfectly balanced; a single onset has 0.

    Paper: Milne & Herff 2020, "The perceptual relevance of balance, evenness, and entropy in
    musical rhythms"; Milne et al. 2015, "Perfect balance".

    Returns:
        In [0, 1], 0 where there is no onset, shape (...).
    """
    found = 1 - _resultant(onsets, _circle(onsets))
    return torch.where(onsets.any(-1), found, 0)


def evenness(onsets: Tensor) -> Tensor:
    r"""How near K onsets come to K equal parts of the row, wherever these begin.

    .. math:: \Big| \frac1K \sum_k e^{2 \pi i (t_k / N - k / K)} \Big|

    for onsets at steps t_k, k < K, of N, in order: the first coefficient of the discrete Fourier
    transform of the K places on the circle. 1 is isochronous, as is a single onset.

    Paper: Milne & Herff 2020, "The perceptual relevance of balance, evenness, and entropy in
    musical rhythms"; Amiot 2009, "Discrete Fourier transform and Bach's good temperament".

    Returns:
        In [0, 1], 0 where there is no onset, shape (...).
    """
    order = (onsets.cumsum(-1) - 1).double()
    share = order / onsets.sum(-1, keepdim=True).clamp(min=1)
    return _resultant(onsets, _circle(onsets) - share)


def backbone(hits: Tensor, kit: Kit) -> Tensor:
    """Rows that have the backbone of rock: in each bar a kick on 1 and a snare on 2 and 4.

    These are steps 0, 4 and 12; a clap will do for a snare, and other hits do not matter. A kit
    without a kick or a snare has no such row.

    Returns:
        bool, shape (n,).

    Raises:
        ValueError: steps that are no whole bars of 4/4, or another kit.
    """
    weights(METRE, hits.shape[1])
    kick, snare = stream(hits, kit, "kick"), stream(hits, kit, "snare")
    beats = (kick[:, ::BAR], snare[:, STEPS_PER_BEAT::BAR], snare[:, 3 * STEPS_PER_BEAT :: BAR])
    return torch.stack(beats).all(0).all(1)


def faults(
    hits: Tensor,
    kit: Kit,
    most_hits: float = 2.0,
    most_hats: float = 0.75,
    most_offbeat: float = 0.5,
) -> dict[str, Tensor]:
    """What is wrong with each row; a valid one has none of these faults.

    Args:
        hits: shape (n, steps, voices).
        kit: the voices.
        most_hits: hits a step, on average over the row, above which it is "dense".
        most_hats: share of steps with a hi-hat (or ride), above which it has "dense_hats". The
            default allows eighths and half of the sixteenths between them, not all sixteenths.
        most_offbeat: share of the steps with a snare (or clap) that lie off the four beats, above
            which it has an "offbeat_snare".

    Returns:
        "empty", "dense", "dense_hats" and "offbeat_snare", each bool of shape (n,).
    """
    hat, snare = stream(hits, kit, "hat"), stream(hits, kit, "snare")
    snares = snare.sum(1)
    offbeat = snares - snare[:, ::STEPS_PER_BEAT].sum(1)
    return {
        "empty": ~hits.flatten(1).any(1),
        "dense": hits.sum((1, 2)) > most_hits * hits.shape[1],
        "dense_hats": hat.sum(1) > most_hats * hits.shape[1],
        "offbeat_snare": offbeat > most_offbeat * snares,
    }


def rhythm(bars: Tensor, kit: Kit, tempos: Tensor) -> dict[str, float]:
    """All measures of a set of bars, under `rhythm/…`; what a bar has is averaged over bars.

    A name that ends in a voice is of that voice alone. Without one, `density`, `timing…`,
    `velocity…` and `accents` take the hits of all voices together, `syncopation`, `evenness` and
    `balance` the steps on which any voice sounds. NaN stands where nothing was there to measure:
    in `timing…`, `velocity…` and `accents` beside a `density` of 0, in `swing…` beside 0 pairs.

    Args:
        bars: hits (all above 0 sound), velocities and offsets, shape (n, 3, steps, voices), steps
            in whole bars of 4/4.
        kit: the voices.
        tempos: quarter notes a minute, shape (n,).

    Raises:
        ValueError: no bars, other shapes, or values that are not finite.
    """
    if bars.ndim != 4 or bars.shape[1] != 3 or not len(bars):
        raise ValueError(f"bars must have shape (n, 3, steps, voices), got {tuple(bars.shape)}")
    refuse_nan(bars, "values of the bars")
    hits, velocities, offsets = bars[:, 0] > 0, bars[:, 1], bars[:, 2]
    anywhere = hits.any(2)
    values = {
        "density": hits.sum((1, 2)),
        "syncopation": syncopation(anywhere),
        "polyphonic_syncopation": polyphonic_syncopation(hits, kit),
        "evenness": evenness(anywhere),
        "balance": balance(anywhere),
        "backbone": backbone(hits, kit),
    }
    found = faults(hits, kit)
    values |= found | {"valid": ~torch.stack([*found.values()]).any(0)}
    result = {f"rhythm/{name}": float(value.double().mean()) for name, value in values.items()}
    for name, division in (("swing", 8), ("swing_sixteenths", 16)):
        swung = swing(hits, offsets, division)
        result |= {f"rhythm/{name}": swung.ratio, f"rhythm/{name}_pairs": float(swung.pairs)}
    # One voice that plays all hits, then each for itself.
    one, loud, late = (channel.flatten(1)[..., None] for channel in (hits, velocities, offsets))
    result |= _of_hits(one, loud, late, tempos, ("",))
    voices = tuple(f"_{voice}" for voice in kit.voices)
    result |= _of_hits(hits, velocities, offsets, tempos, voices)
    by_voice = density(hits).mean(0), syncopation(hits.mT).mean(0)
    for name, row in zip(("density", "syncopation"), by_voice, strict=True):
        result |= {f"rhythm/{name}{v}": float(x) for v, x in zip(voices, row, strict=True)}
    return result | {"rhythm/hamming": hamming(hits), "rhythm/distinct": distinct(hits)}


def _of_hits(
    hits: Tensor, velocities: Tensor, offsets: Tensor, tempos: Tensor, voices: tuple[str, ...]
) -> dict[str, float]:
    timing, loudness = microtiming(hits, offsets, tempos), dynamics(hits, velocities)
    rows = {
        "timing": timing.mean,
        "timing_sd": timing.sd,
        "timing_absolute": timing.absolute,
        "velocity": loudness.mean,
        "velocity_sd": loudness.sd,
        "accents": loudness.accents,
    }
    return {
        f"rhythm/{name}{voice}": float(value)
        for name, row in rows.items()
        for voice, value in zip(voices, row, strict=True)
    }


def _circle(onsets: Tensor) -> Tensor:
    """Place of each step on the circle of the row, in turns, shape (steps,)."""
    steps = onsets.shape[-1]
    return torch.arange(steps, dtype=torch.double, device=onsets.device) / steps


def _resultant(onsets: Tensor, turns: Tensor) -> Tensor:
    """Length of the mean of the unit vectors of the onsets, in [0, 1], 0 without any."""
    vectors = torch.polar(onsets.double(), 2 * math.pi * turns.expand(onsets.shape))
    return (vectors.sum(-1).abs() / onsets.sum(-1).clamp(min=1)).clamp(max=1)
