"""How pictures, tables and histograms of a run reach W&B: one name each, at the epoch they show."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


def log_media(
    trainer: "Trainer", name: str, content: Callable[[Any], Any], epoch: int | None = None
) -> None:
    """Log what is no number, where the run has W&B; call it on process zero only.

    W&B puts what comes without an epoch beside the last row of measures. A callback that logs
    before that row is there says which epoch it is.

    Args:
        trainer: of the run.
        name: under which W&B shows it, the same each time.
        content: given the `wandb` module, makes what is logged.
        epoch: counted from 0, as in the rows; None for the last that was logged.
    """
    from lightning.pytorch.loggers import WandbLogger  # Slow: runs without W&B need it not.

    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            row = {} if epoch is None else {"epoch": epoch}
            logger.experiment.log({name: content(wandb)} | row)


def log_table(
    trainer: "Trainer", name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Log a table, where the run has W&B; call it on process zero only.

    Args:
        trainer: of the run.
        name: under which W&B shows it, as `tables/<name>`.
        columns: their names.
        rows: a value for each column, None where there is none.
    """
    log_media(
        trainer, f"tables/{name}", lambda wandb: wandb.Table([*columns], [[*row] for row in rows])
    )
