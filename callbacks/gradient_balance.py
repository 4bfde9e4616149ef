"""Do the two networks learn at the same pace? Gradient norms and relative updates of both."""

import math
import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from matplotlib.axes import Axes
from torch import Tensor
from torch.optim import Optimizer

from callbacks.figures import BLUE, GREY, INK, VERMILION, drawing, epochs_axis
from callbacks.history import History

NETWORKS = ("generator", "discriminator")
SMALLEST = 1e-12
"""Relative updates below this count as this: a network that stands still gives a finite ratio."""


class GradientBalance(History):
    r"""Logs how hard each network is pulled and how far it moves, on some batches.

    ```yaml
    gradient_balance:
      _target_: callbacks.gradient_balance.GradientBalance
      every_n_batches: 50    # one of so many, drawn for each block of an epoch
    ```

    `gradient/generator` and `gradient/discriminator` are epoch means of the global L2 norm of the
    gradient at the (first) step of the batch, after all that the module has done to it. The
    relative update of a network is :math:`\|\Delta\theta\| / \|\theta\|` over one batch, with all
    its steps; `update/ratio` is the epoch mean of the discriminator's over that of the generator's,
    so it is 1 where both move alike.

    Expects two optimizers in the order [generator, discriminator]. Writes
    `figures/gradient_balance.png`.

    Attributes:
        history: a row for each measured batch: `time` in epochs, norms and relative updates.
    """

    def __init__(self, every_n_batches: int = 50) -> None:
        super().__init__()
        self.every_n_batches = every_n_batches
        self._epoch: list[dict[str, float]] = []
        self._watching = False
        self._before: dict[str, list[Tensor]] = {}
        self._gradients: dict[str, float] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if len(trainer.optimizers) != len(NETWORKS):
            raise ValueError(
                "GradientBalance compares two optimizers, generator and discriminator, but "
                f"{type(pl_module).__name__} has {len(trainer.optimizers)}; leave it out"
            )

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._epoch = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        total = int(trainer.num_training_batches)
        self._watching = is_drawn(trainer.current_epoch, batch_idx, total, self.every_n_batches)
        self._before, self._gradients = {}, {}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        if not self._watching:
            return
        network = NETWORKS[trainer.optimizers.index(optimizer)]
        if network in self._before:
            return
        weights = _weights(optimizer)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        self._before[network] = [weight.detach().clone() for weight in weights]
        self._gradients[network] = torch.nn.utils.get_total_norm(gradients).item()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        # A network that only steps in some batches (a lazy schedule) is compared in those.
        if not self._watching or len(self._before) < len(NETWORKS):
            return
        row = {"time": trainer.current_epoch + batch_idx / trainer.num_training_batches}
        for network, optimizer in zip(NETWORKS, trainer.optimizers, strict=True):
            row[f"gradient/{network}"] = self._gradients[network]
            row[f"update/{network}"] = relative_update(self._before[network], _weights(optimizer))
        self._epoch.append(row)
        self._before = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._epoch:
            return
        names = [name for name in self._epoch[0] if name != "time"]
        # Geometric, as the curves of the figure: a few large gradients are not the whole epoch.
        logs = {name: [math.log(max(row[name], SMALLEST)) for row in self._epoch] for name in names}
        means = {name: math.exp(sum(values) / len(values)) for name, values in logs.items()}
        ratio = means["update/discriminator"] / means["update/generator"]
        gradients = {name: means[name] for name in names if name.startswith("gradient/")}
        pl_module.log_dict({**gradients, "update/ratio": ratio}, sync_dist=True)
        self.history += self._epoch

    def draw_history(self, trainer: Trainer) -> None:
        # A network that has diverged has no place on the axes: its curve ends where it did.
        rows = [row for row in self.history if all(map(math.isfinite, row.values()))]
        if not rows:
            return
        values = {name: np.array([max(row[name], SMALLEST) for row in rows]) for name in rows[0]}
        time = np.array([row["time"] for row in rows])
        with drawing(trainer, "gradient_balance", width=11, height=8.5) as figure:
            norms, updates, ratio = figure.subplots(3, 1, sharex=True)
            for axes, kind in ((norms, "gradient"), (updates, "update")):
                curves = {network: values[f"{kind}/{network}"] for network in NETWORKS}
                panel(axes, time, curves, (BLUE, VERMILION))
            norms.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
            norms.set(title="Pull: global norm of the gradient", ylabel="norm")
            updates.set(title="Pace: relative update of the weights", ylabel="‖Δθ‖ / ‖θ‖ a batch")
            balance = values["update/discriminator"] / values["update/generator"]
            panel(ratio, time, {"ratio": balance}, (INK,))
            low, high = ratio.get_ylim()
            ratio.set_ylim(min(low, 1 / 1.5), max(high, 1.5))  # its line is to be seen
            ratio.axhline(1, color=GREY, linestyle=":", linewidth=1.5)
            ratio.annotate(
                "balanced", (1, 1), xycoords=("axes fraction", "data"), xytext=(5, 0),
                textcoords="offset points", va="center", color=GREY, annotation_clip=False,
            )  # fmt: skip
            ratio.set(title="Balance: discriminator's pace over generator's", ylabel="ratio")
            epochs_axis(ratio, time[-1])


def panel(
    axes: Axes, time: np.ndarray, curves: dict[str, np.ndarray], colours: tuple[str, ...]
) -> None:
    """Single batches pale, epoch means (geometric, as the axis is logarithmic) bold."""
    # Set by hand and first: left to itself, a logarithmic axis warns of curves that are constant.
    lowest, highest = min(map(np.min, curves.values())), max(map(np.max, curves.values()))
    axes.set_yscale("log")
    axes.set_ylim(lowest / 1.5, highest * 1.5)
    epochs = np.unique(time.astype(int))
    marker = "o" if len(epochs) <= 40 else None
    for (label, values), colour in zip(curves.items(), colours, strict=True):
        means = [np.exp(np.log(values[time.astype(int) == epoch]).mean()) for epoch in epochs]
        axes.plot(time, values, color=colour, alpha=0.3, linewidth=1)
        axes.plot(epochs + 0.5, means, color=colour, label=label, marker=marker, markersize=5)


def is_drawn(epoch: int, batch: int, total: int, every: int) -> bool:
    """Whether a batch of an epoch is the one of its block of `every` that is measured.

    Each block has its own place: at a fixed one, penalties that come every eighth batch would be
    met in each measured batch, or in none.
    """
    block = batch // every
    size = min(every, total - block * every)
    return batch - block * every == random.Random(f"{epoch} {block}").randrange(size)


def relative_update(before: list[Tensor], after: list[Tensor]) -> float:
    """How far weights have moved over how large they were, ‖after - before‖ / ‖before‖."""
    moved = [new.detach() - old for new, old in zip(after, before, strict=True)]
    norm = torch.nn.utils.get_total_norm
    return max((norm(moved) / norm(before).clamp(min=SMALLEST)).item(), SMALLEST)


def _weights(optimizer: Optimizer) -> list[Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]
