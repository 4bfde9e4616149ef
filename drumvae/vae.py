r"""The hierarchical VAE: z_high (style) → z_low (detail) → bar.

.. math::
    p(x, z_h, z_l) = N(z_h; 0, I) \; p(z_l \mid z_h) \; p(x \mid z_h, z_l), \qquad
    \log p(x) \ge E_q[\log p(x \mid z)] - KL_\mathrm{high} - KL_\mathrm{low}

with KL_high = KL(q(z_h | x) ‖ N(0, I)) and KL_low = E KL(q(z_l | x, z_h) ‖ p(z_l | z_h)), both
analytic and by dimension; in KL_low the expectation over z_h is one draw.
"""

import copy
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from conf.checkpoints import random_state, restore_random_state
from drumvae.annealing import Annealing
from drumvae.gaussian import Gaussian, standard
from drumvae.hierarchy import Networks
from drumvae.likelihoods import Likelihood
from drumvae.metrics.likelihood import log_mean_weights
from drumvae.posterior import ConditionalPrior, Posterior

Losses = dict[str, Tensor]


class HierarchicalVAE(LightningModule):
    """A two-level VAE with annealed KL terms, and a moving average of its weights.

    What is measured and sampled are the averaged weights.

    Args:
        encoder: makes an encoder of (channels, steps, voices).
        decoder: makes a decoder of (latents, outputs, steps, voices).
        inference: makes a posterior of (width, high, low).
        likelihood: of the bars.
        annealing: what the KL terms cost.
        optimizer: makes the optimizer from the parameters.
        steps: of a bar.
        voices: names of its columns.
        high: dimensions of z_high.
        low: dimensions of z_low.
        average: share of the moving average kept in a batch; 0 for the weights themselves.
        fall_from: share of the run after which the learning rate falls along a cosine; 1 for never.
        clip: largest norm of the gradient.
        detail_dropout: share of z_low's dimensions that training hides from the decoder.
        draws: of both latents for each bar in training. With more than one, the generative networks
            (the decoder and p(z_low | z_high)) climb the importance-weighted bound of so many
            draws, which is nearer to log p(bar), and the inference networks the mean of the single
            draws' bounds, which keeps posteriors sharp: PIWAE of Rainforth et al. 2018, "Tighter
            Variational Bounds are Not Necessarily Better", section 6.
        redraw: the decoder takes draws of its own in training, not those at which KL_low is taken,
            as the report's code did: what is trained is no bound then. With one draw only.

    Raises:
        ValueError: sizes that fit nothing, `redraw` of several draws, or the encoder and the
            decoder are made for others.
    """

    batches: Tensor

    def __init__(
        self,
        encoder: Callable[..., nn.Module],
        decoder: Callable[..., nn.Module],
        inference: Callable[..., nn.Module],
        likelihood: Likelihood,
        annealing: Annealing,
        optimizer: Callable[..., Optimizer],
        steps: int = 16,
        voices: Sequence[str] | int = 9,
        high: int = 4,
        low: int = 12,
        average: float = 0.999,
        fall_from: float = 0.5,
        clip: float = 5.0,
        detail_dropout: float = 0.0,
        draws: int = 1,
        redraw: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        width = voices if isinstance(voices, int) else len(voices)
        if min(high, low, steps, width) < 1:
            raise ValueError(
                "a hierarchical VAE needs at least one dimension of each level, one step and one "
                f"voice; got high={high}, low={low}, steps={steps}, {width} voices"
            )
        if not 0 <= average < 1 or not 0 <= fall_from <= 1 or clip <= 0:
            raise ValueError("the model needs 0 <= average < 1, 0 <= fall_from <= 1 and clip > 0")
        if draws < 1:
            raise ValueError(f"the model needs at least one draw for each bar, got draws={draws}")
        if draws > 1 and not annealing.plain:
            raise ValueError(
                "vae.draws above 1 weighs draws by the plain KL terms: it goes with neither free "
                "bits nor a target capacity; set vae.draws=1, or leave annealing.free and "
                "annealing.capacity_high/low out"
            )
        self.likelihood, self.annealing, self.optimizer = likelihood, annealing, optimizer
        if redraw and draws > 1:
            raise ValueError(f"vae.redraw goes with one draw for each bar, got vae.draws={draws}")
        self.draws, self.redraw = draws, redraw
        self.shape = (3, steps, width)
        self.high, self.low = high, low
        self.decay, self.fall_from, self.clip = average, fall_from, clip
        features = encoder(likelihood.channels, steps, width)
        self.networks = Networks(
            features,
            inference(cast(int, features.width), high, low),
            ConditionalPrior(high, low),
            decoder(high + low, likelihood.outputs, steps, width),
        )
        self.averaged = copy.deepcopy(self.networks).eval().requires_grad_(False)
        self.detail_dropout = nn.Dropout(detail_dropout)
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    # Training.

    def configure_optimizers(self) -> Optimizer:
        # Weight decay is for weights: decayed biases would pull every cell towards one half.
        weights = [p for p in self.networks.parameters() if p.ndim > 1]
        others = [p for p in self.networks.parameters() if p.ndim <= 1]
        return self.optimizer([{"params": weights}, {"params": others, "weight_decay": 0.0}])

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Losses:
        bars = batch[0]
        if batch_idx == 0 and bars.shape[1:] != self.shape:
            raise ValueError(
                f"the data has bars of shape {tuple(bars.shape[1:])} (channels, steps, voices), "
                f"the model is made for {self.shape}; set steps and voices of both alike"
            )
        losses = self.losses(bars)
        if not bool(losses["loss/total"].isfinite()):
            raise ValueError(
                f"the loss of batch {int(self.batches)} is not finite; its bars hold "
                f"{int((~bars.isfinite()).sum())} values that are no numbers; no weight was changed"
            )
        optimizer = cast(Any, self.optimizers())
        self._set_rate(optimizer)
        optimizer.zero_grad()
        self._backward(losses)
        nn.utils.clip_grad_norm_(self._weights[0], self.clip)
        optimizer.step()
        self.batches += 1
        self._update_average()
        return {name: loss.detach() for name, loss in losses.items()}

    def losses(self, bars: Tensor) -> Losses:
        """The annealed bound and its parts, nats a bar; KL terms before they are weighted.

        With several draws for each bar also "loss/weighted", their importance-weighted bound, in
        which β weighs the logarithms of p(z) / q(z | x).
        """
        bars = bars[:, : self.likelihood.channels]
        q = self.networks.posterior(bars, self.draws)
        z_high, z_low = (q.high.draw(), q.low.draw()) if self.redraw else (q.z_high, q.z_low)
        outputs = self.networks.outputs(z_high, self.detail_dropout(z_low))
        density = self.likelihood.log_density(outputs, bars.repeat_interleave(self.draws, 0))
        high, low = q.high.kl(standard(q.z_high)), q.low.kl(q.low_prior)
        weights = self.annealing.weights(int(self.batches), self.planned_batches())
        reconstruction = -density.mean()
        losses = {
            "loss/total": self.annealing.cost(high, low, weights) + reconstruction,
            "loss/reconstruction": reconstruction,
            "kl/high": high.sum(1).mean(),
            "kl/low": low.sum(1).mean(),
            "beta/high": torch.tensor(weights[0]),
            "beta/low": torch.tensor(weights[1]),
        }
        if self.draws > 1:
            ratio_high = standard(q.z_high).log_density(q.z_high) - q.high.log_density(q.z_high)
            ratio_low = q.low_prior.log_density(q.z_low) - q.low.log_density(q.z_low)
            log_weights = density + weights[0] * ratio_high.sum(1) + weights[1] * ratio_low.sum(1)
            bound = log_mean_weights(log_weights.view(-1, self.draws), self.draws)
            losses["loss/weighted"] = -bound.mean()
        return losses

    def _backward(self, losses: Losses) -> None:
        if self.draws == 1:
            self.manual_backward(losses["loss/total"])
            return
        parts = self.networks
        inference = [*parts.encoder.parameters(), *parts.inference.parameters()]
        generative = [*parts.prior.parameters(), *parts.decoder.parameters()]
        gradients = (
            *torch.autograd.grad(losses["loss/total"], inference, retain_graph=True),
            *torch.autograd.grad(losses["loss/weighted"], generative),
        )
        # One backward pass, of a sum with these gradients, for what Lightning hangs on it: several
        # processes average their gradients in it.
        pairs = zip((*inference, *generative), gradients, strict=True)
        self.manual_backward(torch.stack([(p * g).sum() for p, g in pairs]).sum())

    def planned_batches(self) -> int:
        """Batches of the whole run.

        Raises:
            ValueError: the run has no end, so that no share of it can be told.
        """
        epochs = self.trainer.max_epochs
        if not epochs or epochs < 0:
            raise ValueError("annealing takes shares of the run: set trainer.max_epochs")
        return epochs * int(self.trainer.num_training_batches)

    def _set_rate(self, optimizer: Any) -> None:
        done = int(self.batches) / max(1, self.planned_batches())
        place = (
            max(0.0, (done - self.fall_from) / (1 - self.fall_from)) if self.fall_from < 1 else 0
        )
        factor = 0.01 + 0.99 * (1 + math.cos(math.pi * place)) / 2
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on the average would be of random weights: its memory grows with the run.
        decay = min(self.decay, float((1 + self.batches) / (10 + self.batches)))
        pull = get_ema_multi_avg_fn(decay)
        pull(self._weights[1], self._weights[0], decay)
        own = zip(self.averaged.buffers(), self.networks.buffers(), strict=True)
        for kept, buffer in own:
            kept.copy_(buffer)

    @cached_property
    def _weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """Trained and averaged parameters: to list them in every batch would cost too much."""
        return [*self.networks.parameters()], [*self.averaged.parameters()]

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing: callbacks do the measuring."""

    # What callbacks and users ask, of the averaged weights; bars have shape (n, 3, steps, voices).

    @torch.no_grad()
    def encode(self, bars: Tensor, k: int = 1) -> Posterior:
        """The posterior of both levels, k draws for each bar."""
        return self.averaged.posterior(bars[:, : self.likelihood.channels], k)

    @torch.no_grad()
    def central(self, bars: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior means of both levels, shapes (n, high) and (n, low)."""
        return self.averaged.central(bars[:, : self.likelihood.channels])

    @torch.no_grad()
    def detail_prior(self, z_high: Tensor) -> Gaussian:
        """p(z_low | z_high)."""
        return self.averaged.prior(z_high)

    @torch.no_grad()
    def decode(self, z_high: Tensor, z_low: Tensor) -> Tensor:
        """What the likelihood takes, shape (n, outputs, steps, voices)."""
        return self.averaged.outputs(z_high, z_low)

    @torch.no_grad()
    def log_density(self, bars: Tensor, z_high: Tensor, z_low: Tensor) -> Tensor:
        """Log p(bar | z), nats, shape (n,)."""
        outputs = self.decode(z_high, z_low)
        return self.likelihood.log_density(outputs, bars[:, : self.likelihood.channels])

    @torch.no_grad()
    def reconstruct(self, bars: Tensor) -> Tensor:
        """The bars that posterior means decode to, shape (n, 3, steps, voices)."""
        return self.likelihood.typical(self.decode(*self.central(bars)))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Bars from the model: hits, velocities and offsets, shape (n, 3, steps, voices).

        Args:
            n: how many.
            generator: source of chance; the global one where there is none.
        """
        z_high = torch.randn(n, self.high, generator=generator, device=self.device)
        z_low = self.detail_prior(z_high).draw(generator)
        return self.likelihood.draw(self.decode(z_high, z_low), generator)

    # Checkpoints.

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random_state"] = random_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        restore_random_state(checkpoint.get("random_state"))
