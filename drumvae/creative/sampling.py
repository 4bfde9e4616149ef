"""Bars of a style: z_high from what the model has seen of the style, detail beside it.

Three sources, in the order of how much they take from the style's own bars:

- `prior`: both levels from the model's priors, N(0, I) and p(z_low | z_high); of the draws those
  are taken whose bars the model reads as the style. The model's own words, slowly.
- `style`: z_high from the style's aggregated posterior, q(z_high | bar) of one of its training
  bars; detail from the conditional prior p(z_low | z_high).
- `mixture`: both levels from the mixture fitted to the style's aggregated posterior.
"""

import torch
from torch import Tensor

from drumvae.creative.styles import Styles
from drumvae.creative.trained import Model

SOURCES = ("prior", "style", "mixture")
CANDIDATES = 32  # drawn for each bar of a style that is asked of the prior
AT_ONCE = 2000  # bars decoded at once


def latents(
    model: Model, styles: Styles, style: int, n: int, source: str, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Latents of bars of a style.

    Args:
        model: draws them.
        styles: what it knows.
        style: which one.
        n: how many.
        source: one of `SOURCES`.
        generator: source of chance.

    Returns:
        z_high, shape (n, high); z_low, shape (n, low).

    Raises:
        ValueError: no such source.
    """
    if source not in SOURCES:
        raise ValueError(f"no source {source!r}; from= takes one of {', '.join(SOURCES)}")
    if source == "mixture":
        z = styles.mixtures[style].draw(n, generator)
        return z[:, : model.high], z[:, model.high :]
    if source == "style":
        posteriors = styles.posteriors[style]
        mean, log_variance = posteriors[
            torch.randint(len(posteriors), (n,), generator=generator)
        ].unbind(1)
        noise = torch.randn(mean.shape, generator=generator)
        z_high = mean + (0.5 * log_variance).exp() * noise
    else:
        z_high = torch.randn(n, model.high, generator=generator)
    return z_high, model.detail_prior(z_high).draw(generator)


@torch.no_grad()
def sample(
    model: Model,
    styles: Styles,
    style: int | None,
    n: int,
    generator: torch.Generator,
    source: str = "mixture",
) -> Tensor:
    """Draw bars.

    Args:
        model: draws them.
        styles: what it knows.
        style: which one; None for bars from the priors, whatever their style.
        n: how many.
        generator: source of chance.
        source: one of `SOURCES`.

    Returns:
        Shape (n, 3, steps, voices).

    Raises:
        ValueError: no such source, or fewer than one bar.
    """
    if n < 1:
        raise ValueError(f"at least one bar is drawn, got n={n}")
    parts = []
    for start in range(0, n, AT_ONCE):
        count = min(AT_ONCE, n - start)
        if style is None:
            drawn = _drawn(model, styles, 0, count, "prior", generator)
        elif source == "prior":
            drawn = _of_style(model, styles, style, count, generator)
        else:
            drawn = _drawn(model, styles, style, count, source, generator)
        parts.append(drawn)
    return torch.cat(parts)


def _drawn(
    model: Model, styles: Styles, style: int, n: int, source: str, generator: torch.Generator
) -> Tensor:
    z_high, z_low = latents(model, styles, style, n, source, generator)
    return styles.draw(model, model.decode(z_high, z_low), generator)


def _of_style(
    model: Model, styles: Styles, style: int, n: int, generator: torch.Generator
) -> Tensor:
    """Bars from the prior, resampled by how the model reads them (Rubin 1988, SIR)."""
    drawn, shares = [], []
    for start in range(0, n * CANDIDATES, AT_ONCE):
        count = min(AT_ONCE, n * CANDIDATES - start)
        drawn.append(_drawn(model, styles, style, count, "prior", generator))
        shares.append(styles.read(model, drawn[-1])[:, style])
    chosen = torch.multinomial(torch.cat(shares), n, generator=generator)
    return torch.cat(drawn)[chosen]
