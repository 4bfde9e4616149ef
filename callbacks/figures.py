"""How the figures of a run look: colours, sizes, and how they reach the disk and W&B."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from callbacks.media import log_media

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

# Okabe and Ito (2008), distinguishable with every kind of colour blindness.
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
SKY = "#56B4E9"
INK = "#222222"
GREY = "#767676"

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "text.color": INK,
}


@contextmanager
def styled_figure(width: float = 10, height: float = 5, dpi: int = 150) -> Iterator[Figure]:
    """A figure of width x height inches in the style of a run's figures; pyplot stays untouched."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
        FigureCanvasAgg(figure)
        try:
            yield figure
        finally:
            figure.clear()


@contextmanager
def drawing(
    trainer: Trainer,
    name: str,
    width: float = 10,
    height: float = 5,
    key: str | None = None,
    epoch: int | None = None,
) -> Iterator[Figure]:
    """A figure of width x height inches that ends as `figures/<name>.png` of the run, and in W&B.

    The file is whole or not there: an earlier one stays until the new one is written. Use it on
    process zero only.

    Args:
        trainer: of the run.
        name: of the file.
        width: in inches.
        height: in inches.
        key: W&B's name for it is `figures/<key>`, where that is not the file's.
        epoch: counted from 0, for a figure of an epoch whose measures are not logged yet.
    """
    path = Path(trainer.default_root_dir) / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with styled_figure(width, height) as figure:
        yield figure
        partial = path.with_suffix(".partial")
        try:
            figure.savefig(partial, format="png", facecolor="white")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    log_media(trainer, f"figures/{key or name}", lambda wandb: wandb.Image(str(path)), epoch)


def epochs_axis(axes: Axes, last: float) -> None:
    """An axis of whole epochs from the first on, not squeezed where there are only a few."""
    axes.set_xlabel("epoch")
    axes.set_xlim(0, max(last, 2) * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
