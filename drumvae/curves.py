"""The figure that a VAE's report draws from the numbers alone: losses and KL over batches."""

from matplotlib.figure import Figure

from callbacks.figures import BLUE, INK, ORANGE
from callbacks.report_parts import Columns

LEVELS = {"high": ORANGE, "low": BLUE}
PANELS = (
    ("Loss", "nats a bar", {"loss/total": ("all", INK), "loss/reconstruction": ("rebuilt", BLUE)}),
    ("KL, not weighted", "nats a bar", {f"kl/{k}": (f"z_{k}", c) for k, c in LEVELS.items()}),
    ("Weight of the KL", "β", {f"beta/{k}": (f"z_{k}", c) for k, c in LEVELS.items()}),
)
"""Title, unit, and column -> (label, colour) of each panel."""


def draw_losses(figure: Figure, rows: Columns) -> None:
    """Losses, KL of both levels and its weights over batches, block means."""
    panels = figure.subplots(1, len(PANELS))
    for axes, (title, unit, curves) in zip(panels, PANELS, strict=True):
        for name, (label, colour) in curves.items():
            if name in rows:
                axes.plot(rows["batch"], rows[name], color=colour, linewidth=1.5, label=label)
        axes.set(title=title, xlabel="batch", ylabel=unit)
        axes.set_xlim(0, float(rows["batch"][-1]) * 1.01)
        axes.set_ylim(min(0, axes.get_ylim()[0]) if title != "Loss" else None, None)
        axes.legend()
