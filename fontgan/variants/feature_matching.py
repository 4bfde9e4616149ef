"""Feature matching: the generator matches the discriminator's mean features.

Paper: Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.1.
"""

import torch
from torch import Tensor

from fontgan.gan import Losses
from fontgan.networks import Discriminator, ReportDiscriminator
from fontgan.objectives import feature_matching
from fontgan.variants.vanilla import VanillaGAN


class FeatureMatchingGAN(VanillaGAN):
    """The generator's only loss is the distance of mean features."""

    discriminator: ReportDiscriminator | Discriminator

    def generator_losses(self, real: Tensor, fake: Tensor) -> Losses:
        with torch.no_grad():
            wanted = self.discriminator.features(real)
        return {"loss/generator": feature_matching(wanted, self.discriminator.features(fake))}
