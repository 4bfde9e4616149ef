"""Syncopation: notes on weak steps that are held over, or answered by silence on, stronger ones.

`onsets` is bool of shape (..., steps), `hits` bool of shape (n, steps, voices), a step being a
sixteenth of 4/4; a row may hold several bars, and is a loop.
"""

import math

import torch
from torch import Tensor

from drumvae.grooves import STEPS_PER_BEAT, Kit

BAR = 4 * STEPS_PER_BEAT
# Weight of each step of a bar: 0 for its first, one less for each level of the metre below.
METRE = (0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4)  # Longuet-Higgins & Lee
PULSE = (0, -3, -2, -3, -1, -3, -2, -3, -1, -3, -2, -3, -1, -3, -2, -3)  # Witek et al.: no half-bar
# Voices that play the part of each stream of Witek et al.; toms and crashes play none.
STREAMS = {
    "kick": ("kick",),
    "snare": ("snare", "clap"),
    "hat": ("closed_hat", "open_hat", "ride"),
}


def syncopation(onsets: Tensor) -> Tensor:
    r"""Syncopation of one voice: notes on weak steps that are held over stronger ones.

    .. math:: \sum_{N} \max\big(0, \max_{R} w(R) - w(N)\big)

    over the notes N, with R the rests between N and the next note, and w the weights `METRE`. The
    row is a loop: rests after its last note go on to its first note. Where a note is held over
    several stronger rests the strongest alone counts; in the paper's trees each rest may.

    Paper: Longuet-Higgins & Lee 1984, "The rhythmic interpretation of monophonic music".

    Returns:
        The score, 0 without a note, shape (...).

    Raises:
        ValueError: steps that are no whole bars of 4/4.
    """
    strengths = weights(METRE, onsets.shape[-1])
    score = torch.zeros(onsets.shape[:-1], dtype=torch.double, device=onsets.device)
    strongest = torch.full_like(score, -math.inf)
    # Backwards and twice around, so that what follows a note is known when it is met.
    for step in reversed(range(2 * len(strengths))):
        note, weight = onsets[..., step % len(strengths)], strengths[step % len(strengths)]
        if step < len(strengths):
            score += note * (strongest - weight).clamp(min=0)
        strongest = torch.where(note, -math.inf, strongest.clamp(min=weight))
    return score


def polyphonic_syncopation(hits: Tensor, kit: Kit) -> Tensor:
    r"""Syncopation of kick and snare against each other and the hi-hat.

    .. math:: \sum_{(N, N_{di})} w(N_{di}) - w(N) + I

    over the steps N and N_di that sound one after the other, with weights `PULSE`, where
    w(N_di) ≥ w(N) and N_di is played by other instruments: I = 2 where the kick at N is followed
    by snare and hi-hat without a kick; 1 where the snare is followed by kick and hi-hat without a
    snare; 5 where either is followed by the hi-hat alone. No other pair has a published weight,
    and none counts. The row is a loop. `STREAMS` says which voices are a kick, a snare, a hi-hat.

    Paper: Witek et al. 2014, "Syncopation, body-movement and pleasure in groove music". It prints
    the difference as N − N_di, which would make a syncopation negative; its examples, as
    Longuet-Higgins & Lee, have it this way.

    Returns:
        The score, shape (n,).

    Raises:
        ValueError: steps that are no whole bars of 4/4, or another kit.
    """
    strengths = weights(PULSE, hits.shape[1])
    streams = torch.stack([stream(hits, kit, name) for name in STREAMS])
    score = torch.zeros(len(hits), dtype=torch.double, device=hits.device)
    following, strength = torch.zeros_like(streams[..., 0]), torch.zeros_like(score)
    for step in reversed(range(2 * len(strengths))):
        sounding, weight = streams[..., step % len(strengths)], strengths[step % len(strengths)]
        if step < len(strengths):
            (kick, snare, _), (next_kick, next_snare, next_hat) = sounding, following
            extra = (
                2 * (kick & ~next_kick & next_snare & next_hat)
                + 1 * (snare & ~next_snare & next_kick & next_hat)
                + 5 * ((kick | snare) & ~next_kick & ~next_snare & next_hat)
            )
            rise = strength - weight
            score += torch.where((extra > 0) & (rise >= 0), rise + extra, 0)
        something = sounding.any(0)
        following = torch.where(something, sounding, following)
        strength = torch.where(something, weight, strength)
    return score


def stream(hits: Tensor, kit: Kit, name: str) -> Tensor:
    """Steps on which any voice of a stream sounds, bool, shape (n, steps)."""
    if hits.shape[2] != len(kit.voices):
        raise ValueError(f"hits have {hits.shape[2]} voices, the kit has {len(kit.voices)}")
    columns = [i for i, voice in enumerate(kit.voices) if voice in STREAMS[name]]
    return hits[:, :, columns].any(2)


def weights(metre: tuple[int, ...], steps: int) -> tuple[int, ...]:
    """Metrical weights of each of so many steps."""
    if steps < BAR or steps % BAR:
        raise ValueError(f"{steps} steps are no whole bars of 4/4, which have {BAR}")
    return metre * (steps // BAR)
