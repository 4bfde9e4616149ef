"""Kernel distance between two sets of features.

Paper: Bińkowski et al. 2018, "Demystifying MMD GANs" (arXiv 1801.01401), section 4: the unbiased
squared maximum mean discrepancy with the kernel (x·y / d + 1)³, here over all samples at once
rather than averaged over random subsets. The polynomial and its estimator are torchmetrics'.
"""

from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from fontgan.metrics.features import refuse_nan


def kernel_distance(generated: Tensor, real: Tensor) -> float:
    """Unbiased squared discrepancy: 0 on average for equal distributions, so also below 0.

    Args:
        generated: shape (n, d), n at least 2.
        real: shape (n, d): as many, as the estimator asks for.

    Raises:
        ValueError: shapes that differ, or fewer than two of each.
    """
    if generated.shape != real.shape or generated.ndim != 2 or len(real) < 2:
        raise ValueError(
            f"the kernel distance compares equally many features (n >= 2, d), got "
            f"{tuple(generated.shape)} and {tuple(real.shape)}"
        )
    refuse_nan(generated, "generated features")
    refuse_nan(real, "real features")
    return float(poly_mmd(generated.double().cpu(), real.double().cpu()))
