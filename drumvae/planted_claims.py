"""What each measure must read on a planted posterior, what it is used to claim, and what is true.

A measure must read what calculation says; else it is `wrong`. It is `right` where the claim that
its reading is used for holds of the case, and `blind` where it does not: an honest reading that
misleads. The claims of the course report need to hold nowhere, and are judged as they read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drumvae.metrics.collapse import ACTIVE, ALIVE, DEAD, IN_NAME_ONLY, LEAST_COST, LEAST_KL
from drumvae.metrics.measures import LEVELS, Values
from drumvae.planted_cases import LEVEL, Case
from drumvae.verdict import verdicts

RIGHT, BLIND, WRONG, SILENT = "right", "blind", "wrong", "–"
FLIPS = 0.01  # share of cells from which on a dimension is said to be heard
CARRIES = 0.1  # nats from which on a level is said to carry something
HELD = 0.05  # nats about the style from which on z_high holds it
APART = 0.05  # ratio of variances from which on styles are said to be apart
SIGNIFICANT = 0.01
REPORTED_KL, REPORTED_SEPARATION = 0.01, 21.9

Array = NDArray[Any]


@dataclass(frozen=True)
class Measure:
    """What a measure must read, and what it is used to claim.

    Attributes:
        name: heading of its column.
        read: its reading, from all values.
        claim: what a reading is used to claim.
        truth: the claim that holds of a case.
        planted: what it must read; None for a claim of the report, which is judged as it reads.
        within: how far a reading may be from that, from all values; None for not at all.
        silent: readings that claim nothing.
        by_chance: a reading is random: the middle one of all seeds counts, not the worst.
    """

    name: str
    read: Callable[[Values], Array]
    claim: Callable[[Array], Array]
    truth: Callable[[Case], Array]
    planted: Callable[[Case], Array] | None = None
    within: Callable[[Values], Array | float] | None = None
    silent: Callable[[Array], bool] = lambda reading: False
    by_chance: bool = False

    def outcome(self, case: Case, values: Values) -> str:
        """One of `RIGHT`, `BLIND`, `WRONG` and `SILENT`."""
        reading = self.read(values)
        if self.silent(reading):
            return SILENT
        if self.planted is None:
            return RIGHT if np.array_equal(self.claim(reading), self.truth(case)) else WRONG
        planted = self.planted(case)
        if self.within is None:
            agrees = np.array_equal(reading, planted)
        else:
            agrees = bool((np.abs(reading - planted) <= self.within(values)).all())
        if not agrees:
            return WRONG
        return RIGHT if np.array_equal(self.claim(planted), self.truth(case)) else BLIND


def _each(name: str) -> Callable[[Values], Array]:
    """Reads all dimensions, z_high's first; {} in the name is the level."""
    names = [f"{name.format(level)}/{i}" for level in LEVELS for i in range(LEVEL)]
    return lambda values: np.array([values[n] for n in names])


def _both(name: str) -> Callable[[Values], Array]:
    """Reads both levels; {} in the name is the level."""
    return lambda values: np.array([values[name.format(level)] for level in LEVELS])


def _one(name: str) -> Callable[[Values], Array]:
    return lambda values: np.array([values[name]])


def _significant(name: str) -> Callable[[Values], Array]:
    return lambda values: np.array([values[name] <= SIGNIFICANT])


def _as_read(reading: Array) -> Array:
    return reading


def _above(limit: float) -> Callable[[Array], Array]:
    return lambda reading: reading >= limit


def _counted(mask: Array) -> Array:
    """Dimensions of each level, shape (2,)."""
    return mask.reshape(2, LEVEL).sum(1)


def _lives(case: Case) -> Array:
    return case.lives


def _alive(case: Case) -> Array:
    return _counted(case.lives)


def _some_live(case: Case) -> Array:
    return _counted(case.lives) > 0


def _holds_style(case: Case) -> Array:
    return np.array([case.style >= HELD])


def _planted_words(case: Case) -> Array:
    return np.array([dimension.word for dimension in case.dimensions])


def _dimension_words(values: Values) -> Array:
    words = np.empty((2, LEVEL), dtype=object)
    for row, found in zip(words, verdicts(values).values(), strict=True):
        row[[*found.alive]], row[[*found.dead]] = ALIVE, DEAD
        row[[*found.in_name_only]] = IN_NAME_ONLY
    return words.flatten()


def _level_words(values: Values) -> Array:
    return np.array([found.word for found in verdicts(values).values()])


MEASURES: tuple[Measure, ...] = (
    Measure(
        "active units", _both("active/{}"), _as_read, _alive,
        lambda case: _counted(case.variance > ACTIVE),
    ),
    Measure(
        "KL", _each("kl_{}"), _above(LEAST_KL), _lives, lambda case: case.kl, lambda values: 1e-4
    ),
    Measure(
        "cost", _each("cost_{}"), _above(LEAST_COST), _lives, lambda case: case.cost,
        lambda values: 1e-3 + 5 * _each("cost_{}_error")(values),
    ),
    Measure(
        "earning", _both("earning/{}"), _as_read, _alive,
        lambda case: _counted((case.kl >= LEAST_KL) & (case.cost >= LEAST_COST)),
    ),
    Measure(
        "sensitivity", _each("sensitivity_{}"), _above(FLIPS), _lives,
        lambda case: case.sensitivity, lambda values: 1e-6,
    ),
    Measure(
        "information", _both("information/{}"), _above(CARRIES), _some_live,
        lambda case: np.array(case.information),
        lambda values: 0.01 + 5 * _both("information/{}_error")(values),
    ),
    Measure(
        "separation", _one("style/separation"), _above(APART), _holds_style,
        lambda case: np.array([case.separation()]),
        lambda values: 0.02 + 0.01 * values["style/separation"],
    ),
    Measure(
        "its p", _significant("style/separation_p"), _as_read, _holds_style,
        lambda case: np.array([case.separation() >= APART]), by_chance=True,
    ),
    Measure(
        "p, active", _significant("style/separation_active_p"), _as_read, _holds_style,
        lambda case: np.array([case.separation_active >= APART]), by_chance=True,
    ),
    Measure(
        "style nats", _one("style/information"), _above(HELD), _holds_style,
        # One draw of 256 bars: the log-ratio of a bar varies by 0.57 nat at most, as calculated.
        lambda case: np.array([case.style]), lambda values: 4 * 0.57 / 16,
    ),
    Measure(
        "probe", _one("style/probe"), _above(0.75), _holds_style,
        lambda case: np.array([1.0 if case.separation() >= APART else 0.5]), lambda values: 0.15,
    ),
    Measure(
        "dimensions", _dimension_words, lambda words: words == ALIVE, _lives, _planted_words
    ),
    Measure(
        "levels", _level_words, _as_read, lambda case: np.array(case.words),
        lambda case: np.array(case.words),
    ),
    Measure("report: KL", _each("reported_{}"), _above(REPORTED_KL), _lives),
    Measure(
        "report: 21.9", _one("style/separation"), _above(REPORTED_SEPARATION), _holds_style,
        silent=lambda reading: bool(reading < REPORTED_SEPARATION),
    ),
)  # fmt: skip
