"""k-nearest-neighbour measures of fidelity and diversity, on features.

Papers: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative
Models" (arXiv 1904.06991); Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for
Generative Models" (arXiv 2002.09797).

**Ties.** Balls are closed: a point *on* the sphere through the k-th neighbour lies inside (<=), as
in eq. 1 of Kynkäänniemi et al.; the reference code of Naeem et al. has an open ball (<). On
continuous data both agree. On duplicated data (a collapsed generator, a reference with clones) more
than k equal points have radius 0, an open ball of radius 0 is empty, and a set would not even cover
itself.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK_BYTES = 128 * 1024**2
"""Size of one block of distances; with its comparisons well below 1 GB."""


@dataclass(frozen=True)
class Neighbours:
    """The four measures. All lie in [0, 1] but density, which can exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def radii(features: Tensor, k: int = 5) -> Tensor:
    """Distance of each point to its k-th nearest *other* point.

    Args:
        features: shape (n, d), n > k.
        k: which neighbour, at least 1.

    Returns:
        Shape (n,); 0 where a point has k or more duplicates.

    Raises:
        ValueError: too few points.
    """
    if features.ndim != 2 or not 1 <= k < len(features):
        raise ValueError(
            f"the k-th neighbour, k={k}, needs features (n > k >= 1, d), got "
            f"{tuple(features.shape)}; draw more samples"
        )
    # The k+1 smallest: each point finds itself, or a duplicate of itself, at distance 0.
    rows = [
        _distances(block, features).topk(k + 1, largest=False).values[:, -1]
        for block in _blocks(features, len(features))
    ]
    return torch.cat(rows)


def neighbours(
    generated: Tensor, real: Tensor, k: int = 5, real_radii: Tensor | None = None
) -> Neighbours:
    r"""Precision, recall, density and coverage of generated against real features.

    With :math:`B(x)` the closed ball around x that reaches its k-th neighbour in its own set:

    - precision: share of generated points inside some :math:`B(x_i)` of a real point;
    - recall: share of real points inside some :math:`B(y_j)` of a generated point;
    - density: mean number of real balls around a generated point, over k;
    - coverage: share of real balls that hold a generated point. For two sets of n points from one
      distribution its expectation is :math:`1 - \prod_{i=1}^k (n - i) / (2n - i)`, about
      :math:`1 - 2^{-k}`.

    Args:
        generated: shape (n, d), n > k.
        real: shape (m, d), m > k.
        k: size of the neighbourhood.
        real_radii: `radii(real, k)` where it is known already, shape (m,).

    Raises:
        ValueError: too few points, or another number of features.
    """
    if generated.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"features differ in shape: generated {tuple(generated.shape)}, "
            f"real {tuple(real.shape)}"
        )
    if real_radii is None:
        real_radii = radii(real, k)
    generated_radii = radii(generated, k)
    around = torch.zeros(len(generated), device=real.device)
    recalled = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    nearest = torch.full_like(real_radii, torch.inf)
    start = 0
    for block in _blocks(generated, len(real)):
        rows = slice(start, start + len(block))
        distances = _distances(block, real)
        around[rows] = (distances <= real_radii).sum(dim=1).float()
        recalled |= (distances <= generated_radii[rows, None]).any(dim=0)
        nearest = torch.minimum(nearest, distances.amin(dim=0))
        start = rows.stop
    return Neighbours(
        precision=(around > 0).double().mean().item(),
        recall=recalled.double().mean().item(),
        density=around.double().mean().item() / k,
        coverage=(nearest <= real_radii).double().mean().item(),
    )


def _blocks(rows: Tensor, columns: int) -> tuple[Tensor, ...]:
    """Rows in pieces, so that a block of distances to `columns` points stays small."""
    return rows.split(max(1, BLOCK_BYTES // (columns * rows.element_size())))


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (len(a), len(b)), exact at 0: the matrix product trick is not."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
