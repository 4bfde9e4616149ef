r"""Several bars that belong together: one z_high, and a walk of everything else.

The detail's standardised deviation and the noise of every cell (as normal numbers) both walk from
bar to bar by

.. math:: e' = ρ\, e + \sqrt{1 - ρ^2}\, η, \qquad η \sim N(0, I), \qquad ρ = 1 - \text{variation}

which leaves each bar's distribution as it is: any bar of a track is a bar of its style, neighbours
are alike, and far bars less so. A variation of 0 repeats one bar, of 1 draws each anew.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from drumvae.creative.styles import Styles
from drumvae.creative.trained import Model
from drumvae.gaussian import Gaussian

CANDIDATES = 16  # tracks of which the one is taken that is most of its style
FILLS = 64  # endings that are tried
FILLED = ("snare", "low_tom", "mid_tom", "high_tom", "crash")
TYPICAL = 0.25  # share of the style's own bars that may be read less surely


@dataclass(frozen=True)
class Detail:
    """p(z_low | z_high) with a full covariance.

    Attributes:
        mean: shape (low,).
        factor: Cholesky factor, shape (low, low).
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, gaussian: Gaussian) -> "Detail":
        """The detail of a diagonal Gaussian of one row."""
        return cls(gaussian.mean[0], gaussian.deviation[0].diag())

    def at(self, deviation: Tensor) -> Tensor:
        """z_low of standardised deviations, shapes (n, low)."""
        return self.mean + deviation @ self.factor.T


def walk(
    n: int, shape: tuple[int, ...], keep: float, generator: torch.Generator, start: Tensor | None
) -> Tensor:
    """N steps of the walk, each standard normal, shape (n, *shape).

    Args:
        n: steps.
        shape: of a step.
        keep: ρ, correlation of neighbours.
        generator: source of chance.
        start: the step before the first; None for a first step of its own.
    """
    steps, last = [], start
    for _ in range(n):
        fresh = torch.randn(shape, generator=generator)
        last = fresh if last is None else keep * last + (1 - keep**2) ** 0.5 * fresh
        steps.append(last)
    return torch.stack(steps)


@torch.no_grad()
def track(
    model: Model,
    styles: Styles,
    style: int,
    bars: int,
    generator: torch.Generator,
    variation: float = 0.3,
    fill: bool = True,
) -> Tensor:
    """Bars of a style that belong together, with a fill in the last.

    Args:
        model: plays them.
        styles: what it knows.
        style: which one.
        bars: how many.
        generator: source of chance.
        variation: in [0, 1].
        fill: end in a fill.

    Returns:
        Shape (bars, 3, steps, voices).

    Raises:
        ValueError: no bar, or a variation outside [0, 1].
    """
    _check(bars, variation)
    mixture = styles.mixtures[style]
    ways = []
    for component in mixture.components(CANDIDATES, generator).tolist():
        mean, factor, slope, rest = mixture.split(component, model.high)
        deviation = torch.randn(model.high, generator=generator)
        z_high = (mean + factor @ deviation)[None]
        detail = Detail(mixture.means[component, model.high :] + slope @ deviation, rest)
        made = _walked(model, styles, z_high, detail, bars, variation, generator)
        ways.append((float(styles.read(model, made)[:, style].mean()), made, z_high, detail))
    _, made, z_high, detail = max(ways, key=lambda way: way[0])
    if fill:
        made[-1] = _fill(model, styles, style, z_high, detail, made[-1], generator)
    return made


@torch.no_grad()
def following(
    model: Model,
    styles: Styles,
    source: Tensor,
    bars: int,
    generator: torch.Generator,
    variation: float = 0.3,
) -> Tensor:
    """Bars that go on where a source ends.

    z_high is that of the source's bars on average. Detail and noise walk on from its last bar, and
    are what would have drawn it: without variation it comes again.

    Args:
        model: plays them.
        styles: what it knows.
        source: consecutive bars, shape (n, 3, steps, voices), as `body` leaves them.
        bars: how many.
        generator: source of chance.
        variation: in [0, 1].

    Returns:
        Shape (bars, 3, steps, voices).

    Raises:
        ValueError: no bar, or a variation outside [0, 1].
    """
    _check(bars, variation)
    features = model.features(source)
    z_high = model.posterior_high(features).mean.mean(0, keepdim=True)
    z_low = model.posterior_low(features[-1:], z_high).draw(generator)
    detail = Detail.of(model.detail_prior(z_high))
    deviation = (z_low[0] - detail.mean) / detail.factor.diagonal()
    p = (model.decode(z_high, z_low)[0, 0] / styles.temperature).sigmoid()
    u = torch.rand(p.shape, generator=generator)
    u = torch.where(source[-1, 0] > 0, u * p, p + u * (1 - p))
    noise = torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))
    return _walked(model, styles, z_high, detail, bars, variation, generator, deviation, noise)


def _check(bars: int, variation: float) -> None:
    if bars < 1:
        raise ValueError(f"a track has one bar or more, got bars={bars}")
    if not 0 <= variation <= 1:
        raise ValueError(f"variation lies in [0, 1], got {variation}")


def _walked(
    model: Model,
    styles: Styles,
    z_high: Tensor,
    detail: Detail,
    bars: int,
    variation: float,
    generator: torch.Generator,
    deviation: Tensor | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Bars of a walk, from `deviation` and `noise` on where there are any."""
    keep = 1 - variation
    deviations = walk(bars, tuple(detail.mean.shape), keep, generator, deviation)
    outputs = model.decode(z_high.expand(bars, -1), detail.at(deviations))
    cells = walk(bars, tuple(outputs.shape[2:]), keep, generator, noise)
    hits = torch.special.ndtr(cells) < (outputs[:, 0] / styles.temperature).sigmoid()
    return with_hits(model, hits, outputs, generator)


def with_hits(model: Model, hits: Tensor, outputs: Tensor, generator: torch.Generator) -> Tensor:
    """Bars of given hits (n, steps, voices), velocities and offsets drawn as the model has them."""
    # So far out that a sigmoid in float32 is 0 or 1 exactly.
    logits = torch.where(hits, 200.0, -200.0)[:, None]
    return model.likelihood.draw(torch.cat([logits, outputs[:, 1:]], 1), generator)


def _fill(
    model: Model,
    styles: Styles,
    style: int,
    z_high: Tensor,
    detail: Detail,
    bar: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """The bar with another second half: of endings in the style, the one with most drums.

    Drums are snare and toms, and a crash counts; a hat that goes on does not.
    """
    deviations = torch.randn(FILLS, len(detail.mean), generator=generator)
    outputs = model.decode(z_high.expand(FILLS, -1), detail.at(deviations))
    tried = styles.draw(model, outputs, generator)
    half = bar.shape[1] - 8  # two beats of the last bar
    tried[:, :, :half] = bar[:, :half]
    columns = [i for i, voice in enumerate(styles.kit.voices) if voice in FILLED]
    drums = tried[:, 0, half:, columns].sum((1, 2))
    read = styles.read(model, tried)[:, style]
    return tried[torch.where(read >= styles.typical(style, TYPICAL), 1 + drums, read).argmax()]
