"""A progress bar that says what is happening to the model, and costs next to nothing."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from callbacks.glance import glance


class Said(Protocol):
    """A verdict, as far as its word is concerned."""

    word: str


Rules = Callable[[Mapping[str, float]], Mapping[str, Said]]


def in_sweep() -> bool:
    """Whether this run is a job of a sweep, which has a line for each job instead."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


class SaidColumn(ProgressColumn):
    """What is said, the one column that is cut short where the terminal is narrow."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["said"], no_wrap=True, overflow="ellipsis")


class VerdictBar(ProgressBar):
    """A bar over the whole run with the verdict beside it; plain lines where there is no terminal.

    ```yaml
    progress_bar:                    # ~callbacks.progress_bar for a quiet run
      _target_: callbacks.progress.VerdictBar
      said:                          # format strings over measures and words
        - letters {coverage/letters:.0f}/26
        - "{word}"
      rules: null                    # measures -> level -> verdict, for {word/LEVEL}
      every_n_epochs: 1              # from one plain line to the next
    ```

    What is said is brought up to date at the end of an epoch, so that a batch costs a look at the
    clock. `{word}` is that of a callback which keeps verdicts in its history (CollapseVerdict).
    In a sweep the bar vanishes when its job ends, and nothing is written without a terminal; jobs
    that share the terminal have no bar.

    Args:
        said: what stands beside the bar; a text whose measures are not known yet is left out.
        rules: verdicts to be taken of the measures at the end of an epoch.
        every_n_epochs: epochs from one plain line to the next.
        refresh: seconds from one drawing of the bar to the next.
    """

    def __init__(
        self,
        said: Sequence[str] = (),
        rules: Rules | None = None,
        every_n_epochs: int = 1,
        refresh: float = 0.25,
    ) -> None:
        super().__init__()
        if every_n_epochs < 1:
            raise ValueError(f"progress_bar.every_n_epochs is {every_n_epochs}, must be 1 or more")
        self.said, self.rules = said, rules
        self.every_n_epochs, self.refresh = every_n_epochs, refresh
        self.console = Console()
        self._enabled = True
        self._lines = False
        self._bar: Progress | None = None
        self._due = 0.0
        self._began = 0.0
        self._done_before = 0

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began = time.monotonic()
        self._done_before = trainer.current_epoch
        terminal = self.console.is_terminal and not self.console.is_dumb_terminal
        self._lines = self._enabled and not terminal and not in_sweep()
        if self._enabled and terminal and not _shared_terminal():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=10),
                SaidColumn(table_column=Column()),
                TextColumn("{task.fields[left]}", style="dim"),
                console=self.console,
                auto_refresh=False,
                transient=True,
            )
            self._bar.add_task("", total=_epochs(trainer), said="", left="")
            self._bar.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, trainer.current_epoch, description=_epoch(trainer))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is None:
            return
        batches = self.total_train_batches
        if batch_idx + 1 == batches:
            # What follows are the measures of the epoch, in which no batch ends.
            self._draw(trainer, trainer.current_epoch + 1, left="measuring")
        elif time.monotonic() >= self._due:
            self._draw(trainer, trainer.current_epoch + (batch_idx + 1) / batches)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # On every process: to read the measures of an epoch is to average them over all.
        said = self._in_words(trainer)
        if self._bar is not None:
            self._draw(trainer, trainer.current_epoch + 1, said=said)
        elif self._lines and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            seconds = time.monotonic() - self._began
            parts = [_epoch(trainer), said, f"{seconds:.0f} s"]
            print(" · ".join(filter(None, parts)), flush=True)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._bar is not None:
            self._bar.start()
            self._draw(trainer, trainer.current_epoch, description="test", left="measuring")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    def _draw(self, trainer: Trainer, epochs: float, **fields: str) -> None:
        if self._bar is None:
            return
        now = time.monotonic()
        self._due = now + self.refresh
        total, done = _epochs(trainer), epochs - self._done_before
        if total is not None and done > 0:
            left = (now - self._began) / done * (total - epochs)
            fields = {"left": f"{left // 60:.0f}:{left % 60:02.0f} left"} | fields
        task = self._bar.tasks[0].id
        self._bar.update(task, completed=epochs, **fields)  # pyright: ignore[reportArgumentType]
        self._bar.refresh()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _in_words(self, trainer: Trainer) -> str:
        values: dict[str, Any] = {k: float(v) for k, v in trainer.callback_metrics.items()}
        words = {}
        for callback in trainer.callbacks:  # pyright: ignore[reportAttributeAccessIssue]
            history = getattr(callback, "history", None)
            if history and "word" in history[-1]:
                words["word"] = history[-1]["word"]
        if self.rules is not None:
            # Measures may be left out of a run, and are before the first measured epoch.
            with contextlib.suppress(ValueError):
                words |= {f"word/{level}": v.word for level, v in self.rules(values).items()}
        return glance(self.said, values | words)


def _shared_terminal() -> bool:
    """Whether other jobs of the sweep may write to the terminal at the same time."""
    return in_sweep() and HydraConfig.get().runtime.choices["hydra/launcher"] != "basic"


def _epochs(trainer: Trainer) -> int | None:
    """How many epochs the run shall have, if that is known."""
    limit = trainer.max_epochs
    return limit if limit is not None and limit > 0 else None


def _epoch(trainer: Trainer) -> str:
    total = _epochs(trainer)
    number = trainer.current_epoch + 1
    return f"epoch {number}" if total is None else f"epoch {number:>{len(str(total))}}/{total}"
