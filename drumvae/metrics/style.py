"""What the latents know of the style, and whether a separation means anything."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from drumvae.gaussian import Gaussian
from drumvae.metrics.information import pairwise
from drumvae.metrics.permutation import shuffled


@dataclass(frozen=True)
class Separation:
    """Variances of posterior means about style means, averaged over dimensions, as in the report.

    Attributes:
        within: mean over styles of the variance within one.
        between: variance of the style means.
        ratio: between / within: free of scale, so it says nothing about a dead dimension.
        p_value: share of 200 shuffled labellings (and the true one) that separate as well.
    """

    within: float
    between: float
    ratio: float
    p_value: float


def separation(
    means: Tensor,
    styles: Tensor,
    permutations: int = 200,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Separation:
    """Separation of styles in latent means, with a permutation test.

    Args:
        means: posterior means, shape (n, dimensions); no dimension gives NaN, and so do means that
            are not finite.
        styles: labels, shape (n,), at least two different ones.
        permutations: shuffled labellings.
        seed: of the shuffles.
        groups: performance of each bar, shape (n,): styles are shuffled among whole performances.
            Without them each bar counts as one, and alike bars make p too small.
    """
    if not means.shape[1]:
        return Separation(math.nan, math.nan, math.nan, math.nan)
    within, between = _variances(means, styles)
    ratio = between / max(within, 1e-12)
    if math.isnan(ratio):
        return Separation(within, between, ratio, math.nan)
    rng, labels = np.random.default_rng(seed), styles.cpu().numpy()
    rows = np.arange(len(labels)) if groups is None else groups
    as_good = 1
    for _ in range(permutations):
        w, b = _variances(means, torch.from_numpy(shuffled(labels, rows, rng)).to(means.device))
        as_good += b / max(w, 1e-12) >= ratio
    return Separation(within, between, ratio, as_good / (permutations + 1))


def _variances(means: Tensor, styles: Tensor) -> tuple[float, float]:
    groups = [means[styles == style] for style in styles.unique()]
    within = torch.stack([group.var(0, correction=0) for group in groups]).mean()
    between = torch.stack([group.mean(0) for group in groups]).var(0, correction=0).mean()
    return float(within), float(between)


def style_information(q: Gaussian, z: Tensor, styles: Tensor) -> float:
    """I(z; style) in nats, from q(z | style) as the mixture over that style's bars.

    Args:
        q: posterior of n bars, shape (n, dimensions).
        z: one draw from each, same shape.
        styles: labels, shape (n,). A bar does not vouch for itself.
    """
    shares = torch.stack([(styles == s).float().mean() for s in styles.unique()])
    parts = []
    for rows in torch.arange(len(z)).split(500):
        density = pairwise(z[rows], q)
        density[torch.arange(len(rows)), rows] = -torch.inf
        same = styles[rows, None] == styles[None]
        own = density.masked_fill(~same, -torch.inf).logsumexp(1)
        own -= (same.sum(1) - 1).clamp(min=1).log()
        every = density.logsumexp(1) - math.log(max(1, len(z) - 1))
        parts.append((own - every)[own.isfinite()])
    found = float(torch.cat(parts).mean())
    entropy = float(-(shares * shares.log()).sum())
    return min(max(found, 0.0), entropy)


def probe(
    features: NDArray[np.float32],
    styles: NDArray[np.int64],
    groups: NDArray[np.int64],
    folds: int = 5,
) -> tuple[float, float]:
    """Accuracy of a logistic regression from latents to styles, cross-validated by performance.

    Bars of one performance are never on both sides of a split: that would be a look at the answer.

    Args:
        features: shape (n, dimensions).
        styles: labels, shape (n,).
        groups: performance of each bar, shape (n,).
        folds: of the cross-validation; fewer where a style has fewer performances.

    Returns:
        Accuracy and balanced accuracy (mean over styles); NaN where there are too few groups.
    """
    common = [s for s in np.unique(styles) if len(np.unique(groups[styles == s])) >= 2]
    kept = np.isin(styles, common)
    features, styles, groups = features[kept], styles[kept], groups[kept]
    if len(common) < 2:
        return math.nan, math.nan
    folds = min([folds, *(len(np.unique(groups[styles == s])) for s in common)])
    found = np.empty_like(styles)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    for train, test in splitter.split(features, styles, groups):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        found[test] = model.fit(features[train], styles[train]).predict(features[test])
    right = found == styles
    return float(right.mean()), float(np.mean([right[styles == s].mean() for s in common]))
