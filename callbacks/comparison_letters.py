"""Which letters survive in which variant, drawn where the runs measured shares of letters."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from callbacks.comparable import final, some
from callbacks.comparison import Comparison
from callbacks.comparison_figures import selection, shown
from callbacks.figures import BLUE, INK, VERMILION, styled_figure
from callbacks.glance import cell
from callbacks.page import Picture, png
from callbacks.run_directory import RunDirectory
from callbacks.variants import watched

Floats = NDArray[np.float64]

LETTERS = "letters/"
ALIVE = 0.25
"""Part of its fair share from which on a letter is alive."""

_SHADES = LinearSegmentedColormap.from_list("share", ["#F4F1EE", "#B9D9EC", "#56A5D2", BLUE])


def survival_map(found: Comparison) -> Picture | None:
    """Letters × variants: the part of the epochs in which they live, and their final shares."""
    variants = [v for v in shown(found) if all(_letters(final(run)) for run in v.runs)]
    if not variants:
        return None
    letters = _letters(final(variants[0].runs[0]))
    lives = {
        v.name: np.mean([epochs_alive(watched(run), letters) for run in v.runs], 0)
        for v in variants
    }
    lives = {name: life for name, life in lives.items() if np.isfinite(life).all()}
    shares = {
        v.name: len(letters) * np.mean([[final(run)[k] for k in letters] for run in v.runs], 0)
        for v in variants
    }
    tables = [(shares, "Final share over the fair share (mean over seeds)", 1.5, ALIVE, "{:.1f}")]
    if lives:
        title = "Epochs in which a letter is alive (%, mean over seeds)"
        tables.insert(0, (lives, title, 1.0, 1e-9, "{:.0%}"))
    height = 0.9 + 0.34 * len(variants)
    with styled_figure(11, height * len(tables)) as figure:
        names = [letter.removeprefix(LETTERS) for letter in letters]
        panels = figure.subplots(len(tables), 1, squeeze=False)[:, 0]
        for axes, (rows, title, most, least, text) in zip(panels, tables, strict=True):
            _draw_letters(axes, rows, names, most, least, text)
            axes.set_title(title, fontsize=12)
        sentence = _survival_sentence(lives, shares, names)
        caption = (
            f"{sentence} A letter is alive from {ALIVE:.0%} of its fair share of all samples on; a "
            f"number is red where it ends below that, or never was alive{selection(found)}."
        )
        alt = f"Survival of letters by variant. {sentence}"
        return Picture(png(figure), alt, caption, name="letter_survival")


def epochs_alive(run: RunDirectory, letters: Sequence[str]) -> Floats:
    """Part of a run's measured epochs in which each letter is alive; NaN where none is measured.

    Args:
        run: with columns `letters/A` …
        letters: the columns; shares of all letters are fair where they are equal.
    """
    if not all(letter in run.metrics for letter in letters):
        return np.full(len(letters), np.nan)
    shares = np.stack([run.metrics[letter] for letter in letters])
    shares = shares[:, np.isfinite(shares).all(0)]
    if not shares.size:
        return np.full(len(letters), np.nan)
    # Values have eight digits: a share right on the threshold must not fall below it.
    return (len(letters) * shares >= ALIVE * (1 - 1e-6)).mean(1)


def _letters(values: dict[str, float]) -> list[str]:
    return sorted(name for name in values if name.startswith(LETTERS))


def _draw_letters(
    axes: Axes,
    rows: Mapping[str, Floats],
    letters: Sequence[str],
    most: float,
    least: float,
    text: str,
) -> None:
    """Draw a table of numbers, variants × letters: darkest from `most` on, red below `least`."""
    values = np.stack(list(rows.values()))
    axes.pcolormesh(values, cmap=_SHADES, vmin=0, vmax=most, edgecolors="white", linewidth=1)
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value > 0.73 * most else INK if value >= least else VERMILION
        axes.text(
            column + 0.5, row + 0.52, text.format(value).rstrip("%"), ha="center", va="center",
            fontsize=9, color=ink,
        )  # fmt: skip
    axes.set_xticks(np.arange(len(letters)) + 0.5, letters)
    axes.set_yticks(np.arange(len(rows)) + 0.5, list(rows))
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _survival_sentence(
    lives: dict[str, Floats], shares: dict[str, Floats], letters: Sequence[str]
) -> str:
    parts = []
    for name, share in shares.items():
        dead = [letter for letter, value in zip(letters, share, strict=True) if value < ALIVE]
        words = f"loses {some(dead, 10)}" if dead else "keeps every letter"
        if name in lives:
            mean = round(float(lives[name].sum()), 1)
            words += f" and has {cell(mean)} alive on average over its epochs"
        parts.append(f"{name} {words}")
    more = f"; and {len(parts) - 4} more" if len(parts) > 4 else ""
    return "; ".join(parts[:4]) + f"{more}, of {len(letters)} letters."
