"""What a set of measures says of a generator, in words and as a number with an interval.

Every rule compares a measure with what real glyphs of unseen families get (`ceiling`), and decides
only where the measure's 95 % interval lies wholly on one side of its limit. In this order:

| word | holds where |
|---|---|
| noise | fewer than `LEGIBLE` of the samples that would be accepted of real ones are accepted |
| collapsed | at most 13 letters are alive, or the letters are worth at most 13 equal ones |
| one style | a letter is drawn in fewer than `STYLES` of the styles that real ones come in |
| memorised | a sample is nearer to training glyphs than an unseen real one in `COPIED` of pairs |
| losing letters | some letter is surely not alive |
| undecided | none of them surely holds, and one cannot be told yet at this sample size |
| healthy | none of them |

A letter is alive as in `metrics.coverage.alive`, but of the *accepted* samples alone: from a
quarter of its fair share of them on, and above 8 % of the commonest letter's. Junk has a word of
its own. The first rule that surely holds gives the word; what stands before it and cannot be told
is named in the sentence.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from fontgan import LETTERS
from fontgan.metrics.coverage import MISREAD, THRESHOLD, wilson

LEGIBLE = 0.6
HALF = 13
STYLES = 0.5
COPIED = 0.75
WORDS = (
    *("healthy", "losing letters", "collapsed", "noise", "one style", "memorised"),
    "undecided",
)


@dataclass(frozen=True)
class Verdict:
    """What is wrong, if anything.

    Attributes:
        word: one of `WORDS`.
        health: the weakest of the shares, in [0, 1], of what real glyphs get: accepted samples,
            letters alive, letters by entropy, styles within a letter, distance from memory.
        low: lower end of its 95 % interval.
        high: upper end.
        lost: letters that are surely not alive; all of them where no sample was accepted.
        sentence: the word, and the numbers that led to it.
    """

    word: str
    health: float
    low: float
    high: float
    lost: str
    sentence: str


@dataclass(frozen=True)
class _Range:
    """A value with its interval."""

    value: float
    low: float
    high: float

    def over(self, scale: float) -> "_Range":
        """As a share of a scale, in [0, 1]; of one that is 0 nothing can be told."""
        if scale <= 0:
            return _Range(0.0, 0.0, 1.0)
        parts = (min(1.0, max(0.0, x / scale)) for x in (self.value, self.low, self.high))
        return _Range(*parts)

    def below(self, limit: float) -> bool | None:
        """Whether it is less than a limit; None where the interval holds the limit."""
        return None if self.low < limit <= self.high else self.high < limit


def verdict(values: Mapping[str, float], drawn: int, ceiling: Mapping[str, float]) -> Verdict:
    """Judge a set of measures as `LetterMeasures` names them.

    Args:
        values: `coverage/accepted`, `letters/A` … and `styles/within`; `memory/closer` and
            `memory/error` where they were measured.
        drawn: samples that they were measured on.
        ceiling: the same measures of real glyphs of unseen families: of `coverage/accepted` and
            `styles/within`, where they are missing 1.

    Raises:
        ValueError: a measure is missing, or no sample was drawn.
    """
    names = [f"letters/{letter}" for letter in LETTERS]
    missing = [n for n in ("coverage/accepted", "styles/within", *names) if n not in values]
    if missing or drawn < 1:
        raise ValueError(f"a verdict on {drawn} samples lacks {', '.join(missing) or 'samples'}")
    counts = torch.tensor([round(values[name] * drawn) for name in names])
    accepted = _accepted(values, drawn).over(ceiling.get("coverage/accepted", 1.0))
    alive, lost, perhaps = _letters(counts)
    worth = _worth(counts)
    within = _within(values["styles/within"], counts).over(ceiling.get("styles/within", 1.0))
    copied = _copied(values)
    few = _either(_Range(*alive).below(HALF + 0.5), worth.below(HALF))
    rules = {
        "noise": accepted.below(LEGIBLE),
        "collapsed": few,
        "one style": within.below(STYLES),
        "memorised": _not(copied.below(COPIED)),
        "losing letters": True if lost and counts.any() else None if perhaps else False,
    }
    unsure = [name for name, holds in rules.items() if holds is None]
    surely = (name for name, holds in rules.items() if holds)
    word = next(surely, "undecided" if unsure else "healthy")
    away = _Range(*(2 * (1 - x) for x in (copied.value, copied.high, copied.low))).over(1.0)
    shares = [accepted, _Range(*alive).over(26), worth.over(26), within, away]
    return Verdict(
        word,
        min(share.value for share in shares),
        min(share.low for share in shares),
        min(share.high for share in shares),
        lost,
        f"{word}: {_reason(word, unsure, values, alive, lost, worth, within, copied)}",
    )


def _accepted(values: Mapping[str, float], drawn: int) -> _Range:
    share = values["coverage/accepted"]
    low, high = wilson(torch.tensor([share * drawn]), drawn)
    return _Range(share, float(low), float(high))


def _letters(counts: torch.Tensor) -> tuple[tuple[float, float, float], str, str]:
    """Letters alive (by value, surely, perhaps); those surely not; those that may be or not."""
    n = int(counts.sum())
    if not n:
        return (0.0, 0.0, float(len(LETTERS))), LETTERS, LETTERS
    commonest = counts.max() / n  # known far better than a letter at 8 % of it
    limit = max(THRESHOLD / len(LETTERS), MISREAD * float(commonest))
    low, high = wilson(counts, n)
    value, sure, perhaps = counts / n >= limit, low >= limit, high >= limit
    totals = (float(value.sum()), float(sure.sum()), float(perhaps.sum()))
    return totals, _named(~perhaps), _named(perhaps & ~sure)


def _named(mask: torch.Tensor) -> str:
    return "".join(letter for letter, chosen in zip(LETTERS, mask.tolist(), strict=True) if chosen)


def _worth(counts: torch.Tensor) -> _Range:
    """Number of equally frequent letters with the same entropy, exp H, ± two of its errors.

    The error of H is sqrt(Var[ln q] / n), to first order. Few samples have a smaller entropy than
    what they come from, by up to (26 - 1) / 2n (Miller 1955): the upper end has so much more.
    """
    n = int(counts.sum())
    if not n:
        return _Range(0.0, 0.0, float(len(LETTERS)))
    share = counts.double() / n
    entropy = float(-torch.special.xlogy(share, share).sum())
    square = float((torch.special.xlogy(share, share) * share.clamp(min=1e-300).log()).sum())
    error = math.sqrt(max(0.0, square - entropy**2) / n)
    above = 2 * error + (len(LETTERS) - 1) / (2 * n)
    high = min(float(len(LETTERS)), math.exp(entropy + above))
    return _Range(math.exp(entropy), math.exp(entropy - 2 * error), high)


def _within(share: float, counts: torch.Tensor, styles: int = 8) -> _Range:
    """Share of styles, with the interval of so many independent cells as there are.

    It is a mean that weighs letters by their samples; equally heavy ones there are (Σ w)² / Σ w²
    (Kish 1965, "Survey Sampling").
    """
    n = counts.double()
    if not n.any():
        return _Range(0.0, 0.0, 1.0)
    cells = styles * float(n.sum() ** 2 / n.square().sum())
    low, high = wilson(torch.tensor([share * cells]), cells)
    return _Range(share, float(low), float(high))


def _copied(values: Mapping[str, float]) -> _Range:
    """`memory/closer` with its 95 % interval; of what was not measured nothing is suspected."""
    closer, error = values.get("memory/closer", 0.5), 1.96 * values.get("memory/error", 0.0)
    return _Range(closer, max(0.0, closer - error), min(1.0, closer + error))


def _either(a: bool | None, b: bool | None) -> bool | None:
    if a or b:
        return True
    return None if a is None or b is None else False


def _not(a: bool | None) -> bool | None:
    return None if a is None else not a


def _reason(
    word: str,
    unsure: Sequence[str],
    values: Mapping[str, float],
    alive: tuple[float, float, float],
    lost: str,
    worth: _Range,
    within: _Range,
    copied: _Range,
) -> str:
    if word == "undecided":
        return f"it cannot be told yet whether this is {' or '.join(unsure)}; draw more samples"
    accepted = f"{values['coverage/accepted']:.0%} of samples are a letter"
    reasons = {
        "noise": f"only {accepted}",
        "collapsed": f"{alive[0]:.0f} of 26 letters are drawn, worth {worth.value:.1f} equal ones",
        "one style": f"a letter comes in {within.value:.0%} of the styles that real letters have",
        "memorised": "samples are nearer to training glyphs than unseen ones in "
        f"{copied.value:.0%}",
        "losing letters": f"{' '.join(lost)} {'is' if len(lost) == 1 else 'are'} hardly drawn, "
        f"{accepted}",
        "healthy": f"all 26 letters are drawn, {accepted}",
    }
    words = [*reasons]
    also = [name for name in unsure if words.index(name) < words.index(word)]
    return reasons[word] + (f"; perhaps {' or '.join(also)}" if also else "")
