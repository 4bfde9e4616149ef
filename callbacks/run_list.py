"""The runs below a folder, newest first: a table for the terminal, or JSON."""

import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from callbacks.glance import cell, glance
from callbacks.run_directory import RunDirectory, find_runs, read_run

COLOURS = {"finished": "green", "failed": "red", "interrupted": "yellow"}
LESS_NEEDED = ("verdict", "app", "measures", "ended")
"""Columns that a narrow terminal does without, in this order."""
LONGEST = 48
"""Characters of a verdict, and of the measures."""


@dataclass(frozen=True)
class Listed:
    """A run, and when it ended."""

    run: RunDirectory
    ended: datetime

    @property
    def made(self) -> bool:
        """Whether letters or grooves were made with a model, and nothing was trained or judged."""
        return self.run.config.get("mode") is not None

    @property
    def headline(self) -> dict[str, float | None]:
        """The final values of the headline measures; None where one was not taken."""
        final = self.run.summary.get("final") or {}
        return {name: final.get(name) for name in self.run.config.get("headline") or {}}

    @property
    def said(self) -> str:
        """The measures in a few words."""
        final = self.run.summary.get("final") or {}
        if texts := self.run.config.get("glance"):
            return glance(texts, final)
        taken = {k: v for k, v in self.headline.items() if v is not None and math.isfinite(v)}
        last = [name.rpartition("/")[2] for name in taken]
        short = [s if last.count(s) == 1 else k for s, k in zip(last, taken, strict=True)]
        return " · ".join(f"{s} {cell(v)}" for s, v in zip(short, taken.values(), strict=True))


def list_runs(root: Path) -> tuple[list[Listed], list[str]]:
    """Read the runs at and below a folder.

    Returns:
        The runs, the last to end first, and what is wrong with those that cannot be read.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    listed, unreadable = [], []
    for path in find_runs(root):
        try:
            run = read_run(path)
            listed.append(Listed(run, run.ended))
        except (OSError, ValueError) as error:
            unreadable.append(str(error))
    return sorted(listed, key=lambda each: each.ended, reverse=True), unreadable


def table(listed: Sequence[Listed], width: int) -> Table:
    """The runs for a terminal of so many columns; what has no room is left out, never a folder."""
    columns = {
        "ended": [f"{each.ended:%Y-%m-%d %H:%M}" for each in listed],
        "app": [each.run.app for each in listed],
        "experiment": [each.run.name for each in listed],
        "seed": ["" if each.run.seed is None else str(each.run.seed) for each in listed],
        "status": [each.run.summary["status"] for each in listed],
        "verdict": [_verdict(each.run) for each in listed],
        "measures": [_short(each.said) for each in listed],
        "folder": [str(each.run.path) for each in listed],
    }
    widths = {name: max(map(len, [name, *texts])) + 3 for name, texts in columns.items()}
    for name in LESS_NEEDED:
        if sum(widths[column] for column in columns) > width:
            del columns[name]
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        found.add_column(name, no_wrap=name != "folder", overflow="fold")
    for cells in zip(*columns.values(), strict=True):
        found.add_row(*(Text(text, COLOURS.get(text, "")) for text in cells))
    return found


def _verdict(run: RunDirectory) -> str:
    return _short(run.summary.get("verdict") or run.summary.get("error") or "")


def _short(text: str) -> str:
    return textwrap.shorten(text, LONGEST, placeholder=" …")


def as_json(listed: Sequence[Listed]) -> str:
    """The runs as a JSON list, newest first."""
    rows: list[dict[str, Any]] = [
        {
            "ended": each.ended.isoformat(timespec="seconds"),
            "app": each.run.app,
            "experiment": each.run.name,
            "seed": each.run.seed,
            "status": each.run.summary["status"],
            "error": each.run.summary.get("error"),
            "verdict": each.run.summary.get("verdict"),
            "headline": each.headline,
            "path": str(each.run.path),
        }
        for each in listed
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)
