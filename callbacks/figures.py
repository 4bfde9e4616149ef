"""How the figures of a run look: colours, sizes, and how they reach the disk and W&B."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import WandbLogger
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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
def drawing(
    trainer: Trainer, name: str, width: float = 10, height: float = 5, log: bool = True
) -> Iterator[Figure]:
    """A figure of width x height inches that ends as `figures/<name>.png` of the run, and in W&B.

    The file is whole or not there: an earlier one stays until the new one is written. Use it on
    process zero only. Nothing of pyplot's global state is touched.
    """
    path = Path(trainer.default_root_dir) / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        partial = path.with_suffix(".partial")
        try:
            figure.savefig(partial, format="png", facecolor="white")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
            figure.clear()
    for logger in wandb_loggers(trainer) if log else ():
        logger.log_image(key=f"figures/{name}", images=[str(path)])


def wandb_loggers(trainer: Trainer) -> list[WandbLogger]:
    """The loggers of a run that take images and histograms."""
    return [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]


def epochs_axis(axes: Axes, last: float) -> None:
    """An axis of whole epochs from the first on, not squeezed where there are only a few."""
    axes.set_xlabel("epoch")
    axes.set_xlim(0, max(last, 2) * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
