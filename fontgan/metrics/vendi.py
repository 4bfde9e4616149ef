r"""Vendi score: the effective number of different samples.

Paper: Friedman & Dieng 2023, "The Vendi Score" (arXiv 2210.02410), eq. 3: the exponential of the
Shannon entropy of the eigenvalues of K / n, K a similarity matrix with ones on its diagonal.

The score **grows with n** until every kind of sample has been met: it compares sets of one size
alone, which is why it is always taken at a stated number of samples, beside what real ones get.
"""

import torch
from torch import Tensor

from fontgan.metrics.features import refuse_nan


def vendi_score(features: Tensor) -> float:
    r"""Vendi score with the cosine similarity of features.

    .. math:: \exp\Big(-\sum_i \lambda_i \ln \lambda_i\Big), \qquad
        \lambda = \mathrm{eig}(X X^\top / n), \quad \|x_i\| = 1

    The eigenvalues that are not 0 are those of :math:`X^\top X / n`, which is d × d.

    Args:
        features: shape (n, d), n at least 1; a row of zeros is like no other, and like no row of
            zeros either: it stands for a sample of a kind of its own.

    Returns:
        In [1, n].

    Raises:
        ValueError: no sample, or values that are not finite.
    """
    if features.ndim != 2 or not len(features):
        raise ValueError(f"the Vendi score needs features (n >= 1, d), got {tuple(features.shape)}")
    refuse_nan(features, "features")
    points = features.detach().cpu().double()
    lengths = points.norm(dim=1, keepdim=True)
    nothing = int((lengths == 0).sum())
    points = points / lengths.clamp(min=1e-300)
    n, d = points.shape
    gram = points.mT @ points if d < n else points @ points.mT
    own = torch.full((nothing,), 1 / n, dtype=torch.double)
    return vendi_of(torch.cat([torch.linalg.eigvalsh(gram / n).clamp(min=0), own]))


def vendi_of(eigenvalues: Tensor) -> float:
    """The exponential of the entropy of eigenvalues of K / n, shape (k,), that add up to 1."""
    return float(torch.exp(-torch.special.xlogy(eigenvalues, eigenvalues).sum()))


def vendi_of_similarity(similarity: Tensor) -> float:
    """Vendi score of a similarity matrix: positive semidefinite, ones on the diagonal, (n, n).

    Raises:
        ValueError: another shape, another diagonal, or values that are not finite.
    """
    refuse_nan(similarity, "similarities")
    n = len(similarity)
    if similarity.shape != (n, n) or not torch.allclose(
        similarity.diagonal(), similarity.new_ones(n)
    ):
        raise ValueError("a similarity matrix is square, and one on its diagonal")
    return vendi_of(torch.linalg.eigvalsh(similarity.double() / n).clamp(min=0))
