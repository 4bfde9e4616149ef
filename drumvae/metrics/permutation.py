"""Shuffles of labels in which bars of one performance stay together."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def shuffled(
    levels: NDArray[np.int64], groups: ArrayLike, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Shuffle labels among whole groups where each has one label, within each group otherwise.

    Bars of one performance are no independent witnesses: shuffled one by one, labels would lose
    what bars have in common anyway (Winkler et al. 2015, "Multi-level Block Permutation").

    Args:
        levels: labels, shape (n,).
        groups: performance of each bar, shape (n,); all different, any shuffle may come.
        rng: source of chance.
    """
    _, first, groups = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    if (levels == levels[first][groups]).all():
        return rng.permutation(levels[first])[groups]
    found = np.empty_like(levels)
    order = np.lexsort((rng.random(len(groups)), groups))
    found[np.argsort(groups, kind="stable")] = levels[order]
    return found
