r"""Strokes of letters, and whether they say which letters survive.

The report argues that I, F, E and G survive a collapse because their strokes are axis-aligned, few
and alike from face to face. These are the measures to test that with: each for each glyph, averaged
over a letter's glyphs, and a rank correlation with the letters' survival over runs.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label
from scipy.stats import rankdata
from torch import Tensor

from fontgan import LETTERS

INK = 0.5
"""Pixels at least so bright are ink."""


@dataclass(frozen=True)
class Strokes:
    """Measures of glyphs, each of shape (n,).

    Attributes:
        complexity: perimetric complexity, perimeter² / (4π · ink) (Pelli et al. 2006, "Feature
            Detection and Letter Identification", eq. 1 with the usual 4π): 1 for a disc.
        aligned: share of edge strength whose direction is within 10° of an axis.
        curvature: mean turn of the outline, radians a pixel of its length.
        holes: dark areas that the ink encloses.
    """

    complexity: NDArray[np.float64]
    aligned: NDArray[np.float64]
    curvature: NDArray[np.float64]
    holes: NDArray[np.float64]


def strokes(images: Tensor) -> Strokes:
    """Measure glyphs.

    Lengths are read from the grey picture: with the gradient g, taken where four pixels meet, the
    outline's length is the sum of ‖g‖, as an edge rises by 1 across it. A stroke of less than two
    pixels is nowhere wholly bright and seems less complex than it is: by 10 % at two pixels, by a
    half at one. Directions and turns are read from derivatives of a Gaussian of one pixel; a turn
    is the mean over ‖g‖ of |κ|, κ the curvature of level lines.

    Args:
        images: in [0, 1], ink bright, shape (n, 1, h, w); a picture without ink gives 0 throughout.

    Raises:
        ValueError: another shape.
    """
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(f"strokes need images (n, 1, height, width), got {tuple(images.shape)}")
    grey = np.pad(images[:, 0].double().cpu().numpy(), ((0, 0), (2, 2), (2, 2)))
    right, down = np.diff(grey, axis=2), np.diff(grey, axis=1)
    length = (
        np.hypot(right[:, 1:] + right[:, :-1], down[:, :, 1:] + down[:, :, :-1]).sum((1, 2)) / 2
    )
    ink = grey.sum((1, 2))
    return Strokes(
        complexity=np.where(ink > 0, length**2 / (4 * math.pi * np.maximum(ink, 1e-9)), 0),
        aligned=_aligned(grey),
        curvature=_curvature(grey),
        holes=np.array([_holes(picture) for picture in grey >= INK], dtype=np.float64),
    )


def _derivative(grey: NDArray[np.float64], y: int, x: int) -> NDArray[np.float64]:
    return gaussian_filter(grey, 1, order=(y, x), axes=(1, 2))  # pyright: ignore


def _aligned(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the slope that is within 10° of an axis, shape (n,), 0 without any slope."""
    y, x = _derivative(grey, 1, 0), _derivative(grey, 0, 1)
    strength, angle = np.hypot(y, x), np.degrees(np.arctan2(y, x)) % 90
    near = np.where(np.minimum(angle, 90 - angle) <= 10, strength, 0).sum((1, 2))
    return near / np.maximum(strength.sum((1, 2)), 1e-9)


def _curvature(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean |κ| of level lines, weighted by the slope: shape (n,), 0 without any slope."""
    y, x = _derivative(grey, 1, 0), _derivative(grey, 0, 1)
    xx, xy, yy = _derivative(grey, 0, 2), _derivative(grey, 1, 1), _derivative(grey, 2, 0)
    squared = x**2 + y**2
    turn = xx * y**2 - 2 * x * y * xy + yy * x**2
    # Where the picture is nearly flat, level lines are those of rounding.
    steep = squared > 0.02**2
    turn = np.where(steep, np.abs(turn) / np.maximum(squared, 1e-12), 0).sum((1, 2))
    return turn / np.maximum(np.where(steep, np.sqrt(squared), 0).sum((1, 2)), 1e-9)


def _holes(ink: NDArray[np.bool_]) -> int:
    """Dark areas (4-connected) that do not reach the border."""
    areas, count = label(~ink)  # pyright: ignore
    border = np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])
    return count - len(set(border.tolist()) - {0})


def letter_strokes(images: Tensor, letters: Tensor) -> dict[str, NDArray[np.float64]]:
    """Means over each letter's glyphs, and how much they vary, each of shape (26,).

    Args:
        images: in [0, 1], shape (n, 1, h, w).
        letters: 0-25, shape (n,); every letter twice at least.

    Returns:
        The measures of `Strokes` by name, and `variance`: mean over pixels of their variance within
        the letter.

    Raises:
        ValueError: a letter with fewer than two glyphs.
    """
    counts = torch.bincount(letters, minlength=len(LETTERS))
    if (counts < 2).any():
        few = ", ".join(name for name, n in zip(LETTERS, counts, strict=True) if n < 2)
        raise ValueError(f"strokes of a letter need two glyphs of it or more; too few of {few}")
    of_glyph = asdict(strokes(images))
    masks = [(letters == letter).numpy() for letter in range(len(LETTERS))]
    means = {k: np.array([v[mask].mean() for mask in masks]) for k, v in of_glyph.items()}
    variance = [float(images[torch.from_numpy(mask)].double().var(0).mean()) for mask in masks]
    return means | {"variance": np.array(variance)}


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's ρ, with a 95 % bootstrap interval over letters and runs and a permutation p."""

    rho: float
    low: float
    high: float
    p_value: float


def survival_correlation(
    measure: NDArray[np.float64],
    survival: NDArray[np.float64],
    resamples: int = 2000,
    seed: int = 0,
) -> RankCorrelation:
    """Do letters with more of a measure survive more often?

    Args:
        measure: of each letter, shape (letters,).
        survival: of each letter in each run (its share of samples, or whether it is alive), shape
            (runs, letters).
        resamples: of the bootstrap (letters and runs both drawn anew) and of the permutation test.
        seed: of both.

    Returns:
        ρ of the measure with the mean survival over runs; 0 with the interval [-1, 1] and p = 1
        where either is the same for all letters.

    Raises:
        ValueError: shapes that do not fit, or values that are not finite.
    """
    if survival.ndim != 2 or measure.shape != survival.shape[1:] or len(measure) < 3:
        raise ValueError(
            f"expected a measure (letters,) of three or more and survival (runs, letters), got "
            f"{measure.shape} and {survival.shape}"
        )
    if not (np.isfinite(measure).all() and np.isfinite(survival).all()):
        raise ValueError("measure and survival must be finite")
    mean = survival.mean(0)
    if np.ptp(measure) == 0 or np.ptp(mean) == 0:
        return RankCorrelation(0.0, -1.0, 1.0, 1.0)
    rho = _spearman(measure, mean)
    random, (runs, letters) = np.random.default_rng(seed), survival.shape
    drawn = []
    for _ in range(resamples):
        which, again = random.integers(letters, size=letters), random.integers(runs, size=runs)
        drawn.append(_spearman(measure[which], survival[again][:, which].mean(0)))
    low, high = np.quantile(drawn, [0.025, 0.975])
    shuffled = [_spearman(random.permutation(measure), mean) for _ in range(resamples)]
    extreme = sum(abs(value) >= abs(rho) - 1e-12 for value in shuffled)
    return RankCorrelation(rho, float(low), float(high), (extreme + 1) / (resamples + 1))


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson correlation of ranks, ties sharing theirs; 0 where one side is constant."""
    x, y = (ranks - ranks.mean() for ranks in (rankdata(a), rankdata(b)))
    scale = math.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale else 0.0
