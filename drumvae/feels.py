r"""Ways to play a bar: mixtures whose component, a feel, all hits of the bar share.

.. math:: p(x_1, \dots, x_H \mid \text{bar}) = \sum_k \pi_k \prod_h p_k(x_h)

A hit alone follows the mixture; the hits of a bar are loud, or late, together. The likelihood is
exact, and so are the medians.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from drumvae.likelihoods import log_interval, truncated_logistic

LEVELS = 127  # MIDI velocities 1-127
HALVINGS = 20  # of the interval that a median lies in: to 1e-6 of a step, 1e-4 of a velocity


class FeelMixture(ABC):
    """One quantity of all hits of some bars, under every feel.

    Args:
        log_weights: log-probability of each feel in each bar, shape (bars, feels).
        outputs: two numbers for each hit and feel, of which a subclass makes location and scale,
            shape (hits, feels, 2).
        bar: which bar each hit is of, long, shape (hits,).

    Attributes:
        location: shape (hits, feels).
        scale: positive, same shape.
    """

    low: float
    high: float

    def __init__(self, log_weights: Tensor, outputs: Tensor, bar: Tensor) -> None:
        self.log_weights, self.bar = log_weights, bar
        self.location, self.scale = self.law(*outputs.float().unbind(-1))

    @abstractmethod
    def law(self, location: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Location and scale from two numbers without limits, of any shape."""

    @abstractmethod
    def log_density(self, values: Tensor) -> Tensor:
        """Log-density of each hit's value, shape (hits,), under each feel, (hits, feels)."""

    @abstractmethod
    def below(self, values: Tensor) -> Tensor:
        """Probability of less than each hit's value, shape (hits,), under each feel."""

    @abstractmethod
    def median(self) -> Tensor:
        """Median of each hit, whatever the feel, shape (hits,)."""

    @abstractmethod
    def draw(self, feels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A value for each hit, shape (hits,), in the feel of its bar, long, shape (bars,)."""

    def log_likelihood(self, values: Tensor) -> Tensor:
        """Log-likelihood of each bar's values together, of all hits, nats, shape (bars,)."""
        together = torch.zeros_like(self.log_weights)
        together = together.index_add(0, self.bar, self.log_density(values))
        return torch.logsumexp(self.log_weights + together, 1)

    def draw_feels(
        self, generator: torch.Generator | None = None, tracks: Tensor | None = None
    ) -> Tensor:
        """A feel for each bar, long, shape (bars,); bars of one track get the same.

        That of a track is drawn from the geometric mean of its bars' weights.

        Args:
            generator: source of chance; the global one where there is none.
            tracks: which track each bar is of, long, counted from 0, shape (bars,); by default
                each bar is one of its own.
        """
        weights = self.log_weights
        if tracks is not None:
            sums = weights.new_zeros(int(tracks.max()) + 1, weights.shape[1])
            counts = torch.bincount(tracks).clamp(min=1)[:, None]
            weights = sums.index_add(0, tracks, weights) / counts
        feels = torch.multinomial(weights.softmax(1), 1, generator=generator)[:, 0]
        return feels if tracks is None else feels[tracks]

    def in_feel(self, feels: Tensor) -> tuple[Tensor, Tensor]:
        """Location and scale of each hit in the feel of its bar, shapes (hits,)."""
        chosen = feels[self.bar][:, None]
        return self.location.gather(1, chosen)[:, 0], self.scale.gather(1, chosen)[:, 0]

    def halfway(self) -> Tensor:
        """The place between `low` and `high` that half of a hit's mixture lies below, (hits,)."""
        weights = self.log_weights.exp()[self.bar]
        low = torch.full(self.bar.shape, self.low, device=weights.device)
        high = torch.full_like(low, self.high)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            less = (weights * self.below(middle)).sum(1) < 0.5
            low, high = torch.where(less, middle, low), torch.where(less, high, middle)
        return (low + high) / 2


class Velocities(FeelMixture):
    """Velocities in [1 / 127, 1]: a logistic distribution rounded to the 127 levels of MIDI.

    What lies above the loudest level counts for it, since drummers often play as loud as it goes;
    there is nothing below the softest, since what is softer is no hit.
    """

    low, high = 0.5, LEVELS + 0.5

    def law(self, location: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return 64 + 96 * torch.tanh(location / 3), 0.5 + 20 * F.softplus(scale)

    def log_density(self, values: Tensor) -> Tensor:
        level = (values[:, None] * LEVELS).round()
        softer, louder = ((level + side - self.location) / self.scale for side in (-0.5, 0.5))
        louder = torch.where(level == LEVELS, torch.inf, louder)
        audible = F.logsigmoid((self.location - self.low) / self.scale)
        return log_interval(softer, louder) - audible

    def below(self, values: Tensor) -> Tensor:
        above, audible = (
            ((self.location - place) / self.scale).sigmoid()
            for place in (values[:, None], self.low)
        )
        return 1 - above / audible

    def median(self) -> Tensor:
        return self.halfway().round().clamp(1, LEVELS) / LEVELS

    def draw(self, feels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        location, scale = self.in_feel(feels)
        above = _uniform(location, generator) * ((location - self.low) / scale).sigmoid()
        return (location - scale * above.logit()).round().clamp(1, LEVELS) / LEVELS


class Offsets(FeelMixture):
    """Offsets, shares of a step: a logistic distribution truncated to [-0.5, 0.5]."""

    low, high = -0.5, 0.5

    def law(self, location: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return 0.5 * torch.tanh(location), 0.004 + 0.15 * F.softplus(scale - 1)

    def log_density(self, values: Tensor) -> Tensor:
        return truncated_logistic(values[:, None], self.location, self.scale)

    def below(self, values: Tensor) -> Tensor:
        low, high = self._ends(self.location, self.scale)
        return (((values[:, None] - self.location) / self.scale).sigmoid() - low) / (high - low)

    def median(self) -> Tensor:
        return self.halfway()

    def draw(self, feels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        location, scale = self.in_feel(feels)
        low, high = self._ends(location, scale)
        inside = low + _uniform(location, generator) * (high - low)
        return (location + scale * inside.logit(eps=1e-6)).clamp(self.low, self.high)

    def _ends(self, location: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Of the untruncated distribution, what lies below either end."""
        low, high = (((end - location) / scale).sigmoid() for end in (self.low, self.high))
        return low, high


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(like.shape, generator=generator, device=like.device).clamp(1e-6, 1 - 1e-6)
