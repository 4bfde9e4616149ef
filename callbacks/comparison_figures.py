"""Figures of a comparison: final values with a dot for each seed, and curves with bands over seeds.

What they show is decided by the columns that the runs have, whatever the domain.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from callbacks.comparable import some
from callbacks.comparison import Comparison, Outcome
from callbacks.figures import BLUE, GREEN, INK, ORANGE, SKY, VERMILION, styled_figure
from callbacks.glance import cell
from callbacks.page import Picture, png
from callbacks.statistics import improvement_probability
from callbacks.variants import Variant, watched

MOST = 12
"""Variants in a figure; of more, those with the best means are shown."""

ALSO = ("kl/high", "kl/low")
"""Columns that get a curve beside the headline measures."""

HALF = 120
"""Dots an inch of figures of which two share a row."""

COLOURS = (BLUE, VERMILION, GREEN, "#CC79A7", INK, ORANGE, SKY)
LINES = ("-", "--", ":", "-.")
MARKERS = "osD^v<>phXP*"
WAYS = {"max": "more is better", "min": "less is better", "": ""}


@dataclass(frozen=True)
class Look:
    """Colour, line and marker of a variant, the same in all figures and told without colour too."""

    colour: str
    line: str
    marker: str


@dataclass(frozen=True)
class Curves:
    """A column of `metrics.csv` of a variant's runs.

    Attributes:
        epochs: those that all seeds have, counted from 1, shape (epochs,).
        values: shape (seeds, epochs).
    """

    epochs: NDArray[np.int64]
    values: NDArray[np.float64]


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for each variant."""
    return {
        name: Look(
            COLOURS[i % len(COLOURS)], LINES[i // len(COLOURS) % len(LINES)],
            MARKERS[i % len(MARKERS)],
        )
        for i, name in enumerate(names)
    }  # fmt: skip


def shown(found: Comparison) -> list[Variant]:
    """At most `MOST` variants: the baseline, and the best on the first headline measure."""
    if len(found.variants) <= MOST:
        return list(found.variants)
    first = next(iter(found.headline), None)
    outcomes = found.of(first) if first else []
    sign = 1 if first and found.headline[first] == "min" else -1
    best = [o.variant for o in sorted(outcomes, key=lambda o: sign * o.middle.value)]
    best = [name for name in best if name != found.baseline][: MOST - 1]
    return [variant for variant in found.variants if variant.name in (*best, found.baseline)]


def curves(variant: Variant, column: str) -> Curves | None:
    """A column over the epochs in which all seeds of a variant have a value; None without any."""
    seeds = []
    for run in map(watched, variant.runs):
        values = run.metrics.get(column)
        if values is None:
            return None
        there = np.isfinite(values)
        epochs = run.metrics["epoch"][there].astype(int) + 1
        seeds.append(dict(zip(epochs.tolist(), values[there].tolist(), strict=True)))
    common = sorted(set.intersection(*map(set, seeds)))
    if not common:
        return None
    return Curves(np.array(common), np.array([[seed[e] for e in common] for seed in seeds]))


def seed_dots(found: Comparison) -> list[Picture]:
    """Final headline measures, a picture each: a dot a seed, interquartile mean and interval."""
    names = [variant.name for variant in shown(found)]
    style = looks([variant.name for variant in found.variants])
    pictures = []
    for measure, better in found.headline.items():
        with styled_figure(6.2, 1.1 + 0.36 * len(names), HALF) as figure:
            axes = figure.subplots()
            for outcome in found.of(measure):
                if outcome.variant in names:
                    place = names.index(outcome.variant)
                    _draw_seeds(axes, place, outcome, style[outcome.variant])
            axes.set_title(f"{measure} ({WAYS[better]})", fontsize=12)
            axes.set_yticks(range(len(names)), names)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.margins(x=0.08)
            sentence = leading_sentence(found, measure)
            alt, name = f"Seeds' {measure}. {sentence}", f"seeds_{file_name(measure)}"
            pictures.append(Picture(png(figure), alt, sentence, half=True, name=name))
    return pictures


def file_name(measure: str) -> str:
    """A measure's name as part of a file's."""
    return re.sub(r"[^\w.-]+", "_", measure)


def _draw_seeds(axes: Axes, place: int, outcome: Outcome, look: Look) -> None:
    middle = outcome.middle
    if not math.isnan(middle.low):
        axes.plot(
            [middle.low, middle.high], [place, place], color=look.colour, linewidth=9, alpha=0.3,
            solid_capstyle="butt",
        )  # fmt: skip
    axes.plot([middle.value], [place], "|", color=look.colour, ms=17, mew=2.5)
    axes.plot(
        outcome.values, [place] * len(outcome.values), look.marker, color=look.colour, ms=7,
        markeredgecolor="white", markeredgewidth=0.5, linestyle="",
    )  # fmt: skip


def curve_pictures(found: Comparison) -> list[Picture]:
    """A picture for each headline measure, and each of `ALSO`, that has a column in the runs."""
    pictures = []
    for column in dict.fromkeys([*found.headline, *ALSO]):
        drawn = {variant.name: curves(variant, column) for variant in shown(found)}
        there = {name: curve for name, curve in drawn.items() if curve is not None}
        if any(len(curve.epochs) > 1 for curve in there.values()):
            pictures.append(_curve_picture(found, column, there))
    return pictures


def _curve_picture(found: Comparison, column: str, drawn: Mapping[str, Curves]) -> Picture:
    style = looks([variant.name for variant in found.variants])
    better = found.headline.get(column, "")
    ordered = sorted(drawn, key=len, reverse=True)
    legend_rows = math.ceil(len(ordered) / 2)
    with styled_figure(6.2, 3.6 + 0.22 * legend_rows, HALF) as figure:
        axes = figure.subplots()
        for name, curve in drawn.items():
            look = style[name]
            axes.fill_between(
                curve.epochs, curve.values.min(0), curve.values.max(0), color=look.colour,
                alpha=min(0.18, 0.6 / len(drawn)), linewidth=0,
            )  # fmt: skip
            axes.plot(
                curve.epochs, curve.values.mean(0), color=look.colour, linestyle=look.line,
                marker=look.marker, markersize=5, markevery=max(1, len(curve.epochs) // 8),
                label=f"{name} ({len(curve.values)})",
            )  # fmt: skip
        everything = np.concatenate([curve.values.ravel() for curve in drawn.values()])
        if better != "max" and 0 < 30 * everything.min() < everything.max():
            axes.set_yscale("log")
        axes.set_title(f"{column}{f' ({WAYS[better]})' if better else ''}", fontsize=12)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside lower left", ncols=2, fontsize=10)
        sentence = _curve_sentence(drawn, better)
        alt = f"{column} over epochs, mean and range of the seeds of {', '.join(drawn)}. {sentence}"
        name = f"curve_{file_name(column)}"
        return Picture(png(figure), alt, sentence, half=True, name=name)


def _curve_sentence(drawn: Mapping[str, Curves], better: str) -> str:
    last = min(int(curve.epochs[-1]) for curve in drawn.values())
    at = {name: curve.values[:, curve.epochs <= last][:, -1] for name, curve in drawn.items()}
    means = {name: float(values.mean()) for name, values in at.items()}
    first, final = ends(means, better)
    if not final:
        who = _all(first)
        return f"After epoch {last} {who} at {_range(at[first[0]])}."
    words = ("best", "worst") if better else ("highest", "lowest")
    told = [
        f"{some(names)} {'is' if len(names) == 1 else 'are'} {word} with {_range(at[names[-1]])}"
        for names, word in zip((first, final), words, strict=True)
    ]
    return f"After epoch {last} {' and '.join(told)}."


def _all(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is"
    return "both variants are" if len(names) == 2 else f"all {len(names)} variants are"


def _range(values: NDArray[np.float64]) -> str:
    low, high, mean = (cell(float(v)) for v in (values.min(), values.max(), values.mean()))
    if len(values) == 1:
        return f"{mean} (one seed)"
    return f"{mean} ({len(values)} seeds{f', {low} to {high}' if low != high else ''})"


def leading_sentence(found: Comparison, measure: str) -> str:
    """Which variant has the best mean on a headline measure, and which the worst."""
    outcomes = {outcome.variant: outcome for outcome in found.of(measure)}
    means = {name: outcome.mean for name, outcome in outcomes.items()}
    first, last = ends(means, found.headline[measure])
    if not last:
        who = _all(first)
        return f"On {measure}, {who} at {cell(means[first[0]])}."
    told = []
    for names, word in ((first, "best with a mean of"), (last, "worst with")):
        count = len(outcomes[names[0]].values)
        seeds = f" ({'one seed' if count == 1 else f'{count} seeds'})" if len(names) == 1 else ""
        verb = "is" if len(names) == 1 else "are"
        told.append(f"{some(names)} {verb} {word} {cell(means[names[0]])}{seeds}")
    chance = improvement_probability(*(outcomes[names[0]].values for names in (first, last)))
    alike = chance.low <= 0.5 <= chance.high
    doubt = ", though the seeds do not tell these two apart" if alike else ""
    return f"On {measure}, {' and '.join(told)}{doubt}."


def ends(means: Mapping[str, float], better: str) -> tuple[list[str], list[str]]:
    """Those with the best mean and those with the worst, as far as four digits tell them apart.

    Args:
        means: name -> value.
        better: `"min"` where the best is the smallest.

    Returns:
        The names, in the order of `means`; all of them and none where all are alike.
    """
    low, high = cell(min(means.values())), cell(max(means.values()))
    best, worst = (low, high) if better == "min" else (high, low)
    first = [name for name, mean in means.items() if cell(mean) == best]
    return first, [name for name, mean in means.items() if cell(mean) == worst != best]


def selection(found: Comparison) -> str:
    """Says that only some variants are shown, where that is so."""
    if len(found.variants) <= MOST:
        return ""
    first = next(iter(found.headline), "the first measure")
    total = len(found.variants)
    return f"; of {total} variants the baseline and the best {MOST - 1} others on {first}"
