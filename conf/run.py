"""`run(cfg)`: a config becomes a seeded, fitted, measured, finished run, whatever its domain."""

import contextlib
import json
import logging
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Checkpoint, LambdaCallback, ProgressBar
from omegaconf import DictConfig, OmegaConf

from callbacks.run_end import RunEnd
from callbacks.run_summary import RunSummary, write_atomically
from conf.checkpoints import check_checkpoint
from conf.errors import check_seed, one_line
from conf.signals import signal_of, signals_as_exit
from conf.summary import Run, summarize
from conf.sweep_folder import alone_in
from conf.tracking import finish, main_process, on_test_data

log = logging.getLogger(__name__)

# What Lightning says of things that are meant (data lies in memory and needs no workers, a resumed
# run writes into its folder, losses are logged once an epoch, every process measures the same), and
# of its own use of torch.
EXPECTED_WARNINGS = (
    ".*does not have many workers.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*is smaller than the logging interval.*",
    ".*It is recommended to use .*sync_dist=True.*",
    ".*LeafSpec.*is deprecated.*",
    ".*in eval mode at the start of training.*",
)


def run(cfg: DictConfig) -> float | None:
    """Do what a config says, inside a Hydra job, and leave a run directory that describes itself.

    Whatever happens, `summary.json` says how it ended and the loggers are finished; only a resume
    that fails before training goes on leaves its directory as it was.

    Args:
        cfg: the composed config; `cfg.module` names the group that holds the LightningModule.

    Returns:
        The last validation value of `cfg.optimized_metric`, for sweepers; None without one.

    Raises:
        ValueError: the config, the run directory or the checkpoint does not fit, or another process
            is at work there.
        FileNotFoundError: there is no checkpoint at `cfg.ckpt_path`.
    """
    began = time.monotonic()
    parts = Run(cfg, Path(HydraConfig.get().runtime.output_dir))
    status, error = "failed", None
    with signals_as_exit(), _held(parts.directory), warnings.catch_warnings():
        for message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        try:
            _claim(parts)
            _build(parts)
            _fit_and_test(parts)
            status = "finished"
        except Exception as failure:
            error = one_line(failure)
            if parts.may_write:
                write_atomically(parts.directory / "traceback.txt", traceback.format_exc())
            raise
        except BaseException as stop:
            status, error = "interrupted", _reason(stop)
            raise
        finally:
            summary = None
            try:
                if parts.may_write:
                    summary = summarize(parts, status, error, time.monotonic() - began)
                    text = json.dumps(summary, indent=2, default=str) + "\n"
                    write_atomically(parts.directory / "summary.json", text)
            finally:
                finish(parts.loggers, 0 if status == "finished" else 1, summary)
            if parts.may_write:
                _after_summary(parts)
            if status == "interrupted" and parts.may_write:
                _show(parts)
    if not main_process():
        return None
    _show(parts)
    return _optimized(parts)


def _held(directory: Path) -> contextlib.AbstractContextManager[None]:
    """Keep other runs out of a folder; a job of a sweep holds its own already."""
    if HydraConfig.get().mode == RunMode.MULTIRUN or not main_process():
        return contextlib.nullcontext()
    return alone_in(directory)


def _claim(run: Run) -> None:
    """Make sure that nobody's results are in the way, before anything is written."""
    check_seed(run.cfg)
    if not main_process():
        return
    max_epochs = run.cfg.trainer.get("max_epochs")
    if not isinstance(max_epochs, int | None) or max_epochs == 0 or (max_epochs or 1) < -1:
        raise ValueError(f"trainer.max_epochs is {max_epochs!r}, it must be a whole number above 0")
    holds_run = (run.directory / "metrics.csv").exists() or any(
        (run.directory / "checkpoints").glob("*.ckpt")
    )
    if not holds_run:
        try:
            _take_over(run)
        except OSError as error:
            raise ValueError(
                f"cannot write the run's folder, {one_line(error)}; "
                "choose another with hydra.run.dir=FOLDER"
            ) from error
        return
    ckpt_path = run.cfg.get("ckpt_path")
    if ckpt_path is None or run.directory.resolve() not in Path(ckpt_path).resolve().parents:
        raise ValueError(
            f"{run.directory} holds a run already; choose another folder with "
            f"hydra.run.dir=FOLDER, or go on with ckpt_path={run.directory}/checkpoints/last.ckpt"
        )


def _build(run: Run) -> None:
    """Build every part; loggers come last, when all that can be refused has been."""
    cfg = run.cfg
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    seed_everything(cfg.seed, workers=True, verbose=False)
    run.datamodule = instantiate(cfg.data, _convert_="all")
    run.module = module = instantiate(cfg[cfg.module], _convert_="all")
    if cfg.get("ckpt_path") is not None:
        check_checkpoint(Path(cfg.ckpt_path), module, cfg.trainer.get("max_epochs"))
    entries = (cfg.get("callbacks") or {}).values()
    run.callbacks = [instantiate(entry, _convert_="all") for entry in entries if entry]
    run.callbacks.sort(key=lambda callback: isinstance(callback, RunSummary))

    trainer: Trainer = instantiate(
        cfg.trainer,
        callbacks=[
            *run.callbacks,
            LambdaCallback(
                on_train_start=lambda *_: _take_over(run),
                on_train_epoch_start=lambda trainer, _: _own_noise(trainer, cfg.seed),
            ),
        ],
        logger=False,
        default_root_dir=str(run.directory),
        enable_progress_bar=any(isinstance(c, ProgressBar) for c in run.callbacks),
        enable_checkpointing=any(isinstance(c, Checkpoint) for c in run.callbacks),
        _convert_="all",
    )
    _refuse_parallel_sweep(trainer)
    entries = (cfg.get("logger") or {}).values()
    run.loggers += [instantiate(entry, _convert_="all") for entry in entries if entry]
    trainer.loggers = run.loggers
    run.trainer = trainer


def _own_noise(trainer: Trainer, seed: int) -> None:
    """Let processes that share the batches draw other noise, each epoch's known from its number."""
    if trainer.world_size > 1:
        entropy = np.random.SeedSequence([seed, trainer.current_epoch, trainer.global_rank])
        torch.manual_seed(int(entropy.generate_state(1)[0]))


def _refuse_parallel_sweep(trainer: Trainer) -> None:
    if trainer.world_size > 1 and HydraConfig.get().mode == RunMode.MULTIRUN:
        raise ValueError(
            f"a sweep with {trainer.world_size} processes in a job is refused: Lightning starts "
            "the command again for each of them, so every process would run the whole sweep. "
            "Set trainer.devices=1, or start the jobs one by one without -m"
        )


def _fit_and_test(run: Run) -> None:
    trainer, module, datamodule = run.trainer, run.module, run.datamodule
    if trainer is None or module is None:
        raise RuntimeError("_build comes first")
    settings: Any = OmegaConf.to_container(run.cfg, resolve=True)
    for logger in run.loggers:
        logger.log_hyperparams(settings)
    trainer.fit(
        module, datamodule=datamodule, ckpt_path=run.cfg.get("ckpt_path"), weights_only=True
    )
    _take_over(run)
    with on_test_data(run.loggers):
        trainer.test(module, datamodule=datamodule, verbose=False)
    run.final = {name: float(value) for name, value in trainer.callback_metrics.items()}


def _take_over(run: Run) -> None:
    """Begin to write: an empty directory at once, a resumed one when its checkpoint is restored."""
    if not run.may_write and main_process():
        write_atomically(run.directory / "config.yaml", OmegaConf.to_yaml(run.cfg, resolve=True))
        (run.directory / "traceback.txt").unlink(missing_ok=True)
        run.may_write = True


def _after_summary(run: Run) -> None:
    """Let callbacks write what needs the summary; none of them changes how the run ended."""
    for callback in run.callbacks:
        if (write := getattr(callback, "after_summary", None)) is not None:
            try:
                write(run.directory)
            except Exception as error:
                log.warning("%s: %s", type(callback).__name__, one_line(error))


def _show(run: Run) -> None:
    """Say on the screen how the run ended, when all of its files are there."""
    ends = [callback for callback in run.callbacks if isinstance(callback, RunEnd)]
    if not ends:
        log.info("the run is in %s", run.directory)
    for end in ends:
        end.show(run.directory)


def _optimized(run: Run) -> float | None:
    name, rows = run.cfg.get("optimized_metric"), run.record.rows if run.record else []
    if name is None:
        return None
    values = [row[name] for row in rows if name in row]
    if not values:
        log.warning("optimized_metric=%s was never measured in this run", name)
    return values[-1] if values else None


def _reason(stop: BaseException) -> str:
    number = signal_of(stop)
    return type(stop).__name__ if number is None else f"stopped by {number.name}"
