"""All measures of a set of generated glyphs, under the names that a run logs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fontgan import LETTERS
from fontgan.metrics.bins import Bins, bins, different_bins
from fontgan.metrics.birthday import likeness, support
from fontgan.metrics.coverage import LetterCoverage
from fontgan.metrics.frechet import Moments, frechet_distance, moments
from fontgan.metrics.hash import hash_coverage
from fontgan.metrics.kernel import kernel_distance
from fontgan.metrics.memory import closer_by_letter, nearest_distances
from fontgan.metrics.neighbours import Balls, balls, neighbours
from fontgan.metrics.styles import Styles, style_coverage, styles
from fontgan.metrics.vendi import vendi_score

if TYPE_CHECKING:
    from fontgan.glyphs import GlyphSet
    from fontgan.judge import Judge, Reading


STYLES = 8
"""Clusters of style of a letter, where its reference has so many glyphs."""
BINS = 100
"""Bins of the judge's features, ten real glyphs in each at least."""


@dataclass
class _Known:
    """What never changes about a reference set, as one judge sees it; computed when asked for."""

    reference: GlyphSet  # Kept, so that its id is not given to another set.
    counts: Tensor  # Glyphs of each letter, (26,).
    chosen: Tensor  # Those that were read, in random order: any beginning is a fair sample.
    features: Tensor  # Theirs, (m, d).
    balls: dict[int, Balls] = field(default_factory=dict)  # Of its first n features.

    @cached_property
    def moments(self) -> Moments:
        return moments(self.features)

    @cached_property
    def styles(self) -> Styles:
        letters = self.reference.letters[self.chosen]
        fewest = int(torch.bincount(letters, minlength=len(LETTERS)).min())
        return styles(self.features, letters, max(1, min(STYLES, fewest)))

    @cached_property
    def bins(self) -> Bins:
        return bins(self.features, max(2, min(BINS, len(self.features) // 10)))

    @cached_property
    def likeness(self) -> float:
        return likeness(self.reference.images[self.chosen].float() / 255)


class LetterMeasures:
    """Measures glyphs with a judge against a reference set of real ones.

    What compares features (`neighbours/*`, `frechet/judge`, `bins/*`, `kernel/judge`) depends on
    the number of samples, so generated and real glyphs come in equal numbers, each a random sample
    of what there is: min(limit, drawn, reference). Only the Gaussian and the bins of the real ones
    are always fitted to all that were read.

    What is known about a reference set (its features, moments and balls) is computed once for each
    judge and kept for as long as the very same object is asked about.

    Args:
        k: neighbours that make a neighbourhood.
        compared: limit on the features compared in the cheap set.
        compared_whole: limit on the features compared in the whole set, and on the glyphs of a
            reference that are read at all (drawn at random, once).
        seed: of the draws from reference sets and of the noise.
    """

    def __init__(
        self, k: int = 5, compared: int = 2000, compared_whole: int = 5000, seed: int = 0
    ) -> None:
        self.k = k
        self.compared = compared
        self.compared_whole = compared_whole
        self.seed = seed
        self._known: dict[tuple[int, str], _Known] = {}

    @torch.no_grad()
    def __call__(
        self,
        images: Tensor,
        judge: Judge,
        reference: GlyphSet,
        whole: bool = False,
        most: int | None = None,
    ) -> dict[str, float]:
        """All measures of one set of glyphs, in whatever order they come.

        Args:
            images: float in [0, 1], ink bright, shape (n, 1, height, width), n > k. Pixels that are
                not finite (a network that has diverged) count as 0.
            judge: follows the images to their device.
            reference: real glyphs of families that the generator has not seen, every letter there.
            whole: compare up to `compared_whole` features, not only up to `compared`.
            most: compare no more than so many, such as `comparable` says.

        Returns:
            Finite values by name: `coverage/*`, `letters/*`, `styles/*`, `neighbours/*`,
            `frechet/judge`; in the whole set also `bins/*`, `kernel/judge`, `vendi/judge`,
            `support/*`.

        Raises:
            ValueError: too few images, or a reference without one of the letters.
        """
        images = images.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        known = self._about(reference, judge.to(images.device))
        reading = judge.read(images)
        letters = LetterCoverage(known.counts, sync_on_compute=False)
        letters.update(reading.letter.cpu())
        limit = self.compared_whole if whole else self.compared
        # A sample: in a folder sorted by name the first ones may be the first letters.
        chosen = self._shuffled(len(images))[: limit if most is None else min(limit, most)]
        features = reading.features[chosen]
        values = {
            **{name: value.item() for name, value in letters.compute().items()},
            "coverage/hash": hash_coverage(images).item(),
            **{f"styles/{name}": v for name, v in self._styles(reading, known).items()},
            **self._compare(features, known),
        }
        if whole:
            values |= self._diversity(images[chosen], features, known)
        return values

    @torch.no_grad()
    def memory(
        self, images: Tensor, judge: Judge, training: GlyphSet, reference: GlyphSet
    ) -> dict[str, float]:
        """How near samples lie to training glyphs, beside unseen real ones.

        Args:
            images: float in [0, 1], ink bright, shape (n, 1, height, width).
            judge: says which letter each is, as in a call.
            training: what the generator was trained on.
            reference: unseen real glyphs.

        Returns:
            `memory/nearest` and `memory/real`, median distances of samples and of unseen glyphs to
            their nearest training glyph, and `memory/closer`, the chance that a sample's distance
            is smaller than that of an unseen glyph of the same letter, with `memory/error`, a
            bound on its standard error.
        """
        images = images.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        known = training.images.to(images.device).float() / 255
        chosen = self._shuffled(len(reference.images))[: len(images)]
        unseen, letters = reference.images[chosen], reference.letters[chosen]
        drawn = nearest_distances(images, known)
        real = nearest_distances(unseen.to(images.device).float() / 255, known)
        read = judge.to(images.device).read(images).letter
        chance, error = closer_by_letter(drawn, read, real, letters.to(images.device))
        return {
            "memory/nearest": drawn.median().item(),
            "memory/real": real.median().item(),
            "memory/closer": chance,
            "memory/error": error,
        }

    def comparable(self, n: int, source: GlyphSet, reference: GlyphSet) -> int:
        """So many features all of `n` samples, their floor and their ceiling can be compared on."""
        return min(n, len(source.images), len(reference.images), self.compared_whole)

    def floor(
        self, n: int, judge: Judge, reference: GlyphSet, most: int | None = None
    ) -> dict[str, float]:
        """What `n` images of uniform noise get: every pixel in [0, 1], independent."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.rand(n, *reference.images.shape[1:], generator=generator)
        return self(noise.to(_device(judge)), judge, reference, whole=True, most=most)

    def ceiling(
        self, n: int, judge: Judge, source: GlyphSet, reference: GlyphSet
    ) -> dict[str, float]:
        """What real glyphs get: up to `n` of `source`, drawn without replacement.

        `source` and `reference` hold different families, neither of which the generator has seen
        (in a run: the validation and the test families). The reference is the one that the
        generator is measured against. A source of fewer than `n` glyphs is taken whole: duplicates
        would spoil the neighbourhoods. What compares features stands beside a generator's then
        where that was measured with `most` set to what is `comparable`.

        Raises:
            ValueError: `source` is the reference itself, which it would match by heart.
        """
        if source is reference:
            raise ValueError("the ceiling needs two different sets of real glyphs, got one twice")
        chosen = self._shuffled(len(source.images))[:n]
        images = source.images[chosen].to(_device(judge)).float() / 255
        return self(images, judge, reference, whole=True)

    def _compare(self, features: Tensor, known: _Known) -> dict[str, float]:
        """Measures between as many generated as real features."""
        size = min(len(features), len(known.features))
        features, real = features[:size], known.features[:size].to(features)
        if size not in known.balls:
            known.balls[size] = balls(real, self.k)
        measured = neighbours(features, real, self.k, known.balls[size])
        return {
            **{f"neighbours/{name}": value for name, value in asdict(measured).items()},
            "frechet/judge": frechet_distance(moments(features), known.moments).item(),
        }

    def _styles(self, reading: Reading, known: _Known) -> dict[str, float]:
        cells = known.styles.cells(reading.features, reading.letter)
        return asdict(style_coverage(known.styles.counts, cells, len(reading.letter)))

    def _diversity(self, images: Tensor, features: Tensor, known: _Known) -> dict[str, float]:
        """Measures of how different samples are, of those compared."""
        size = min(len(features), len(known.features))
        different = different_bins(known.bins.counts, known.bins.occupied(features[:size]))
        pairs = support(images.cpu(), known.likeness)
        return {
            "bins/different": different.share,
            "bins/divergence": different.divergence,
            "kernel/judge": kernel_distance(features[:size], known.features[:size]),
            "vendi/judge": vendi_score(features[:size]),
            "support/pairs": float(pairs.pairs),
            "support/least": pairs.least,
        }

    def _about(self, reference: GlyphSet, judge: Judge) -> _Known:
        key = (id(reference), judge.fingerprint)
        if key not in self._known:
            while len(self._known) >= 4:  # Validation and test sets of two judges: enough.
                self._known.pop(next(iter(self._known)))
            chosen = self._shuffled(len(reference.images))[: self.compared_whole]
            features = judge.read(reference.images[chosen].to(_device(judge))).features
            counts = torch.bincount(reference.letters.cpu(), minlength=len(LETTERS))
            self._known[key] = _Known(reference, counts, chosen, features)
        return self._known[key]

    def _shuffled(self, n: int) -> Tensor:
        return torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))


def _device(judge: Judge) -> torch.device:
    """Where the judge lives; a judge without weights reads on the CPU."""
    first = next(judge.parameters(), None)
    return torch.device("cpu") if first is None else first.device
