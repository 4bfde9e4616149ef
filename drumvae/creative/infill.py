r"""Some cells of a bar anew, given all others, which stay as they are.

Samples p(x_new | x_kept) by Metropolis-within-Gibbs (Mattei & Frellsen 2018, "Leveraging the Exact
Likelihood of Deep Latent Variable Models", algorithm 2): propose z' from q(z | x), accept it with
probability

.. math:: \min\Big(1, \frac{p(x, z')\, q(z \mid x)}{p(x, z)\, q(z' \mid x)}\Big),

then draw the new cells from p(x_new | z). Its stationary distribution is exact whatever q is. Every
other proposal is a small step from z, since q knows little of bars of which much is wrong; and the
chain starts from one of many draws of the prior, by how well they explain the hits that are kept
(Rubin 1988, sampling importance resampling). The last draw alone has the styles' temperature.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from drumvae.creative.styles import Styles
from drumvae.creative.trained import Model
from drumvae.gaussian import standard

ROUNDS = 100
STARTS = 2000  # draws of the prior
STEP = 0.1  # standard deviation of a small step


@torch.no_grad()
def infill(
    model: Model,
    styles: Styles,
    source: Tensor,
    new: Tensor,
    generator: torch.Generator,
    rounds: int = ROUNDS,
) -> Tensor:
    """Draw cells of bars anew.

    Args:
        model: draws them.
        styles: what it knows.
        source: shape (n, 3, steps, voices).
        new: cells to draw anew, bool, shape (steps, voices) or (n, steps, voices).
        generator: source of chance.
        rounds: of the chain; a bar has one.

    Returns:
        Shape of `source`; all cells that are not new are the source's, bit for bit, and so are bars
        without a hit: a rest stays one.

    Raises:
        ValueError: no cell is new.
    """
    if not new.any():
        raise ValueError("no cell is to be drawn anew; name voices=[…] or steps=[…]")
    sounding = source[:, 0].flatten(1).any(1)[:, None, None]
    mask = (new.expand(source[:, 0].shape) & sounding)[:, None]
    z_high, z_low = _start(model, source[:, 0], ~mask[:, 0], generator)
    bars = _merged(model, source, mask, z_high, z_low, generator)
    for number in range(rounds):
        if number % 2:
            high = z_high + STEP * torch.randn(z_high.shape, generator=generator)
            low = z_low + STEP * torch.randn(z_low.shape, generator=generator)
            ratio = _joint(model, bars, high, low) - _joint(model, bars, z_high, z_low)
        else:
            features = model.features(bars)
            high = model.posterior_high(features).draw(generator)
            low = model.posterior_low(features, high).draw(generator)
            ratio = _joint(model, bars, high, low) - _proposal(model, features, high, low)
            ratio -= _joint(model, bars, z_high, z_low)
            ratio += _proposal(model, features, z_high, z_low)
        accepted = torch.rand(len(bars), generator=generator).log() < ratio
        z_high = torch.where(accepted[:, None], high, z_high)
        z_low = torch.where(accepted[:, None], low, z_low)
        bars = _merged(model, source, mask, z_high, z_low, generator)
    drawn = styles.draw(model, model.decode(z_high, z_low), generator)
    return torch.where(mask, drawn, source)


def _start(
    model: Model, hits: Tensor, kept: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Latents for each bar, of many from the prior one that its kept hits speak for."""
    z_high = torch.randn(STARTS, model.high, generator=generator)
    z_low = model.detail_prior(z_high).draw(generator)
    logits = model.decode(z_high, z_low)[:, 0].flatten(1)
    hits, kept = hits.flatten(1), kept.float().flatten(1)
    log_p = (hits * kept) @ F.logsigmoid(logits).T + ((1 - hits) * kept) @ F.logsigmoid(-logits).T
    chosen = torch.multinomial(log_p.softmax(1), 1, generator=generator)[:, 0]
    return z_high[chosen], z_low[chosen]


def _merged(
    model: Model,
    source: Tensor,
    mask: Tensor,
    z_high: Tensor,
    z_low: Tensor,
    generator: torch.Generator,
) -> Tensor:
    drawn = model.likelihood.draw(model.decode(z_high, z_low), generator)
    return torch.where(mask, drawn, source)


def _joint(model: Model, bars: Tensor, z_high: Tensor, z_low: Tensor) -> Tensor:
    """Log p(bar, z), shape (n,)."""
    outputs = model.decode(z_high, z_low)
    likelihood = model.likelihood.log_density(outputs, bars[:, : model.likelihood.channels])
    prior = standard(z_high).log_density(z_high).sum(1)
    return likelihood + prior + model.detail_prior(z_high).log_density(z_low).sum(1)


def _proposal(model: Model, features: Tensor, z_high: Tensor, z_low: Tensor) -> Tensor:
    """Log q(z | bar), shape (n,)."""
    high, low = model.posterior_high(features), model.posterior_low(features, z_high)
    return high.log_density(z_high).sum(1) + low.log_density(z_low).sum(1)
