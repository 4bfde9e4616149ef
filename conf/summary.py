"""What `summary.json` says of a run: its schema is a contract, so add to it and rename nothing."""

import contextlib
import math
import platform
import shlex
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from callbacks.run_directory import now
from callbacks.run_summary import Row, RunSummary, batches_trained, best_values

PACKAGES = ("modekeeper", "torch", "lightning", "hydra-core", "torchmetrics", "numpy", "wandb")


@dataclass
class Run:
    """The parts of one run, as far as they have been built, and what it found.

    Attributes:
        cfg: the composed config.
        directory: the run directory.
        may_write: no earlier results in it can come to harm.
        final: the test measures.
    """

    cfg: DictConfig
    directory: Path
    may_write: bool = False
    datamodule: LightningDataModule | None = None
    module: LightningModule | None = None
    callbacks: list[Callback] = field(default_factory=list)
    loggers: list[Logger] = field(default_factory=list)
    trainer: Trainer | None = None
    final: Row = field(default_factory=dict)

    @property
    def record(self) -> RunSummary | None:
        """The callback that keeps the rows of `metrics.csv`, unless the config leaves it out."""
        return next((c for c in self.callbacks if isinstance(c, RunSummary)), None)


def summarize(run: Run, status: str, error: str | None, seconds: float) -> dict[str, Any]:
    """Sum a run up, however far it came.

    Args:
        run: its parts.
        status: `"finished"`, `"failed"` or `"interrupted"`.
        error: why it is not finished, in one line.
        seconds: wall time of this process; that of the processes before a resume is added.

    Returns:
        What JSON can hold: a measure that is no finite number is null.
    """
    record = run.record
    summary = {
        "status": status,
        "error": error,
        "command": _command(run.cfg),
        "ended": now(),
        "seed": run.cfg.get("seed"),
        "final": run.final,
        "best": best_values(record.rows if record else [], run.cfg.get("headline") or {}),
        "floor": _gather(run.callbacks, "floor"),
        "ceiling": _gather(run.callbacks, "ceiling"),
        "verdict": next((v for c in run.callbacks if (v := getattr(c, "verdict", None))), None),
        "seconds": round(seconds + (record.seconds_before if record else 0.0), 3),
        "batches": batches_trained(run.trainer) if run.trainer else 0,
        "versions": versions(),
        "data": None,
        "judge": None,
    }
    # Either may need data that the very failure to be reported kept from being read.
    with contextlib.suppress(Exception):
        summary["data"] = getattr(run.datamodule, "fingerprint", None)
        summary["judge"] = getattr(getattr(run.datamodule, "judge", None), "fingerprint", None)
    return plain(summary)


def _command(cfg: DictConfig) -> str:
    hydra = HydraConfig.get()
    return shlex.join(["python", "-m", f"{cfg.app}.{hydra.job.name}", *hydra.overrides.task])


def _gather(callbacks: list[Callback], attribute: str) -> Row:
    gathered: Row = {}
    for callback in callbacks:
        gathered |= getattr(callback, attribute, None) or {}
    return gathered


def versions() -> dict[str, str]:
    """Of Python, and of the packages that shape a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        # Run from a checkout that is not installed, modekeeper itself has no version.
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def plain(value: Any) -> Any:
    """Turn tensors and numpy scalars into numbers, and what JSON does not know, NaN, into null."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
