r"""Annealing: how the weight β of each level's KL grows, and what may keep a dimension alive.

A schedule is a pure function ``(batch, batches) -> β``: the batches trained so far, and those of
the whole run. Its times are shares of the run, so that a schedule means the same in a short and in
a long one; `aggressive` alone counts batches.

The bound's KL terms then cost

.. math:: \beta_\mathrm{high} \cdot f(\mathrm{KL}_\mathrm{high})
    + \beta_\mathrm{low} \cdot f(\mathrm{KL}_\mathrm{low})

where f is a sum over dimensions, unless free bits or a target capacity change it.
"""

import argparse
import functools
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

Schedule = Callable[[int, int], float]


def none(batch: int, batches: int, end: float = 1.0) -> float:
    """No annealing: the final weight from the first batch on."""
    return end


def linear(
    batch: int, batches: int, over: float = 0.5, start: float = 0.0, end: float = 1.0
) -> float:
    """A straight line from `start` to `end` over a share of the run (Bowman et al. 2016)."""
    return start + (end - start) * _share(batch, batches, 0, over)


def warm_up(
    batch: int, batches: int, wait: float = 0.1, over: float = 0.4, end: float = 1.0
) -> float:
    """Zero for a share `wait` of the run, then a straight line (Sønderby et al. 2016)."""
    return end * _share(batch, batches, wait, over)


def sigmoid(
    batch: int, batches: int, middle: float = 0.25, width: float = 0.03, end: float = 1.0
) -> float:
    """A logistic curve about `middle`, its scale `width` (Bowman et al. 2016)."""
    return end / (1 + math.exp(min(60.0, -(batch / max(batches, 1) - middle) / width)))


def cosine(batch: int, batches: int, over: float = 0.5, end: float = 1.0) -> float:
    """Half a cosine from 0 to `end` over a share of the run."""
    return end * (1 - math.cos(math.pi * _share(batch, batches, 0, over))) / 2


def cyclical(
    batch: int, batches: int, cycles: int = 4, ramp: float = 0.5, end: float = 1.0
) -> float:
    """A saw: in each cycle a line from 0 to `end` over a share `ramp`, then `end`.

    Paper: Fu et al. 2019, "Cyclical Annealing Schedule", eq. 6.
    """
    place = batch / max(batches, 1) * cycles
    if place >= cycles:
        return end
    return end * min(1.0, (place % 1) / ramp)


def aggressive(batch: int, batches: int, after: int = 50, end: float = 1.0) -> float:
    """Full weight after a few batches: what the report calls aggressive annealing."""
    return end * min(1.0, batch / max(after, 1))


def _share(batch: int, batches: int, wait: float, over: float) -> float:
    """How much of the time from `wait` to `wait + over` has gone, in [0, 1]."""
    done = batch / max(batches, 1) - wait
    return min(1.0, max(0.0, done / over)) if over > 0 else float(done >= 0)


def free_bits(kl: Tensor, least: float, per: str = "dimension") -> Tensor:
    """KL of a level, below `least` nats of which nothing is charged (Kingma et al. 2016, eq. 15).

    Args:
        kl: of each bar and dimension, nats, shape (n, dimensions).
        least: nats that are free, in each dimension or in the whole level.
        per: "dimension" or "level".

    Returns:
        A scalar, nats a bar. Where all is free it has no gradient.
    """
    mean = kl.mean(0)
    if per == "level":
        return mean.sum().clamp(min=least)
    return mean.clamp(min=least).sum()


def capacity(kl: Tensor, target: float, gamma: float) -> Tensor:
    """γ |KL − C| of a level, a scalar (Burgess et al. 2018, "Understanding disentangling", eq. 8).

    Args:
        kl: of each bar and dimension, nats, shape (n, dimensions).
        target: C in nats a bar.
        gamma: γ.
    """
    return gamma * (kl.mean(0).sum() - target).abs()


class Annealing:
    """What the KL of both levels costs in a batch.

    Args:
        high: schedule of the weight of KL_high.
        low: schedule of the weight of KL_low.
        free: nats that are free, see `free_bits`.
        per: "dimension" or "level", of the free nats.
        capacity_high: target of KL_high at the end of the run, which it grows to with its weight;
            None for none.
        capacity_low: of KL_low.
        gamma: weight of the distance to the target.

    Raises:
        ValueError: `per` is neither, or a negative amount.
    """

    def __init__(
        self,
        high: Schedule,
        low: Schedule,
        free: float = 0.0,
        per: str = "dimension",
        capacity_high: float | None = None,
        capacity_low: float | None = None,
        gamma: float = 10.0,
    ) -> None:
        if per not in ("dimension", "level"):
            raise ValueError(f"annealing.per is {per!r}, it must be 'dimension' or 'level'")
        amounts = {"free": free, "gamma": gamma}
        amounts |= {"capacity_high": capacity_high or 0.0, "capacity_low": capacity_low or 0.0}
        for name, amount in amounts.items():
            if amount < 0:
                raise ValueError(f"annealing.{name} is {amount}, it must be 0 or more")
        self.high, self.low = _plain(high), _plain(low)
        self.free, self.per, self.gamma = free, per, gamma
        self.targets = capacity_high, capacity_low

    @property
    def plain(self) -> bool:
        """Whether the cost is the weighted KL itself: no free bits, no target capacity."""
        return not self.free and self.targets == (None, None)

    def weights(self, batch: int, batches: int) -> tuple[float, float]:
        """β of z_high and of z_low."""
        return self.high(batch, batches), self.low(batch, batches)

    def cost(self, kl_high: Tensor, kl_low: Tensor, weights: tuple[float, float]) -> Tensor:
        """What both levels cost, a scalar in nats a bar.

        Args:
            kl_high: of each bar and dimension, shape (n, high).
            kl_low: shape (n, low).
            weights: β of both levels, see `weights`.
        """
        total = torch.zeros((), device=kl_high.device)
        for kl, weight, target in zip((kl_high, kl_low), weights, self.targets, strict=True):
            if target is None:
                total = total + weight * free_bits(kl, self.free, self.per)
            else:
                total = total + capacity(kl, weight * target, self.gamma)
        return total


def _plain(schedule: Schedule) -> Schedule:
    """The schedule without what Hydra does around each call of a partial that it made.

    It checks anew what may be called, which takes longer than the schedules by far.
    """
    if isinstance(schedule, functools.partial):
        return functools.partial(schedule.func, *schedule.args, **schedule.keywords)
    return schedule


SCHEDULES: dict[str, Schedule] = {
    f.__name__: f for f in (none, linear, warm_up, sigmoid, cosine, cyclical, aggressive)
}


def draw(path: Path, batches: int = 2000) -> None:
    """Draw every schedule over a run of so many batches, a panel each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 4, sharex=True, sharey=True).flatten()
    for axes, (name, schedule) in zip(panels, SCHEDULES.items(), strict=False):
        axes.plot([schedule(b, batches) for b in range(batches + 1)], color="#0072B2", linewidth=2)
        axes.set_title(name, loc="left")
        axes.grid(color="#E4E4E4")
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_visible(False)
    figure.supxlabel(f"batch of {batches:,}")
    figure.supylabel("weight of the KL")
    figure.savefig(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m drumvae.annealing", description="Draw every annealing schedule."
    )
    parser.add_argument("out", type=Path, metavar="FILE.png")
    draw(parser.parse_args().out)
