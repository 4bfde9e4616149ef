"""The style of bars by a judge from outside: a random forest on real bars, and nothing else."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from drumvae.bars import Bars

TREES = 300
LEAF = 20  # bars: smaller leaves learn performances by heart and judge unseen ones worse


class StyleJudge:
    """Reads styles from hits. No model's encoder is in it, and no made bar was it trained on.

    Args:
        bars: real ones, of the training split.
        names: styles it shall tell apart, of those that the bars have.
        seed: of the forest.
    """

    def __init__(self, bars: Bars, names: Sequence[str], seed: int = 0) -> None:
        self.names = tuple(names)
        numbers = [bars.style_names.index(name) for name in names]
        mine = np.isin(bars.styles, numbers)
        own = {number: i for i, number in enumerate(numbers)}
        self.forest = RandomForestClassifier(
            TREES, min_samples_leaf=LEAF, class_weight="balanced_subsample", random_state=seed
        )
        self.forest.fit(_flat(bars.hits[mine]), [own[s] for s in bars.styles[mine]])

    def probabilities(self, bars: Tensor) -> NDArray[np.float64]:
        """Of each style, shape (n, styles), of bars (n, 3, steps, voices)."""
        return np.asarray(self.forest.predict_proba(_flat(bars[:, 0].numpy() > 0)))

    def right(self, bars: Tensor, name: str) -> NDArray[np.bool_]:
        """Which bars it takes for a style, shape (n,)."""
        return self.probabilities(bars).argmax(1) == self.names.index(name)


def of_style(bars: Bars, name: str) -> Bars:
    """The bars of a style."""
    return bars[bars.styles == bars.style_names.index(name)]


def judged_styles(bars: Bars, held_out: Bars, known: Sequence[str], least: int = 20) -> list[str]:
    """Styles that a model knows and that have held-out bars to be compared with."""
    return [
        name
        for name in known
        if name in held_out.style_names
        and len(of_style(held_out, name)) >= least
        and len(of_style(bars, name)) >= least
    ]


def beat_correlation(made: Tensor, source: Tensor) -> Tensor:
    """Pearson correlation of the onsets on each step, of hits (n, steps, voices), shape (n,).

    0 where one of both has as many on every step.
    """
    a, b = (x.sum(2).double() - x.sum(2).double().mean(1, keepdim=True) for x in (made, source))
    scale = a.norm(dim=1) * b.norm(dim=1)
    return torch.where(scale > 1e-9, (a * b).sum(1) / scale.clamp(min=1e-9), 0.0)


def _flat(hits: NDArray[np.bool_]) -> NDArray[np.float32]:
    return hits.reshape(len(hits), -1).astype(np.float32)
