"""Finding latents of a letter: by rejection first, then along the judge's gradient."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fontgan import LETTERS
from fontgan.exported import LetterGenerator
from fontgan.judge import Judge
from fontgan.junk import blurred
from fontgan.latents import Draws, drawn

MOVES = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""Rows and columns by which a picture is moved to see whether it is still read alike."""
_BLUR = 0.6  # pixels


@dataclass(frozen=True)
class Found:
    """Latents of a letter.

    Attributes:
        letter: 0-25.
        draws: what was found, rejection's first; fewer than asked for where a generator cannot.
        by_rejection: how many of them were drawn as they are.
        accepted: draws that were the letter, of `drawn`.
        drawn: how many were drawn.
    """

    letter: int
    draws: Draws
    by_rejection: int
    accepted: int
    drawn: int

    @property
    def share(self) -> float:
        """Of all draws, how many were the letter."""
        return self.accepted / self.drawn

    @property
    def by_search(self) -> int:
        """How many a search along the judge's gradient has found."""
        return len(self.draws) - self.by_rejection


def indices(letters: str) -> list[int]:
    """Letters as 0-25, in their order.

    Raises:
        ValueError: none, or something that is no letter A-Z.
    """
    found = [LETTERS.find(letter) for letter in str(letters).upper()]
    if not found or min(found) < 0:
        raise ValueError(f"{letters!r} must be letters A-Z, such as letters=AQX or path=A-C-E")
    return found


def find(
    model: LetterGenerator, judge: Judge, letter: int, n: int, pool: Draws, steps: int = 200
) -> Found:
    """Find latents that draw a letter: by rejection, and what is missing by projection.

    A projection counts where the judge reads the letter in the picture as it is and moved by a
    pixel to each side; the surest come first.

    Args:
        model: the generator.
        judge: says what is the letter.
        letter: 0-25.
        n: how many.
        pool: random draws of the generator, in which is looked first.
        steps: of the projection; it starts from the four times as many draws of the pool that are
            likest the letter.
    """
    mine = (pool.reading.letter == letter).nonzero().squeeze(1)
    found, missing = pool[mine[:n]], n - len(mine)
    if missing > 0 and steps > 0:
        others = (pool.reading.letter != letter).nonzero().squeeze(1)
        with torch.no_grad():
            parts = (pool.images[others].float() / 255).split(500)
            likeness = torch.cat([_log_probability(judge, part, letter) for part in parts])
        starts = pool.latents[others[likeness.topk(min(4 * missing, len(others))).indices]]
        ends, sure = project(model, judge, starts, letter, steps)
        ends = drawn(model, judge, ends[sure.argsort(descending=True)])
        copies = judge.read(_moved(ends.images)).letter.unflatten(0, (len(MOVES), -1))
        found = found.beside(ends[(copies == letter).all(0).nonzero().squeeze(1)[:missing]])
    return Found(letter, found, min(len(mine), n), len(mine), len(pool))


def project(
    model: LetterGenerator,
    judge: Judge,
    starts: Tensor,
    letter: int,
    steps: int = 200,
    rate: float = 0.05,
) -> tuple[Tensor, Tensor]:
    """Climb the judge's log-probability of a letter in latent space.

    Adam moves the Gaussian part, which is put back on the sphere of its own norm after each step: a
    latent that was drawn at random stays one that might have been. The choice is kept. The judge
    sees the picture moved about by a pixel, and softened every other step: what only this judge
    takes for the letter does not survive that (Athalye et al. 2018, "Synthesizing Robust
    Adversarial Examples", expectation over transformation, here against them).

    Args:
        model: the generator.
        judge: gives log p(letter | picture).
        starts: latents, shape (n, d).
        letter: 0-25.
        steps: of Adam.
        rate: its learning rate.

    Returns:
        Of each start the best latent on its way, looked at every tenth step, shape (n, d), and the
        least log-probability of its moved copies, shape (n,).
    """
    gaussian = model.record.gaussian
    z, choice = starts[:, :gaussian].clone().requires_grad_(True), starts[:, gaussian:]
    norm = starts[:, :gaussian].norm(dim=1, keepdim=True)
    best, highest = starts.clone(), torch.full((len(starts),), -torch.inf)
    optimizer = torch.optim.Adam([z], rate)
    for step in range(steps + 1):
        if step % 10 == 0 or step == steps:
            with torch.no_grad():
                now = torch.cat([z, choice], 1)
                scores = _log_probability(judge, _moved(model(now)), letter)
            least = scores.unflatten(0, (len(MOVES), -1)).amin(0)
            better = least > highest
            best[better], highest[better] = now[better], least[better]
        pictures = torch.roll(model(torch.cat([z, choice], 1)), MOVES[step % len(MOVES)], (2, 3))
        if step % 2:
            pictures = blurred(pictures, torch.full((len(pictures),), _BLUR))
        optimizer.zero_grad()
        (-_log_probability(judge, pictures, letter).sum()).backward()
        optimizer.step()
        with torch.no_grad():
            z.mul_(norm / z.norm(dim=1, keepdim=True).clamp(min=1e-12))
    return best, highest


def _moved(pictures: Tensor) -> Tensor:
    """As they are, then all moved one way, and so on, shape (5 · n, 1, h, w)."""
    return torch.cat([torch.roll(pictures, move, (2, 3)) for move in MOVES])


def _log_probability(judge: Judge, pictures: Tensor, letter: int) -> Tensor:
    """Of a letter among the 27 answers, shape (n,)."""
    logits, _ = judge(pictures)
    return (logits / judge.temperature).log_softmax(1)[:, letter]
