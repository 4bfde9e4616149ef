"""Which runs may be compared: finished ones, of one domain, measured alike on the same data."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from callbacks.run_directory import SUMMARY, RunDirectory, find_open_runs, find_runs, read_run

SAMPLE_SIZES = ("samples", "final_samples", "bars", "draws", "final_draws", "fresh")
"""Settings of a callback that say on how much it measures."""

SHEETS = ("sample", "generate")
"""Names of what draws from a run that is trained already."""


@dataclass(frozen=True)
class LeftOut:
    """A folder that takes no part, and why."""

    path: Path
    reason: str


def gather(paths: Sequence[Path]) -> tuple[list[RunDirectory], tuple[LeftOut, ...]]:
    """Read the finished runs at and below some folders, each once.

    Returns:
        The runs in the order of the paths, and those that were left out.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no run is finished.
    """
    runs: dict[Path, RunDirectory] = {}
    left_out: dict[Path, LeftOut] = {}
    for path in paths:
        if (path / SUMMARY).is_file():
            found = [path]
        else:
            found = sorted(find_runs(path), key=_in_order)
            for folder in find_open_runs(path):
                reason = "its run has not ended, or was killed"
                left_out[folder.resolve()] = LeftOut(folder, reason)
        if not found and path.resolve() not in left_out:
            left_out[path.resolve()] = LeftOut(path, "no run has ended in it")
        for folder in found:
            try:
                run = read_run(folder)
                reason = _unfit(run)
            except (OSError, ValueError) as error:
                left_out[folder.resolve()] = LeftOut(folder, str(error))
                continue
            if reason:
                left_out[folder.resolve()] = LeftOut(folder, reason)
            else:
                runs.setdefault(folder.resolve(), run)
    if not runs:
        reasons = "; ".join(f"{each.path}: {each.reason}" for each in left_out.values())
        raise ValueError(f"there is no finished run to compare ({reasons})")
    return list(runs.values()), tuple(left_out.values())


def _in_order(path: Path) -> list[tuple[int, str]]:
    """Jobs of a sweep by their numbers: 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.parts]


def _unfit(run: RunDirectory) -> str | None:
    if not run.finished:
        error = run.summary.get("error")
        return f"{run.summary['status']}: {error}" if error else run.summary["status"]
    if run.name in SHEETS:
        return f"it holds what `python -m {run.app}.{run.name}` drew; compare the run itself"
    return None if final(run) else "it has no final measures"


def final(run: RunDirectory) -> dict[str, float]:
    """The final measures of a run that are finite numbers."""
    final = run.summary.get("final") or {}
    return {name: float(v) for name, v in final.items() if v is not None and math.isfinite(v)}


def check_alike(runs: Sequence[RunDirectory]) -> None:
    """Refuse runs whose numbers do not mean the same.

    Raises:
        ValueError: they are of different domains, or saw different data or judges.
    """
    app = runs[0].app
    way_out = (
        "name fewer runs, or measure all of them alike, each by `python -m "
        f"{app}.evaluate ckpt_path=RUN/checkpoints/last.ckpt data=CHOICE`, and compare the folders "
        "that this leaves"
    )
    checks: list[tuple[str, Callable[[RunDirectory], str | None], str]] = [
        ("are of different domains", lambda run: run.app, "name runs of one"),
        ("saw different data", lambda run: run.summary.get("data"), way_out),
        ("were measured by different judges", lambda run: run.summary.get("judge"), way_out),
    ]
    for difference, look, way in checks:
        found: dict[str | None, list[str]] = {}
        for run in runs:
            found.setdefault(look(run), []).append(str(run.path))
        if len(found) > 1:
            listed = "; ".join(
                f"{name or 'none'}: {some(folders)}" for name, folders in found.items()
            )
            raise ValueError(f"the runs {difference} ({listed}); {way}")


def measured_differently(runs: Sequence[RunDirectory]) -> list[str]:
    """Settings of the measuring callbacks that differ between runs, a sentence for each."""
    found: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        callbacks = run.config.get("callbacks") or {}
        groups = {f"callbacks.{name}.": settings for name, settings in callbacks.items()}
        if "measured" in run.summary:  # an evaluation, whose numbers stand at the top
            groups[""] = run.config | {"samples": run.summary.get("samples")}
        for name, settings in groups.items():
            for key, value in settings.items() if isinstance(settings, dict) else ():
                if key in SAMPLE_SIZES:
                    values = found.setdefault(f"{name}{key}", {})
                    values.setdefault(str(value), []).append(str(run.path))
    return [
        f"Not all runs were measured alike: {key} is "
        + "; ".join(f"{value} in {some(paths, 3)}" for value, paths in values.items())
        for key, values in found.items()
        if len(values) > 1
    ]


def some(names: Sequence[str], most: int = 5) -> str:
    """Join names, of many the first."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
