"""How smooth a generator's walks are: means over many random ones, with an interval.

The report's argument was a pair of strips: "vanilla abrupt, fixed smooth".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fontgan.exported import LetterGenerator
from fontgan.judge import Judge
from fontgan.latents import Draws, drawn, linear, smoothness, walk


@dataclass(frozen=True)
class Interval:
    """A mean over walks with a 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def interval(values: NDArray[np.float64], resamples: int = 2000, seed: int = 0) -> Interval:
    """Of a mean over walks: percentiles of means over walks drawn anew, shape (walks,)."""
    which = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    low, high = np.quantile(values[which].mean(1), [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


KINDS = ("linear", "spherical", "cross-fade")
"""Ways from one picture to another: two through latent space; and the pictures themselves mixed,
which every generator's walk has to be better than."""
MEASURES = ("features", "pixels", "legible", "letters")
Measured = dict[str, NDArray[np.float64]]
"""Of one generator: by one of `KINDS`, shape (walks, 4), columns as in `MEASURES`."""


def walks(
    models: Mapping[str, LetterGenerator],
    judge: Judge,
    pairs: int = 50,
    steps: int = 64,
    draws: int = 2000,
    seed: int = 0,
) -> dict[str, Measured]:
    """Smoothness of many random walks of several generators, between the same pairs of letters.

    Args:
        models: generators by name.
        judge: reads all of them.
        pairs: walks of each, between two different letters that all of them draw.
        steps: of a walk.
        draws: random latents among which the letters are looked for.
        seed: of latents and pairs.

    Returns:
        By name the measures of `Smoothness`, and how many different letters were passed, the ends
        included.

    Raises:
        ValueError: fewer than two letters are drawn by all of the generators.
    """
    pools = {}
    for name, model in models.items():
        generator = torch.Generator().manual_seed(seed)
        pools[name] = drawn(model, judge, model.latent(draws, generator))
    common = set.intersection(*(set(p.reading.letter.tolist()) - {-1} for p in pools.values()))
    if len(common) < 2:
        raise ValueError(
            f"only {len(common)} letter(s) are drawn by all of {', '.join(models)} in {draws} "
            "draws; walks need two, so compare other runs or raise draws"
        )
    random = np.random.default_rng(seed)
    ends = [random.choice(sorted(common), 2, replace=False) for _ in range(pairs)]
    return {
        name: _walks(model, judge, pools[name], ends, steps, np.random.default_rng(seed))
        for name, model in models.items()
    }


def _walks(
    model: LetterGenerator,
    judge: Judge,
    pool: Draws,
    ends: list[NDArray[np.int64]],
    steps: int,
    random: np.random.Generator,
) -> Measured:
    rows: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for letters in ends:
        chosen = [random.choice((pool.reading.letter == int(i)).nonzero()[:, 0]) for i in letters]
        first, last = pool.latents[chosen]
        for kind in KINDS:
            if kind == "cross-fade":
                one, two = pool.images[chosen].float().flatten(1)
                mixed = linear(one, two, steps).round().byte().view(-1, *pool.images.shape[1:])
                draws = Draws(torch.empty(steps, 0), mixed, judge.read(mixed))
            else:
                path = walk(first, last, steps, model.record.gaussian, kind == "spherical")
                draws = drawn(model, judge, path)
            found = smoothness(draws)
            different = float(len(set(found.letters)))
            rows[kind].append([found.features, found.pixels, found.legible, different])
    return {kind: np.array(values) for kind, values in rows.items()}
