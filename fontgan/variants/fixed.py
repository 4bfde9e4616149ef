r"""The GAN that keeps its letters: told of clusters, a pairing loss with penalties, balanced rates.

Papers: Lucic et al. 2019, "High-Fidelity Image Generation With Fewer Labels" (clusters as labels);
Miyato and Koyama 2018, "cGANs with Projection Discriminator";
Huang et al. 2024, "The GAN is dead; long live the GAN!" (pairing loss with R1 and R2);
Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (lazy penalties);
Khayatkhoei et al. 2018, "Disconnected Manifold Learning" (the generator's choice of modes).

Nobody names the letters: pictures are clustered by their gradients, and both networks are told the
cluster. The generator's choice of modes is the cluster, drawn as often as among real pictures; the
discriminator compares what is drawn with real pictures of the same cluster, so that none can be
forgotten, and none need melt into its neighbour. It sees as well how much the pictures of a cluster
differ (Karras et al. 2018, "Progressive Growing", section 3): one glyph a cluster will not do.

The discriminator's loss can be normalised by its own running scale. With the difference of a pair,
:math:`\Delta = D(x) - D(G(z))`,

.. math:: \ell = \mathrm{softplus}(-\Delta / s), \quad
    s^2 = \max(1, \mathrm{EMA}[\overline{\Delta^2}])

so that a discriminator that grows confident does not lose its slope: a mere factor before the loss
would vanish under Adam, a factor inside the softplus does not.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from fontgan.clusters import Clusters
from fontgan.gan import GAN, Losses
from fontgan.networks import Discriminator, Generator
from fontgan.objectives import gradient_penalty, relativistic


class BalancedRates:
    """Steers the discriminator's learning rate so that relative updates keep a ratio.

    The relative update of a network is ‖Δθ‖ / ‖θ‖ over one step. Each time both are measured, the
    factor on the discriminator's rate moves by `gain` of the gap between the logarithms of the
    ratio found and the ratio wanted, within a factor of `most` either way.

    Args:
        ratio: update of the discriminator over that of the generator.
        every: batches between measurements; with no divisor in common with `penalty_every`, or
            penalties are met too often, or never.
        gain: share of the logarithmic gap closed at once.
        most: largest factor, and one over the smallest.
    """

    def __init__(
        self, ratio: float = 1.0, every: int = 11, gain: float = 0.1, most: float = 4.0
    ) -> None:
        if ratio <= 0 or every < 1 or not 0 < gain <= 1 or most < 1:
            raise ValueError("balance needs ratio > 0, every >= 1, 0 < gain <= 1 and most >= 1")
        self.ratio, self.every, self.gain, self.most = ratio, every, gain, most

    def factor(self, factor: Tensor, discriminator: Tensor, generator: Tensor) -> Tensor:
        """The next factor from the present one and both relative updates, scalars."""
        found = discriminator / generator.clamp(min=1e-12)
        step = (self.ratio / found.clamp(min=1e-12)).log() * self.gain
        return (factor.log() + step).exp().clamp(1 / self.most, self.most)


class FixedGAN(GAN):
    """Clusters, pairing loss with R1 and R2, loss normalisation, balanced and falling rates.

    No labels, and no judge in any loss.

    Args:
        *arguments: see `GAN`.
        clusters: whether both networks are told the cluster of a picture. The generator needs
            `weighted` modes, the discriminator as many `classes`. Batches then come in sets of one
            cluster, over which it takes its minibatch deviation.
        centre: whether pictures are centred before they are clustered.
        gamma: weight γ of both penalties.
        penalty_every: batches between penalties, which are weighted by as much; 0 for none.
        normalise: whether the pairing difference is divided by its running scale.
        balance: keeps relative updates in a ratio; None leaves the discriminator's rate alone.
        rise_over: batches over which both rates rise from 0; without a rise a generator can be
            driven to all black or all white at once, from where no gradient leads back.
        fall_from: share of the run after which both rates fall to 2 % along a cosine; 1 for never.
        pairing: the relativistic pairing loss; otherwise the non-saturating one.
        noise: deviation of the Gaussian noise on whatever the discriminator sees, real or not: data
            with pixel noise of their own are otherwise told by it (Sønderby et al. 2017, "Amortised
            MAP Inference for Image Super-resolution", section 3.3).
        **options: see `GAN`.

    Raises:
        ValueError: an option out of range, or networks that cannot be told clusters.
    """

    scale: Tensor
    rate: Tensor
    _told: Tensor | None = None
    """Class of each picture of the batch, where the networks are told."""

    def __init__(
        self,
        *arguments: Any,
        clusters: bool = False,
        centre: bool = False,
        gamma: float = 0.5,
        penalty_every: int = 4,
        normalise: bool = True,
        balance: BalancedRates | None = None,
        rise_over: int = 0,
        fall_from: float = 0.5,
        pairing: bool = True,
        noise: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        if min(gamma, penalty_every, rise_over, noise) < 0 or not 0 <= fall_from <= 1:
            raise ValueError(
                "fixed needs gamma, penalty_every, rise_over and noise of 0 or more and "
                "0 <= fall_from <= 1"
            )
        self.gamma, self.penalty_every, self.normalise = gamma, penalty_every, normalise
        self.balance, self.pairing, self.noise = balance, pairing, noise
        self.rise_over, self.fall_from = rise_over, fall_from
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("rate", torch.ones(()))
        self._update: Tensor | None = None
        self.clusters = self._untrained_clusters(centre) if clusters else None

    def _untrained_clusters(self, centre: bool) -> Clusters:
        pair = self.generator, self.discriminator
        if (
            not isinstance(pair[0], Generator)
            or not isinstance(pair[1], Discriminator)
            or pair[0].shares is None
            or pair[1].classes is None
            or pair[1].classes.num_embeddings != pair[0].modes
        ):
            raise ValueError(
                "clusters need gan.generator.modes above 0, gan.generator.weighted=true and as "
                "many gan.discriminator.classes; or do without: gan.clusters=false"
            )
        return Clusters(pair[0].modes, self.picture_shape[-1], centre)

    def on_fit_start(self) -> None:
        if self.clusters is None:
            return
        data = cast(Any, self.trainer).datamodule
        real = data.reference("train").images.to(self.device).float() / 255
        if self.batches == 0:  # what goes on has its clusters
            self.clusters.fit(real)
            for network in (self.generator, self.averaged):
                cast(Tensor, network.shares).copy_(self.clusters.shares)
        if group := cast(int, self.discriminator.group):
            data.in_sets(self.clusters(real), group)

    def generated(self, batch: tuple[Tensor, ...]) -> Tensor:
        if self.clusters is None:
            return super().generated(batch)
        self._told = told = self.clusters(batch[0])
        generator = cast(Generator, self.generator)
        z = torch.randn(len(told), generator.gaussian, device=self.device)
        return generator(generator.chosen(z, told))

    def logits(self, pictures: Tensor) -> Tensor:
        if self._told is None:
            return super().logits(pictures)
        return self.discriminator(pictures, self._told)

    def discriminator_losses(self, real: Tensor, fake: Tensor) -> Losses:
        real, fake = self._noisy(real), self._noisy(fake)
        if not self.pairing:
            losses = super().discriminator_losses(real, fake)
        else:
            better, worse = self.logits(real), self.logits(fake)
            if self.normalise:
                squared = (better - worse).detach().square().mean()
                self.scale.lerp_(squared, 0.01)
            losses = {"loss/discriminator": self._paired(better, worse)}
        if self.penalty_every and self.batches % self.penalty_every == 0:
            penalty = gradient_penalty(self.logits, real)
            penalty = penalty + gradient_penalty(self.logits, fake)
            losses["loss/discriminator"] = (
                losses["loss/discriminator"] + self.penalty_every * self.gamma * penalty
            )
            losses["loss/penalty"] = penalty
        return losses

    def generator_losses(self, real: Tensor, fake: Tensor) -> Losses:
        real, fake = self._noisy(real), self._noisy(fake)
        if not self.pairing:
            return super().generator_losses(real, fake)
        with torch.no_grad():
            worse = self.logits(real)
        return {"loss/generator": self._paired(self.logits(fake), worse)}

    def _noisy(self, pictures: Tensor) -> Tensor:
        return pictures + self.noise * torch.randn_like(pictures) if self.noise else pictures

    def _paired(self, better: Tensor, worse: Tensor) -> Tensor:
        size = self.scale.clamp(min=1).sqrt() if self.normalise else 1.0
        return relativistic(better / size, worse / size)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        fall = falling(float(self.batches) / self._planned_batches(), self.fall_from)
        fall *= min(1.0, float(self.batches + 1) / max(1, self.rise_over))
        factors = (1.0, float(self.rate))
        for optimizer, factor in zip(cast(list, self.optimizers()), factors, strict=True):
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = group["initial_lr"] * fall * factor

    def _planned_batches(self) -> float:
        epochs = self.trainer.max_epochs
        return epochs * self.trainer.num_training_batches if epochs and epochs > 0 else math.inf

    def _discriminator_step(self, optimizer: Optimizer, real: Tensor, fake: Tensor) -> Losses:
        if self.balance is None or self.batches % self.balance.every:
            return super()._discriminator_step(optimizer, real, fake)
        before = _flat(self.discriminator)
        losses = super()._discriminator_step(optimizer, real, fake)
        self._update = (_flat(self.discriminator) - before).norm() / before.norm()
        return losses

    def _generator_step(self, optimizer: Optimizer, real: Tensor, fake: Tensor) -> Losses:
        if self.balance is None or self._update is None:
            return super()._generator_step(optimizer, real, fake)
        before = _flat(self.generator)
        losses = super()._generator_step(optimizer, real, fake)
        update = (_flat(self.generator) - before).norm() / before.norm()
        self.rate.copy_(self.balance.factor(self.rate, self._update, update))
        self._update = None
        return losses


def falling(done: float, start: float, least: float = 0.02) -> float:
    """Factor on the learning rate: 1 until `start` of the run, then half a cosine to `least`."""
    if start >= 1 or done <= start:
        return 1.0
    place = min(1.0, (done - start) / (1 - start))
    return least + (1 - least) * (1 + math.cos(math.pi * place)) / 2


def _flat(module: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])
