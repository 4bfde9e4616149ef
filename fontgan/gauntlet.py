"""Planted collapses, and what each measure must say of them.

A measure *raises an alarm* where its value lies beyond a limit (`LIMITS`) relative to what real
letters get at the same sample size, on average over `REAL` sets of them. Each planted case says
which measures must raise one, which are known to be **blind** to it though they ought to, and which
may do either; all others must not.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from fontgan import junk, planted
from fontgan.glyphs import GlyphSet
from fontgan.metrics.measures import LetterMeasures
from fontgan.planted import Plant
from fontgan.verdict import verdict

Values = dict[str, float]
REAL = 8
"""Sets of real letters whose mean measures alarms are relative to: single ones vary too much."""

HASH = "coverage/hash"
"""The report's measure: it runs with the others, and its failures are printed but not counted."""

# Measure -> (its short name, whether a value raises an alarm beside what real letters get).
LIMITS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "coverage/letters": ("letters", lambda value, real: value < 26),
    "coverage/accepted": ("accepted", lambda value, real: value < 0.75 * real),
    "coverage/entropy": ("entropy", lambda value, real: value < 0.95),
    "coverage/total_variation": ("total var.", lambda value, real: value > real + 0.1),
    "styles/within": ("styles", lambda value, real: value < 0.5 * real),
    "neighbours/precision": ("precision", lambda value, real: value < 0.75 * real),
    "neighbours/recall": ("recall", lambda value, real: value < 0.75 * real),
    "neighbours/clipped_density": ("cl. density", lambda value, real: value < 0.75 * real),
    "neighbours/clipped_coverage": ("cl. coverage", lambda value, real: value < 0.75 * real),
    "neighbours/ties": ("ties", lambda value, real: value > real + 100),
    "frechet/judge": ("Fréchet", lambda value, real: value > 1.5 * real),
    "kernel/judge": ("kernel", lambda value, real: value > 1.5 * real + 0.02),
    "bins/different": ("bins", lambda value, real: value > real + 0.15),
    "vendi/judge": ("Vendi", lambda value, real: value < 0.75 * real),
    "memory/closer": ("memory", lambda value, real: value > 0.75),
    HASH: ("hash", lambda value, real: value < 0.75 * real),
}

_DISTANCES = ("frechet/judge", "kernel/judge", "bins/different")
_LETTERS = ("coverage/letters", "coverage/entropy", "coverage/total_variation")
_NEAR = ("neighbours/recall", "neighbours/clipped_density", "neighbours/clipped_coverage")
_JUNK = ("coverage/letters", "coverage/accepted", *_NEAR, *_DISTANCES)
# Of what is no letter at all, no letters' statistics can be asked, and no memory.
_SILENT = ("coverage/entropy", "coverage/total_variation", "styles/within", "memory/closer", HASH)


@dataclass(frozen=True)
class Case:
    """A planted set, and what must be said of it.

    Attributes:
        plant: makes it.
        words: verdicts that are right.
        must: measures that must raise an alarm.
        blind: measures that ought to, and are known not to.
        either: measures of which nothing is asked.
        errors: share of the judge's readings that is wrong.
        legible: plant from typefaces alone of which the judge reads 24 letters at least: of one
            face that it cannot read, every sample would be noise.
    """

    plant: Plant
    words: Sequence[str]
    must: Sequence[str] = ()
    blind: Sequence[str] = ()
    either: Sequence[str] = ()
    errors: float = 0.0
    legible: bool = False


CASES: dict[str, Case] = {
    "all real": Case(planted.real, ("healthy",)),
    "all real, judge errs 5 %": Case(planted.real, ("healthy",), errors=0.05),
    "1 letter dropped": Case(
        planted.dropped(1), ("losing letters",), ("coverage/letters",),
        ("coverage/entropy", "coverage/total_variation", "vendi/judge", *_NEAR, HASH), _DISTANCES,
    ),
    "1 dropped, judge errs 5 %": Case(
        planted.dropped(1), ("losing letters",), ("coverage/letters",),
        ("coverage/entropy", "coverage/total_variation", "vendi/judge", *_NEAR, HASH), _DISTANCES,
        errors=0.05,
    ),
    "5 letters dropped": Case(
        planted.dropped(5), ("losing letters",), _LETTERS,
        ("neighbours/recall", "neighbours/clipped_coverage", "vendi/judge", HASH),
        (*_DISTANCES, "neighbours/ties"),
    ),
    "13 letters dropped": Case(
        planted.dropped(13), ("collapsed",),
        (*_LETTERS, *_DISTANCES, "neighbours/clipped_coverage"), (HASH,),
        ("neighbours/ties", "neighbours/recall", "vendi/judge", "neighbours/clipped_density"),
    ),
    "25 letters dropped": Case(
        planted.dropped(25), ("collapsed",),
        (*_LETTERS, *_DISTANCES, "neighbours/recall", "neighbours/clipped_coverage", "vendi/judge"),
        (HASH,), ("coverage/accepted", "neighbours/ties", "neighbours/clipped_density"),
    ),
    "one letter at 60 %": Case(
        planted.favourite, ("collapsed",),
        (*_LETTERS, *_DISTANCES, "neighbours/clipped_coverage", "vendi/judge"),
        ("neighbours/recall", HASH),
        ("coverage/accepted", "neighbours/ties", "neighbours/clipped_density"),
    ),
    "one typeface": Case(
        planted.one_typeface, ("one style",),
        ("styles/within", "neighbours/recall", "neighbours/clipped_coverage", "neighbours/ties",
         *_DISTANCES),
        (), ("vendi/judge", "neighbours/clipped_density", "neighbours/precision", HASH, *_LETTERS,
             "coverage/accepted", "memory/closer"),
        legible=True,
    ),
    "every glyph twice": Case(
        planted.twice, ("healthy",), ("neighbours/ties",), ("vendi/judge",),
        # Where every twin is compared, a ball reaches half as many others.
        ("neighbours/recall", *_DISTANCES),
    ),
    "the training set": Case(
        planted.memorised, ("memorised",), ("memory/closer",), (),
        ("neighbours/ties", *_DISTANCES),
    ),
    "1 letter and 1 % noise": Case(
        planted.one_letter_and_noise, ("collapsed",),
        (*_LETTERS, *_DISTANCES, "neighbours/clipped_coverage"), (HASH,),
        ("coverage/accepted", "neighbours/recall", "neighbours/ties", "neighbours/clipped_density",
         "vendi/judge"),
    ),
    "half noise": Case(
        planted.half_noise, ("noise",),
        ("coverage/accepted", "neighbours/clipped_density", *_DISTANCES),
        ("neighbours/precision", HASH),
        ("coverage/letters", "neighbours/clipped_coverage", "vendi/judge", "neighbours/ties"),
    ),
    "noise": Case(
        planted.of_junk(junk.noise), ("noise",), _JUNK, ("neighbours/precision", HASH),
        (*_SILENT, "vendi/judge", "neighbours/ties"),
    ),
    "blank": Case(
        planted.black, ("noise",), (*_JUNK, "vendi/judge", "neighbours/ties", HASH),
        ("neighbours/precision",), _SILENT,
    ),
    "grey squares": Case(
        planted.grey, ("noise",), _JUNK, ("neighbours/precision", HASH),
        (*_SILENT, "vendi/judge", "neighbours/ties"),
    ),
    "blends": Case(
        planted.of_junk(junk.blend), ("noise",), ("coverage/accepted", *_NEAR, *_DISTANCES),
        ("neighbours/precision", HASH), (*_SILENT, "vendi/judge", "coverage/letters"),
    ),
    "mirrored letters": Case(
        planted.of_junk(junk.mirrored), ("noise",), ("coverage/accepted", *_NEAR, *_DISTANCES),
        (HASH,), (*_SILENT, "vendi/judge", "coverage/letters", "neighbours/precision"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What the measures said of a case.

    Attributes:
        values: all of them.
        alarmed: whether each of `LIMITS` raised an alarm.
        word: the verdict's.
        wrong: measures that said what they must not, "verdict" among them.
    """

    values: Values
    alarmed: dict[str, bool]
    word: str
    wrong: tuple[str, ...]


class Gauntlet:
    """Runs planted cases through all measures.

    Args:
        judge: reads the pictures.
        training: what a memorising generator returns.
        source: real letters of unseen families, which cases are made from.
        reference: real letters of yet other families, which the measures compare with.
        samples: pictures of a case.
        whole: take all measures, or the cheap ones, which the verdict is given on, alone.
    """

    def __init__(
        self,
        judge: Any,
        training: GlyphSet,
        source: GlyphSet,
        reference: GlyphSet,
        samples: int = 5000,
        whole: bool = True,
    ) -> None:
        self.judge, self.training, self.source = judge, training, source
        self.reference, self.samples, self.whole = reference, samples, whole
        self.measures = LetterMeasures()
        real = [self.measured(Case(planted.real, ()), seed=1000 + draw) for draw in range(REAL)]
        self.ceiling = {name: sum(each[name] for each in real) / REAL for name in real[0]}

    @cached_property
    def legible(self) -> GlyphSet:
        """The source's typefaces of which the judge reads 24 letters at least."""
        right = self.judge.read(self.source.images).letter == self.source.letters
        read = torch.bincount(self.source.faces, right.double())
        kept = read[self.source.faces] >= 24
        return GlyphSet(*(part[kept] for part in vars(self.source).values()))

    def measured(self, case: Case, seed: int) -> Values:
        """All measures of what a case plants."""
        generator = torch.Generator().manual_seed(seed)
        source = self.legible if case.legible else self.source
        pictures = case.plant(source, self.training, self.samples, generator).float() / 255
        judge: Any = self.judge
        if case.errors:
            judge = planted.Erring(self.judge, case.errors, seed)
        values = self.measures(pictures, judge, self.reference, whole=self.whole)
        return values | self.measures.memory(pictures, judge, self.training, self.reference)

    def run(self, case: Case, seed: int) -> Outcome:
        """One case, planted anew."""
        values = self.measured(case, seed)
        alarmed = {
            name: limit(values[name], self.ceiling[name])
            for name, (_, limit) in LIMITS.items()
            if name in values
        }
        loud = {*case.must, *case.blind, *case.either}
        wrong = [name for name, alarm in alarmed.items() if name in case.must and not alarm]
        wrong += [name for name, alarm in alarmed.items() if alarm and name not in loud]
        word = verdict(values, self.samples, self.ceiling).word
        if word not in case.words:
            wrong.append("verdict")
        return Outcome(values, alarmed, word, tuple(n for n in wrong if n != HASH))


if __name__ == "__main__":
    from fontgan.gauntlet_command import main

    sys.exit(main())
