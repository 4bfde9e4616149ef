r"""Planted posteriors, each with the truth about it: what its dimensions carry and who hears them.

Bars are those of `drumvae.planted_models`: eight independent fair bits x = ±1, one in each step, of
which the first is the style. Dimension i of a posterior, four in each level, is

.. math:: q(z_i \mid x) = N\big(\textstyle\sum_b m_{ib} x_b,\; \sigma_i^2\big)

in units of its prior, and the decoder's logit in step i is gain · z_i. So KL, cost, sensitivity and
information are sums, or integrals over one Gaussian.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import lambertw

from drumvae.grooves import REPORT_KIT
from drumvae.metrics.collapse import ACTIVE, ALIVE, DEAD, IN_NAME_ONLY

LEVEL = 4  # dimensions of each level
BITS = 2 * LEVEL
VOICES = len(REPORT_KIT.voices)
VOTERS = 3

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Dimension:
    """A latent dimension, in units of its prior.

    Attributes:
        slope: of the posterior mean in the bits it reads.
        deviation: of the posterior, positive.
        gain: of the decoder's logits; 0 where the decoder is deaf.
        word: the right verdict on it.
        reads: weight of each bit in its mean; where there is none, its own bit alone.
    """

    slope: float
    deviation: float
    gain: float
    word: str
    reads: tuple[float, ...] = ()


@dataclass(frozen=True)
class Case:
    """A posterior by hand, and what is true of it.

    Attributes:
        name: of the case.
        high: dimensions of z_high.
        low: dimensions of z_low.
        words: right verdicts on the two levels.
        follows: p(z_low | z_high) has the mean follows · z_high, ...
        width: ... and this standard deviation.
        votes: the decoder hears the majority of z_high's first three dimensions as the first; each
            of them can be spared, all three cannot.
        shuffled: the styles are shuffled.
    """

    name: str
    high: Sequence[Dimension]
    low: Sequence[Dimension]
    words: tuple[str, str]
    follows: float = 0.0
    width: float = 1.0
    votes: bool = False
    shuffled: bool = False

    @property
    def dimensions(self) -> list[Dimension]:
        """Of z_high, then of z_low."""
        return [*self.high, *self.low]

    @property
    def slopes(self) -> Array:
        """Slope of each posterior mean in each bit, shape (8 dimensions, 8 bits)."""
        own = np.eye(BITS)
        rows = [d.slope * np.array(d.reads or own[i]) for i, d in enumerate(self.dimensions)]
        return np.stack([np.pad(row, (0, BITS - len(row))) for row in rows])

    @property
    def deviations(self) -> Array:
        """Of the posteriors, shape (8,)."""
        return np.array([d.deviation for d in self.dimensions])

    @property
    def outvoted(self) -> Mask:
        """Which dimensions are without effect alone, bool, shape (8,)."""
        return np.arange(BITS) < VOTERS * self.votes

    @property
    def lives(self) -> Mask:
        """Which dimensions carry what the decoder uses, shape (8,)."""
        heard = [d.slope != 0 and d.gain != 0 for d in self.dimensions]
        return np.array(heard)

    @property
    def kl(self) -> Array:
        """From the prior, nats, shape (8,)."""
        variance, squared = self.deviations**2, (self.slopes**2).sum(1)
        return 0.5 * (variance + squared - 1 - np.log(variance))

    @property
    def variance(self) -> Array:
        """Of the posterior means, shape (8,)."""
        high, low = (self.slopes**2).sum(1).reshape(2, LEVEL)
        return np.concatenate([high, self.width**2 * low + self.follows**2 * high])

    @property
    def cost(self) -> Array:
        """What replacing each dimension costs, nats, shape (8,)."""
        found = []
        for d in self.dimensions:
            kept, lost = (
                _mean(lambda z, d=d: _log_step(d.gain * z), *of)
                for of in ((d.slope, d.deviation), (0.0, 1.0))
            )
            found.append(kept - lost)
        return np.where(self.outvoted, 0.0, found)

    @property
    def sensitivity(self) -> Array:
        """Share of cells that flip, shape (8,): those of its step, where it is heard."""
        heard = np.array([d.gain != 0 for d in self.dimensions])
        return np.where(heard & ~self.outvoted, 1 / BITS, 0.0)

    @property
    def information(self) -> tuple[float, float]:
        """I(x; z_high) and I(x; z_low | z_high), nats."""
        each = [of_a_bit(r) for r in np.sqrt((self.slopes**2).sum(1)) / self.deviations]
        if self.votes:  # three looks at one bit
            each[:VOTERS] = [self.style]
        return sum(each[:-LEVEL]), sum(each[-LEVEL:])

    @property
    def style(self) -> float:
        """I(z_high; style), nats, where the style's bit has dimensions to itself."""
        if self.shuffled:
            return 0.0
        looks = (self.slopes[:LEVEL, 0] / self.deviations[:LEVEL]) ** 2
        return of_a_bit(math.sqrt(looks.sum()))

    def separation(self, least: float = -1.0) -> float:
        """Variance between styles over that within, of dimensions of more variance; NaN of none."""
        squares = self.slopes[:LEVEL][self.variance[:LEVEL] > least] ** 2
        if not len(squares):
            return math.nan
        between = 0.0 if self.shuffled else squares[:, 0].mean()
        return between / max(squares.sum(1).mean() - between, 1e-12)

    @property
    def separation_active(self) -> float:
        """The same of active dimensions alone."""
        return self.separation(ACTIVE)


def _log_step(logit: Array) -> Array:
    """Log-probability of a step whose bit is on, nats: one of its nine cells is off."""
    return -(VOICES - 1) * np.logaddexp(0, -logit) - np.logaddexp(0, logit)


def _mean(of: Callable[[Array], Array], mean: float, deviation: float) -> float:
    """Of a function of a Gaussian, by quadrature."""
    z, weight = np.polynomial.hermite_e.hermegauss(120)
    return float((weight * of(mean + deviation * z)).sum() / math.sqrt(2 * math.pi))


def of_a_bit(ratio: float) -> float:
    """I(x; x + noise) of a fair x = ±ratio under noise N(0, 1), nats."""
    lost = _mean(lambda z: np.logaddexp(0, -2 * ratio * (ratio + z)), 0.0, 1.0)
    return math.log(2) - lost


GAIN = 2.0  # near ln 8, the logit of a cell's true probability
LIVE = Dimension(math.sqrt(1 - 0.2**2), 0.2, GAIN, ALIVE)
GONE = Dimension(0.0, 1.0, 0.0, DEAD)
HEARD = Dimension(0.0, 1.0, GAIN, DEAD)
FOLLOWER = Dimension(0.0, 1.0, 0.0, IN_NAME_ONLY)
# Variance between styles is 22 times that within, and all of it happens about 0.001 from 0.
TINY = Dimension(1e-3, 1.0, 0.0, DEAD, (1.0, math.sqrt(1 / 22)))
UNIT = Dimension(1.0, 1.0, 0.0, IN_NAME_ONLY)
# KL of exactly 0.2 nat: with z_i of variance 1 in all, or without a word about the bar.
FREE = Dimension(math.sqrt(1 - math.exp(-0.4)), math.exp(-0.2), 0.0, IN_NAME_ONLY)
NARROW = Dimension(0.0, math.sqrt(-lambertw(-math.exp(-1.4)).real), 0.0, IN_NAME_ONLY)
COPY = Dimension(LIVE.slope, LIVE.deviation, GAIN, IN_NAME_ONLY, (1.0,))

HEALTHY, LOSING, COLLAPSED = "healthy", "losing dimensions", "collapsed"
IN_NAME, UNDECIDED = "alive in name only", "undecided"
_DYING = (HEALTHY, LOSING, LOSING, LOSING, COLLAPSED)
_ALL = [LIVE] * LEVEL


def _without(dead: int) -> list[Dimension]:
    return [LIVE] * (LEVEL - dead) + [GONE] * dead


CASES: tuple[Case, ...] = (
    *(Case(f"z_high, {k} dead", _without(k), _ALL, (_DYING[k], HEALTHY)) for k in range(LEVEL + 1)),
    *(Case(f"z_low, {k} dead", _ALL, _without(k), (HEALTHY, _DYING[k])) for k in range(1, 5)),
    Case("both levels dead", [GONE] * 4, [GONE] * 4, (COLLAPSED, COLLAPSED)),
    Case("both dead, still heard", [HEARD] * 4, [HEARD] * 4, (COLLAPSED, COLLAPSED)),
    Case("z_low is its prior", _ALL, [FOLLOWER] * 4, (HEALTHY, IN_NAME), 1.0, 0.5),
    Case("separated by scale", [TINY, GONE, GONE, GONE], _ALL, (COLLAPSED, HEALTHY)),
    Case("batch-norm posterior", [UNIT] * 4, [UNIT] * 4, (IN_NAME, IN_NAME)),
    Case("free bits, ignored", [FREE] * 4, [FREE] * 4, (IN_NAME, IN_NAME)),
    Case("free bits, empty", [NARROW] * 4, [NARROW] * 4, (IN_NAME, IN_NAME)),
    Case("styles shuffled", _ALL, _ALL, (HEALTHY, HEALTHY), shuffled=True),
    Case("one bit shared by three", [COPY] * 3 + [GONE], _ALL, (UNDECIDED, HEALTHY), votes=True),
)
