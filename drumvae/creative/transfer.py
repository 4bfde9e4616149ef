r"""A bar in another style: what it would be, had a drummer of that style played it from memory.

The source s is taken for a noisy copy of the bar x that is wanted, each cell wrong with probability
ε; so with z from the target style's mixture

.. math:: p(x_c = 1 \mid s, z) = \sigma\big(\mathrm{logit}\, p(x_c = 1 \mid z) + κ (2 s_c - 1)\big),
    \qquad κ = \log \frac{1 - ε}{ε}

by Bayes' rule, cell by cell. κ = 0 is a bar of the target style that knows nothing of its source, a
large κ is the source. Every candidate z is tried at every κ of `KEEPING`, with the same noise; of
the bars that are in the target style the one that keeps most of the source is taken, under one
z_high for all bars. In the style is what the model itself reads as surely as it does some of the
style's own bars.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from drumvae.creative.styles import Styles
from drumvae.creative.trained import Model

KEEPING = (5.0, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0)
GROUPS, DETAILS = 12, 12  # z_high that are tried, and z_low with each
TYPICAL = 0.33  # share of the target style's own bars that may be read less surely


@dataclass(frozen=True)
class Transferred:
    """Bars in another style.

    Attributes:
        bars: shape (n, 3, steps, voices), rests where the source has them; what a model of hits
            does not say is the source's where a hit was kept, and plain elsewhere.
        kept: onset F1 with the source, shape (n,).
        read: how surely the model reads the target style, shape (n,).
    """

    bars: Tensor
    kept: Tensor
    read: Tensor


def onset_f1s(made: Tensor, source: Tensor) -> Tensor:
    """Onset F1 of each bar with another, of hits (n, steps, voices), 1 where both are empty."""
    made, source = made.float().flatten(1), source.float().flatten(1)
    both, either = 2 * (made * source).sum(1), made.sum(1) + source.sum(1)
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


@torch.no_grad()
def transfer(
    model: Model,
    styles: Styles,
    source: Tensor,
    to: int,
    generator: torch.Generator,
    typical: float = TYPICAL,
) -> Transferred:
    """Play bars in another style and keep what can be kept of them.

    One z_high plays the whole source, with a detail for each bar. All bars share the candidates and
    the noise, so the same bar twice stays the same bar twice.

    Args:
        model: plays them.
        styles: what it knows.
        source: consecutive bars, shape (n, 3, steps, voices).
        to: the target style.
        generator: source of chance.
        typical: how typical of the style the bars must be: read as surely as this share of its own
            training bars is not, in [0, 1]. More is more of the style and less of the source.
            Where no candidate gets there, the one that is read most surely is taken.
    """
    z = styles.mixtures[to].grouped(GROUPS, DETAILS, model.high, generator)
    outputs = model.decode(z[:, : model.high], z[:, model.high :])
    noise, sure = generator.get_state(), styles.typical(to, typical)
    made, kept, read = [], [], []
    for bar in source:
        tried = torch.stack(
            [
                _towards(model, styles, outputs, bar, keeping, generator, noise)
                for keeping in KEEPING
            ]
        ).unflatten(1, (GROUPS, DETAILS))
        # Every way to play the bar with one z_high: shape (groups, ways, …).
        tried = tried.transpose(0, 1).flatten(1, 2)
        flat = tried.flatten(0, 1)
        f1 = onset_f1s(flat[:, 0], bar[:1].expand(len(flat), -1, -1)).view(GROUPS, -1)
        surely = styles.read(model, flat)[:, to].view(GROUPS, -1)
        best = _worth(f1, surely, sure).argmax(1)
        rows = torch.arange(GROUPS)
        made.append(tried[rows, best])
        kept.append(f1[rows, best])
        read.append(surely[rows, best])
    whole = _worth(torch.stack(kept), torch.stack(read), sure).mean(0)
    chosen = int(whole.argmax())
    bars, f1, surely = (torch.stack(found)[:, chosen] for found in (made, kept, read))
    silent = ~source[:, 0].flatten(1).any(1)
    # A rest stays one: no drummer of another style would play there.
    bars = torch.where(silent[:, None, None, None], source, bars)
    return Transferred(bars, torch.where(silent, 1.0, f1), surely)


def _worth(kept: Tensor, read: Tensor, sure: float) -> Tensor:
    """Below what it takes to be in the style, the surer the better; above, what is kept counts."""
    return torch.where(read >= sure, 1 + kept, read)


def _towards(
    model: Model,
    styles: Styles,
    outputs: Tensor,
    bar: Tensor,
    keeping: float,
    generator: torch.Generator,
    noise: Tensor,
) -> Tensor:
    """A bar of each candidate, drawn towards a bar; hits that are kept keep their feel."""
    generator.set_state(noise)
    logits = outputs[:, :1] / styles.temperature + keeping * (2 * bar[:1] - 1)
    drawn = model.likelihood.draw(torch.cat([logits, outputs[:, 1:]], 1), generator)
    hits = drawn[:, :1]
    return torch.cat([hits, hits * torch.where(bar[:1] > 0, bar[1:], drawn[:, 1:])], 1)
