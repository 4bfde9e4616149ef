"""One hand: the latents of all 26 letters, chosen by two seeds and a few sliders."""

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fontgan import LETTERS
from fontgan.exported import AlphabetGenerator, LetterGenerator
from fontgan.judge import Judge
from fontgan.latents import Draws, drawn, truncated, walk

POOL = 3000
"""Draws in which a generator that is told no letters is looked through for them."""


@dataclass(frozen=True)
class Choice:
    """What a user chose.

    Attributes:
        seed: of one hand.
        other: of another.
        mix: place between the two, in [0, 1], along a great circle.
        calm: what is left of the Gaussian part, in [0, 1], see `fontgan.latents.truncated`.
        moves: lengths along the first directions.
    """

    seed: int = 1
    other: int = 2
    mix: float = 0.0
    calm: float = 0.8
    moves: tuple[float, ...] = ()


class Hands:
    """All the hands of a generator.

    A conditional generator draws all letters with one style code. Of any other, each letter is the
    draw of a pool that the judge is surest of, so that the letters share a seed and no style.

    Args:
        model: the generator.
        judge: reads what it draws.
        directions: how many to move along.
    """

    def __init__(self, model: LetterGenerator, judge: Judge, directions: int = 4) -> None:
        self.model, self.judge = model, judge
        self.directions = directions_of(model, directions)
        self.of_seed = lru_cache(64)(self._of_seed)

    def _of_seed(self, seed: int) -> Tensor:
        """Latents of A-Z, shape (26, d)."""
        source = torch.Generator().manual_seed(seed)
        if isinstance(self.model, AlphabetGenerator):
            styles = self.model.styles(1, source).expand(len(LETTERS), -1)
            return torch.cat([styles, torch.eye(len(LETTERS))], 1)
        latents = self.model.latent(POOL, source)
        pictures = drawn(self.model, self.judge, latents).images.float() / 255
        with torch.no_grad():
            logits = torch.cat([self.judge(part)[0] for part in pictures.split(500)])
        return latents[logits.log_softmax(1)[:, : len(LETTERS)].argmax(0)]

    def latents(self, choice: Choice) -> Tensor:
        """Latents of A-Z, shape (26, d)."""
        gaussian = self.model.record.gaussian
        mine = self.of_seed(choice.seed)
        if choice.mix:
            place, yours = round(choice.mix * 100), self.of_seed(choice.other)
            mine = torch.stack(
                [walk(a, b, 101, gaussian)[place] for a, b in zip(mine, yours, strict=True)]
            )
        mine = truncated(mine, gaussian, choice.calm)
        moves = torch.tensor(choice.moves[: len(self.directions)])
        moved = moves @ self.directions[: len(moves)] if len(moves) else torch.zeros(gaussian)
        return mine + F.pad(moved, (0, mine.shape[1] - gaussian))

    def alphabet(self, choice: Choice) -> Draws:
        """The 26 letters, and what the judge reads."""
        return drawn(self.model, self.judge, self.latents(choice))


def directions_of(model: LetterGenerator, n: int) -> Tensor:
    """The unit directions of the Gaussian part that change the first layer most, shape (n, d).

    The first right-singular vectors of its weights (Shen and Zhou 2021, "Closed-Form Factorization
    of Latent Semantics in GANs", eq. 4).
    """
    first = next(part for part in model.network.modules() if isinstance(part, nn.Linear))
    weight = cast(Tensor, first.weight)[:, : model.record.gaussian].detach()
    return torch.linalg.svd(weight, full_matrices=False)[2][:n]
