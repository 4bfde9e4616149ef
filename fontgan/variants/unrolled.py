"""Unrolled GAN: the generator looks k discriminator steps ahead.

Paper: Metz et al. 2017, "Unrolled Generative Adversarial Networks", eq. 9 to 11.
"""

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from fontgan.gan import Losses
from fontgan.objectives import saturating_free_discriminator, saturating_free_generator
from fontgan.variants.vanilla import VanillaGAN


class UnrolledGAN(VanillaGAN):
    """The generator faces a surrogate discriminator that has learned for `steps` more.

    The surrogate steps are gradient descent, and the generator's gradient runs through them. They
    are taken on a functional copy of the weights, so the discriminator itself is never touched.

    Args:
        *arguments: see `GAN`.
        steps: surrogate steps k; 0 is the vanilla GAN.
        rate: learning rate of the surrogate steps.
        **options: see `VanillaGAN`.
    """

    def __init__(self, *arguments: Any, steps: int = 5, rate: float = 0.1, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if steps < 0 or rate <= 0:
            raise ValueError(f"unrolling needs steps >= 0 and rate > 0, got {steps} and {rate}")
        self.steps, self.rate = steps, rate

    def unrolled(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The discriminator's weights after `steps` of descent, functions of the fake pictures."""
        weights = {
            name: parameter.detach().requires_grad_(True)
            for name, parameter in self.discriminator.named_parameters()
        }
        for _ in range(self.steps):
            loss = saturating_free_discriminator(
                functional_call(self.discriminator, weights, (real,)),
                functional_call(self.discriminator, weights, (fake,)),
            )
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {
                name: weight - self.rate * gradient
                for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
            }
        return weights

    def generator_losses(self, real: Tensor, fake: Tensor) -> Losses:
        weights = self.unrolled(real, fake)
        logits = functional_call(self.discriminator, weights, (fake,))
        return {"loss/generator": saturating_free_generator(logits)}
