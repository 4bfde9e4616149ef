"""The report of a run: one page that says what was run, what became of it, and shows why."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from callbacks.atomic import write_atomically
from callbacks.page import Code, Listing, Section, Verdict, page
from callbacks.run_directory import RunDirectory, read_run
from callbacks.run_end import resume

NAME = "report.html"
Sections = Callable[[RunDirectory], Sequence[Section]]


class Report(Callback):
    """Writes `report.html` when the run has ended and its `summary.json` is there.

    ```yaml
    report:                    # ~callbacks.report leaves it out
      _target_: callbacks.report.Report
      sections:
        _target_: fontgan.report.sections
        _partial_: true
    ```

    `conf.run.run` calls `after_summary`, for failed and interrupted runs too. A run that has not
    come to the end of an epoch has nothing to show, and gets none.

    Args:
        sections: of a run, in the order of the story; its domain's.
    """

    def __init__(self, sections: Sections) -> None:
        self.sections = sections

    def after_summary(self, directory: Path) -> None:
        run = read_run(directory)
        if run.metrics:
            _write(run, self.sections)


def write_report(run_path: Path) -> Path:
    """Write `report.html` of a run anew, from its directory alone.

    The sections are those that the run's own config names, else those of its domain.

    Returns:
        The file.

    Raises:
        FileNotFoundError: there is no run.
        ValueError: it cannot be read, or nobody knows its sections.
    """
    run = read_run(Path(run_path))
    return _write(run, _sections_of(run))


def _write(run: RunDirectory, sections: Sections) -> Path:
    text = page(
        f"{run.name}, seed {run.seed}", _lead(run), facts(run), [*_ended(run), *sections(run)]
    )
    write_atomically(run.path / NAME, text)
    return run.path / NAME


def _sections_of(run: RunDirectory) -> Sections:
    entries = (run.config.get("callbacks") or {}).values()
    named = [
        entry["sections"]["_target_"]
        for entry in entries
        if isinstance(entry, dict) and entry.get("_target_") == f"{__name__}.{Report.__name__}"
    ]
    target = named[0] if named else f"{run.app}.report.sections"
    module, _, function = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{run.path} names {target} for its report, which cannot be imported ({error}); "
            "install what it belongs to, or correct callbacks.report in its config.yaml"
        ) from None


def facts(run: RunDirectory) -> dict[str, str]:
    """What was run, and the command that repeats it."""
    config, summary = run.config, run.summary
    module = config.get(config.get("module", "")) or {}
    data = config.get("data") or {}
    # What is made by a model that is named needs no data, though the config has a default.
    measured_data = not summary.get("measured") or summary.get("data")
    told = {
        "experiment": run.name,
        "model": module.get("_target_"),
        "measured": summary.get("measured"),
        "data": _printed(data.get("_target_"), summary.get("data")) if measured_data else None,
        "judge": summary.get("judge"),
        "seed": run.seed,
        "versions": ", ".join(f"{k} {v}" for k, v in (summary.get("versions") or {}).items()),
        "command": Code(summary.get("command") or ""),
    }
    if not run.finished and summary.get("command"):
        told["to go on"] = Code(resume(summary, run.path))
    return {
        name: value if isinstance(value, Code) else str(value)
        for name, value in told.items()
        if value not in (None, "")
    }


def _printed(target: str | None, fingerprint: str | None) -> str:
    return ", fingerprint ".join(part for part in (target, fingerprint) if part)


def _lead(run: RunDirectory) -> str:
    summary = run.summary
    parts = [f"{run.app}: {summary['status']}"]
    epochs, batches = len(run.metrics.get("epoch", ())), summary.get("batches")
    if epochs:
        parts.append(f"{epochs} epoch{'s' * (epochs > 1)}, {batches:,} batches")
    if count := summary.get("samples"):
        parts.append(f"{count:,} sample{'s' * (count > 1)}")
    if summary.get("seconds") is not None:
        parts.append(duration(summary["seconds"]))
    return ", ".join(parts) + "."


def duration(seconds: float) -> str:
    """Seconds in a reader's words: `42 s`, `49 min`, `3 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _ended(run: RunDirectory) -> list[Section]:
    """Why a run is not finished, and the way out."""
    if run.finished:
        return []
    failed = run.summary["status"] == "failed"
    resumable = (run.path / "checkpoints" / "last.ckpt").is_file()
    way_out = "correct the cause, then " if failed else ""
    way_out += "go on from the last epoch" if resumable else "start again: there is no checkpoint"
    why = str(run.summary.get("error") or "no reason is recorded")
    tone = "bad" if failed else "unknown"
    ended: list[Any] = [Verdict(run.summary["status"], tone, why, "how the run ended")]
    trace = run.path / "traceback.txt"
    if failed and trace.is_file():
        ended.append(Listing(trace.read_text(encoding="utf-8"), "Where it failed"))
    text = f"The way out: {way_out}, with the command below."
    return [Section("How it ended", text, tuple(ended))]
