"""How near humanized bars come to played ones: timing error, and overlap of distributions.

The task and the timing error are those of Gillick et al. 2019, "Learning to Groove with Inverse
Sequence Transformations": milliseconds by which a prediction misses a hit of the Groove MIDI
Dataset's test split. Theirs are taken on windows of two bars; here every bar counts once, and what
a prediction sees is either the bar alone or its neighbours too. An offset is a share of a
sixteenth, 60 / tempo / 4 seconds.

Everywhere `hits` is bool, velocities are in [0, 1] and offsets in steps, shape (n, steps, voices);
tempos are quarter notes a minute, shape (n,). ValueError is raised where there is no hit.
"""

from typing import Any

import torch
from torch import Tensor

from drumvae.bars import Bars
from drumvae.metrics.distributions import compare, overlap_area
from drumvae.passages import around

Values = dict[str, float]
LEVELS = 127
FLAT = 0.8  # velocity of all hits that a sequencer plays


def timing_error(predicted: Tensor, offsets: Tensor, hits: Tensor, tempos: Tensor) -> float:
    """Mean distance in milliseconds of predicted from played onsets, over all hits."""
    step = 15_000 / tempos.double()[:, None, None]
    return float((step * (predicted - offsets).abs())[_some(hits)].mean())


def velocity_error(predicted: Tensor, velocities: Tensor, hits: Tensor) -> float:
    """Mean distance of predicted from played velocities in levels of MIDI, over all hits."""
    return float(LEVELS * (predicted - velocities).abs()[_some(hits)].double().mean())


def value_overlap(values: Tensor, hits: Tensor, others: Tensor, other_hits: Tensor) -> float:
    """Area under the densities of both sets' values at hits: does the whole set look played?

    Yang & Lerch 2020, "On the evaluation of generative models in music": the overlapping area.
    """
    return overlap_area(values[_some(hits)], others[_some(other_hits)])


def bar_overlap(values: Tensor, hits: Tensor, others: Tensor, other_hits: Tensor) -> float:
    """Overlap of the distances of bars within a set with those between sets: do bars differ alike?

    A bar's features are mean and standard deviation of its values. Yang & Lerch 2020, relative
    measurement; see `drumvae.metrics.distributions.compare`.
    """
    pair = (_bar_features(values, hits), _bar_features(others, other_hits))
    return compare(*pair, most=1000).overlap


def cell_medians(values: Tensor, hits: Tensor) -> Tensor:
    """Median of each cell's values where it has a hit, 0 where it never has, (steps, voices)."""
    medians = torch.where(hits, values, torch.nan).nanquantile(0.5, 0)
    return medians.nan_to_num(0.0)


def nearest(train: Bars, hits: Tensor) -> Tensor:
    """The training bar with the fewest cells that differ, of equals the first, shape (n,)."""
    known = torch.from_numpy(train.hits).flatten(1).float()
    found = []
    for part in hits.flatten(1).float().split(256):
        apart = part.sum(1)[:, None] + known.sum(1) - 2 * part @ known.T
        found.append(apart.argmin(1))
    return torch.cat(found)


class HumanizeMeasures:
    """What a callback measures on a humanizer; nothing of it changes.

    Args:
        seed: of what is drawn.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def errors(self, module: Any, bars: Bars) -> Values:
        """Of medians, each bar seen alone and (`…_in_context`) with its neighbours.

        Also −log p of velocities and offsets given the hits, nats a bar, of bars seen alone.
        """
        x, tempos = bars.tensor.to(module.device), torch.from_numpy(bars.tempos)
        values = {"humanize/nll": -float(module.log_likelihood(x, tempos).mean())}
        for name, seen in (("", None), ("_in_context", _around(bars))):
            median = module.median(x[:, 0], tempos, around=seen).cpu()
            values |= _errors(median, bars, name)
        return values

    def overlaps(self, drawn: Tensor, bars: Bars) -> Values:
        """Of drawn with played bars, by hits and by bars.

        Args:
            drawn: shape (n, 3, steps, voices).
            bars: played ones.
        """
        return _overlaps(drawn, bars)

    def draw(self, module: Any, bars: Bars) -> Tensor:
        """The hits of bars, each seen alone and in a feel of its own, (n, 3, steps, voices)."""
        generator = torch.Generator(module.device).manual_seed(self.seed)
        tempos = torch.from_numpy(bars.tempos)
        return module.sample(torch.from_numpy(bars.hits), tempos, generator).cpu()

    def floor(self, bars: Bars) -> Values:
        """What a sequencer gets: everything on the grid, and of one loudness."""
        hits = torch.from_numpy(bars.hits).float()
        flat = torch.stack([hits, FLAT * hits, 0 * hits], 1)
        errors = _errors(flat, bars)
        return errors | _errors(flat, bars, "_in_context") | _overlaps(flat, bars)

    def baselines(self, train: Bars, bars: Bars) -> Values:
        """Errors of the training bars' medians of each cell, and of the nearest training bar.

        The nearest one is asked where it has a hit, and the medians elsewhere.
        """
        learnt, hits = train.tensor, torch.from_numpy(bars.hits)
        known = learnt[:, 0] > 0
        medians = torch.stack([cell_medians(learnt[:, channel], known) for channel in (1, 2)])
        median = torch.cat([hits[:, None], medians.expand(len(hits), -1, -1, -1)], 1)
        closest = learnt[nearest(train, hits)]
        there = closest[:, :1] > 0
        return _errors(median, bars, "_of_cell_medians") | _errors(
            torch.where(there, closest, median), bars, "_of_nearest_bar"
        )

    def ceiling(self, train: Bars, bars: Bars) -> Values:
        """What other drumming gets: overlaps of training with these bars."""
        return _overlaps(train.tensor, bars)


def _some(hits: Tensor) -> Tensor:
    if not hits.any():
        raise ValueError("there is no hit, so nothing was played and nothing can be told of it")
    return hits


def _errors(predicted: Tensor, bars: Bars, name: str = "") -> Values:
    hits, tempos = torch.from_numpy(bars.hits), torch.from_numpy(bars.tempos)
    velocities, offsets = bars.tensor[:, 1], bars.tensor[:, 2]
    return {
        f"humanize/timing_error{name}": timing_error(predicted[:, 2], offsets, hits, tempos),
        f"humanize/velocity_error{name}": velocity_error(predicted[:, 1], velocities, hits),
    }


def _overlaps(made: Tensor, bars: Bars) -> Values:
    hits, real = torch.from_numpy(bars.hits), bars.tensor
    values: Values = {}
    for channel, quantity in ((1, "velocity"), (2, "offset")):
        sets = (made[:, channel], made[:, 0] > 0, real[:, channel], hits)
        values[f"humanize/{quantity}_overlap"] = value_overlap(*sets)
        values[f"humanize/{quantity}_overlap_of_bars"] = bar_overlap(*sets)
    return values


def _bar_features(values: Tensor, hits: Tensor) -> Tensor:
    """Mean and standard deviation of each bar's values, of bars with a hit, shape (bars, 2)."""
    filled = hits.any(2).any(1)
    values, hits = values[filled].double(), hits[filled]
    count = hits.sum((1, 2))
    mean = (values * hits).sum((1, 2)) / count
    squares = ((values - mean[:, None, None]).square() * hits).sum((1, 2))
    return torch.stack([mean, (squares / count).sqrt()], 1)


def _around(bars: Bars) -> Tensor:
    return around(torch.from_numpy(bars.hits), torch.from_numpy(bars.performances))
