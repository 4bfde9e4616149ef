"""Adversarial losses, penalties and their relatives: pure functions, one paper each.

Logits have shape (n,), pictures (n, channels, h, w); every loss is a scalar to be minimised.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def saturating_free_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's cross-entropy, real 1 and fake 0 (Goodfellow et al. 2014, eq. 1).

    The sum of both means, as two separate cross-entropies add up.
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def saturating_free_generator(fake: Tensor) -> Tensor:
    """The generator's non-saturating loss, -log D(G(z)) (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def relativistic(better: Tensor, worse: Tensor) -> Tensor:
    """Pairing loss: softplus(worse - better), pair by pair.

    The discriminator gives (real, fake), the generator (fake, real) (Jolicoeur-Martineau 2018;
    Huang et al. 2024, "The GAN is dead; long live the GAN!", eq. 2).
    """
    return F.softplus(worse - better).mean()


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], pictures: Tensor) -> Tensor:
    """Half the mean squared gradient of the logit at the pictures.

    R1 at real pictures, R2 at generated ones (Mescheder et al. 2018, "Which Training Methods for
    GANs do actually Converge?", eq. 9 and 10); γ is the caller's.
    """
    pictures = pictures.detach().requires_grad_(True)
    logits = discriminator(pictures)
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean() / 2


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of mean features of shape (n, features) (Salimans et al. 2016, eq. 3.1)."""
    return (real.mean(0) - fake.mean(0)).square().sum()


def report_feature_matching(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """The report's: mean over layers of the squared difference of channel means.

    Channel means are over batch and space; layers have shape (n, channels, h, w).
    """
    layers = [
        (r.mean((0, 2, 3)) - f.mean((0, 2, 3))).square().mean()
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(layers).mean()


def report_diversity(pictures: Tensor) -> Tensor:
    """The report's: 1 / (mean pairwise L2 distance of the pictures of a batch + 0.1)."""
    return 1 / (F.pdist(pictures.flatten(1)).mean() + 0.1)
