"""Which latent dimensions live in which variant, and what likelihood comes with the information.

Drawn where the runs have the columns.
"""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from callbacks.comparable import final
from callbacks.comparison import Comparison
from callbacks.comparison_figures import curves, looks, selection, shown
from callbacks.figures import BLUE, styled_figure
from callbacks.glance import cell
from callbacks.page import Picture, png
from callbacks.variants import Variant, watched

Floats = NDArray[np.float64]

LIVELY = 0.1
"""Nats of KL from which on a dimension counts as alive here."""
LEVELS = ("high", "low")
INFORMATION = tuple(f"information/{level}" for level in LEVELS)
LIKELIHOODS = ("likelihood/gap", "likelihood/nll")

_SHADES = LinearSegmentedColormap.from_list(
    "kl", ["#EFEBE7", "#D6E0E6", "#8FC1DE", "#2E86BF", BLUE, "#00263D"]
)


@dataclass(frozen=True)
class Level:
    """The dimensions of a latent level over the epochs of a variant.

    Attributes:
        epochs: counted from 1, shape (epochs,).
        kl: mean over seeds of the sorted dimensions, shape (dimensions, epochs).
        lively: dimensions above `LIVELY` in the end, mean over seeds.
    """

    epochs: NDArray[np.int64]
    kl: Floats
    lively: float


def kl_maps(found: Comparison) -> Picture | None:
    """KL of each latent dimension over epochs, a panel for each variant, one scale for all."""
    maps = {variant.name: _levels(variant) for variant in shown(found)}
    maps = {name: levels for name, levels in maps.items() if levels}
    if not maps:
        return None
    columns = min(3, len(maps))
    rows = math.ceil(len(maps) / columns)
    with styled_figure(11, 0.6 + 3.6 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False)
        meshes = []
        for axes, (name, levels) in zip(panels.flat, maps.items(), strict=False):
            meshes.append(_draw_levels(axes, levels))
            axes.set_title(name, fontsize=12)
        for axes in panels.flat[len(maps) :]:
            axes.set_axis_off()
        bar = figure.colorbar(meshes[0], ax=panels, pad=0.02, aspect=30, extend="both")
        bar.set_label("KL (nats)")
        bar.outline.set_visible(False)  # pyright: ignore
        sentence = _kl_sentence(maps)
        caption = (
            f"{sentence} A row is a dimension; they are sorted in every seed by the last KL (which "
            f"number a dimension has means nothing), then averaged over seeds{selection(found)}."
        )
        alt = f"KL of latent dimensions over epochs. {sentence}"
        return Picture(png(figure), alt, caption, turned=False, name="latent_dimensions")


def _draw_levels(axes: Axes, levels: dict[str, Level]) -> QuadMesh:
    epochs = next(iter(levels.values())).epochs
    # Each epoch fills the time since the one measured before it.
    step = epochs[1] - epochs[0] if len(epochs) > 1 else 1
    edges = np.array([epochs[0] - step, *epochs], dtype=float) + 0.5  # epoch 3 lies about the 3
    kl = np.concatenate([level.kl for level in levels.values()])
    rows = np.arange(len(kl) + 1)
    mesh = axes.pcolormesh(
        edges, rows, np.clip(kl, 1e-3, None), cmap=_SHADES, norm=LogNorm(1e-3, 3)
    )
    axes.hlines(rows, edges[0], edges[-1], color="white", linewidth=1)
    start = 0
    for name, level in levels.items():
        axes.hlines(start, edges[0], edges[-1], color="white", linewidth=5)
        axes.text(
            -0.03, start + len(level.kl) / 2, f"z_{name}\n{cell(level.lively)} of {len(level.kl)}",
            transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=10,
        )  # fmt: skip
        start += len(level.kl)
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    return mesh


def _levels(variant: Variant) -> dict[str, Level]:
    levels = {}
    for name in LEVELS:
        columns = [
            column
            for column in watched(variant.runs[0]).metrics
            if column.startswith(f"kl_{name}/")
        ]
        found = [curves(variant, column) for column in columns]
        there = [curve for curve in found if curve is not None]
        if there and len(there) == len(columns):
            kl = np.stack([curve.values for curve in there])
            lively = float((kl[:, :, -1] >= LIVELY).sum(0).mean())
            levels[name] = Level(there[0].epochs, sorted_kl(kl), lively)
    return levels


def sorted_kl(kl: Floats) -> Floats:
    """Mean over seeds of the KL of dimensions that were sorted in each seed by their last value.

    Args:
        kl: shape (dimensions, seeds, epochs).

    Returns:
        Shape (dimensions, epochs), the most informative first.
    """
    order = np.argsort(-kl[:, :, -1], axis=0, kind="stable")
    return np.take_along_axis(kl, order[:, :, None], axis=0).mean(axis=1)


def _kl_sentence(maps: dict[str, dict[str, Level]]) -> str:
    total = sum(len(level.kl) for level in next(iter(maps.values())).values())
    lively = {name: sum(level.lively for level in levels.values()) for name, levels in maps.items()}
    listed = ", ".join(f"{cell(count)} with {name}" for name, count in lively.items())
    return f"Of {total} latent dimensions these end above {LIVELY} nat: {listed} (mean over seeds)."


def likelihood_map(found: Comparison) -> Picture | None:
    """Likelihood on information, a marker for each run."""
    variants = [v for v in shown(found) if all(k in final(r) for r in v.runs for k in INFORMATION)]
    runs = [run for variant in variants for run in variant.runs]
    measure = next((k for k in LIKELIHOODS if runs and all(k in final(r) for r in runs)), None)
    if measure is None:
        return None
    style = looks([variant.name for variant in found.variants])
    points = {
        variant.name: np.array(
            [[sum(f[k] for k in INFORMATION), f[measure]] for f in map(final, variant.runs)]
        )
        for variant in variants
    }
    with styled_figure(10, 4.6 + 0.12 * len(points)) as figure:
        axes = figure.subplots()
        for name, where in points.items():
            axes.plot(
                *where.T, style[name].marker, color=style[name].colour, markersize=10,
                markeredgecolor="white", linestyle="", label=name, zorder=3,
            )  # fmt: skip
        axes.set_xlabel(f"{' + '.join(INFORMATION)} (nats)")
        axes.set_ylabel(f"{measure} (nats; less is better)")
        axes.margins(0.12)
        figure.legend(loc="outside lower left", ncols=4, fontsize=10)
        sentence = _likelihood_sentence({k: where.mean(0) for k, where in points.items()}, measure)
        caption = f"{sentence} A marker is a run{selection(found)}."
        alt = f"{measure} on information, a marker a run. {sentence}"
        return Picture(png(figure), alt, caption, name="likelihood_on_information")


def _likelihood_sentence(means: dict[str, Floats], measure: str) -> str:
    def told(name: str) -> str:
        information, likelihood = map(float, means[name])
        return f"{cell(likelihood)} at {cell(information)} nats of information"

    best = min(means, key=lambda name: means[name][1])
    most = max(means, key=lambda name: means[name][0])
    least = min(means, key=lambda name: means[name][0])
    sentence = f"On average {best} has the least {measure}, {told(best)}"
    if most != best:
        sentence += f"; {most} carries the most information, {told(most)}"
    if least not in (best, most):
        sentence += f"; {least} carries the least, {told(least)}"
    return f"{sentence}."
