"""Weights & Biases that never asks, never waits for a network, and ends with its job.

What is logged, and under which names, is in `docs/dashboards.md`.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger, WandbLogger

from conf.code_version import code_version
from conf.errors import one_line

log = logging.getLogger(__name__)

LONGEST_TAG = 64
"""Characters that W&B takes."""

_placed: set[str] = set()  # variables of W&B's that were set here, and not by the user


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
    """Name what the runs of one sweep share, Hydra's or W&B's; None for a run on its own."""
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        return Path(HydraConfig.get().sweep.dir).name
    return os.environ.get("WANDB_SWEEP_ID")


class EpochWandb(WandbLogger):
    """Lightning's logger, whose rows are epochs: of validation measures, and of nothing else.

    Lightning hands over test measures under the names of the validation ones, as if they were of
    one more epoch. While `testing` they are left out; `finish` puts them into the run's summary.

    Args:
        headline: measure -> `"max"` or `"min"`.
        objective: the measure that a sweep looks at, logged as `objective` too; None for none.
        options: of Lightning's logger.

    Attributes:
        testing: what is logged now is measured on test data.
    """

    def __init__(
        self, headline: Mapping[str, str], objective: str | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.headline, self.objective, self.testing = headline, objective, False

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        row = dict(metrics)
        if self.testing:
            row = {name: v for name, v in row.items() if not isinstance(v, int | float)}
        elif self.objective in row:
            row["objective"] = row[self.objective]
        if row:
            # Without the step: optimizer steps are not what any of the charts is over.
            self.experiment.log(row)


def wandb_logger(
    project: str,
    name: str,
    job_type: str,
    save_dir: str,
    entity: str | None = None,
    tags: Iterable[str] = (),
    headline: Mapping[str, str] | None = None,
    objective: str | None = None,
    checkpoints: str = "online",
) -> WandbLogger:
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
        save_dir: the run directory; nothing is written outside of it.
        entity: whose project; None for W&B's default.
        tags: words to find the run by.
        headline: measure -> `"max"` or `"min"`: the best value is kept in the run's summary.
        objective: the measure that a sweep looks at; it is logged as `objective` too.
        checkpoints: when to keep the run's checkpoints as artifacts: `"online"`, `"always"` (they
            go up with `wandb sync`) or `"never"`.

    Raises:
        ValueError: a direction of `headline`, or `checkpoints`, is none of these.
    """
    headline = dict(headline or {})
    for measure, direction in headline.items():
        if direction not in ("max", "min"):
            raise ValueError(f"headline.{measure} is {direction!r}, it must be 'max' or 'min'")
    if checkpoints not in ("online", "always", "never"):
        raise ValueError(
            f"logger.wandb.checkpoints is {checkpoints!r}, it must be online, always or never"
        )
    if not main_process():
        return EpochWandb(headline, objective, project=project, name=name, save_dir=save_dir)
    _stay_inside(Path(save_dir))

    def start(mode: str) -> wandb.Run:
        return wandb.init(
            entity=entity,
            project=project,
            name=name,
            job_type=job_type,
            group=sweep_name(),
            tags=list(dict.fromkeys(tag[:LONGEST_TAG] for tag in tags if tag)),
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
        mode, run = "offline", start("offline")
    run.define_metric("epoch", hidden=True)
    run.define_metric("*", step_metric="epoch")
    for measure, direction in headline.items():
        run.define_metric(measure, step_metric="epoch", summary=direction)
    return EpochWandb(
        headline,
        objective,
        project=project,
        name=name,
        save_dir=save_dir,
        experiment=run,
        log_model=checkpoints == "always" or (checkpoints == "online" and mode == "online"),
        add_file_policy="immutable",  # no second copy: a finished run's checkpoints stay
    )


def _stay_inside(directory: Path) -> None:
    """Let W&B's logs, cache and staged artifacts be in the run directory, not in the home.

    Where the user has said where they belong, they go there.
    """
    for name, folder in (("WANDB_CACHE_DIR", "cache"), ("WANDB_DATA_DIR", "data")):
        if name in _placed or name not in os.environ:
            _placed.add(name)
            os.environ[name] = str((directory / "wandb" / folder).absolute())


@contextmanager
def on_test_data(loggers: Iterable[Logger]) -> Iterator[None]:
    """Let loggers know that what is measured meanwhile is measured on test data."""
    told: list[Any] = [logger for logger in loggers if hasattr(logger, "testing")]
    for logger in told:
        logger.testing = True
    try:
        yield
    finally:
        for logger in told:
            logger.testing = False


def finish(
    loggers: Iterable[Logger], exit_code: int, summary: Mapping[str, Any] | None = None
) -> None:
    """End the W&B runs among `loggers`, and say where an offline one lies.

    Args:
        loggers: those of the run.
        exit_code: 0 marks the W&B run finished, anything else failed.
        summary: of the run, as in `summary.json`; None where there is none.
    """
    if not main_process():
        return
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            run = logger.experiment
            if summary is not None:
                run.summary.update(outcome(summary, getattr(logger, "headline", ())))
            folder, offline = run.settings.sync_dir, run.settings.mode == "offline"
            run.finish(exit_code=exit_code)
            if offline:
                log.info(
                    "W&B was offline: upload with `wandb sync %s`, browse with `wandb leet %s`",
                    folder,
                    folder,
                )


def outcome(summary: Mapping[str, Any], headline: Iterable[str]) -> dict[str, Any]:
    """Say what a run came to, in the names of a W&B run's summary.

    Args:
        summary: as in `summary.json`.
        headline: the measures whose floor and ceiling are wanted.

    Returns:
        `final/NAME`, `floor/NAME`, `ceiling/NAME`, `verdict`, `status` and the fingerprints of
        data, judge and code, as far as they are known.
    """
    values = {f"final/{name}": value for name, value in summary["final"].items()}
    for kind in ("floor", "ceiling"):
        values |= {f"{kind}/{name}": summary[kind].get(name) for name in headline}
    values |= {key: summary[key] for key in ("verdict", "status", "error")}
    values |= {f"fingerprint/{what}": summary[what] for what in ("data", "judge")}
    values["fingerprint/code"] = code_version()
    return {name: value for name, value in values.items() if value is not None}
