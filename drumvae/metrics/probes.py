"""What a probe reads in latents, what leaks between levels, and separations that carry nothing.

Everywhere codes are posterior means, float (n, dimensions), factors are discrete, int, and `groups`
(n,) are performances, kept on one side of a split. ValueError is raised for codes that are not
finite, lengths that differ, and a factor of one value.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from drumvae.metrics.collapse import ACTIVE, LEAST_KL, active_units
from drumvae.metrics.disentanglement import Floats, checked
from drumvae.metrics.permutation import shuffled
from drumvae.metrics.style import probe, separation

SEPARATED, SIGNIFICANT = 1.0, 0.05  # ratio and p-value at which a dimension separates


@dataclass(frozen=True)
class Probe:
    """A linear probe of one factor, cross-validated by group; levels of one group are left out.

    Attributes:
        accuracy: share of right answers.
        balanced: mean over levels.
        chance: of `balanced`, 1 / levels.
        p_value: share of shuffled factors (and the true one) with as good a `balanced`.
    """

    accuracy: float
    balanced: float
    chance: float
    p_value: float


def linear_probes(
    codes: ArrayLike, factors: ArrayLike, groups: ArrayLike, permutations: int = 100, seed: int = 0
) -> tuple[Probe, ...]:
    """What `probe` reads of each factor from all dimensions, and whether that is chance.

    Bars of a performance are no independent witnesses. A factor that is the same throughout every
    group is shuffled among whole groups, any other within each, which asks only whether its
    changes there can be read (Winkler et al. 2015, "Multi-level Block Permutation"). A factor
    needs two levels in two groups each, or ValueError is raised; folds are as few as its groups.
    """
    x, v, rows = checked(codes, factors, groups)
    features, rng, probes = x.astype(np.float32), np.random.default_rng(seed), []
    for j, levels in enumerate(v.T):
        kept = sum(len(np.unique(rows[levels == level])) >= 2 for level in np.unique(levels))
        if kept < 2:
            raise ValueError(f"factor {j} has {kept} levels in 2 groups or more, a probe needs 2")
        accuracy, balanced = probe(features, levels, rows)
        others = (shuffled(levels, rows, rng) for _ in range(permutations))
        as_good = 1 + sum(probe(features, other, rows)[1] >= balanced for other in others)
        probes.append(Probe(accuracy, balanced, 1 / kept, as_good / (permutations + 1)))
    return tuple(probes)


@dataclass(frozen=True)
class Leakage:
    """What each of two levels of latents knows of the other's part.

    Attributes:
        style_from_low: from z_low alone.
        style_from_high: balanced accuracy from z_high alone.
        style_beyond: balanced accuracy that z_low adds to it; below 0 where it only adds noise.
        details_from_high: from z_high alone, one for each detail.
    """

    style_from_low: Probe
    style_from_high: float
    style_beyond: float
    details_from_high: tuple[Probe, ...]


def leakage(
    high: ArrayLike,
    low: ArrayLike,
    styles: ArrayLike,
    details: ArrayLike,
    groups: ArrayLike,
    permutations: int = 100,
    seed: int = 0,
) -> Leakage:
    """How well z_low tells the style, alone and beyond z_high, and z_high the details.

    Codes of both levels, `styles` (n,), `details` (n, factors): all factors but the style. Where
    these go with the style, a z_high that knows nothing else tells them too.
    """
    style = np.asarray(styles)[..., None]
    (of_low,) = linear_probes(low, style, groups, permutations, seed)
    (of_high,) = linear_probes(high, style, groups, 0)
    (of_both,) = linear_probes(np.hstack([high, low]), style, groups, 0)
    told = linear_probes(high, details, groups, permutations, seed)
    return Leakage(of_low, of_high.balanced, of_both.balanced - of_high.balanced, told)


@dataclass(frozen=True)
class FalseSeparation:
    """Which dimensions separate styles, and which of these carry nothing; shapes (dimensions,).

    Attributes:
        ratio: between / within of `separation`, of one dimension.
        p_value: of its permutation test.
        kl: nats a bar.
        variance: of the posterior mean.
        false: ratio and p-value pass their levels, but KL < 0.1 nat or the unit is not active.
        verdict: a sentence.
    """

    ratio: Floats
    p_value: Floats
    kl: Floats
    variance: Floats
    false: NDArray[np.bool_]
    verdict: str


def false_separation(
    means: ArrayLike,
    kl: ArrayLike,
    styles: ArrayLike,
    level: float = SEPARATED,
    permutations: int = 200,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> FalseSeparation:
    """Find dimensions that separate styles on paper only: their ratio is free of scale.

    A mean of scale 1e-3 drowns in its posterior's own noise, and one that only follows its prior
    p(z_low | z_high) says what z_high has said: variance and KL catch both.

    Args:
        means: posterior means, shape (n, dimensions).
        kl: of each dimension to its (conditional) prior, mean over bars, nats, (dimensions,).
        styles: shape (n,).
        level: of the ratio; at 1 style means vary as much as the bars of one style.
        permutations: at least 19, or no p-value can reach 0.05.
        seed: of the shuffles.
        groups: performance of each bar, shape (n,). Without them bars are shuffled one by one, and
            alike bars of a performance make p too small.
    """
    x, v, rows = checked(means, np.asarray(styles)[..., None], groups)
    nats, raw = np.asarray(kl, np.float64), np.asarray(means, np.float64)
    if nats.shape != x.shape[1:]:
        raise ValueError(f"kl has shape {nats.shape} beside {x.shape[1]} dimensions")
    if not (np.isfinite(nats) & (nats > -1e-6)).all():
        raise ValueError(f"kl must be finite and not negative, got {nats}")
    if permutations < 19:
        raise ValueError(f"no p-value of {permutations} permutations reaches 0.05, take 19 or more")
    labels, columns = torch.from_numpy(v[:, 0]), torch.from_numpy(x).split(1, 1)
    tests = [separation(column, labels, permutations, seed, rows) for column in columns]
    ratio, p_value = np.array([(test.ratio, test.p_value) for test in tests]).T
    separates = (ratio >= level) & (p_value <= SIGNIFICANT)
    false = separates & ((nats < LEAST_KL) | ~active_units(torch.from_numpy(raw)).numpy())
    variance = raw.var(0, ddof=1)
    verdict = f"{separates.sum()} of {len(ratio)} dimensions separate the styles"
    if false.any():
        verdict += f", but {false.sum()} of these carry nothing (KL < {LEAST_KL} nat or variance ≤ "
        verdict += f"{ACTIVE}), so that their separation is false: " + "; ".join(
            f"{i} (ratio {ratio[i]:.3g}, KL {nats[i]:.2g} nat, variance {variance[i]:.2g})"
            for i in np.flatnonzero(false)
        )
    elif separates.any():
        verdict += ", and each of these carries something"
    return FalseSeparation(ratio, p_value, nats, variance, false, verdict + ".")
