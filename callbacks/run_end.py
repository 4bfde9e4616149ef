"""What a run came to, on one screen: measures, verdict, where things are, what to do next."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callbacks.glance import cell, place
from callbacks.progress import in_sweep

LEFT = (
    ("report.html", "report"),
    ("figures/*.png", "figures"),
    ("samples/final.npz", "samples"),
    ("checkpoints/last.ckpt", "checkpoint"),
)
"""What a run may have left in its folder, and what it is called."""


class RunEnd(Callback):
    """Prints a summary when everything is written; `conf.run.run` calls it, last of all.

    ```yaml
    run_end:                    # ~callbacks.run_end leaves it out
      _target_: callbacks.run_end.RunEnd
      next:                     # commands worth copying; {run} is the run's folder
        - python -m fontgan.evaluate ckpt_path={run}/checkpoints/last.ckpt
    ```

    An interrupted run gets the command that goes on. In a sweep nothing is printed: there a job
    has one line.

    Args:
        next: commands for a finished run.
    """

    def __init__(self, next: Sequence[str] = ()) -> None:
        self.next = next
        self.console = Console(highlight=False)

    def show(self, directory: Path) -> None:
        """Print what the files in a run's folder say.

        Args:
            directory: with `summary.json` and `config.yaml` in it.
        """
        if in_sweep():
            return
        summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
        config: Any = OmegaConf.load(directory / "config.yaml")
        if summary["status"] == "interrupted":
            self._list([("interrupted", place(directory)), ("go on", resume(summary, directory))])
        if summary["status"] != "finished":
            return
        self.console.print(measures(summary, list(config.get("headline") or ())))
        if summary["verdict"]:
            self.console.print(Text(summary["verdict"], style="bold"))
        run = shlex.quote(place(directory))
        entries = where(directory) + [("next", command.format(run=run)) for command in self.next]
        if (epochs := config.trainer.get("max_epochs") or -1) > 0:
            entries.append(("longer", resume(summary, directory, max_epochs=2 * epochs)))
        self._list(entries)

    def _list(self, entries: Sequence[tuple[str, str]]) -> None:
        # Not as a table: a command or a path that is copied must not be broken into lines.
        width = max((len(name) for name, _ in entries), default=0)
        named = None
        for name, text in entries:
            line = Text(" " * width if name == named else f"{name:<{width}}", style="dim")
            self.console.print(line + Text(f"  {text}", style="not dim"), soft_wrap=True)
            named = name


def measures(summary: dict[str, Any], headline: Sequence[str]) -> Table:
    """The headline measures of a run, between what knows nothing and what real data get.

    Args:
        summary: of the run.
        headline: names of measures; one that was never taken is left out.
    """
    table = Table("measure", "floor", "final", "ceiling", box=None, header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in headline:
        if name in summary["final"]:
            found = (summary[kind].get(name) for kind in ("floor", "final", "ceiling"))
            floor, final, ceiling = map(cell, found)
            table.add_row(name, floor, Text(final, style="bold"), ceiling)
    return table


def where(directory: Path) -> list[tuple[str, str]]:
    """Name and place of what a run has left."""
    places = [("run", place(directory))]
    for pattern, name in LEFT:
        if found := sorted(directory.glob(pattern)):
            places.append((name, place(found[0] if len(found) == 1 else found[0].parent)))
    return places


def resume(summary: dict[str, Any], directory: Path, max_epochs: int | None = None) -> str:
    """The command that goes on with a run, from its last checkpoint where it has one.

    Args:
        summary: of the run.
        directory: of the run.
        max_epochs: how far it is to go; None for as far as it was to go before.
    """
    new = [f"hydra.run.dir={place(directory)}"]
    checkpoint = directory / "checkpoints" / "last.ckpt"
    if checkpoint.is_file():
        new.insert(0, f"ckpt_path={place(checkpoint)}")
    if max_epochs is not None:
        new.insert(0, f"trainer.max_epochs={max_epochs}")
    replaced = tuple(f"{word.partition('=')[0]}=" for word in new)
    words = [word for word in shlex.split(summary["command"]) if not word.startswith(replaced)]
    return shlex.join(words + new)
