"""Mode coverage over a run: how many letters the generator draws, measured by a judge."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from matplotlib.axes import Axes
from torch import Tensor

from callbacks.draws import draw, letter_data, write_arrays
from callbacks.figures import BLUE, GREY, SKY, VERMILION, drawing, epochs_axis
from callbacks.history import History

Values = dict[str, float]


class Measure(Protocol):
    """Measures of images, floats in [0, 1], with their floor (noise) and ceiling (real glyphs)."""

    def __call__(
        self,
        images: Tensor,
        judge: Any,
        reference: Any,
        whole: bool = False,
        most: int | None = None,
    ) -> Values: ...
    def memory(self, images: Tensor, judge: Any, training: Any, reference: Any) -> Values: ...
    def comparable(self, n: int, source: Any, reference: Any) -> int: ...
    def floor(self, n: int, judge: Any, reference: Any, most: int | None = None) -> Values: ...
    def ceiling(self, n: int, judge: Any, source: Any, reference: Any) -> Values: ...


class ModeCoverage(History):
    """Measures the generator on validation families in epochs, on test families at the end.

    ```yaml
    mode_coverage:
      _target_: callbacks.mode_coverage.ModeCoverage
      measure:
        _target_: fontgan.metrics.measures.LetterMeasures
      samples: 2000          # drawn for the cheap set, in epochs
      final_samples: 5000    # drawn for the whole set, at the end; kept in samples/final.npz
      every_n_epochs: 1
      seed: 0                # of the noise: the same in every epoch
    ```

    Writes `samples/final.npz` and `figures/mode_coverage.png`. Its measures are logged under their
    own names. Every process measures the same draws; the first one writes.

    Attributes:
        floor: what noise gets, by measure; empty until a test has ended.
        ceiling: what real glyphs of the validation families get; empty until a test has ended.
        history: the curves of the figure, one row for each measured epoch (counted from 1).
    """

    def __init__(
        self,
        measure: Measure,
        samples: int = 2000,
        final_samples: int = 5000,
        every_n_epochs: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(every_n_epochs)
        self.measure = measure
        self.samples = samples
        self.final_samples = final_samples
        self.seed = seed
        self.floor: Values = {}
        self.ceiling: Values = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = self.measured_epoch(trainer)
        if epoch is None:
            return
        data = letter_data(trainer)
        images = draw(pl_module, self.samples, self.seed)
        values = self.measure(images.float() / 255, data.judge, data.reference("validate"))
        pl_module.log_dict(values, sync_dist=True)
        drawn = ("letters", "any", "accepted", "hash")
        row = {f"coverage/{name}": float(values[f"coverage/{name}"]) for name in drawn}
        self.history.append({"epoch": epoch, **row})

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data, n = letter_data(trainer), self.final_samples
        source, reference = data.reference("validate"), data.reference("test")
        images, most = draw(pl_module, n, self.seed), self.measure.comparable(n, source, reference)
        values = self.measure(images.float() / 255, data.judge, reference, whole=True, most=most)
        values |= self.measure.memory(
            images.float() / 255, data.judge, data.reference("train"), reference
        )
        pl_module.log_dict(values, sync_dist=True)
        if not self.floor:
            self.floor = self.measure.floor(n, data.judge, reference, most)
            self.ceiling = self.measure.ceiling(n, data.judge, source, reference)
        if trainer.is_global_zero:
            save_samples(Path(trainer.default_root_dir) / "samples" / "final.npz", images)
        self.redraw(trainer)

    def draw_history(self, trainer: Trainer) -> None:
        with drawing(trainer, "mode_coverage", width=11, height=5) as figure:
            letters, accepted = figure.subplots(1, 2)
            self._curve(letters, "letters", BLUE, "at least 25 % of a fair share", marker="o")
            self._curve(letters, "any", SKY, "at least one sample", marker="s")
            self._curve(
                letters, "hash", VERMILION, "the report's hash claims", scale=26, linestyle="--"
            )
            letters.set(title="Letters drawn", ylabel="letters (of 26)", ylim=(0, 27.5))
            letters.set_yticks([0, 5, 10, 15, 20, 26])
            self._limits(letters, "coverage/hash", "noise,\nhash", scale=26, ceiling=False)
            self._limits(letters, "coverage/letters", "")
            self._curve(accepted, "accepted", BLUE, "", marker="o")
            accepted.set(
                title="Samples that are a letter at all", ylabel="share of samples", ylim=(0, 1.06)
            )
            self._limits(accepted, "coverage/accepted", "")
            letters.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14))
            for axes in (letters, accepted):
                epochs_axis(axes, self.history[-1]["epoch"])

    def _curve(
        self, axes: Axes, name: str, colour: str, label: str, scale: float = 1, **line: Any
    ) -> None:
        epochs = [row["epoch"] for row in self.history]
        values = [scale * row[f"coverage/{name}"] for row in self.history]
        few = len(epochs) <= 40
        line["marker"] = line.get("marker") if few else None
        axes.plot(epochs, values, color=colour, label=label, markersize=5, **line)

    def _limits(
        self, axes: Axes, name: str, what: str, scale: float = 1, ceiling: bool = True
    ) -> None:
        """Dotted lines at the floor and the ceiling, once they are known, each with its name."""
        lines = [(self.floor, what or "noise")]
        if ceiling:
            lines.append((self.ceiling, "real\nglyphs"))
        for values, text in lines:
            if name in values:
                height = scale * values[name]
                axes.axhline(height, color=GREY, linestyle=":", linewidth=1.5)
                axes.annotate(
                    text, (1, height), xycoords=("axes fraction", "data"), xytext=(4, 0),
                    textcoords="offset points", va="center", color=GREY, fontsize=10,
                    annotation_clip=False,
                )  # fmt: skip


def save_samples(path: Path, images: Tensor) -> None:
    """Write uint8 images (n, channels, h, w) as `images`, (n, h, w) or with channels last.

    The file is whole or not there.
    """
    array = images.cpu().numpy()
    array = array[:, 0] if array.shape[1] == 1 else np.moveaxis(array, 1, -1)
    write_arrays(path, images=array)
