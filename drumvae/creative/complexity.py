"""Bars as dense and syncopated as is asked, in a style.

What is asked is a share of the style's own bars: at 0.8 a bar has as many hits as that one of them
which four in five have fewer than, and polyphonic syncopation likewise. Bars are drawn from the
style's mixture until some lie there: an approximate conditional draw, which needs no gradient and
leaves the style as it is (rejection as in approximate Bayesian computation, Beaumont et al. 2002).
"""

import torch
from torch import Tensor

from drumvae.creative.sampling import sample
from drumvae.creative.styles import Styles, rhythm_of
from drumvae.creative.trained import Model

CANDIDATES = 400
TYPICAL = 0.25  # share of the style's own bars that may be read less surely


@torch.no_grad()
def of_complexity(
    model: Model,
    styles: Styles,
    style: int,
    amounts: Tensor,
    generator: torch.Generator,
    candidates: int = CANDIDATES,
    source: str = "mixture",
) -> Tensor:
    """One bar for each amount.

    Args:
        model: draws the bars.
        styles: what it knows.
        style: which one.
        amounts: asked shares of the style's bars, in [0, 1], shape (n,).
        generator: source of chance.
        candidates: bars drawn for each.
        source: of the bars; see `drumvae.creative.sampling`.

    Returns:
        Shape (n, 3, steps, voices).

    Raises:
        ValueError: an amount outside [0, 1].
    """
    if not ((amounts >= 0) & (amounts <= 1)).all():
        raise ValueError(f"an amount lies in [0, 1], got {amounts.tolist()}")
    found, spread = [], (styles.asked(style, 0.9) - styles.asked(style, 0.1)).clamp(min=1)
    for amount in amounts.tolist():
        bars = sample(model, styles, style, candidates, generator, source)
        off = rhythm_of(bars, styles.kit) - styles.asked(style, amount)
        off = (off.abs() / spread).sum(1)
        # Bars that the model does not read as the style come last, however well they fit.
        off += 100.0 * (styles.read(model, bars)[:, style] < styles.typical(style, TYPICAL))
        found.append(bars[off.argmin()])
    return torch.stack(found)
