"""What each latent dimension does: traversals, and walks between two bars, at the end of a run."""

import math
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.draws import groove_data, undisturbed
from callbacks.figures import BLUE, ORANGE, drawing
from callbacks.grooves import draw_bars


class Traversals(Callback):
    """Moves one dimension of z_low at a time, and walks between two test bars.

    ```yaml
    traversals:
      _target_: callbacks.traversals.Traversals
      reach: 5      # standard deviations of the prior to either side
      steps: 41     # of a traversal's curve
      walk: 7       # bars of an interpolation
    ```

    Writes `figures/traversals.png` (the expected number of hits along each dimension of z_low from
    the middle of its prior, z_high being 0), `figures/interpolation_detail.png` (z_low walks
    between two bars of different styles, z_high stays) and `figures/interpolation_style.png`
    (z_high walks, z_low stays where it lies relative to its prior).
    """

    def __init__(self, reach: float = 5.0, steps: int = 41, walk: int = 7) -> None:
        if reach <= 0 or steps < 3 or walk < 2:
            raise ValueError("traversals need reach > 0, steps >= 3 and walk >= 2")
        self.reach, self.steps, self.walk = reach, steps, walk

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        module = cast(Any, pl_module)
        data = cast(Any, groove_data(trainer))
        bars = data.reference("test")
        with undisturbed(pl_module), torch.no_grad():
            places, curves = traversal_curves(module, self.reach, self.steps)
            pair = two_bars(bars)
            ends = bars.tensor[pair].to(module.device)
            detail, style = walks(module, ends, self.walk)
        with drawing(trainer, "traversals", width=11, height=7) as figure:
            draw_curves(figure, places, curves)
        names = [bars.style_names[int(bars.styles[i])] for i in pair]
        for name, walked, what in (
            ("interpolation_detail", detail, "Detail (z_low)"),
            ("interpolation_style", style, "Style (z_high)"),
        ):
            with drawing(trainer, name, width=14, height=3.2) as figure:
                shares = [f"{index / (self.walk - 1):.0%}" for index in range(self.walk)]
                draw_bars(figure.subplots(), walked.numpy(), data.kit.voices, shares)
                title = f"{what} walks from a bar of {names[0]} to one of {names[1]}"
                figure.suptitle(title, fontsize=13)


def traversal_curves(module: Any, reach: float, steps: int) -> tuple[Tensor, Tensor]:
    """Expected hits a bar along each dimension of z_low, z_high being 0.

    Returns:
        Places in standard deviations of the prior, shape (steps,); expected hits, shape
        (low, steps).
    """
    z_high = torch.zeros(1, module.high, device=module.device)
    prior = module.detail_prior(z_high)
    places = torch.linspace(-reach, reach, steps, device=module.device)
    curves = []
    for dimension in range(module.low):
        z_low = prior.mean.repeat(steps, 1)
        z_low[:, dimension] += places * prior.deviation[0, dimension]
        outputs = module.decode(z_high.expand(steps, -1), z_low)
        curves.append(outputs[:, 0].sigmoid().sum((1, 2)))
    return places.cpu(), torch.stack(curves).cpu()


def two_bars(bars: Any) -> list[int]:
    """A bar of the commonest style and one of the next, each the nearest to its style's mean."""
    counts = np.bincount(bars.styles, minlength=2)
    first, second = np.argsort(-counts, kind="stable")[:2]
    if counts[second] == 0:
        return [0, len(bars) - 1]
    chosen = []
    for style in (first, second):
        mine = np.flatnonzero(bars.styles == style)
        hits = bars.hits[mine].astype(float)
        distance = ((hits - hits.mean(0)) ** 2).sum((1, 2))
        chosen.append(int(mine[distance.argmin()]))
    return chosen


def walks(module: Any, ends: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Bars between two: z_low moving alone, and z_high with z_low kept relative to its prior.

    Args:
        module: a hierarchical VAE.
        ends: the two bars, shape (2, 3, steps, voices).
        steps: bars of a walk, its ends among them.

    Returns:
        Probabilities of hits (and what else the likelihood knows), two of shape
        (steps, 3, steps, voices).
    """
    z_high, z_low = module.central(ends)
    share = torch.linspace(0, 1, steps, device=module.device)[:, None]
    between_low = z_low[:1].lerp(z_low[1:], share)
    detail = soft(module, module.decode(z_high[:1].expand(steps, -1), between_low))
    between_high = z_high[:1].lerp(z_high[1:], share)
    start, along = module.detail_prior(z_high[:1]), module.detail_prior(between_high)
    relative = (z_low[:1] - start.mean) / start.deviation
    style = soft(module, module.decode(between_high, along.mean + along.deviation * relative))
    return detail.cpu(), style.cpu()


def soft(module: Any, outputs: Tensor) -> Tensor:
    """Probability of a hit as its velocity, shape (n, 3, steps, voices): a picture of doubt."""
    typical = module.likelihood.typical(outputs)
    p = outputs[:, 0].float().sigmoid()
    return torch.stack([(p > 0.1).float(), p, typical[:, 2]], 1)


def draw_curves(figure: Figure, places: Tensor, curves: Tensor) -> None:
    """A panel for each dimension, the likeliest places of the prior shaded."""
    columns = 4
    rows = math.ceil(len(curves) / columns)
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).flatten()
    # At least two hits high, or a dead dimension would look as alive as a living one.
    middle = float(curves.max() + curves.min()) / 2
    half = max(1.0, 0.55 * float(curves.max() - curves.min()))
    panels[0].set_ylim(middle - half, middle + half)
    for number, (axes, curve) in enumerate(zip(panels, curves, strict=False)):
        _panel(axes, number, places, curve)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    figure.supxlabel("standard deviations of the prior", fontsize=12)
    figure.supylabel("expected hits a bar", fontsize=12)
    figure.suptitle("Traversals of z_low, one dimension at a time", fontsize=13)


def _panel(axes: Axes, number: int, places: Tensor, curve: Tensor) -> None:
    axes.axvspan(-2, 2, color=ORANGE, alpha=0.12, linewidth=0)
    axes.plot(places, curve, color=BLUE)
    spread = float(curve.max() - curve.min())
    axes.set_title(f"z_low {number}: {spread:.1f} hits", fontsize=11)
