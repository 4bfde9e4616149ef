"""The verdict on each level of latents, and the epoch in which a dimension died.

Read from the values of `GrooveMeasures.collapse` alone. With *a* dimensions alive of *n* and *m* in
name only (`drumvae.metrics.collapse.dimension_verdict`):

| word | holds where |
|---|---|
| healthy | more than three quarters are alive |
| losing dimensions | some are alive, but no more than three quarters |
| alive in name only | none is alive, though some are active or have KL |
| collapsed | none is alive, and none looks it |
| undecided | the costs are too near their limit, or are shared: see below |

A cost is told from its limit only from three of its standard errors on: of sixteen costs, one is
off by two errors in every other model, by three in one of twenty-four. `low` counts the dimensions
that are surely alive, `high` those that may be; where the two give different words, the word is
`undecided`. It is so too where no dimension is alive by itself but the level as a whole is surely
worth more than the limit: of dimensions that say the same, each can be spared.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drumvae.metrics.collapse import (
    ALIVE,
    DEAD,
    IN_NAME_ONLY,
    LEAST_COST,
    LEAST_KL,
    dimension_verdict,
)

ENOUGH = 0.75  # share of dimensions above which a level is healthy
ERRORS = 3.0  # standard errors from which on a cost is told from its limit
WORDS = ("healthy", "losing dimensions", "alive in name only", "collapsed", "undecided")
FALL = math.log(5)  # least fall of the mean log KL at a death
FAINTEST = 1e-4  # nats; below, a logarithm would follow noise


@dataclass(frozen=True)
class LevelVerdict:
    """What has become of a level's dimensions.

    Attributes:
        word: one of `WORDS`.
        alive: dimensions that are alive.
        dead: dimensions that are dead.
        in_name_only: dimensions that only look alive.
        score: share of dimensions alive.
        low: share of those that surely are.
        high: share of those that may be.
        sentence: the word, and which dimensions it rests on.
    """

    word: str
    alive: tuple[int, ...]
    dead: tuple[int, ...]
    in_name_only: tuple[int, ...]
    score: float
    low: float
    high: float
    sentence: str


def level_verdict(values: Mapping[str, float], level: str) -> LevelVerdict:
    """Judge one level.

    Args:
        values: of `GrooveMeasures.collapse`.
        level: "high" or "low".

    Raises:
        ValueError: a value is missing.
    """
    try:
        kl = [values[name] for name in _dimensions(values, level)]
        cost, error, variance = (
            [values[f"{name}/{i}"] for i in range(len(kl))]
            for name in (f"cost_{level}", f"cost_{level}_error", f"variance_{level}")
        )
        whole, whole_error = values[f"cost/{level}"], values[f"cost/{level}_error"]
        said = values[f"information/{level}"]
    except KeyError as missing:
        raise ValueError(
            f"a verdict on z_{level} needs {missing}; take the values of GrooveMeasures.collapse"
        ) from missing
    words = [dimension_verdict(*each) for each in zip(kl, cost, variance, strict=True)]
    alive, dead, in_name_only = (
        tuple(i for i, word in enumerate(words) if word == kind)
        for kind in (ALIVE, DEAD, IN_NAME_ONLY)
    )
    # What is no number may be anything: it is never sure and always possible.
    margin = [ERRORS * e for e in error]
    triples = [*zip(kl, cost, margin, strict=True)]
    sure = {i for i, (k, c, m) in enumerate(triples) if k >= LEAST_KL and c - m >= LEAST_COST}
    maybe = {i for i, (k, c, m) in enumerate(triples) if not (k < LEAST_KL or c + m < LEAST_COST)}
    shared = not maybe and whole - ERRORS * whole_error >= LEAST_COST
    least, most = (_word(len(some), len(kl), bool(in_name_only)) for some in (sure, maybe))
    word = least if least == most and not shared else "undecided"
    sentence = f"z_{level} is {word}: " + _reason(len(kl), alive, dead, in_name_only)
    if maybe - sure:
        sentence += f"; too near the limit to tell: {_listed(sorted(maybe - sure))}"
    if shared:
        sentence += f"; each can be spared, though together they are worth {whole:.2f} nats"
    beyond = " beyond z_high" if level == "low" else ""
    sentence += f"; it says {round(said, 2) + 0:.2f} nats of a bar{beyond}"
    score, low, high = (len(some) / len(kl) for some in (alive, sure, maybe))
    return LevelVerdict(word, alive, dead, in_name_only, score, low, high, sentence)


def verdicts(values: Mapping[str, float]) -> dict[str, LevelVerdict]:
    """Judge both levels, "high" and "low"; see `level_verdict`."""
    return {level: level_verdict(values, level) for level in ("high", "low")}


def _word(alive: int, n: int, some_in_name: bool) -> str:
    if alive:
        return "healthy" if alive > ENOUGH * n else "losing dimensions"
    return "alive in name only" if some_in_name else "collapsed"


def _reason(n: int, alive: Sequence[int], dead: Sequence[int], in_name_only: Sequence[int]) -> str:
    parts = [f"{len(alive)} of {n} dimensions alive" + (f" ({_listed(alive)})" if alive else "")]
    parts += [f"{len(dead)} dead ({_listed(dead)})"] * bool(dead)
    parts += [f"{len(in_name_only)} in name only ({_listed(in_name_only)})"] * bool(in_name_only)
    return ", ".join(parts)


def _listed(dimensions: Sequence[int]) -> str:
    return ", ".join(f"#{dimension}" for dimension in dimensions)


def _dimensions(values: Mapping[str, float], level: str) -> list[str]:
    """Names of a level's KL, in the order of its dimensions; there is one at least."""
    n = sum(name.startswith(f"kl_{level}/") for name in values)
    return [f"kl_{level}/{i}" for i in range(max(1, n))]


@dataclass(frozen=True)
class Change:
    """A change of level in a series.

    Attributes:
        at: index of the first value after it.
        before: mean before.
        after: mean from there on.
    """

    at: int
    before: float
    after: float


def change_point(series: Sequence[float], falls: bool = False) -> Change | None:
    r"""The split of a series into two constants that leaves the least squared error.

    .. math:: \min_t \sum_{i < t} (y_i - \bar y_{<t})^2 + \sum_{i \ge t} (y_i - \bar y_{\ge t})^2

    With Gaussian noise that is the most likely place of a single change (Hinkley 1970, "Inference
    about the change-point in a sequence of random variables"). It always finds one: whether it is
    large enough to count is for the caller to say.

    Args:
        series: finite values in the order of time.
        falls: look only at splits after which the mean is lower.

    Returns:
        None for fewer than two values, and where nothing falls that should.
    """
    y = np.asarray(series, dtype=np.float64)
    found = None
    least = math.inf
    for at in range(1, len(y)):
        before, after = float(y[:at].mean()), float(y[at:].mean())
        left = float(((y[:at] - before) ** 2).sum() + ((y[at:] - after) ** 2).sum())
        if left < least and not (falls and after >= before):
            least, found = left, Change(at, before, after)
    return found


def onset(history: Sequence[Mapping[str, float]], level: str) -> dict[int, int]:
    """The epoch in which each dead dimension of a level died.

    A death is the change point at which log KL falls (KL below 1e-4 nat counting as that), looked
    for from the first epoch of 0.1 nat or more on, if all of these hold: the mean after it lies
    below that limit, the mean log KL falls by ln 5 at least, and the last KL is below the limit.

    Args:
        history: a row for each measured epoch, with "epoch" and the KL of each dimension.
        level: "high" or "low".

    Returns:
        Dimension → first measured epoch after its death; a dimension that lives, never lived or
        came back has none.

    Raises:
        ValueError: a value is missing.
    """
    deaths: dict[int, int] = {}
    if not history:
        return deaths
    for dimension, name in enumerate(_dimensions(history[0], level)):
        try:
            epochs, kl = zip(*((row["epoch"], row[name]) for row in history), strict=True)
        except KeyError as missing:
            raise ValueError(f"an onset in z_{level} needs {missing} in every row") from missing
        if not max(kl) >= LEAST_KL > kl[-1]:
            continue
        born = next(i for i, value in enumerate(kl) if value >= LEAST_KL)
        found = change_point([math.log(max(value, FAINTEST)) for value in kl[born:]], falls=True)
        if (
            found is not None
            and found.after < math.log(LEAST_KL)
            and found.before - found.after >= FALL
        ):
            deaths[dimension] = int(epochs[born + found.at])
    return deaths
