r"""From one style to another, in even steps.

A pair of latents, one from each style's mixture, is decoded, and what the likelihood takes is
interpolated: of hits, the log-odds,

.. math:: \mathrm{logit}\, p_t = (1 - t)\, \mathrm{logit}\, p_a + t\, \mathrm{logit}\, p_b,

a product of both experts, p_a^{1-t} p_b^t (Hinton 2002). All steps share their noise: a cell on
which both agree stays, and none changes more than once. (A line through the latents would pass
whatever lies between: other styles, or nothing.) Of many pairs the one is taken whose bars the
model itself reads as the most even way from a to b, and of which none has fewer or more hits than
any bar of both styles.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from drumvae.creative.styles import Styles
from drumvae.creative.trained import Model

PAIRS = 64
PATHS = ("outputs", "latents")


@dataclass(frozen=True)
class Blend:
    """A way from one style to another.

    Attributes:
        bars: shape (steps, 3, steps of a bar, voices).
        read: share of b in what the model reads of a and b, shape (steps,).
    """

    bars: Tensor
    read: Tensor


@torch.no_grad()
def blend(
    model: Model,
    styles: Styles,
    a: int,
    b: int,
    steps: int,
    generator: torch.Generator,
    pairs: int = PAIRS,
    path: str = "outputs",
) -> Blend:
    """Go from style a to style b.

    Args:
        model: plays the bars.
        styles: what it knows.
        a: where it begins.
        b: where it ends.
        steps: bars, both ends counted.
        generator: source of chance.
        pairs: ways that are tried.
        path: what is interpolated, "outputs" of the decoder or "latents".

    Raises:
        ValueError: fewer than two steps, or no such path.
    """
    if steps < 2:
        raise ValueError(f"a blend has two steps or more, its ends, got steps={steps}")
    if path not in PATHS:
        raise ValueError(f"no path {path!r}; a blend goes through {' or '.join(PATHS)}")
    ends = [styles.mixtures[style].draw(pairs, generator) for style in (a, b)]
    decoded = [model.decode(z[:, : model.high], z[:, model.high :]) for z in ends]
    noise = generator.get_state()
    places = torch.linspace(0, 1, steps)
    bars, read = [], []
    for t in places:
        if path == "outputs":
            outputs = torch.lerp(decoded[0], decoded[1], t)
        else:
            z = torch.lerp(ends[0], ends[1], t)
            outputs = model.decode(z[:, : model.high], z[:, model.high :])
        generator.set_state(noise)
        bars.append(styles.draw(model, outputs, generator))
        both = styles.read(model, bars[-1])[:, [a, b]]
        read.append(both[:, 1] / both.sum(1).clamp(min=1e-9))
    uneven = (torch.stack(read, 1) - places).square().mean(1)
    hits = torch.stack(bars, 1)[:, :, 0].sum((2, 3))
    known = styles.densities[[a, b]]
    outside = ((hits < known.min()) | (hits > known.max())).any(1)
    best = int((uneven + outside).argmin())
    return Blend(torch.stack(bars, 1)[best], torch.stack(read, 1)[best])
