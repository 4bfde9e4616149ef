"""What the report's code calls fixed: feature matching, adversarial and diversity terms.

Formulas as in the report: 0.5 · adversarial + 1.8 · feature matching + 0.3 · diversity.
"""

from typing import Any

import torch
from torch import Tensor

from fontgan.gan import Losses
from fontgan.networks import ReportDiscriminator
from fontgan.objectives import (
    report_diversity,
    report_feature_matching,
    saturating_free_generator,
)
from fontgan.variants.vanilla import VanillaGAN


class ReportFixedGAN(VanillaGAN):
    """The report's fix, with its weights; the discriminator must be a `ReportDiscriminator`.

    Args:
        *arguments: see `GAN`.
        adversarial: weight of the non-saturating loss.
        matching: weight of `report_feature_matching`.
        diversity: weight of `report_diversity`, on pictures in [-1, 1].
        **options: see `VanillaGAN`.

    Raises:
        ValueError: another discriminator.
    """

    discriminator: ReportDiscriminator

    def __init__(
        self,
        *arguments: Any,
        adversarial: float = 0.5,
        matching: float = 1.8,
        diversity: float = 0.3,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        if not isinstance(self.discriminator, ReportDiscriminator):
            raise ValueError(
                "the report's feature matching reads the convolutions of its own discriminator; "
                "choose gan.discriminator._target_=fontgan.networks.ReportDiscriminator"
            )
        self.adversarial, self.matching, self.diversity = adversarial, matching, diversity

    def generator_losses(self, real: Tensor, fake: Tensor) -> Losses:
        with torch.no_grad():
            wanted = self.discriminator.layer_features(real)
        found = self.discriminator.layer_features(fake)
        logits = self.discriminator.head(found[-1].flatten(1)).squeeze(1)
        adversarial = saturating_free_generator(logits)
        matching = report_feature_matching(wanted, found)
        diversity = report_diversity(fake)
        total = (
            self.adversarial * adversarial + self.matching * matching + self.diversity * diversity
        )
        return {
            "loss/generator": total,
            "loss/adversarial": adversarial,
            "loss/feature_matching": matching,
            "loss/diversity": diversity,
        }
