"""What callbacks share that keep a row for each measured epoch and draw the rows as a figure."""

import copy
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class History(Callback):
    """Keeps rows over a run, saves them with it, and draws them however it ends.

    A subclass appends to `history` and says in `draw_history` what the rows look like.

    Args:
        every_n_epochs: epochs from one measurement to the next.

    Attributes:
        history: a row for each measurement.

    Raises:
        ValueError: `every_n_epochs` below 1.
    """

    def __init__(self, every_n_epochs: int = 1) -> None:
        if every_n_epochs < 1:
            raise ValueError(
                f"{type(self).__name__} needs every_n_epochs of 1 or more, got {every_n_epochs}"
            )
        self.every_n_epochs = every_n_epochs
        self.history: list[dict[str, Any]] = []

    def measured_epoch(self, trainer: Trainer) -> int | None:
        """Number of the epoch that has just ended, from 1, if it is one to be measured."""
        epoch = trainer.current_epoch + 1
        return None if epoch % self.every_n_epochs else epoch

    def draw_history(self, trainer: Trainer) -> None:
        """Draw all rows; called on process zero only, and only where there are any."""
        raise NotImplementedError

    def redraw(self, trainer: Trainer) -> None:
        """Draw what there is, on the process that writes."""
        if trainer.is_global_zero and self.history:
            self.draw_history(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.redraw(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self.redraw(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"history": copy.deepcopy(self.history)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = copy.deepcopy(state_dict["history"])
