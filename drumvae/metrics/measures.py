"""All measures of a groove model under the names that go to `metrics.csv` and `summary.json`."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drumvae.bars import Bars
from drumvae.gaussian import Gaussian, standard
from drumvae.metrics.collapse import Cost, active_units, cost_of_replacing, earning, sensitivity
from drumvae.metrics.information import Information, hierarchical_information
from drumvae.metrics.likelihood import negative_log_likelihood
from drumvae.metrics.reconstruction import onset_f1
from drumvae.metrics.style import probe, separation, style_information

Values = dict[str, float]
LEVELS = ("high", "low")
MOVED = 200  # bars at most in which each dimension is moved


class GrooveMeasures:
    """What callbacks measure on a hierarchical VAE; every method leaves it as it was.

    Args:
        pairs: bars at most for the measures that compare every bar with every other; for the
            information of styles, which is cheap and varies much, ten times as many.
        seed: of all draws.
    """

    def __init__(self, pairs: int = 1000, seed: int = 0) -> None:
        if pairs < 2:
            raise ValueError(f"measures.pairs must be at least 2, got {pairs}")
        self.pairs, self.seed = pairs, seed

    def collapse(self, module: Any, bars: Tensor) -> Values:
        """KL, activity, information and worth of every dimension, and how much comes back.

        `drumvae.verdict` reads a verdict from them.

        Args:
            module: a hierarchical VAE.
            bars: shape (n, 3, steps, voices), n at least 2.
        """
        values: Values = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            q = module.encode(bars)
            central = module.central(bars)
            parts = hierarchical_information(module, self._some(bars, self.pairs))
        kls = q.high.kl(standard(q.z_high)).mean(0), q.low.kl(q.low_prior).mean(0)
        costs = cost_of_replacing(module, bars, self.seed)
        for level, kl, means, cost, part in zip(LEVELS, kls, central, costs, parts, strict=True):
            values |= _numbered(f"kl_{level}", kl)
            values |= _cost(level, cost)
            values |= _numbered(f"variance_{level}", means.var(0))
            values[f"active/{level}"] = float(active_units(means).sum())
            values[f"earning/{level}"] = float(earning(kl, cost.mean).sum())
            values |= _information(level, part)
        found = module.likelihood.typical(module.decode(*central))[:, 0] > 0
        values["reconstruction/f1"] = float(onset_f1(found, bars[:, 0] > 0))
        return values

    def sensitivity(self, module: Any, bars: Tensor) -> Values:
        """What share of cells each dimension can flip, in 200 of the bars at most."""
        moved = sensitivity(module, self._some(bars, MOVED), self.seed)
        high, low = (
            _numbered(f"sensitivity_{level}", share)
            for level, share in zip(LEVELS, moved, strict=True)
        )
        return high | low

    def likelihood(self, module: Any, bars: Tensor, draws: int) -> Tensor:
        """−log p of each bar, nats, with so many importance-weighted draws, shape (n,)."""
        return negative_log_likelihood(module, bars, draws, self.seed)

    def styles(self, module: Any, bars: Bars) -> Values:
        """Probe, information and separation of styles, of z_high and of its active dimensions."""
        tensor, styles = bars.tensor.to(module.device), torch.from_numpy(bars.styles)
        means, detail = (level.cpu() for level in module.central(tensor))
        alive = means[:, active_units(means)]
        whole = separation(means, styles, seed=self.seed, groups=bars.performances)
        living = separation(alive, styles, seed=self.seed, groups=bars.performances)
        accuracy, balanced = probe(means.numpy(), bars.styles, bars.performances)
        chosen = self._chosen(len(bars), 10 * self.pairs)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            q = module.encode(tensor[chosen])
        return {
            "style/probe": accuracy,
            "style/probe_balanced": balanced,
            "style/information": style_information(
                Gaussian(q.high.mean.cpu(), q.high.log_variance.cpu()),
                q.z_high.cpu(),
                styles[chosen],
            ),
            "style/separation": whole.ratio,
            "style/separation_p": whole.p_value,
            "style/separation_active": living.ratio,
            "style/separation_active_p": living.p_value,
            "style/within_high": whole.within,
            "style/between_high": whole.between,
            "style/within_low": separation(detail, styles, permutations=0).within,
        }

    def floor(self, train: Bars, bars: Bars, channels: int = 1) -> Values:
        """What knows nothing gets: one frequency for each cell, one bar for all, one style.

        Args:
            train: bars that frequencies are counted in.
            bars: what is measured.
            channels: that the model's likelihood reads; the frequencies say what hits have, and of
                one with velocities and offsets (3) `likelihood/nll` has no floor.
        """
        p = np.clip((train.hits.sum(0) + 0.5) / (len(train) + 1), 1e-6, 1 - 1e-6)
        cells = np.where(bars.hits, np.log(p), np.log1p(-p)).sum((1, 2))
        same = torch.from_numpy(np.broadcast_to(p > 0.5, bars.hits.shape).copy())
        share = np.bincount(bars.styles) / len(bars)
        known = {"likelihood/nll": float(-cells.mean())} if channels == 1 else {}
        return known | {
            "reconstruction/f1": float(onset_f1(same, torch.from_numpy(bars.hits))),
            "style/probe": float(share.max()),
            "style/information": 0.0,
        }

    def ceiling(self, bars: Bars) -> Values:
        """What the data allow: a probe that reads the hits themselves, the styles' entropy."""
        flat = bars.hits.reshape(len(bars), -1).astype(np.float32)
        share = np.bincount(bars.styles) / len(bars)
        share = share[share > 0]
        return {
            "reconstruction/f1": 1.0,
            "style/probe": probe(flat, bars.styles, bars.performances)[0],
            "style/information": float(-(share * np.log(share)).sum()),
        }

    def _chosen(self, n: int, most: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randperm(n, generator=generator)[:most]

    def _some(self, bars: Tensor, most: int) -> Tensor:
        return bars[self._chosen(len(bars), most).to(bars.device)]


def _numbered(name: str, of: Tensor) -> Values:
    return {f"{name}/{i}": float(value) for i, value in enumerate(of)}


def _cost(level: str, cost: Cost) -> Values:
    return {
        **_numbered(f"cost_{level}", cost.mean),
        **_numbered(f"cost_{level}_error", cost.error),
        f"cost/{level}": cost.whole,
        f"cost/{level}_error": cost.whole_error,
    }


def _information(level: str, part: Information) -> Values:
    return {
        f"information/{level}": part.mutual,
        f"information/{level}_bound": part.bound,
        f"information/{level}_error": part.error,
        f"aggregate/{level}": part.aggregate,
    }


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean and its standard error, of shape (n,)."""
    return float(values.mean()), float(values.std()) / math.sqrt(len(values))
