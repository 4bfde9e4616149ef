"""A model of how drummers play what is written: velocities and offsets, given the hits.

The task is that of Gillick et al. 2019, "Learning to Groove with Inverse Sequence Transformations"
(humanization): a quantised bar of one loudness goes in, a performance of the same hits comes out.
The model is a residual perceptron over the bar, its neighbours and its tempo, whose outputs are
the mixtures of `drumvae.feels`: one feel for the dynamics of a bar, one for its timing.
"""

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

from conf.checkpoints import random_state, restore_random_state
from drumvae.feel_network import Cells, FeelNetwork

ADAMW = partial(AdamW, lr=2e-3, betas=(0.9, 0.99), weight_decay=0.3)


class Humanizer(LightningModule):
    """Velocities and offsets for given hits; the hits stay as they are.

    What is measured and drawn from are a moving average of the weights.

    Args:
        steps: of a bar.
        voices: of its columns: names, or how many.
        width: features of a bar.
        blocks: residual blocks.
        detail: features of a step.
        feels: of dynamics, and as many of timing.
        rank: of what a feel changes.
        dropout: share of features that training leaves out.
        blank: share of the hits that training hides from the input.
        alone: share of the bars whose neighbours training hides.
        tempo_jitter: standard deviation of the logarithm by which training changes tempos: an exact
            tempo is the fingerprint of a performance.
        average: share of the moving average kept in a batch.
        optimizer: makes the optimizer from the parameters.

    Raises:
        ValueError: sizes or shares that are none.
    """

    batches: Tensor

    def __init__(
        self,
        steps: int = 16,
        voices: Sequence[str] | int = 9,
        width: int = 224,
        blocks: int = 2,
        detail: int = 24,
        feels: int = 32,
        rank: int = 16,
        dropout: float = 0.4,
        blank: float = 0.2,
        alone: float = 0.3,
        tempo_jitter: float = 0.06,
        average: float = 0.998,
        optimizer: Callable[..., Optimizer] = ADAMW,
    ) -> None:
        super().__init__()
        self.sizes = {
            "steps": steps, "voices": voices if isinstance(voices, int) else len(voices),
            "width": width, "blocks": blocks, "detail": detail, "feels": feels, "rank": rank,
        }  # fmt: skip
        if min(self.sizes.values()) < 1:
            raise ValueError(f"a humanizer needs sizes of 1 or more, got {self.sizes}")
        shares = {"dropout": dropout, "blank": blank, "alone": alone, "average": average}
        if not all(0 <= share < 1 for share in shares.values()) or tempo_jitter < 0:
            raise ValueError(
                f"a humanizer needs shares from 0 to less than 1, got {shares}, and a tempo_jitter "
                f"of 0 or more, got {tempo_jitter}"
            )
        self.alone, self.tempo_jitter, self.decay = alone, tempo_jitter, average
        self.optimizer = optimizer
        self.network = FeelNetwork(**self.sizes, dropout=dropout, blank=blank)
        self.averaged = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    # Training.

    def configure_optimizers(self) -> Any:
        batches = self.trainer.estimated_stepping_batches
        if batches == float("inf"):
            raise ValueError("the learning rate falls over the run: set trainer.max_epochs")
        # Weight decay is for weights: decayed biases would pull every hit to the middle. Those of
        # cells are decayed too, so that cells which are hardly ever played stay near it.
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        optimizer = self.optimizer([{"params": weights}, {"params": others, "weight_decay": 0.0}])
        # Unlike CosineAnnealingLR it keeps no length, so that a longer run can go on from its end.
        total = max(1, int(batches))
        fall = LambdaLR(
            optimizer, lambda batch: (1 + math.cos(math.pi * min(1.0, batch / total))) / 2
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": fall, "interval": "step"},
        }

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        if len(batch) != 3:
            raise ValueError(
                "a humanizer learns from bars with their neighbours and tempos; choose data of "
                "drumvae.passages, as +experiment=humanize does"
            )
        bars, around, tempos = batch
        tempos = tempos * (self.tempo_jitter * torch.randn_like(tempos)).exp()
        seen = torch.rand(len(bars), 1, 1, 1, device=bars.device) >= self.alone
        velocity, offset = self._log_likelihoods(self.network, bars, around * seen, tempos)
        loss = -(velocity + offset).mean()
        if not bool(loss.isfinite()):
            raise ValueError(f"the loss of batch {int(self.batches)} is not finite")
        return {
            "loss": loss,
            "loss/total": loss.detach(),
            "loss/velocity": -velocity.detach().mean(),
            "loss/offset": -offset.detach().mean(),
        }

    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.batches += 1
        # Early on the average would be of random weights: its memory grows with the run.
        decay = min(self.decay, float((1 + self.batches) / (10 + self.batches)))
        kept, new = [*self.averaged.parameters()], [*self.network.parameters()]
        get_ema_multi_avg_fn(decay)(cast(Any, kept), cast(Any, new), decay)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing: callbacks do the measuring."""

    def _log_likelihoods(
        self, network: nn.Module, bars: Tensor, around: Tensor, tempos: Tensor
    ) -> tuple[Tensor, Tensor]:
        velocities, offsets, cells = network(bars[:, 0], around, tempos)
        return (
            velocities.log_likelihood(bars[:, 1][cells]),
            offsets.log_likelihood(bars[:, 2][cells]),
        )

    # What callbacks and users ask, of the averaged weights. Hits have shape (n, steps, voices), of
    # any type, tempos (n,); `around` is as in `drumvae.passages`, None where nothing is known.

    @torch.no_grad()
    def log_likelihood(self, bars: Tensor, tempos: Tensor, around: Tensor | None = None) -> Tensor:
        """Log p(velocities, offsets | hits) of bars (n, 3, steps, voices), nats, shape (n,)."""
        _, around, tempos = self._inputs(bars[:, 0], tempos, around)
        bars = bars.to(self.device)
        velocity, offset = self._log_likelihoods(self.averaged, bars, around, tempos)
        return velocity + offset

    @torch.no_grad()
    def median(self, hits: Tensor, tempos: Tensor, around: Tensor | None = None) -> Tensor:
        """The same hits with the median of each velocity and offset, (n, 3, steps, voices)."""
        hits, around, tempos = self._inputs(hits, tempos, around)
        velocities, offsets, cells = self.averaged(hits, around, tempos)
        return _bars(hits, cells, velocities.median(), offsets.median())

    @torch.no_grad()
    def sample(
        self,
        hits: Tensor,
        tempos: Tensor,
        generator: torch.Generator | None = None,
        around: Tensor | None = None,
        tracks: Tensor | None = None,
    ) -> Tensor:
        """The same hits, played: velocities and offsets are drawn, (n, 3, steps, voices).

        Args:
            hits: shape (n, steps, voices).
            tempos: quarter notes a minute, shape (n,).
            generator: source of chance; the global one where there is none.
            around: hits of the bars before and after, shape (n, 2, steps, voices).
            tracks: which track each bar is of, long, shape (n,): one feel for each track; by
                default for each bar.
        """
        hits, around, tempos = self._inputs(hits, tempos, around)
        velocities, offsets, cells = self.averaged(hits, around, tempos)
        played = (
            quantity.draw(quantity.draw_feels(generator, tracks), generator)
            for quantity in (velocities, offsets)
        )
        return _bars(hits, cells, *played)

    def _inputs(
        self, hits: Tensor, tempos: Tensor, around: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hits, surroundings and tempos as the network takes them, or what is wrong with them."""
        shape = (self.sizes["steps"], self.sizes["voices"])
        if hits.shape[1:] != shape or tempos.shape != hits.shape[:1]:
            raise ValueError(
                f"the humanizer takes hits of (n, {shape[0]} steps, {shape[1]} voices) and n "
                f"tempos, got {tuple(hits.shape)} and {tuple(tempos.shape)}"
            )
        hits = (hits > 0).float().to(self.device)
        if around is None:
            around = hits.new_zeros(len(hits), 2, *shape)
        return hits, around.float().to(self.device), tempos.float().to(self.device)

    # Checkpoints.

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random_state"] = random_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        restore_random_state(checkpoint.get("random_state"))


def _bars(hits: Tensor, cells: Cells, velocities: Tensor, offsets: Tensor) -> Tensor:
    bars = hits[:, None].repeat(1, 3, 1, 1)
    bars[:, 1][cells], bars[:, 2][cells] = velocities, offsets
    return bars
