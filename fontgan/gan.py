"""The GAN LightningModule: alternating steps, moving average, and what a variant overrides."""

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from conf.checkpoints import random_state, restore_random_state
from fontgan.layers import evaluating
from fontgan.objectives import saturating_free_discriminator, saturating_free_generator

Losses = dict[str, Tensor]
OptimizerFactory = Callable[..., Optimizer]


class GAN(LightningModule):
    """Alternates one step of the discriminator with one of the generator.

    As it stands it is the original non-saturating GAN (Goodfellow et al. 2014); a variant overrides
    `discriminator_losses` and `generator_losses`, whose entries "loss/discriminator" and
    "loss/generator" are what the optimizers minimise and whose others are only logged.

    Pictures are in [0, 1] outside and in [-1, 1] inside. Batches are counted here, because
    Lightning counts optimizer steps.

    Args:
        generator: network with `latent`, see `fontgan.networks`.
        discriminator: network that gives one logit a picture.
        generator_optimizer: makes the generator's optimizer from its parameters.
        discriminator_optimizer: makes the discriminator's.
        average: decay a batch of the generator's moving average; 0 samples the generator itself.

    Raises:
        ValueError: generator and discriminator do not fit together, or `average` outside [0, 1).
    """

    batches: Tensor

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        generator_optimizer: OptimizerFactory,
        discriminator_optimizer: OptimizerFactory,
        average: float = 0.999,
    ) -> None:
        super().__init__()
        if not 0 <= average < 1:
            raise ValueError(f"average must lie in [0, 1), got {average}")
        self.automatic_optimization = False
        # Convolutions of few channels are up to a quarter faster this way, on the CPU too.
        self.generator = generator.to(memory_format=torch.channels_last)  # pyright: ignore
        self.discriminator = discriminator.to(memory_format=torch.channels_last)  # pyright: ignore
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.decay = average
        self.averaged = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self._check_fit()

    def _check_fit(self) -> None:
        """One picture through both networks, before hours of training do it."""
        with torch.random.fork_rng(devices=[]), evaluating(self), torch.no_grad():
            try:
                pictures = self.generator(self.latent(2))
                logits = self.logits(pictures)
            except RuntimeError as error:
                raise ValueError(
                    "generator and discriminator do not fit together: "
                    f"{str(error).splitlines()[0]}; give both the same size and channels"
                ) from error
        if logits.shape != (2,):
            raise ValueError(
                f"a discriminator gives one logit a picture, found {tuple(logits.shape)}"
            )
        self.picture_shape: tuple[int, ...] = tuple(pictures.shape[1:])

    # What a variant may override.

    def discriminator_losses(self, real: Tensor, fake: Tensor) -> Losses:
        """Losses of the discriminator on real and (detached) generated pictures in [-1, 1]."""
        loss = saturating_free_discriminator(self.logits(real), self.logits(fake))
        return {"loss/discriminator": loss}

    def generator_losses(self, real: Tensor, fake: Tensor) -> Losses:
        """Losses of the generator; its pictures carry the gradient, the real ones none."""
        return {"loss/generator": saturating_free_generator(self.logits(fake))}

    def generated(self, batch: tuple[Tensor, ...]) -> Tensor:
        """As many generated pictures in [-1, 1] as a batch has real ones."""
        return self.generator(self.latent(len(batch[0])))

    def logits(self, pictures: Tensor) -> Tensor:
        """What the discriminator says of pictures in [-1, 1], shape (n,)."""
        return self.discriminator(pictures)

    # What stays.

    def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Latents of the generator, shape (n, dimensions)."""
        draw = cast(Callable[..., Tensor], self.generator.latent)
        return draw(n, generator)

    def configure_optimizers(self) -> list[Optimizer]:
        return [
            self.generator_optimizer(self.generator.parameters()),
            self.discriminator_optimizer(self.discriminator.parameters()),
        ]

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Losses:
        real = batch[0] * 2 - 1
        if batch_idx == 0 and real.shape[1:] != self.picture_shape:
            raise ValueError(
                f"the data has pictures of shape {tuple(real.shape[1:])}, the networks are made "
                f"for {self.picture_shape}; set size of data and networks alike"
            )
        self.batches += 1
        generator_optimizer, discriminator_optimizer = cast(list, self.optimizers())
        # The same pictures serve both steps; the discriminator has moved in between.
        fake = self.generated(batch)
        with self.toggled_optimizer(discriminator_optimizer):
            losses = self._discriminator_step(discriminator_optimizer, real, fake.detach())
        with self.toggled_optimizer(generator_optimizer):
            losses |= self._generator_step(generator_optimizer, real, fake)
        self._update_average()
        return {name: loss.detach() for name, loss in losses.items()}

    def _discriminator_step(self, optimizer: Optimizer, real: Tensor, fake: Tensor) -> Losses:
        losses = self.discriminator_losses(real, fake)
        optimizer.zero_grad()
        self.manual_backward(losses["loss/discriminator"])
        optimizer.step()
        return losses

    def _generator_step(self, optimizer: Optimizer, real: Tensor, fake: Tensor) -> Losses:
        losses = self.generator_losses(real, fake)
        optimizer.zero_grad()
        self.manual_backward(losses["loss/generator"])
        optimizer.step()
        return losses

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on the average would be of random weights: its memory grows with the run.
        decay = min(self.decay, float((1 + self.batches) / (10 + self.batches)))
        pull = get_ema_multi_avg_fn(decay)
        pull([*self.averaged.parameters()], [*self.generator.parameters()], decay)
        for kept, buffer in zip(self.averaged.buffers(), self.generator.buffers(), strict=True):
            kept.copy_(buffer)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing: callbacks do the measuring."""

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw pictures from the averaged generator, whatever mode the module is in.

        Args:
            n: how many.
            generator: source of chance; the global one where there is none.

        Returns:
            Bright ink on dark, float in [0, 1], shape (n, channels, size, size).
        """
        return self.decode(self.latent(n, generator))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of given latents, shape (n, channels, size, size), in [0, 1]."""
        network = self.averaged if self.decay else self.generator
        with evaluating(network):
            pictures = [network(part) for part in latents.split(500)]
        if not pictures:
            return torch.empty(0, *self.picture_shape)
        return (torch.cat(pictures) / 2 + 0.5).clamp(0, 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random_state"] = random_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        restore_random_state(checkpoint.get("random_state"))
