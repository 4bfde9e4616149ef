"""What the evaluations of both domains leave behind: a run directory, and a table on the screen."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from callbacks.glance import cell
from callbacks.run_directory import now
from callbacks.run_summary import write_atomically
from conf.summary import plain, versions

Values = Mapping[str, float]


@dataclass(frozen=True)
class Found:
    """What an evaluation found.

    Attributes:
        measured: the checkpoint, or the file of samples.
        samples: how many.
        final: all measures.
        floor: what knows nothing gets, of the measures that have one.
        ceiling: what real data gets.
        verdict: in a sentence; None where there is none.
        data: fingerprint of what it was measured against.
        judge: fingerprint of the judge; None where there is none.
    """

    measured: str
    samples: int
    final: Values
    floor: Values
    ceiling: Values
    verdict: str | None
    data: str
    judge: str | None = None


def data_config(cfg: DictConfig, trained: DictConfig | None) -> Any:
    """Of the data that the user names, else of those that the run was trained on."""
    named = any(o.lstrip("+").startswith("data") for o in HydraConfig.get().overrides.task)
    return cfg.data if named or trained is None else trained.data


def record(found: Found, cfg: DictConfig, seconds: float) -> Path:
    """Write `config.yaml` and `summary.json`, in the form that a training run's have."""
    hydra = HydraConfig.get()
    directory = Path(hydra.runtime.output_dir)
    command = ["python", "-m", f"{cfg.app}.{hydra.job.name}", *hydra.overrides.task]
    summary = {
        "status": "finished",
        "error": None,
        "command": shlex.join(command),
        "ended": now(),
        "seed": cfg.seed,
        "measured": found.measured,
        "samples": found.samples,
        "final": dict(found.final),
        "best": {},
        "floor": dict(found.floor),
        "ceiling": dict(found.ceiling),
        "verdict": found.verdict,
        "seconds": round(seconds, 3),
        "batches": 0,
        "versions": versions(),
        "data": found.data,
        "judge": found.judge,
    }
    write_atomically(directory / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    write_atomically(directory / "summary.json", json.dumps(plain(summary), indent=2) + "\n")
    return directory


def show(found: Found, directory: Path, left_out: tuple[str, ...] = ()) -> None:
    """Print the measures beside floor and ceiling, and what they say.

    Args:
        found: what was found.
        directory: where it was written.
        left_out: beginnings of names that are only in the files.
    """
    table = Table("measure", "floor", "value", "ceiling")
    table.title = f"{found.measured}, {found.samples} samples"
    for column in table.columns[1:]:
        column.justify = "right"
    for name, value in found.final.items():
        if not name.startswith(left_out or ("\0",)):
            table.add_row(
                name, cell(found.floor.get(name)), cell(value), cell(found.ceiling.get(name))
            )
    console = Console()
    console.print(table)
    if found.verdict:
        console.print(f"[bold]{found.verdict}[/bold]")
    console.print(str(directory), soft_wrap=True)
