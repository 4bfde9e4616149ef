"""The figures that a GAN's report draws from the numbers alone: losses, coverage, letters."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from callbacks.figures import BLUE, GREY, INK, VERMILION, epochs_axis
from callbacks.report_parts import Columns, Values, taken
from callbacks.sample_grid import compose
from fontgan import LETTERS
from fontgan.metrics.coverage import wilson
from fontgan.sentences import ALIVE


def draw_losses(figure: Figure, rows: Columns) -> None:
    """Losses of both networks over batches, block means; where they are no numbers, a gap."""
    axes = figure.subplots()
    for name, colour in (("generator", BLUE), ("discriminator", VERMILION)):
        axes.plot(rows["batch"], rows[f"loss/{name}"], color=colour, linewidth=1.5, label=name)
    axes.set(xlabel="batch", ylabel="loss", xlim=(0, float(rows["batch"][-1]) * 1.01))
    axes.set_title(f"Losses, means of {rows['batch'][0]:.0f} batches or an epoch's rest")
    axes.legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)


def draw_coverage(
    figure: Figure, metrics: Columns, floor: Values, ceiling: Values, drawn: int
) -> None:
    """Letters drawn and samples accepted over epochs, between what noise and real glyphs get.

    Above the ceiling and below the floor the ground is shaded; the accepted share has its 95 %
    Wilson interval.
    """
    named = {
        "letters": ("Letters drawn", "letters (of 26)", 26.0),
        "accepted": ("Samples that are a letter at all", "share of samples", 1.0),
    }
    measured = [name for name in named if taken(metrics, f"coverage/{name}")[0]]
    panels = figure.subplots(1, len(measured), squeeze=False)[0]
    for axes, name in zip(panels, measured, strict=True):
        title, unit, most = named[name]
        numbers, values = taken(metrics, f"coverage/{name}")
        marker = "o" if len(numbers) <= 40 else None
        axes.plot(numbers, values, color=BLUE, marker=marker, markersize=5, label="judged")
        axes.set(title=title, ylabel=unit, ylim=(-0.03 * most, 1.06 * most))
        _bands(axes, floor.get(f"coverage/{name}"), ceiling.get(f"coverage/{name}"))
        epochs_axis(axes, numbers[-1])
        if name == "letters":
            axes.set_yticks([0, 5, 10, 15, 20, 26])
            _claimed(axes, metrics)
        else:
            low, high = wilson(torch.from_numpy(np.round(values * drawn)), drawn)
            axes.fill_between(numbers, low.numpy(), high.numpy(), color=BLUE, alpha=0.2, lw=0)


def _claimed(axes: Axes, metrics: Columns) -> None:
    numbers, share = taken(metrics, "coverage/hash")
    if numbers:
        axes.plot(numbers, 26 * share, "--", color=VERMILION, label="the course report's hash")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def _bands(axes: Axes, floor: float | None, ceiling: float | None) -> None:
    bottom, top = axes.get_ylim()
    for limit, edge, text in ((floor, bottom, "noise"), (ceiling, top, "real\nglyphs")):
        if limit is None:
            continue
        axes.axhspan(min(limit, edge), max(limit, edge), color=GREY, alpha=0.15, linewidth=0)
        axes.axhline(limit, color=GREY, linestyle=":", linewidth=1.5)
        axes.annotate(
            text, (1, limit), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", va="center", color=GREY, fontsize=10,
            annotation_clip=False,
        )  # fmt: skip


def draw_letters(
    figure: Figure, shares: Sequence[float], limits: Mapping[str, NDArray[np.float64]] | None = None
) -> None:
    """Share of all samples of each letter.

    Args:
        figure: where.
        shares: of A to Z.
        limits: "low" and "high", shape (26,), of the shares without the judge's errors.
    """
    axes, places = figure.subplots(), np.arange(len(LETTERS))
    values = 100 * np.array(shares)
    alive = np.array(shares) >= ALIVE
    axes.bar(places, values, color=[BLUE if lives else VERMILION for lives in alive], width=0.75)
    ends = values if limits is None else 100 * limits["high"]
    for place in places[~alive]:
        axes.annotate(
            "✕", (place, max(values[place], ends[place])), xytext=(0, 1),
            textcoords="offset points", ha="center", color=VERMILION, fontweight="bold",
            fontsize=13,
        )  # fmt: skip
    top = max(float(values.max()), 150 / len(LETTERS))
    if limits is not None:
        low, high = 100 * limits["low"], 100 * limits["high"]
        axes.vlines(places, low, high, color=INK, linewidth=1.5, label="without the judge's errors")
        top = max(top, float(high.max()))
    for height, style, label in (
        (100 / len(LETTERS), "--", "fair share"), (100 * ALIVE, ":", "alive from here on"),
    ):  # fmt: skip
        axes.axhline(height, color=INK, linestyle=style, linewidth=1.5, label=label)
    axes.set_xticks(places, list(LETTERS))
    axes.grid(axis="x", visible=False)
    axes.set(xlim=(-0.7, len(LETTERS) - 0.3), ylim=(0, 1.08 * top))
    axes.set(xlabel="letter", ylabel="share of all samples (%)")
    axes.set_title(
        f"{alive.sum()} of {len(LETTERS)} letters alive, {values.sum():.0f} % of samples are one"
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)


def draw_sheet(figure: Figure, images: NDArray[np.uint8], columns: int = 13) -> None:
    """Glyphs (n, height, width), ink bright, dark on paper, as they come."""
    rows = len(images) // columns
    kept = images[: rows * columns]
    sheet, _, _ = compose(kept, np.ones(len(kept), bool), rows, columns)
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest", aspect="equal")
    axes.set_axis_off()
