"""Since when a letter has been lost: a change point in how often it is drawn."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fontgan import LETTERS
from fontgan.metrics.coverage import MISREAD, THRESHOLD


@dataclass(frozen=True)
class Change:
    """A change of a rate.

    Attributes:
        at: index of the first measurement after it.
        before: share of samples before.
        after: share of samples from there on.
        gain: log-likelihood that two rates have over one, nats.
    """

    at: int
    before: float
    after: float
    gain: float


def change_point(
    counts: NDArray[np.float64], drawn: NDArray[np.float64], falls: bool = False
) -> Change | None:
    r"""The measurement from which on a letter is drawn at another rate, if there is one.

    The split that makes two binomial rates most likely (Hinkley & Hinkley 1970, "Inference about
    the change-point in a sequence of binomial variables"). It counts where it gains at least
    :math:`10 + \ln T` nats over a single rate: T places are tried, and the rates of a network that
    is learning vary more than chance would have it.

    Args:
        counts: samples of the letter in each of T measurements.
        drawn: samples in all, same shape, all positive.
        falls: look only at splits after which the rate is lower.

    Returns:
        None where no split gains enough.

    Raises:
        ValueError: shapes that differ, or counts above what was drawn.
    """
    if counts.shape != drawn.shape or (counts > drawn).any() or (drawn <= 0).any():
        raise ValueError("a change point needs counts and as many positive totals above them")
    hits, total = np.cumsum(counts).tolist(), np.cumsum(drawn).tolist()
    best = None
    for at in range(1, len(counts)):
        parts = (hits[at - 1], total[at - 1]), (hits[-1] - hits[at - 1], total[-1] - total[at - 1])
        gain = sum(_likelihood(h, n) for h, n in parts) - _likelihood(hits[-1], total[-1])
        (a, m), (b, n) = parts
        if (best is None or gain > best.gain) and not (falls and b / n >= a / m):
            best = Change(at, a / m, b / n, gain)
    return best if best and best.gain >= 10 + math.log(len(counts)) else None


def _likelihood(hits: float, total: float) -> float:
    """Greatest log-likelihood of a binomial rate, without its constant."""
    rate = hits / total
    return sum(k * math.log(p) for k, p in ((hits, rate), (total - hits, 1 - rate)) if k > 0)


def onset(letter: str, history: list[Mapping[str, float]], drawn: int) -> int | None:
    """Index of the measurement from which on a letter has been lost; None where it has not.

    Args:
        letter: A-Z.
        history: measures of each epoch, with `letters/…` as shares of all samples.
        drawn: samples of each.

    Returns:
        The change point after which its rate has been lower, looked for from its birth on; 0 for a
        letter that never was alive.
    """
    if not history:
        return None
    every = np.array([[row[f"letters/{each}"] for each in LETTERS] for row in history])
    shares = every[:, LETTERS.index(letter)]
    # As in a verdict: of the accepted samples, and above what may be misreadings of the commonest.
    limit = np.maximum(THRESHOLD / len(LETTERS) * every.sum(1), MISREAD * every.max(1))
    alive = (shares >= limit) & (shares > 0)
    if alive[-1]:
        return None
    if not alive.any():
        return 0
    born = int(alive.argmax())
    counts = np.round(shares[born:] * drawn).astype(np.float64)
    found = change_point(counts, np.full_like(counts, drawn), falls=True)
    return born + found.at if found else None
