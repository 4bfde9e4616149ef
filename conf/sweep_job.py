"""A job of a sweep: what is left to do of it, in one line on the screen and one on file."""

import json
import logging
import math
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console
from rich.text import Text

from callbacks.glance import glance
from conf.errors import EXPECTED, one_line
from conf.signals import die_of, signal_of, signals_as_exit
from conf.sweep_folder import TakenUp, alone_in, summary, take_up

COLOURS = {"finished": "green", "failed": "red", "stopped": "yellow"}
"""How a job may end, and the colour of that word on a terminal."""

WIDEST = 60
"""Characters of a job's overrides, beyond which the columns of later lines move."""


@dataclass(frozen=True)
class Ended:
    """How a job ended, a line of `SWEEP/jobs.jsonl`.

    Attributes:
        job: its number, which is the name of its folder.
        outcome: a key of `COLOURS`.
        note: how it took up its folder; `"before"` where there was nothing left to do.
        said: its measures in a few words.
        error: why it failed, in one line.
        value: the optimised metric.
        seconds: that it took, of this start of the sweep alone.
    """

    job: int
    outcome: str
    note: str
    said: str
    error: str | None
    value: float | None
    seconds: float


def run_job(
    function: Callable[[DictConfig], Any], cfg: DictConfig, full_error: bool = False
) -> float | None:
    """Do what is left to do of a job, and tell how it ended.

    Args:
        function: what the command does with a config.
        cfg: the job's.
        full_error: print the traceback of an error too.

    Returns:
        The optimised metric, that of an earlier start where the job was finished in it; NaN where
        the job failed, which optimisers take for a failed trial.
    """
    # What a run says of itself on the way, every job would repeat.
    logging.getLogger().setLevel(logging.WARNING)
    hydra = HydraConfig.get()
    directory, sweep = Path(hydra.runtime.output_dir), Path(hydra.sweep.dir)
    began = time.monotonic()
    left: TakenUp | None = None

    def end(outcome: str, value: float | None = None, error: str | None = None) -> None:
        said = glance(cfg.get("glance") or (), summary(directory).get("final") or {})
        note, seconds = left.note if left else "", round(time.monotonic() - began, 3)
        known = value if isinstance(value, float) and math.isfinite(value) else None
        ended = Ended(hydra.job.num, outcome, note, said, error, known, seconds)
        _append(sweep / "jobs.jsonl", json.dumps(asdict(ended)))
        tell(ended, chosen_overrides(sweep, hydra.job.num, list(hydra.overrides.task)))

    with signals_as_exit():
        try:
            with alone_in(directory):
                left = take_up(cfg, directory)
                value = left.value if left.finished else function(left.cfg)
        except Exception as failure:
            if full_error:
                traceback.print_exc()
            error = one_line(failure)
            if not isinstance(failure, EXPECTED):
                error += f" (see {directory.name}/traceback.txt)"
            end("failed", error=error)
            return math.nan
        except BaseException as stop:
            end("stopped")
            number = signal_of(stop)
            if number is not None and multiprocessing.parent_process() is not None:
                die_of(number)
            raise
        end("finished", value)
        return value


def read_ended(sweep: Path) -> list[Ended]:
    """Read how the jobs of a sweep ended, those of every start of it, in the order of time."""
    path = sweep / "jobs.jsonl"
    if not path.is_file():
        return []
    return [Ended(**json.loads(text)) for text in path.read_text(encoding="utf-8").splitlines()]


def read_jobs(sweep: Path) -> list[list[str]]:
    """The overrides of each job of a sweep; none where they are made up on the way."""
    path = sweep / "sweep.json"
    return json.loads(path.read_text(encoding="utf-8"))["jobs"] if path.is_file() else []


def chosen_overrides(sweep: Path, job: int, overrides: Sequence[str]) -> tuple[str, int, int]:
    """What tells a job from the others of its sweep.

    Args:
        sweep: the folder.
        job: the job's number.
        overrides: its own, for a sweep whose jobs are not known before.

    Returns:
        The overrides that not all jobs share, how many characters they have at most, and how many
        jobs there are (0 where that is not known).
    """
    jobs = read_jobs(sweep)
    if job >= len(jobs):
        return " ".join(overrides), 0, 0
    common = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
    texts = [" ".join(o for o in each if o not in common) for each in jobs]
    return texts[job], min(WIDEST, max(map(len, texts))), len(jobs)


def tell(ended: Ended, chosen: tuple[str, int, int]) -> None:
    """Print how a job ended, in a line.

    Args:
        ended: the job.
        chosen: what `chosen_overrides` gives.
    """
    overrides, width, jobs = chosen
    place = f"{ended.job + 1:>{len(str(jobs))}}/{jobs}" if jobs else f"{ended.job + 1}"
    text = Text(f"{place}  {overrides:<{width}}  ")
    text.append(f"{ended.outcome:<8}", style=COLOURS[ended.outcome])
    parts = [f"({ended.note})"] * bool(ended.note)
    parts += [ended.error or ended.said] * bool(ended.error or ended.said)
    parts += [duration(ended.seconds)] * (ended.note != "before")
    Console(highlight=False).print(text.append("  " + "  ".join(parts)), soft_wrap=True)


def duration(seconds: float) -> str:
    """A time in the unit one would say it in."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _append(path: Path, text: str) -> None:
    # One write to the end of the file, whole lines whichever processes share it.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, f"{text}\n".encode())
    finally:
        os.close(file)
