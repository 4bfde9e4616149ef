"""The network of the humanizer: from hits and a tempo to the mixtures of `drumvae.feels`."""

import torch
from torch import Tensor, nn

from drumvae.feels import FeelMixture, Offsets, Velocities
from drumvae.networks import ResidualBlock

Cells = tuple[Tensor, ...]


def tempo_features(tempos: Tensor) -> Tensor:
    """Octaves above 110 beats a minute, and twelve bumps from 55 to 250, shape (n, 13)."""
    octaves = torch.log2(tempos / 110)[:, None]
    places = torch.linspace(-1, 1.2, 12, device=tempos.device)
    return torch.cat([octaves, (-(((octaves - places) / 0.15) ** 2) / 2).exp()], 1)


class FeelHead(nn.Module):
    """Location and scale of one quantity of every hit, under each feel.

    Every cell has its own bias, a step's features add to it, and a feel adds a product of low rank
    that the features turn up and down.

    Args:
        law: of the quantity.
        shape: steps and voices.
        width: features of a bar.
        detail: features of a step.
        feels: how many.
        rank: of what a feel adds.
    """

    def __init__(
        self,
        law: type[FeelMixture],
        shape: tuple[int, int],
        width: int,
        detail: int,
        feels: int,
        rank: int,
    ) -> None:
        super().__init__()
        self.law = law
        self.bias = nn.Parameter(torch.zeros(*shape, 2))
        self.base = nn.Linear(detail, shape[1] * 2)
        self.gate = nn.Linear(detail, rank)
        self.feels = nn.Parameter(0.5 * torch.randn(feels, rank))
        self.turn = nn.Parameter(0.1 * torch.randn(shape[1], rank, 2))
        self.weights = nn.Linear(width, feels)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)

    def forward(self, bar: Tensor, steps: Tensor, cells: Cells) -> FeelMixture:
        """The mixture of the hits in `cells`, their (bar, step, voice).

        Args:
            bar: features, shape (n, width).
            steps: features, shape (n, steps, detail).
            cells: long, shapes (hits,).
        """
        row, step, voice = cells
        base = self.base(steps).unflatten(2, (-1, 2)) + self.bias
        feel = (1 + self.gate(steps))[row, step][:, None] * self.feels
        outputs = base[cells][:, None] + feel @ self.turn[voice]
        return self.law(self.weights(bar).log_softmax(1), outputs, row)


class FeelNetwork(nn.Module):
    """From hits and a tempo to the mixtures of their velocities and of their offsets.

    Args:
        steps: of a bar.
        voices: of a bar.
        width: features of a bar.
        blocks: residual blocks.
        detail: features of a step.
        feels: of dynamics, and as many of timing.
        rank: of what a feel changes.
        dropout: in the blocks and of a step's features.
        blank: share of the hits that training hides from the input.
    """

    def __init__(
        self,
        steps: int,
        voices: int,
        width: int,
        blocks: int,
        detail: int,
        feels: int,
        rank: int,
        dropout: float,
        blank: float,
    ) -> None:
        super().__init__()
        self.blank = nn.Dropout(blank)
        self.first = nn.Linear(3 * steps * voices + 13, width)
        self.blocks = nn.Sequential(
            *(ResidualBlock(width, dropout) for _ in range(blocks)), nn.LayerNorm(width)
        )
        self.steps = nn.Sequential(
            nn.Linear(width, steps * detail), nn.Unflatten(1, (steps, detail)), nn.Dropout(dropout)
        )
        self.velocities = FeelHead(Velocities, (steps, voices), width, detail, feels, rank)
        self.offsets = FeelHead(Offsets, (steps, voices), width, detail, feels, rank)

    def forward(
        self, hits: Tensor, around: Tensor, tempos: Tensor
    ) -> tuple[Velocities, Offsets, Cells]:
        """Mixtures of all hits, and their (bar, step, voice), in the order of `hits.nonzero()`."""
        seen = self.blank(torch.cat([hits[:, None], around], 1).flatten(1))
        bar = self.blocks(self.first(torch.cat([seen, tempo_features(tempos)], 1)))
        steps, cells = self.steps(bar), hits.nonzero(as_tuple=True)
        return self.velocities(bar, steps, cells), self.offsets(bar, steps, cells), cells
