r"""What would the true shares of letters be, given that the judge errs?

The judge's confusion matrix C, measured on real glyphs (and on junk), says how a true class c is
read as r: :math:`C_{cr}`. Readings of a mixture of true classes with shares π come with
probability :math:`\sum_c \pi_c C_{cr}`. The shares that make the counted readings most likely are
found by expectation maximisation (Saerens et al. 2002, "Adjusting the Outputs of a Classifier to
New a Priori Probabilities", eq. 2.9, on counts).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

CLASSES = 27
"""26 letters, and last what the judge refuses: junk."""


@dataclass(frozen=True)
class Shares:
    """True shares of classes with 95 % intervals of the bootstrap, each of shape (27,)."""

    share: Tensor
    low: Tensor
    high: Tensor


def confusion(truth: Tensor, read: Tensor, smoothing: float = 0.1) -> Tensor:
    """The judge's confusion matrix from glyphs whose class is known.

    Args:
        truth: 0-25, or -1 for junk, shape (n,).
        read: what the judge says, -1 where it refuses, shape (n,).
        smoothing: glyphs added to each class, in equal parts over its 27 readings: an error not
            seen may still happen.

    Returns:
        Rows of probabilities, float64, shape (27, 27): truth by reading, junk last.

    Raises:
        ValueError: shapes that differ, classes out of range, or a class without a glyph.
    """
    if truth.shape != read.shape or truth.ndim != 1:
        raise ValueError(f"truth {tuple(truth.shape)} and reading {tuple(read.shape)} must be (n,)")
    both = torch.stack([truth, read])
    if len(truth) and not -1 <= both.min() <= both.max() < CLASSES - 1:
        raise ValueError(f"classes must lie in [-1, 26), found [{both.min()}, {both.max()}]")
    rows, columns = (one.long() % CLASSES for one in both)
    counts = torch.bincount(rows * CLASSES + columns, minlength=CLASSES**2)
    counts = counts.view(CLASSES, CLASSES).double()
    if not (counts.sum(1) > 0).all():
        missing = torch.nonzero(counts.sum(1) == 0).flatten().tolist()
        raise ValueError(f"no glyph of classes {missing} (26 is junk) to see how they are read")
    counts += smoothing / CLASSES
    return counts / counts.sum(1, keepdim=True)


def true_shares(
    counts: Tensor, matrix: Tensor, resamples: int = 200, seed: int = 0, steps: int = 200
) -> Shares:
    """Most likely true shares behind counted readings, and how sure that is.

    Args:
        counts: readings of each class, junk (refused) last, shape (27,), not all 0.
        matrix: from `confusion`.
        resamples: of the bootstrap, which draws the readings anew.
        seed: of the bootstrap.
        steps: of expectation maximisation.

    Raises:
        ValueError: no reading, or shapes that are none of these.
    """
    if counts.shape != (len(matrix),) or not counts.sum() > 0:
        raise ValueError(f"expected counts of {len(matrix)} classes, not all 0, got {counts}")
    generator = torch.Generator().manual_seed(seed)
    n, share = int(counts.sum()), counts.double() / counts.sum()
    drawn = torch.multinomial(share.expand(resamples, -1), n, True, generator=generator)
    again = torch.zeros(resamples, len(matrix), dtype=torch.double)
    again.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.double))
    found = _most_likely(torch.cat([counts.double()[None], again]), matrix, steps)
    ends = torch.quantile(found[1:], torch.tensor([0.025, 0.975], dtype=torch.double), dim=0)
    return Shares(found[0], ends[0], ends[1])


def _most_likely(counts: Tensor, matrix: Tensor, steps: int) -> Tensor:
    """EM for each row of counts (m, classes): shares (m, classes)."""
    readings = counts / counts.sum(1, keepdim=True)
    shares = torch.full_like(readings, 1 / len(matrix))
    for _ in range(steps):
        expected = shares @ matrix
        shares = shares * ((readings / expected.clamp(min=1e-300)) @ matrix.T)
    return shares / shares.sum(1, keepdim=True)
