"""How much of a bar comes back."""

import torch
from torch import Tensor


def onset_f1(found: Tensor, truth: Tensor) -> Tensor:
    """F1 of hits, micro-averaged over all cells of all bars, a scalar in [0, 1].

    Args:
        found: hits of the reconstruction, bool, any shape.
        truth: hits of the data, bool, same shape.

    Returns:
        2 TP / (2 TP + FP + FN); 1 where neither has a hit.
    """
    both = (found & truth).sum()
    either = found.sum() + truth.sum()
    if either == 0:
        return torch.ones(())
    return 2 * both / either
