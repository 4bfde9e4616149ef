"""Writes a run's numbers down: a row an epoch, a row for every block of batches."""

import csv
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.atomic import write_atomically

Row = dict[str, float]


def model_name(module: LightningModule) -> str:
    """Name a model's class as a config would, e.g. `fontgan.variants.vanilla.VanillaGAN`."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def batches_trained(trainer: Trainer) -> int:
    """Count the batches trained so far, those before a resume included."""
    return trainer.fit_loop.total_batch_idx + 1


def best_values(rows: list[Row], headline: Mapping[str, str]) -> Row:
    """Find the best value that each headline measure had in any epoch.

    Args:
        rows: those of `metrics.csv`.
        headline: measure -> `"max"` or `"min"`.

    Returns:
        measure -> value, without the measures that were never taken.

    Raises:
        ValueError: a direction is neither `"max"` nor `"min"`.
    """
    pick = {"max": max, "min": min}
    best = {}
    for name, direction in headline.items():
        if direction not in pick:
            raise ValueError(f"headline.{name} is {direction!r}, it must be 'max' or 'min'")
        if values := [row[name] for row in rows if not math.isnan(row.get(name, math.nan))]:
            best[name] = pick[direction](values)
    return best


class Table:
    """A CSV file that grows by rows, and by columns when a later row brings a new name.

    A cell without a value is empty. Values keep eight significant digits.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        self.columns: list[str] = []

    def read(self) -> None:
        """Take up the file as it lies there."""
        self.rows, self.columns = [], []
        if self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self.columns = list(reader.fieldnames or [])
                self.rows = [{k: float(v) for k, v in line.items() if v} for line in reader]

    def keep_before(self, epoch: int) -> None:
        """Take up the file, without the rows of `epoch` and later ones."""
        self.read()
        self.rows = [row for row in self.rows if row["epoch"] < epoch]
        if not self.rows:
            self.columns = []
        self._rewrite()

    def append(self, row: Row) -> None:
        self.rows.append(row)
        new = [name for name in row if name not in self.columns]
        if new:
            self.columns += new
            self._rewrite()
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(self._line(row))

    def _rewrite(self) -> None:
        if not self.columns:
            self.path.unlink(missing_ok=True)
            return
        header = ",".join(self.columns) + "\n"
        write_atomically(self.path, header + "".join(map(self._line, self.rows)))

    def _line(self, row: Row) -> str:
        cells = (f"{row[name]:.8g}" if name in row else "" for name in self.columns)
        return ",".join(cells) + "\n"


class RunSummary(Callback):
    """Block means of the losses to `losses.csv`, every measure of an epoch to `metrics.csv`.

    .. code-block:: yaml

        run_summary:
          _target_: callbacks.run_summary.RunSummary
          block: 50

    What `training_step` returns under a name with a slash (`loss/generator`) is added up where it
    lies and read once a block, so a batch costs a few additions and no synchronisation. Epoch means
    are logged, for loggers and other callbacks to see. It must come after the callbacks that
    measure (`conf.run.run` sees to that): its row holds what they logged in this epoch.

    `epoch` counts from 0, as in W&B; `batch` is the number of batches trained so far.

    Args:
        block: batches in a row of `losses.csv`; an epoch ends its last block early.

    Attributes:
        rows: those of `metrics.csv`.
        seconds_before: time that earlier processes spent training this run.
    """

    def __init__(self, block: int = 50) -> None:
        if block < 1:
            raise ValueError(f"block is {block}, a block of losses needs at least 1 batch")
        self.block = block
        self.seconds_before = 0.0
        self._metrics: Table | None = None
        self._losses: Table | None = None
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._in_block = 0
        self._epoch_sums: dict[str, float] = {}
        self._epoch_counts: dict[str, int] = {}
        self._earlier: dict[str, Tensor] = {}
        self._clock = time.monotonic()

    @property
    def rows(self) -> list[Row]:
        return self._metrics.rows if self._metrics else []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Only here is a checkpoint known to have been restored; before, nothing may be touched.
        self._clock = time.monotonic()
        if trainer.is_global_zero:
            directory = Path(trainer.default_root_dir)
            self._metrics = Table(directory / "metrics.csv")
            self._losses = Table(directory / "losses.csv")
            for table in (self._metrics, self._losses):
                table.keep_before(trainer.current_epoch)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._epoch_sums, self._epoch_counts = {}, {}
        self._sums, self._counts, self._in_block = {}, {}, 0
        # callback_metrics keeps the values of earlier epochs; what is still the same object at the
        # end of this one was not measured in it.
        self._earlier = dict(trainer.callback_metrics)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if isinstance(outputs, Mapping):
            for name, value in outputs.items():
                if "/" in name:
                    value = torch.as_tensor(value).detach()
                    self._sums[name] = self._sums[name] + value if name in self._sums else value
                    self._counts[name] = self._counts.get(name, 0) + 1
        self._in_block += 1
        if self._in_block == self.block:
            self._close_block(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close_block(trainer)
        means = {name: s / self._epoch_counts[name] for name, s in self._epoch_sums.items()}
        pl_module.log_dict(means, sync_dist=True)
        measured = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if self._earlier.get(name) is not value
        }
        if self._metrics:
            self._metrics.append(
                {"epoch": trainer.current_epoch, "batch": batches_trained(trainer)}
                | means
                | measured
            )

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # A run that was stopped after its last epoch is taken up here, and trains no more.
        if self._metrics is None and trainer.is_global_zero:
            self._metrics = Table(Path(trainer.default_root_dir) / "metrics.csv")
            self._metrics.read()

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds_before + time.monotonic() - self._clock}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds_before = state_dict["seconds"]

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["module"] = model_name(pl_module)

    def _close_block(self, trainer: Trainer) -> None:
        if self._sums:
            names = list(self._sums)
            means = torch.stack([self._sums[n].float() / self._counts[n] for n in names])
            values = trainer.strategy.reduce(means, reduce_op="mean").tolist()
            for name, value in zip(names, values, strict=True):
                count = self._counts[name]
                self._epoch_sums[name] = self._epoch_sums.get(name, 0.0) + value * count
                self._epoch_counts[name] = self._epoch_counts.get(name, 0) + count
            if self._losses:
                row: Row = {"epoch": trainer.current_epoch, "batch": batches_trained(trainer)}
                self._losses.append(row | dict(zip(names, values, strict=True)))
        self._sums, self._counts, self._in_block = {}, {}, 0
