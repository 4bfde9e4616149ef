"""A sweep that can be stopped and started again: its folder, its jobs, and how it ended.

`SWEEP/sweep.json` names the jobs, so that the folder is refused to another sweep, and every job
adds a line to `SWEEP/jobs.jsonl` (`conf.sweep_job`). What a job that is started again does with
its own folder is in `conf.sweep_folder`.
"""

import contextlib
import json
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from callbacks.atomic import write_atomically
from callbacks.glance import place
from conf.errors import one_line
from conf.sweep_folder import alone_in
from conf.sweep_job import COLOURS, chosen_overrides, duration, read_ended, tell


@dataclass
class Sweep:
    """A sweep, as the process sees it that starts the jobs.

    Attributes:
        directory: of the sweep.
        jobs: overrides of each; None where a sweeper makes them up on the way.
        lines_before: that `jobs.jsonl` had when it was started.
        elsewhere: jobs tell of themselves where their output goes, not on this terminal.
        lock: keeps other processes out while it is open.
    """

    directory: Path
    jobs: list[list[str]] | None
    lines_before: int
    elsewhere: bool
    lock: contextlib.ExitStack
    began: float = field(default_factory=time.monotonic)

    def close(self, stop: Signals | None = None, failure: str | None = None) -> int:
        """Say how the sweep ended: what failed, and which command goes on.

        Args:
            stop: the signal that stopped it.
            failure: what broke the sweep itself, not a job of it.

        Returns:
            The exit code: 0 where every job is finished, 128 + signal where one stopped it.
        """
        self.lock.close()
        ended = {job.job: job for job in read_ended(self.directory)[self.lines_before :]}
        if self.elsewhere:
            for number, job in sorted(ended.items()):
                tell(job, chosen_overrides(self.directory, number, []))
        total = len(ended) if self.jobs is None else len(self.jobs)
        counts = {word: sum(job.outcome == word for job in ended.values()) for word in COLOURS}
        counts["not run"] = total - len(ended)
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        print(f"{said}; {duration(time.monotonic() - self.began)}; {place(self.directory)}")
        if any(self.directory.glob("*/wandb/offline-run-*")):
            runs = shlex.quote(place(self.directory)) + "/*/wandb/offline-run-*"
            print(f"W&B was offline: upload with `wandb sync {runs}`")
        sys.stdout.flush()

        for number, job in sorted(ended.items()):
            if job.outcome == "failed":
                chosen = chosen_overrides(self.directory, number, [])[0]
                sys.stderr.write(f"error: job {number} ({chosen}): {job.error}\n")
        if failure is not None:
            sys.stderr.write(f"error: {failure}\n")
        if stop is None and failure is None and counts["finished"] == total:
            if total > 1:
                print(f"compare: python -m callbacks.runs compare {place(self.directory)}")
            return 0
        stopped = f"stopped by {stop.name}; " if stop is not None else ""
        sys.stderr.write(f"{stopped}go on with: {again(self.directory)}\n")
        return 1 if stop is None else 128 + stop

    def abandon(self) -> None:
        """Let go of the folder, if its arguments make no config and no job has been run."""
        self.lock.close()
        if not (self.directory / "jobs.jsonl").exists():
            (self.directory / "sweep.json").unlink(missing_ok=True)


_begun: list[Sweep] = []


def begun() -> Sweep | None:
    """The sweep that this process has begun, if it has."""
    return _begun[-1] if _begun else None


class Begin(Callback):
    """Hydra's way to call `begin` where a sweep starts.

    .. code-block:: yaml

        hydra:
          callbacks:
            sweep:
              _target_: conf.sweeps.Begin
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            begin(config)
        except (ValueError, OSError) as error:
            # Hydra turns what a callback raises into a warning, unless it is an exit.
            sys.stderr.write(f"error: {one_line(error)}\n")
            raise SystemExit(2) from error


def begin(config: DictConfig) -> None:
    """Take hold of a sweep's folder.

    Args:
        config: Hydra's, with the arguments of the sweep.

    Raises:
        ValueError: another sweep has used the folder, or another process is at work in it.
        OSError: it cannot be written.
    """
    directory = Path(config.hydra.sweep.dir).absolute()
    jobs = jobs_of(config)
    lock = contextlib.ExitStack()
    lock.enter_context(alone_in(directory))
    if jobs is not None:
        _take_hold(directory / "sweep.json", {"app": config.app, "jobs": jobs})
    earlier = read_ended(directory)
    launcher = config.hydra.runtime.choices["hydra/launcher"] or ""
    elsewhere = launcher.startswith("submitit")
    _begun.append(Sweep(directory, jobs, len(earlier), elsewhere, lock))
    done = len({job.job for job in earlier if job.outcome == "finished"})
    count = "a sweep" if jobs is None else "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"
    rest = f", {done} of them finished before" if done else ""
    print(f"{count} in {place(directory)}{rest}", flush=True)


def jobs_of(config: DictConfig) -> list[list[str]] | None:
    """List the overrides of every job; None where the sweeper makes them up on the way.

    Args:
        config: Hydra's, with the arguments of the sweep.
    """
    sweeper = config.hydra.sweeper
    if sweeper._target_.rpartition(".")[2] != BasicSweeper.__name__:
        return None
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    given = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    given += config.hydra.overrides.task
    return BasicSweeper.split_arguments(parser.parse_overrides(given), None)[0]


def again(directory: Path) -> str:
    """The command line of this process, with the sweep's folder named."""
    spec = sys.modules["__main__"].__spec__
    program = ["python", "-m", spec.name] if spec is not None else ["python", sys.argv[0]]
    arguments = [a for a in sys.argv[1:] if not a.startswith("hydra.sweep.dir=")]
    return shlex.join([*program, *arguments, f"hydra.sweep.dir={place(directory)}"])


def _take_hold(path: Path, sweep: dict[str, Any]) -> None:
    """Record a sweep in its folder; more jobs at the end are the one thing that may be added."""
    if path.is_file():
        there = json.loads(path.read_text(encoding="utf-8"))
        if there == sweep:
            return
        if difference := _difference(there, sweep):
            raise ValueError(
                f"{place(path.parent)} is the folder of another sweep: {difference}; "
                "repeat its arguments, or choose another folder with hydra.sweep.dir=FOLDER"
            )
    write_atomically(path, json.dumps(sweep, indent=2) + "\n")


def _difference(there: dict[str, Any], here: dict[str, Any]) -> str | None:
    if there["app"] != here["app"]:
        return f"it is of {there['app']}, not of {here['app']}"
    if len(there["jobs"]) > len(here["jobs"]):
        return f"it has {len(there['jobs'])} jobs, this one {len(here['jobs'])}"
    for number, (job, this) in enumerate(zip(there["jobs"], here["jobs"], strict=False)):
        if set(job) != set(this):
            own, others = (
                " ".join(o for o in a if o not in b) or "nothing"
                for a, b in ((job, this), (this, job))
            )
            return f"job {number} has {own} there and {others} here"
    return None
