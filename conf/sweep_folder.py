"""A job of a sweep takes up what an earlier start of the sweep left in its folder.

| its folder holds | what happens |
|---|---|
| a finished run | it is not run again; its value is read from `metrics.csv` |
| an interrupted run, or one that was killed | goes on from `checkpoints/last.ckpt`, else anew |
| a failed run | is run again |
| a run of another config | is refused, and left as it is |

What a job that starts anew would write over is set aside, in `SWEEP/earlier/`.
"""

import contextlib
import csv
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

try:
    import fcntl
except ImportError:  # Windows has no such locks: there it is for the user to start a sweep once.
    fcntl = None


@dataclass(frozen=True)
class TakenUp:
    """What is left to do.

    Attributes:
        cfg: the config to run.
        finished: nothing is: an earlier start finished the job.
        value: the optimised metric of a finished job; None without one.
        note: in a word or two, where the job goes on or was done; "" where it starts anew.
    """

    cfg: DictConfig
    finished: bool = False
    value: float | None = None
    note: str = ""


def take_up(cfg: DictConfig, directory: Path) -> TakenUp:
    """Look at what a job's folder holds, and make it ready for what is left to do.

    Args:
        cfg: the job's config.
        directory: its folder.

    Raises:
        ValueError: it holds a run of another config, or one whose files cannot be read.
    """
    recorded = directory / "config.yaml"
    if not recorded.is_file():
        set_aside(directory)
        return TakenUp(cfg)
    _refuse_other(cfg, recorded)
    if summary(directory).get("status") == "finished":
        value = last_value(directory, cfg.get("optimized_metric"))
        return TakenUp(cfg, finished=True, value=value, note="before")
    if checkpoint := checkpoint_to_resume(directory):
        cfg = cfg.copy()
        with open_dict(cfg):
            cfg.ckpt_path = str(checkpoint)
        return TakenUp(cfg, note="resumed")
    set_aside(directory)
    return TakenUp(cfg, note="once more")


def checkpoint_to_resume(directory: Path) -> Path | None:
    """The checkpoint from which an unfinished run goes on; None where it has to begin anew.

    Args:
        directory: of the run.
    """
    checkpoint = directory / "checkpoints" / "last.ckpt"
    # A checkpoint is a zip file, whose table of contents comes last: one cut short has none. And
    # what has failed would fail again where it is.
    whole = checkpoint.is_file() and zipfile.is_zipfile(checkpoint)
    return checkpoint if whole and summary(directory).get("status") != "failed" else None


def last_value(directory: Path, measure: str | None) -> float | None:
    """The last value of a measure in a run's `metrics.csv`; None where there is none."""
    table = directory / "metrics.csv"
    if measure is None or not table.is_file():
        return None
    with table.open(newline="", encoding="utf-8") as file:
        values = [row[measure] for row in csv.DictReader(file) if row.get(measure)]
    return float(values[-1]) if values else None


def summary(directory: Path) -> dict[str, Any]:
    """A run's `summary.json`; empty where there is none.

    Raises:
        ValueError: it cannot be read.
    """
    path = directory / "summary.json"
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} cannot be read ({error}); move {directory} away") from error


def set_aside(directory: Path) -> None:
    """Move what a folder holds to `earlier/` beside it, so that a run can begin in it."""
    held = list(directory.iterdir()) if directory.is_dir() else []
    if not held:
        return
    earlier = directory.parent / "earlier"
    number = sum(1 for _ in earlier.glob(f"{directory.name}-*")) + 1
    target = earlier / f"{directory.name}-{number}"
    target.mkdir(parents=True)
    for path in held:
        path.rename(target / path.name)


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Hold a folder against every other process that asks for it in this way.

    Raises:
        ValueError: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    # The folder itself is locked: no file is left behind, and the lock ends with its process.
    with _opened(directory) as folder:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is at work in {directory}: wait for it to end, or stop it"
            ) from None
        yield


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    folder = os.open(directory, os.O_RDONLY)
    try:
        yield folder
    finally:
        os.close(folder)


def _refuse_other(cfg: DictConfig, recorded: Path) -> None:
    there: Any = OmegaConf.to_container(OmegaConf.load(recorded))
    here: Any = OmegaConf.to_container(OmegaConf.create(OmegaConf.to_yaml(cfg, resolve=True)))
    if not isinstance(there, dict):
        raise ValueError(f"{recorded} is no config of a run; move {recorded.parent} away")
    checkpoint = there.get("ckpt_path")
    if checkpoint is not None and recorded.parent.resolve() in Path(checkpoint).resolve().parents:
        # A job that was taken up before; where it began is no longer known.
        there["ckpt_path"] = here.get("ckpt_path")
    if difference := _first_difference(there, here):
        raise ValueError(
            f"{recorded.parent} holds a run of another config: {difference}; "
            "repeat the sweep's arguments, or choose another folder with hydra.sweep.dir=FOLDER"
        )


def _first_difference(there: Any, here: Any, key: str = "") -> str | None:
    if isinstance(there, dict) and isinstance(here, dict):
        for name in [*there, *(name for name in here if name not in there)]:
            dotted = f"{key}.{name}" if key else str(name)
            if name not in here:
                return f"{dotted} is not here"
            if name not in there:
                return f"{dotted} is not there"
            if difference := _first_difference(there[name], here[name], dotted):
                return difference
        return None
    return None if there == here else f"{key} is {there!r} there and {here!r} here"
