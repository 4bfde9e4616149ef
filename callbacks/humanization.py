"""How much a model's playing is like a drummer's: timing error, and overlap of distributions."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.draws import groove_data, undisturbed, write_arrays
from callbacks.figures import BLUE, GREY, ORANGE, VERMILION, drawing, epochs_axis
from callbacks.history import History

Values = dict[str, float]


class Measure(Protocol):
    """Measures of a module that plays given hits; each leaves it as it was."""

    def errors(self, module: Any, bars: Any) -> Values: ...
    def draw(self, module: Any, bars: Any) -> Tensor: ...
    def overlaps(self, drawn: Tensor, bars: Any) -> Values: ...
    def floor(self, bars: Any) -> Values: ...
    def baselines(self, train: Any, bars: Any) -> Values: ...
    def ceiling(self, train: Any, bars: Any) -> Values: ...


class Humanization(History):
    """Measures the errors of medians on validation bars in epochs, and all on test bars at the end.

    ```yaml
    humanization:
      _target_: callbacks.humanization.Humanization
      measure:
        _target_: drumvae.humanize_measures.HumanizeMeasures
        seed: 0
      every_n_epochs: 1
    ```

    Logs `humanize/nll`, `humanize/timing_error` (ms) and `humanize/velocity_error` of bars seen
    alone, and `…_in_context` of bars seen with their neighbours; at the end also what the training
    bars' medians and the nearest of them get, and `humanize/velocity_overlap` …, of drawn with
    played bars. Writes `figures/timing_error.png` and `figures/feel.png`, and what was drawn to
    `samples/final.npz`: `hits`, `velocities`, `offsets` (n, steps, voices), `tempos` (n,).

    Attributes:
        floor: what a sequencer gets, on the grid and all of one loudness.
        ceiling: overlaps of the played training bars with the played test bars.
        history: a row for each measured epoch (counted from 1).
    """

    def __init__(self, measure: Measure, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs)
        self.measure = measure
        self.floor: Values = {}
        self.ceiling: Values = {}
        self._lines: dict[str, float] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = self.measured_epoch(trainer)
        if epoch is None:
            return
        bars = groove_data(trainer).reference("validate")
        with undisturbed(pl_module):
            values = self.measure.errors(pl_module, bars)
        pl_module.log_dict(values, sync_dist=True)
        self._lines = self._lines or self._limits(groove_data(trainer))
        self.history.append({"epoch": epoch} | values)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = groove_data(trainer)
        train, test = data.reference("train"), data.reference("test")
        with undisturbed(pl_module):
            values = self.measure.errors(pl_module, test)
            drawn = self.measure.draw(pl_module, test)
        values |= self.measure.baselines(train, test) | self.measure.overlaps(drawn, test)
        self.floor, self.ceiling = self.measure.floor(test), self.measure.ceiling(train, test)
        pl_module.log_dict(values, sync_dist=True)
        if trainer.is_global_zero:
            hits, velocities, offsets = drawn.numpy().transpose(1, 0, 2, 3)
            write_arrays(
                Path(trainer.default_root_dir) / "samples" / "final.npz",
                hits=hits > 0, velocities=velocities, offsets=offsets, tempos=test.tempos,
            )  # fmt: skip
            with drawing(trainer, "feel", width=12, height=4.5) as figure:
                draw_feel(figure, drawn, test.tensor)
        self.redraw(trainer)

    def _limits(self, data: Any) -> dict[str, float]:
        """Heights of the figure's dotted lines, on the bars of its curves."""
        train, validate = data.reference("train"), data.reference("validate")
        baselines = self.measure.baselines(train, validate)
        return {
            "on the grid": self.measure.floor(validate)["humanize/timing_error"],
            "medians of\neach cell": baselines["humanize/timing_error_of_cell_medians"],
        }

    def draw_history(self, trainer: Trainer) -> None:
        with drawing(trainer, "timing_error", width=8, height=5) as figure:
            axes = figure.subplots()
            epochs = [row["epoch"] for row in self.history]
            for name, label, colour in (
                ("humanize/timing_error", "bar alone", BLUE),
                ("humanize/timing_error_in_context", "with its neighbours", ORANGE),
            ):
                marker = "o" if len(epochs) <= 40 else None
                values = [row[name] for row in self.history]
                axes.plot(epochs, values, color=colour, marker=marker, label=label)
            for (text, height), colour in zip(self._lines.items(), (GREY, VERMILION), strict=False):
                axes.axhline(height, color=colour, linestyle=":", linewidth=1.5)
                axes.annotate(
                    text, (1, height), xycoords=("axes fraction", "data"), xytext=(4, 0),
                    textcoords="offset points", va="center", color=colour, fontsize=10,
                    annotation_clip=False,
                )  # fmt: skip
            epochs_axis(axes, epochs[-1])
            # Below the topmost dotted line, that of the grid.
            axes.legend(title="what the model sees", loc="upper right", bbox_to_anchor=(1, 0.92))
            axes.set(title="Timing error of medians on validation bars", ylabel="ms")


def draw_feel(figure: Figure, drawn: Tensor, played: Tensor) -> None:
    """How loud and how late hits come, drawn and played, bars of shape (n, 3, steps, voices)."""
    left, right = figure.subplots(1, 2)
    levels = np.append(np.arange(0.5, 127, 3), 127.5)  # three a bar, and the loudest alone
    _shares(left, levels, 127 * _at_hits(drawn, 1), 127 * _at_hits(played, 1))
    left.set(title="Velocities", xlabel="of 127", ylabel="% of hits", xlim=(0, 128))
    left.legend()
    _shares(right, np.linspace(-0.5, 0.5, 51), _at_hits(drawn, 2), _at_hits(played, 2))
    right.axvline(0, color=GREY, linewidth=1)
    right.set(title="Offsets", xlabel="of a sixteenth; to the right is late", xlim=(-0.5, 0.5))


def _at_hits(bars: Tensor, channel: int) -> Any:
    return bars[:, channel][bars[:, 0] > 0].numpy()


def _shares(axes: Axes, edges: Any, drawn: Any, played: Any) -> None:
    for values, label, colour in ((played, "drummers", GREY), (drawn, "humanizer", BLUE)):
        share = 100 * np.histogram(values, edges)[0] / len(values)
        fill = colour == GREY
        axes.stairs(
            share, edges, label=label, color=colour, fill=fill, alpha=0.35 if fill else 1,
            linewidth=2,
        )  # fmt: skip
