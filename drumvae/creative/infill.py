r"""Some cells of a bar anew, given all others, which stay as they are.

Samples p(x_new | x_kept) by Metropolis-within-Gibbs (Mattei & Frellsen 2018, "Leveraging the Exact
Likelihood of Deep Latent Variable Models", algorithm 2): propose z' from q(z | x), accept it with
probability

.. math:: \min\Big(1, \frac{p(x, z')\, q(z \mid x)}{p(x, z)\, q(z' \mid x)}\Big),

then draw the new cells from p(x_new | z). Its stationary distribution is exact whatever q is; every
other proposal comes from the prior, so that no z is out of reach. The last draw alone has the
styles' temperature.
"""

import torch
from torch import Tensor

from drumvae.creative.styles import Styles
from drumvae.creative.trained import Model
from drumvae.gaussian import standard

ROUNDS = 200


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
        Shape of `source`; all cells that are not new are the source's, bit for bit.

    Raises:
        ValueError: no cell is new.
    """
    if not new.any():
        raise ValueError("no cell is to be drawn anew; name voices=[…] or steps=[…]")
    mask = new.expand(source[:, 0].shape)[:, None]
    z_high = torch.randn(len(source), model.high, generator=generator)
    z_low = model.detail_prior(z_high).draw(generator)
    bars = _merged(model, source, mask, z_high, z_low, generator)
    for number in range(rounds):
        features = model.features(bars)
        if number % 2:
            proposed_high = torch.randn(z_high.shape, generator=generator)
            proposed_low = model.detail_prior(proposed_high).draw(generator)
            ratio = _likelihood(model, bars, proposed_high, proposed_low) - _likelihood(
                model, bars, z_high, z_low
            )
        else:
            q = model.posterior_high(features)
            proposed_high = q.draw(generator)
            proposed_low = model.posterior_low(features, proposed_high).draw(generator)
            ratio = _weight(model, bars, features, proposed_high, proposed_low) - _weight(
                model, bars, features, z_high, z_low
            )
        accepted = torch.rand(len(bars), generator=generator).log() < ratio
        z_high = torch.where(accepted[:, None], proposed_high, z_high)
        z_low = torch.where(accepted[:, None], proposed_low, z_low)
        bars = _merged(model, source, mask, z_high, z_low, generator)
    drawn = styles.draw(model, model.decode(z_high, z_low), generator)
    return torch.where(mask, drawn, source)


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


def _likelihood(model: Model, bars: Tensor, z_high: Tensor, z_low: Tensor) -> Tensor:
    """Log p(bar | z), shape (n,)."""
    outputs = model.decode(z_high, z_low)
    return model.likelihood.log_density(outputs, bars[:, : model.likelihood.channels])


def _weight(model: Model, bars: Tensor, features: Tensor, z_high: Tensor, z_low: Tensor) -> Tensor:
    """Log p(bar, z) − log q(z | bar), shape (n,)."""
    high, low = model.posterior_high(features), model.posterior_low(features, z_high)
    prior = standard(z_high).log_density(z_high).sum(1)
    prior = prior + model.detail_prior(z_high).log_density(z_low).sum(1)
    proposal = high.log_density(z_high).sum(1) + low.log_density(z_low).sum(1)
    return _likelihood(model, bars, z_high, z_low) + prior - proposal
