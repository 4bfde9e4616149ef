"""Says in words, epoch by epoch, whether the generator has collapsed, and may act on it."""

import copy
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from callbacks.draws import letter_data
from callbacks.history import History
from callbacks.mode_coverage import ModeCoverage
from callbacks.run_summary import write_atomically

Values = dict[str, float]
BAD = ("collapsed", "noise", "one style")
"""Words that make a collapse, where another stood in an earlier epoch."""


class Verdict(Protocol):
    """A word with a number, its interval and a sentence."""

    word: str
    health: float
    low: float
    high: float
    lost: str
    sentence: str


Rules = Callable[[Mapping[str, float], int, Mapping[str, float]], Verdict]
Onset = Callable[[str, list[Mapping[str, float]], int], int | None]


class CollapseVerdict(History):
    """Gives a verdict on what ModeCoverage measured before it, in epochs and at the end.

    ```yaml
    collapse_verdict:
      _target_: callbacks.collapse_verdict.CollapseVerdict
      rules:
        _target_: fontgan.verdict.verdict
        _partial_: true
      onset:
        _target_: fontgan.onset.onset
        _partial_: true
      on_collapse: nothing   # stop: end the run; restore: and go back to the weights from before
      every_n_epochs: 1      # as in mode_coverage, which must come first
    ```

    Logs `collapse/health` with its interval `collapse/health_low` and `…_high`. Writes
    `verdicts.csv`, a row for each measured epoch, and `checkpoints/before_collapse.ckpt` where it
    restores. What real letters get, beside which epochs are judged, is measured on glyphs of the
    training families, so that nothing is chosen on test ones.

    Attributes:
        history: for each measured epoch (counted from 1) word, numbers, and what they rest on.
        verdict: the sentence at the end, with when each lost letter was lost.
    """

    def __init__(
        self, rules: Rules, onset: Onset, on_collapse: str = "nothing", every_n_epochs: int = 1
    ) -> None:
        super().__init__(every_n_epochs)
        if on_collapse not in ("nothing", "stop", "restore"):
            raise ValueError(
                f"collapse_verdict.on_collapse is {on_collapse!r}, it must be nothing, stop or "
                "restore"
            )
        self.rules, self.onset, self.on_collapse = rules, onset, on_collapse
        self.verdict: str | None = None
        self._ceiling: Values = {}
        self._healthy: tuple[dict[str, Tensor], list[Any]] | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = self.measured_epoch(trainer)
        if epoch is None:
            return
        coverage = measuring(trainer)
        if not self._ceiling:
            data = letter_data(trainer)
            self._ceiling = coverage.measure.ceiling(
                coverage.samples, data.judge, data.reference("train"), data.reference("validate")
            )
        values = _measured(trainer)
        found = self.rules(values, coverage.samples, self._ceiling)
        self._log(pl_module, found)
        letters = {name: v for name, v in values.items() if name.startswith("letters/")}
        row = {"epoch": epoch, "word": found.word, "health": found.health, "low": found.low}
        row |= {"high": found.high, "lost": found.lost, "sentence": found.sentence}
        self.history.append(row | {"letters": letters, "drawn": coverage.samples})
        if trainer.is_global_zero:
            write_atomically(Path(trainer.default_root_dir) / "verdicts.csv", self._table())
        self._act(trainer, pl_module, found.word)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        coverage = measuring(trainer)
        found = self.rules(_measured(trainer), coverage.final_samples, coverage.ceiling)
        self._log(pl_module, found)
        # Of noise the few letters that surely are none tell nothing, unless that is all of them.
        since = self._since(found.lost) if found.word != "noise" or len(found.lost) == 26 else ""
        self.verdict = found.sentence + since

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"ceiling": dict(self._ceiling)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._ceiling = dict(state_dict["ceiling"])

    def draw_history(self, trainer: Trainer) -> None:
        """Nothing: `verdicts.csv` is its picture."""

    def _log(self, module: LightningModule, found: Verdict) -> None:
        values = {"": found.health, "_low": found.low, "_high": found.high}
        module.log_dict({f"collapse/health{k}": v for k, v in values.items()}, sync_dist=True)

    def _act(self, trainer: Trainer, module: LightningModule, word: str) -> None:
        if self.on_collapse == "nothing":
            return
        kept = Path(trainer.default_root_dir) / "checkpoints" / "before_collapse.ckpt"
        if word == "undecided":
            return
        if word not in BAD:
            if self.on_collapse == "restore":
                states = [optimizer.state_dict() for optimizer in trainer.optimizers]
                self._healthy = copy.deepcopy((module.state_dict(), states))
                trainer.save_checkpoint(kept)
            return
        if all(row["word"] in (*BAD, "undecided") for row in self.history):
            return  # It has not learned anything yet that it could lose.
        trainer.should_stop = True
        if self.on_collapse == "stop":
            return
        if self._healthy is None and kept.is_file():  # The run was taken up again since.
            checkpoint = torch.load(kept, map_location="cpu", weights_only=True)
            self._healthy = checkpoint["state_dict"], checkpoint["optimizer_states"]
        if self._healthy is None:
            rank_zero_warn(f"there is no {kept} to go back to; the weights stay as they are")
        else:
            weights, states = self._healthy
            module.load_state_dict(weights)
            # What is saved from here on goes on with them; the collapse's momentum would not fit.
            for optimizer, state in zip(trainer.optimizers, states, strict=True):
                optimizer.load_state_dict(state)

    def _since(self, lost: Sequence[str]) -> str:
        """When lost letters were lost, by the change points of their shares."""
        rows = [row["letters"] for row in self.history]
        if not rows:
            return ""
        groups: dict[str, str] = {}
        for letter in lost:
            at = self.onset(letter, rows, self.history[0]["drawn"])
            if at is not None:
                # 0 is no change point: such a letter never was alive.
                when = f"since epoch {self.history[at]['epoch']}" if at else "never alive"
                groups[when] = groups.get(when, "") + letter
        if len(groups.get("never alive", "")) == len(rows[0]):
            return " (no letter was ever alive)"
        parts = [f"{' '.join(letters)} {when}" for when, letters in groups.items()]
        return f" ({', '.join(parts)})" if parts else ""

    def _table(self) -> str:
        columns = ["epoch", "word", "health", "low", "high", "lost", "sentence"]
        text = io.StringIO()
        writer: csv.DictWriter[str] = csv.DictWriter(
            text, columns, extrasaction="ignore", lineterminator="\n"
        )
        writer.writeheader()
        for row in self.history:
            writer.writerow(row | {k: f"{row[k]:.4g}" for k in ("health", "low", "high")})
        return text.getvalue()


def measuring(trainer: Trainer) -> ModeCoverage:
    """The callback whose measures a verdict is on.

    Raises:
        ValueError: the run has none.
    """
    callbacks: list[Any] = trainer.callbacks  # pyright: ignore
    for callback in callbacks:
        if isinstance(callback, ModeCoverage):
            return callback
    raise ValueError("collapse_verdict judges what mode_coverage measures; list it before")


def _measured(trainer: Trainer) -> Values:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}
