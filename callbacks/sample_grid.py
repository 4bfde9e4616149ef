"""A sheet of samples from fixed noise, each labelled with what the judge reads."""

import string
from collections.abc import Sequence

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.draws import draw, letter_data
from callbacks.figures import INK, VERMILION, drawing

_PAPER = np.array([0.955, 0.955, 0.945])
_REFUSED_PAPER = np.array([0.992, 0.863, 0.780])  # A tint of VERMILION.
_INK = np.array([0.08, 0.08, 0.10])
_REFUSED_INK = np.array([0.36, 0.20, 0.12])


class SampleGrid(Callback):
    """Draws the same noise at chosen epochs and at the end, dark on paper as in print.

    ```yaml
    sample_grid:
      _target_: callbacks.sample_grid.SampleGrid
      rows: 8
      columns: 13
      epochs: [1, 10, 30, 50, 100]   # counted from 1
      seed: 0                        # of the noise
    ```

    Writes `figures/samples_epoch_010.png` and so on, and `figures/samples_final.png`; in W&B all
    are `figures/samples`. Refused glyphs lie on tinted paper and are marked with a cross.
    """

    def __init__(
        self,
        rows: int = 8,
        columns: int = 13,
        epochs: Sequence[int] = (1, 10, 30, 50, 100),
        seed: int = 0,
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.epochs = frozenset(epochs)
        self.seed = seed

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch in self.epochs:
            name, when = f"samples_epoch_{epoch:03d}", f"After epoch {epoch}"
            self._draw(trainer, pl_module, name, when, trainer.current_epoch)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, "samples_final", "At the end")

    def _draw(
        self,
        trainer: Trainer,
        module: LightningModule,
        name: str,
        when: str,
        epoch: int | None = None,
    ) -> None:
        if not trainer.is_global_zero:
            return
        images = draw(module, self.rows * self.columns, self.seed)
        judge = letter_data(trainer).judge.to(images.device)
        with torch.no_grad():
            letters = judge.read(images.float() / 255).letter.cpu().numpy()
        accepted = letters >= 0
        kinds = len(set(letters[accepted].tolist()))
        sheet, side, step = compose(images[:, 0].cpu().numpy(), accepted, self.rows, self.columns)
        height, width = sheet.shape[:2]
        inches = 11.0, 11.0 * height / width + 0.4
        with drawing(trainer, name, *inches, key="samples", epoch=epoch) as figure:
            axes = figure.subplots()
            axes.imshow(sheet, interpolation="nearest", aspect="equal")
            axes.set_axis_off()
            for index, letter in enumerate(letters):
                row, column = divmod(index, self.columns)
                axes.text(
                    column * step[1] + (step[1] - 1) / 2,
                    row * step[0] + side[0] + 0.4 * (step[0] - side[0]),
                    string.ascii_uppercase[letter] if letter >= 0 else "✕",
                    ha="center", va="center_baseline", fontsize=11,
                    color=INK if letter >= 0 else VERMILION,
                    fontweight="normal" if letter >= 0 else "bold",
                )  # fmt: skip
            axes.set_title(
                f"{when}: {accepted.sum()} of {len(letters)} samples read as a letter, "
                f"{kinds} different ones",
                fontsize=14, color=INK, pad=8,
            )  # fmt: skip


def compose(
    images: np.ndarray, accepted: np.ndarray, rows: int, columns: int
) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
    """Lay glyphs out on a sheet, dark on paper, with room for a label under each.

    Args:
        images: uint8 (rows * columns, height, width), ink bright.
        accepted: bool (rows * columns,); the others lie on tinted paper.
        rows: of the sheet.
        columns: of the sheet.

    Returns:
        The sheet, float (rows * step, columns * step, 3) in [0, 1]; height and width of a glyph's
        paper; height and width of a step from one glyph to the next, all in pixels.
    """
    height, width = images.shape[1:]
    gap, label = max(2, width // 10), round(height * 0.4)
    step = (height + label, width + gap)
    sheet = np.ones((rows * step[0], columns * step[1], 3))
    for index, image in enumerate(images):
        top, left = (index // columns) * step[0], (index % columns) * step[1] + gap // 2
        ink = image[..., None] / 255.0
        paper, pen = (_PAPER, _INK) if accepted[index] else (_REFUSED_PAPER, _REFUSED_INK)
        sheet[top : top + height, left : left + width] = (1 - ink) * paper + ink * pen
    return sheet, (height, width), step
