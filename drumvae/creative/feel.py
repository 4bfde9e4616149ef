"""Velocities and offsets for bars of which a model knows the hits alone."""

import torch
from torch import Tensor

from drumvae.creative.styles import Styles
from drumvae.creative.trained import Model
from drumvae.grooves import STEPS_PER_BEAT


def says_feel(model: Model) -> bool:
    """Whether a model draws velocities and offsets itself."""
    return model.likelihood.channels == 3


def felt(bars: Tensor, styles: Styles, style: int, source: Tensor | None = None) -> Tensor:
    """The same hits, with velocities and offsets where they had none of their own.

    A hit that the source has at its place keeps what it has there. Any other takes the source's
    mean velocity of its voice and the source's mean offset at its place in the beat, so that swing
    goes on; and where the source has neither, or there is none, the style's means of its cell.

    Args:
        bars: shape (n, 3, steps, voices).
        styles: what is known of them.
        style: which one fills the gaps.
        source: bars that they were made from, one for each or one for all, same shape.

    Returns:
        Shape of `bars`.
    """
    hits = bars[:, 0]
    velocities = styles.velocities[style].expand_as(hits)
    offsets = styles.offsets[style].expand_as(hits)
    if source is not None:
        sounding = source[:, 0]
        by_voice, played = _mean(source[:, 1], sounding, (0, 1))
        velocities = torch.where(played, by_voice, velocities)
        beats = source.unflatten(2, (-1, STEPS_PER_BEAT))
        by_place, placed = _mean(beats[:, 2], beats[:, 0], (0, 1, 3))
        repeated = source.shape[2] // STEPS_PER_BEAT
        by_place, placed = (x.repeat(repeated)[:, None] for x in (by_place, placed))
        offsets = torch.where(placed, by_place, offsets)
        own = sounding > 0
        velocities = torch.where(own, source[:, 1], velocities)
        offsets = torch.where(own, source[:, 2], offsets)
    return torch.stack([hits, hits * velocities.clamp(1 / 127, 1), hits * offsets], 1)


def _mean(values: Tensor, hits: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean of the hits' values over some dimensions, and where there is a hit at all."""
    count = hits.sum(dims)
    return (values * hits).sum(dims) / count.clamp(min=1), count > 0
