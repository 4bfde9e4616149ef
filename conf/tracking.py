"""Weights & Biases that never asks, never waits for a network, and ends with its job."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger, WandbLogger

from conf.errors import one_line

log = logging.getLogger(__name__)


def main_process() -> bool:
    """Say whether this process is the one that writes, of those that share a run."""
    return getattr(rank_zero_only, "rank", 0) == 0


def tracking_mode() -> str:
    """Say whether W&B can go online: `"online"`, `"offline"` or `"disabled"`.

    `WANDB_MODE` may ask for less than what is possible, never for more: without a key (in
    `WANDB_API_KEY`, a netrc file or W&B's settings) going online would end in a prompt.
    """
    asked = os.environ.get("WANDB_MODE", "online")
    if asked in ("offline", "dryrun"):
        return "offline"
    if asked == "disabled":
        return "disabled"
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def sweep_name() -> str | None:
    """Name what the jobs of one multirun share, or None for a run on its own."""
    if not HydraConfig.initialized():
        return None
    hydra = HydraConfig.get()
    return Path(hydra.sweep.dir).name if hydra.mode == RunMode.MULTIRUN else None


def wandb_logger(project: str, name: str, job_type: str, save_dir: str) -> WandbLogger:
    """Start the W&B run of this job, in `save_dir`.

    The run is started here and not by Lightning, for three reasons: a network that is down must
    not end a run that has a key; epochs are the axis of its charts, not optimizer steps; and a run
    that an earlier job of the sweep left open would be reused. It is for `finish` to end it.

    .. code-block:: yaml

        wandb:
          _target_: conf.tracking.wandb_logger
          project: modekeeper
          name: ${name}-${seed}
          job_type: ${app}
          save_dir: ${hydra:runtime.output_dir}

    Args:
        project: the W&B project.
        name: the run's name in it.
        job_type: the domain, `fontgan` or `drumvae`.
        save_dir: the run directory.
    """
    if not main_process():
        return WandbLogger(project=project, name=name, save_dir=save_dir)

    def start(mode: str) -> wandb.Run:
        return wandb.init(
            project=project,
            name=name,
            job_type=job_type,
            group=sweep_name(),
            dir=save_dir,
            mode=mode,  # pyright: ignore[reportArgumentType]
            reinit="finish_previous",
            settings=wandb.Settings(silent=True, console="off", init_timeout=30),
        )

    mode = tracking_mode()
    try:
        run = start(mode)
    except wandb.Error as error:
        if mode != "online":
            raise
        log.warning("W&B cannot be reached (%s), so this run is recorded offline", one_line(error))
        run = start("offline")
    run.define_metric("epoch", hidden=True)
    run.define_metric("*", step_metric="epoch")
    return WandbLogger(project=project, name=name, save_dir=save_dir, experiment=run)


def finish(loggers: Iterable[Logger], exit_code: int) -> None:
    """End the W&B runs among `loggers`, and say where an offline one lies.

    Args:
        loggers: those of the run.
        exit_code: 0 marks the W&B run finished, anything else failed.
    """
    if not main_process():
        return
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            run = logger.experiment
            folder, offline = run.settings.sync_dir, run.settings.mode == "offline"
            run.finish(exit_code=exit_code)
            if offline:
                log.info(
                    "W&B was offline: upload with `wandb sync %s`, browse with `wandb leet %s`",
                    folder,
                    folder,
                )
