"""One cure for mode collapse a file: its paper, and only what differs from `fontgan.gan.GAN`."""

from fontgan.variants.conditional import ConditionalGAN, SetDiscriminator
from fontgan.variants.feature_matching import FeatureMatchingGAN
from fontgan.variants.fixed import FixedGAN
from fontgan.variants.minibatch import MinibatchDiscriminator, MinibatchGAN
from fontgan.variants.report_fixed import ReportFixedGAN
from fontgan.variants.unrolled import UnrolledGAN
from fontgan.variants.vanilla import VanillaGAN

__all__ = [
    "ConditionalGAN",
    "FeatureMatchingGAN",
    "FixedGAN",
    "MinibatchDiscriminator",
    "MinibatchGAN",
    "ReportFixedGAN",
    "SetDiscriminator",
    "UnrolledGAN",
    "VanillaGAN",
]
