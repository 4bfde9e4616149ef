"""The report's five style recipes, with the exact probability of every bar.

Given the style, the cells of a bar are independent; so the log-likelihood of a bar is a sum, and
that of a bar of unknown style a log-sum-exp over styles. Nothing can do better on fresh bars than
the entropy of this mixture, 32.006 nats, of which the style is 1.605.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from drumvae.grooves import REPORT_VOICES

STEPS = 16
STYLES = ("rock", "jazz", "hip-hop", "electronic", "latin")
FLIP = 0.05  # probability with which every cell is flipped in the end

_EVEN = range(0, 16, 2)
# style -> (voice, steps, probability of a hit), before the flips.
_RECIPES: dict[str, list[tuple[str, list[int], float]]] = {
    "rock": [
        ("kick", [0, 4, 8, 12], 1.0),
        ("kick", [2, 6, 10, 14], 0.7),
        ("snare", [4, 8, 12], 1.0),
        ("closed_hat", [*_EVEN], 1.0),
        ("crash", [15], 0.3),
    ],
    "jazz": [
        ("kick", [0], 1.0),
        ("kick", [10], 0.6),
        ("snare", [4, 12], 1.0),
        ("ride", [0, 3, 6, 9, 12, 15], 1.0),
    ],
    "hip-hop": [
        ("kick", [0, 10], 1.0),
        ("snare", [4, 12], 1.0),
        ("closed_hat", [*_EVEN], 0.8),
        ("clap", [7], 0.4),
    ],
    "electronic": [
        ("kick", [0, 4, 8, 12], 1.0),
        ("snare", [4, 12], 1.0),
        ("closed_hat", [2, 6, 10, 14], 1.0),
        ("clap", [0, 8], 0.7),
    ],
    "latin": [
        ("kick", [0, 3, 6, 10, 12], 1.0),
        ("snare", [4, 12], 1.0),
        ("closed_hat", [*_EVEN], 1.0),
        ("low_tom", [2, 5, 8, 11, 14], 0.6),
    ],
}


@dataclass(frozen=True)
class Entropy:
    """Entropy of a mixture in nats.

    Attributes:
        total: H(bar).
        given_style: H(bar | style), exact.
        style_given_bar: H(style | bar).
        error: standard error of `style_given_bar` and so of `total`; 0 where they are exact.
    """

    total: float
    given_style: float
    style_given_bar: float
    error: float

    @property
    def information(self) -> float:
        """I(bar; style) = H(bar) − H(bar | style)."""
        return self.total - self.given_style


class Mixture:
    """A mixture of styles, within each of which cells are independent.

    Args:
        probabilities: of a hit in each cell, in (0, 1), shape (styles, steps, voices).
        weights: of the styles, positive; equal by default, shape (styles,).

    Raises:
        ValueError: shapes or values that are none of these.
    """

    def __init__(self, probabilities: Tensor, weights: Tensor | None = None) -> None:
        self.probabilities = probabilities.double()
        if self.probabilities.ndim != 3:
            raise ValueError(
                f"probabilities have shape (styles, steps, voices), not "
                f"{tuple(probabilities.shape)}"
            )
        styles = len(self.probabilities)
        weights = torch.ones(styles) if weights is None else weights
        self.weights = weights.double() / weights.double().sum()
        inside = (self.probabilities > 0) & (self.probabilities < 1)
        if not inside.all() or len(self.weights) != styles or not (self.weights > 0).all():
            raise ValueError("a mixture needs probabilities in (0, 1) and a positive weight each")

    def log_given_style(self, hits: Tensor) -> Tensor:
        """Log p(bar | style) in nats, shape (n, styles), of hits of shape (n, steps, voices)."""
        flat, p = hits.double().flatten(1), self.probabilities.flatten(1)
        return flat @ (p.log() - torch.log1p(-p)).T + torch.log1p(-p).sum(1)

    def log_likelihood(self, hits: Tensor) -> Tensor:
        """Log p(bar) in nats, float64, shape (n,), of hits of shape (n, steps, voices)."""
        return (self.log_given_style(hits) + self.weights.log()).logsumexp(1)

    def style_posterior(self, hits: Tensor) -> Tensor:
        """p(style | bar), shape (n, styles)."""
        return (self.log_given_style(hits) + self.weights.log()).softmax(1)

    def draw(self, styles: Tensor, generator: torch.Generator) -> Tensor:
        """Bars of given styles (n,): hits, bool, shape (n, steps, voices)."""
        p = self.probabilities[styles]
        return torch.rand(p.shape, generator=generator, dtype=torch.float64) < p

    def draw_styles(self, n: int, generator: torch.Generator) -> Tensor:
        """Styles drawn by their weights, shape (n,)."""
        return torch.multinomial(self.weights, n, replacement=True, generator=generator)

    def entropy(self, samples: int = 200_000, seed: int = 0) -> Entropy:
        """Entropy of a bar.

        H(bar | style) is a sum over cells. H(style | bar) is summed over all bars where there are
        at most 2¹⁶ of them; else it is the mean over drawn bars, whose spread is small where the
        styles are easily told apart.

        Args:
            samples: bars that are drawn.
            seed: of the draw.
        """
        p = self.probabilities
        cells = -(p * p.log() + (1 - p) * torch.log1p(-p)).sum((1, 2))
        given_style = float((self.weights * cells).sum())
        of_style = float(-(self.weights * self.weights.log()).sum())
        count = p[0].numel()
        if count <= 16:
            bits = torch.arange(2**count)[:, None] >> torch.arange(count) & 1
            bars = bits.view(-1, *p.shape[1:])
            log_bar = self.log_likelihood(bars)
            total = float(-(log_bar.exp() * log_bar).sum())
            return Entropy(total, given_style, of_style - (total - given_style), 0.0)
        generator = torch.Generator().manual_seed(seed)
        found = []
        for start in range(0, samples, 20_000):
            n = min(20_000, samples - start)
            posterior = self.style_posterior(self.draw(self.draw_styles(n, generator), generator))
            found.append(-(posterior * posterior.clamp(min=1e-300).log()).sum(1))
        residual = torch.cat(found)
        error = float(residual.std()) / math.sqrt(samples)
        left = float(residual.mean())
        return Entropy(given_style + of_style - left, given_style, left, error)


@cache
def recipes() -> Mixture:
    """The report's five styles, in the order of `STYLES`, voices in that of `REPORT_VOICES`."""
    probabilities = torch.zeros(len(STYLES), STEPS, len(REPORT_VOICES), dtype=torch.float64)
    for number, style in enumerate(STYLES):
        for voice, steps, probability in _RECIPES[style]:
            probabilities[number, steps, REPORT_VOICES.index(voice)] = probability
    return Mixture(probabilities * (1 - FLIP) + (1 - probabilities) * FLIP)
