"""What every measure of made grooves is taken with, and a row of its table."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from drumvae.bars import Bars
from drumvae.creative.measures.intervals import Drawn
from drumvae.creative.measures.judge import StyleJudge, judged_styles, of_style
from drumvae.creative.styles import Styles
from drumvae.creative.trained import Model


@dataclass(frozen=True)
class Row:
    """A measure beside what knows nothing and what is real.

    Attributes:
        measure: what was measured.
        value: of what was made.
        baseline: what a cheaper way gets.
        real: what held-out real bars get.
        wanted: what was asked for; empty where nothing was.
        met: whether it was reached; None where nothing was asked.
    """

    measure: str
    value: str
    baseline: str = ""
    real: str = ""
    wanted: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        met = {True: "yes", False: "**no**", None: ""}[self.met]
        return self.measure, self.value, self.baseline, self.real, self.wanted, met


@dataclass(frozen=True)
class Setting:
    """A model, its styles, the data and the judge.

    Attributes:
        model: what makes the bars.
        styles: what it knows.
        train: bars that it and the judge were trained on.
        real: held-out bars that it is compared with.
        names: styles that are judged.
        judge: of styles.
        easy: whether the styles are as good as told apart without error, as recipes are.
        seed: of all draws.
    """

    model: Model
    styles: Styles
    train: Bars
    real: Bars
    names: tuple[str, ...]
    judge: StyleJudge
    easy: bool
    seed: int = 0

    @classmethod
    def of(cls, model: Model, styles: Styles, train: Bars, real: Bars, seed: int = 0) -> "Setting":
        """Train the judge on the styles that both splits have.

        Raises:
            ValueError: there are fewer than two such styles.
        """
        names = judged_styles(train, real, styles.names)
        if len(names) < 2:
            raise ValueError(
                "measuring needs two styles or more with at least 20 training and 20 held-out bars "
                f"each, found {', '.join(names) or 'none'}"
            )
        judge = StyleJudge(train, names)
        right = [judge.right(of_style(real, n).tensor, n).mean() for n in names]
        return cls(
            model, styles, train, real, tuple(names), judge, bool(np.mean(right) > 0.9), seed
        )

    def generator(self, number: int = 0) -> torch.Generator:
        """A source of chance of its own for each number."""
        return torch.Generator().manual_seed(1000 * self.seed + number)

    def held_out(self, name: str) -> Bars:
        """Real bars of a style that nothing was trained on."""
        return of_style(self.real, name)

    def judged(self, bars: Tensor, name: str) -> Drawn:
        """Whether each of some made bars is taken for a style."""
        return Drawn.alone(self.judge.right(bars, name))

    def ceiling(self, name: str) -> Drawn:
        """The same of real bars."""
        bars = self.held_out(name)
        return Drawn(self.judge.right(bars.tensor, name).astype(float), bars.performances, name)
