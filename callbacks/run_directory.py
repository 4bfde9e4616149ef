"""A run directory read back: config, summary, measures, losses and verdicts, of any domain."""

import csv
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

SUMMARY, CONFIG = "summary.json", "config.yaml"


def now() -> str:
    """This moment, as `ended` of a summary has it: local time with its zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunDirectory:
    """What a run left behind; of a failed or interrupted one, as far as it came.

    Attributes:
        path: the folder.
        config: `config.yaml`, resolved, as plain containers.
        summary: `summary.json`.
        metrics: columns of `metrics.csv`, each (epochs,), NaN where a cell is empty; none without
            the file.
        losses: columns of `losses.csv`, each (blocks,), likewise.
        verdicts: rows of `verdicts.csv`; none without the file.
    """

    path: Path
    config: dict[str, Any]
    summary: dict[str, Any]
    metrics: dict[str, NDArray[np.float64]]
    losses: dict[str, NDArray[np.float64]]
    verdicts: list[dict[str, str]]

    @property
    def app(self) -> str:
        """The domain, `fontgan` or `drumvae`."""
        return str(self.config["app"])

    @property
    def name(self) -> str:
        """The experiment, or the variant where there is none."""
        return str(self.config["name"])

    @property
    def seed(self) -> int | None:
        return self.summary.get("seed")

    @property
    def ended(self) -> datetime:
        """When it ended, as it says itself; of one that does not, when its summary was written."""
        if told := self.summary.get("ended"):
            return datetime.fromisoformat(told)
        return datetime.fromtimestamp((self.path / SUMMARY).stat().st_mtime).astimezone()

    @property
    def finished(self) -> bool:
        return self.summary["status"] == "finished"

    @property
    def figures(self) -> dict[str, Path]:
        """File name without its ending -> PNG file, sorted by name."""
        return {path.stem: path for path in sorted((self.path / "figures").glob("*.png"))}


def read_run(path: Path) -> RunDirectory:
    """Read a run directory.

    Raises:
        FileNotFoundError: `path` holds no run.
        ValueError: a file of it cannot be read, or is not what a run writes.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder; name a run directory")
    missing = [name for name in (SUMMARY, CONFIG) if not (path / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{path} holds no {' and no '.join(missing)}: it is no run directory, or its run has "
            "not ended yet; `python -m callbacks.runs list` shows those there are"
        )
    # The C parser reads a config ten times as fast, which a comparison of hundreds of runs feels.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load((path / CONFIG).read_text(encoding="utf-8"), loader)
        summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} cannot be read: {reason}; leave it out, or run it again"
        ) from None
    for name, content, keys in ((CONFIG, config, ("app", "name")), (SUMMARY, summary, ("status",))):
        if not isinstance(content, dict) or any(key not in content for key in keys):
            raise ValueError(
                f"{path / name} is not what a run writes: it has no {' or no '.join(keys)}; "
                "leave the folder out"
            )
    return RunDirectory(
        path=path,
        config=config,
        summary=summary,
        metrics=read_columns(path / "metrics.csv"),
        losses=read_columns(path / "losses.csv"),
        verdicts=_read_rows(path / "verdicts.csv"),
    )


def find_runs(root: Path) -> list[Path]:
    """Find the run directories at and below a folder, sorted by path.

    What a sweep has set aside before it ran a job once more, in `SWEEP/earlier/`, is left out.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    return [path for path in _with_config(root) if (path / SUMMARY).is_file()]


def find_open_runs(root: Path) -> list[Path]:
    """Find those that have not ended, or were killed: they have a config and no summary.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    return [path for path in _with_config(root) if not (path / SUMMARY).is_file()]


def _with_config(root: Path) -> list[Path]:
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}; name one that holds runs")
    return sorted(c.parent for c in root.rglob(CONFIG) if not _set_aside(c.relative_to(root), root))


def _set_aside(path: Path, root: Path) -> bool:
    return any(
        above.name == "earlier" and (root / above.parent / "sweep.json").is_file()
        for above in path.parents
    )


def read_columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read a table of numbers, column by column; empty where there is no file.

    Returns:
        column -> values, each (rows,), NaN where a cell is empty.

    Raises:
        ValueError: it holds something else.
    """
    rows = _read_rows(path)
    if not rows:
        return {}
    # A last line cut short in the middle of writing has None in its missing cells.
    try:
        return {
            name: np.array([float(row[name] or "nan") for row in rows], dtype=np.float64)
            for name in rows[0]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no table of numbers ({error}); leave its run out") from None


def _read_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
