"""Bars whose details have structure: six known factors, each of which moves many cells together.

On the recipes nothing but the style is worth a latent dimension: dead dimensions are right there.
Here there is more to carry. Given the factors, cells are independent, velocities and offsets too;
and since all 972 combinations can be listed, the likelihood of a bar's hits without its factors is
exact as well.
"""

from functools import cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drumvae.bars import Bars
from drumvae.grooves import REPORT_KIT, REPORT_VOICES
from drumvae.likelihoods import discretised_logistic, truncated_logistic
from drumvae.recipes import STEPS, Mixture

STYLES = ("straight", "funk", "latin", "half-time")
# name -> levels; a style is a level of the first.
FACTORS: dict[str, tuple[str, ...]] = {
    "style": STYLES,
    "density": ("quarters", "eighths", "sixteenths"),  # of the hat
    "syncopation": ("on the beat", "pushed", "off the beat"),  # of kick and ghost notes
    "swing": ("straight", "light", "hard"),  # of the off-beat sixteenths
    "openness": ("closed", "half open", "open"),  # of the hat on the off-beat
    "fill": ("none", "last beat", "last half"),  # toms in place of the hat
}
COMBINATIONS: NDArray[np.int64] = np.array(
    [*product(*(range(len(levels)) for levels in FACTORS.values()))]
)
_LEAST, _MOST = 0.02, 0.95  # probability of a hit where nothing or everything speaks for it
_LATE = (0.0, 0.17, 0.33)  # of a step, on odd steps, by swing
_OFFSET_SCALE, _VELOCITY_SCALE = 0.03, 5.0  # of logistic distributions: in steps, in MIDI levels
_ACCENT = (108.0, 58.0, 82.0, 58.0)  # velocity on the beat, and a quarter, half, three quarters on


def _kick_and_snare(style: str) -> tuple[list[int], list[int]]:
    return {
        "straight": ([0, 8], [4, 12]),
        "funk": ([0, 6, 10], [4, 12]),
        "latin": ([0, 6, 8, 14], [3, 10]),
        "half-time": ([0, 4], [8]),
    }[style]


def cell_probabilities(combination: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of a hit in every cell, shape (16, 9), for levels of all factors, shape (6,)."""
    style, density, syncopation, swing, openness, fill = combination.tolist()
    p = np.zeros((STEPS, len(REPORT_VOICES)))
    kick, snare, closed, opened, low, high, crash = range(7)
    kicks, snares = _kick_and_snare(STYLES[style])
    # Pushed kicks come a sixteenth early: half of them, or all but the first.
    share = (0.0, 0.5, 1.0)[syncopation]
    p[kicks[0], kick] = 1
    for step in kicks[1:]:
        p[step, kick] = max(p[step, kick], 1 - share)
        p[(step - 1) % STEPS, kick] = max(p[(step - 1) % STEPS, kick], share)
    p[[7, 9, 15], snare] = 0.8 * share  # ghost notes between the beats
    p[snares, snare] = 1
    if density > 0:
        p[:: 4 // 2**density, closed] = 1
    else:
        p[::4, closed] = 1
    # A swung off-beat leaves the eighth for the sixteenth behind it.
    moved = (0.0, 0.4, 0.8)[swing]
    off, late = np.arange(2, STEPS, 4), np.arange(3, STEPS, 4)
    p[late, closed] = np.maximum(p[late, closed], moved * p[off, closed])
    p[off, closed] *= 1 - moved
    share = (0.0, 0.5, 1.0)[openness]
    for steps in (off, late):
        p[steps, opened] = share * p[steps, closed]
        p[steps, closed] *= 1 - share
    if fill:
        start = (STEPS, 12, 8)[fill]
        p[start:, [closed, opened]] = 0
        p[start::2, high], p[start + 1 :: 2, low] = 0.8, 0.8
        p[0, crash] = 0.9
    return _LEAST + (_MOST - _LEAST) * p


@cache
def mixture() -> Mixture:
    """The bars' hits as a mixture of all combinations, in the order of `COMBINATIONS`."""
    return Mixture(torch.from_numpy(np.stack([cell_probabilities(c) for c in COMBINATIONS])))


class Generator:
    """Draws bars of known factors, and knows how probable they are."""

    def log_likelihood(self, hits: Tensor) -> Tensor:
        """Exact log p(hits), factors unknown, nats, shape (n,), of hits (n, 16, 9)."""
        return mixture().log_likelihood(hits)

    def log_given_factors(self, bars: Bars) -> Tensor:
        """Exact log p(hits, velocities, offsets | factors) of each bar, nats, shape (n,).

        Velocities are levels of MIDI, offsets have a density relative to a step.
        """
        if bars.factors is None:
            raise ValueError("these bars were not drawn from factors")
        levels = np.ravel_multi_index(bars.factors.T, [len(x) for x in FACTORS.values()])
        x = bars.tensor.double()
        hits = x[:, 0]
        p = mixture().probabilities[torch.from_numpy(levels)]
        found = torch.where(hits > 0, p.log(), torch.log1p(-p))
        velocity = discretised_logistic(
            x[:, 1] * 127, _accents(), torch.tensor(_VELOCITY_SCALE).double(), 127
        )
        late = _lateness(torch.from_numpy(bars.factors))
        offset = truncated_logistic(x[:, 2], late, torch.tensor(_OFFSET_SCALE).double())
        return (found + torch.where(hits > 0, velocity + offset, 0.0)).sum((1, 2))

    def bars(self, n: int, generator: torch.Generator, even: bool = False) -> Bars:
        """Draw bars with independent, uniform factors; with `even` styles in equal shares."""
        columns = [
            torch.randint(len(levels), (n,), generator=generator) for levels in FACTORS.values()
        ]
        if even:
            columns[0] = torch.arange(n) % len(STYLES)
        chosen = torch.stack(columns, 1)
        index = np.ravel_multi_index(chosen.numpy().T, [len(x) for x in FACTORS.values()])
        hits = mixture().draw(torch.from_numpy(index), generator)
        u, w = (torch.rand(hits.shape, generator=generator).clamp(1e-6, 1 - 1e-6) for _ in "ab")
        velocity = (_accents() + _VELOCITY_SCALE * u.logit()).round().clamp(1, 127) / 127
        late = _lateness(chosen)
        low, high = (((edge - late) / _OFFSET_SCALE).sigmoid() for edge in (-0.5, 0.5))
        inside = (low + w * (high - low)).clamp(1e-6, 1 - 1e-6)
        offset = (late + _OFFSET_SCALE * inside.logit()).clamp(-0.5, 0.5)
        return Bars(
            hits.numpy(),
            (hits * velocity).float().numpy(),
            (hits * offset).float().numpy(),
            chosen[:, 0].numpy(),
            np.arange(n),
            np.full(n, 120, np.float32),
            STYLES,
            REPORT_KIT,
            chosen.numpy(),
        )


def _accents() -> Tensor:
    """Location of the velocity at each step, in MIDI levels, shape (16, 1)."""
    return torch.tensor(_ACCENT, dtype=torch.float64).repeat(STEPS // 4)[:, None]


def _lateness(factors: Tensor) -> Tensor:
    """Location of the offset at each step, in steps, shape (n, 16, 1)."""
    late = torch.tensor(_LATE, dtype=torch.float64)[factors[:, list(FACTORS).index("swing")]]
    return late[:, None, None] * (torch.arange(STEPS) % 2)[None, :, None]
