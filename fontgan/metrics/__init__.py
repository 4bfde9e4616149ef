"""Measures of a letter generator: pure functions of counts, pixels and features, one idea a file.

`coverage` counts what a judge reads and `confusion` takes its errors back; `styles`, `bins`,
`vendi` and `birthday` ask how different samples are; `neighbours`, `frechet` and `kernel` compare
features with those of unseen families; `memory` looks for copies; `strokes` for what letters
survive by; `hash` keeps the report's placeholder. `measures` puts them together, `collected` and
`LetterCoverage` are for torchmetrics. They need no run: any features and labels will do.
"""

from fontgan.metrics.bins import Bins, DifferentBins, bins, different_bins
from fontgan.metrics.birthday import Support, likeness, support
from fontgan.metrics.collected import Collected
from fontgan.metrics.confusion import Shares, confusion, true_shares
from fontgan.metrics.coverage import (
    LetterCoverage,
    alive,
    certain,
    corrected_divergence,
    coverage,
    divergence,
    entropy,
    total_variation,
    wilson,
)
from fontgan.metrics.frechet import frechet_distance, moments
from fontgan.metrics.kernel import kernel_distance
from fontgan.metrics.measures import LetterMeasures
from fontgan.metrics.memory import closer, closer_by_letter, nearest_distances
from fontgan.metrics.neighbours import Neighbours, balls, neighbours
from fontgan.metrics.strokes import letter_strokes, strokes, survival_correlation
from fontgan.metrics.styles import StyleCoverage, Styles, style_coverage, styles
from fontgan.metrics.vendi import vendi_of_similarity, vendi_score

__all__ = [
    "Bins",
    "Collected",
    "DifferentBins",
    "LetterCoverage",
    "LetterMeasures",
    "Neighbours",
    "Shares",
    "StyleCoverage",
    "Styles",
    "Support",
    "alive",
    "balls",
    "bins",
    "certain",
    "closer",
    "closer_by_letter",
    "confusion",
    "corrected_divergence",
    "coverage",
    "different_bins",
    "divergence",
    "entropy",
    "frechet_distance",
    "kernel_distance",
    "letter_strokes",
    "likeness",
    "moments",
    "nearest_distances",
    "neighbours",
    "strokes",
    "style_coverage",
    "styles",
    "support",
    "survival_correlation",
    "total_variation",
    "true_shares",
    "vendi_of_similarity",
    "vendi_score",
    "wilson",
]
