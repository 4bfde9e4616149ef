"""What is known of each style a model has learned: enough to make grooves without its data."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor

from drumvae.creative.mixtures import Mixture
from drumvae.creative.trained import Model
from drumvae.grooves import Kit
from drumvae.metrics.syncopation import polyphonic_syncopation

QUANTILES = 101  # of densities and syncopations: 0, 1, ... 100 %


@dataclass(frozen=True)
class Styles:
    """The styles of a model's training bars, in a model's latents and on the grid.

    Attributes:
        names: of the styles.
        kit: the voices.
        mixtures: of (z_high, z_low) of the bars of each style: its aggregated posterior, smoothed.
        posteriors: means and log-variances of q(z_high | bar) of some bars of each style, shape
            (styles, bars, 2, high).
        probe: weights and, in the last row, biases of a logistic regression from the encoder's
            features to styles, all equally probable beforehand, shape (width + 1, styles).
        densities: quantiles of hits in a bar, shape (styles, `QUANTILES`).
        syncopations: quantiles of polyphonic syncopation, same shape.
        readings: quantiles of how surely the model reads the style's own bars as it, same shape.
        velocities: mean velocity of a hit in each cell, shape (styles, steps, voices).
        offsets: mean offset of a hit in each cell, same shape.
        tempos: medians, quarter notes a minute, shape (styles,).
        temperature: what log-odds of hits are divided by, so that made bars lie as near to training
            bars as unseen real ones do: a decoder's own draws are noisier than drummers. Scalar.
    """

    names: tuple[str, ...]
    kit: Kit
    mixtures: tuple[Mixture, ...]
    posteriors: Tensor
    probe: Tensor
    densities: Tensor
    syncopations: Tensor
    readings: Tensor
    velocities: Tensor
    offsets: Tensor
    tempos: Tensor
    temperature: Tensor

    def index(self, name: str) -> int:
        """Number of a style.

        Raises:
            ValueError: the model knows no such style.
        """
        if name not in self.names:
            near = get_close_matches(str(name), self.names, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"no style {name!r}{meant} (this model knows: {', '.join(self.names)})"
            )
        return self.names.index(name)

    def read(self, model: Model, bars: Tensor) -> Tensor:
        """How the model itself reads the style of bars (n, 3, steps, voices), shape (n, styles)."""
        features = model.features(bars)
        return (features @ self.probe[:-1] + self.probe[-1]).softmax(1)

    def typical(self, style: int, share: float) -> float:
        """How surely a share of the style's own bars, the least typical ones, are read as it."""
        return float(self.readings[style, round(share * (QUANTILES - 1))])

    def draw(self, model: Model, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Bars from what the likelihood takes, at this temperature, shape (n, 3, steps, voices)."""
        sharp = torch.cat([outputs[:, :1] / self.temperature, outputs[:, 1:]], 1)
        return model.likelihood.draw(sharp, generator)

    def asked(self, style: int, amount: float) -> Tensor:
        """Density and syncopation that a share `amount` of a style's bars lie below, shape (2,)."""
        place = torch.tensor(amount * (QUANTILES - 1))
        low, high = int(place.floor()), int(place.ceil())
        table = torch.stack([self.densities[style], self.syncopations[style]])
        return table[:, low] + (place - low) * (table[:, high] - table[:, low])


def rhythm_of(bars: Tensor, kit: Kit) -> Tensor:
    """Hits of each bar, and its polyphonic syncopation, shape (n, 2), of (n, 3, steps, voices)."""
    hits = bars[:, 0] > 0
    return torch.stack([hits.sum((1, 2)).float(), polyphonic_syncopation(hits, kit).float()], 1)


def described(names: Sequence[str], values: Tensor) -> str:
    """Styles and shares in words: "jazz 0.91, rock 0.06"; the likeliest three."""
    order = values.argsort(descending=True)[:3].tolist()
    return ", ".join(f"{names[i]} {values[i]:.2f}" for i in order)
