"""TensorBoard as one more place where measures go, into the run's own folder."""

from collections.abc import Mapping

from lightning.pytorch.loggers import TensorBoardLogger


class EpochTensorBoard(TensorBoardLogger):
    """Lightning's logger, with epochs as the axis of its charts.

    Optimizer steps would not do: two optimizers count two of them a batch. What is measured on test
    data goes under `final/NAME`.

    Attributes:
        testing: what is logged now is measured on test data.
    """

    testing = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        epoch = metrics.get("epoch", step)
        named = {f"final/{k}" if self.testing else k: v for k, v in metrics.items() if k != "epoch"}
        super().log_metrics(named, step=None if epoch is None else int(epoch))


def tensorboard_logger(save_dir: str) -> EpochTensorBoard:
    """Write events to `save_dir/tensorboard`.

    .. code-block:: yaml

        tensorboard:
          _target_: conf.tensorboard.tensorboard_logger
          save_dir: ${hydra:runtime.output_dir}

    Args:
        save_dir: the run directory.

    Raises:
        ValueError: the package is not installed.
    """
    try:
        return EpochTensorBoard(
            save_dir=save_dir, name="tensorboard", version="", default_hp_metric=False
        )
    except ModuleNotFoundError as error:
        raise ValueError(
            "logger=tensorboard needs a package: pip install tensorboard, or choose logger=csv"
        ) from error
