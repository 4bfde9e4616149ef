"""What the report sections of every domain are made of: figures, gauges, final measures, words."""

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from callbacks.figures import styled_figure
from callbacks.page import Gauge, Picture, SortableTable, png
from callbacks.run_directory import RunDirectory

Columns = Mapping[str, NDArray[np.float64]]
Values = dict[str, float]

LARGEST = 400_000
"""Bytes of a picture on the page: with a dozen of them a page stays below 5 MB."""


@dataclass(frozen=True)
class Meaning:
    """What a measure is, in a line, and which way is better (`""` where neither is)."""

    text: str
    better: Literal["more", "less", ""] = ""


@dataclass(frozen=True)
class Measured:
    """The values that a report is on.

    Attributes:
        values: measure -> finite value.
        epoch: after which they were taken, counted from 1; None for those of the end.
    """

    values: Values
    epoch: int | None = None

    @property
    def when(self) -> str:
        return "at the end" if self.epoch is None else f"after epoch {self.epoch}"


def measured(run: RunDirectory) -> Measured:
    """The final measures of a run; of one that did not come so far, those of its last full epoch.

    An epoch in which some callback did not measure has fewer than others, and is passed over.
    """
    final = finite(run.summary.get("final") or {})
    if final or not epochs(run.metrics):
        return Measured(final)
    counts = np.isfinite(np.array(list(run.metrics.values()))).sum(axis=0)
    last = int(np.flatnonzero(counts == counts.max())[-1])
    values = {name: float(column[last]) for name, column in run.metrics.items()}
    return Measured(finite(values), epochs(run.metrics)[last])


def finite(values: Mapping[str, float | None]) -> Values:
    """Only what is a finite number."""
    return {k: float(v) for k, v in values.items() if v is not None and math.isfinite(v)}


def epochs(metrics: Columns) -> list[int]:
    """Numbers of the epochs that have a row, counted from 1."""
    return [int(epoch) + 1 for epoch in metrics.get("epoch", ())]


def taken(metrics: Columns, name: str) -> tuple[list[int], NDArray[np.float64]]:
    """Epochs (from 1) in which a measure was taken, and its values there; empty without any."""
    column = metrics.get(name)
    if column is None:
        return [], np.empty(0)
    there = np.isfinite(column)
    return [e for e, measured in zip(epochs(metrics), there, strict=True) if measured], column[
        there
    ]


def gauges(
    found: Measured,
    headline: Mapping[str, str],
    meanings: Mapping[str, Meaning],
    floor: Values,
    ceiling: Values,
) -> list[Gauge]:
    """Measures beside their floors and ceilings, those that were taken.

    Args:
        found: the measures.
        headline: measure -> what it is called, in the order in which they are shown.
        meanings: which way is better.
        floor: what knows nothing gets.
        ceiling: what real data get.
    """
    made = []
    for name, label in headline.items():
        if name in found.values:
            value, low, high = found.values[name], floor.get(name), ceiling.get(name)
            barred = way(value, low, high, explained(name, meanings).better) is not None
            made.append(Gauge(label, value, low, high, barred))
    return made


def limits(run: RunDirectory) -> tuple[Values, Values]:
    """Floor and ceiling of the measures that have one."""
    floor, ceiling = (finite(run.summary.get(end) or {}) for end in ("floor", "ceiling"))
    return floor, ceiling


def figure(
    run: RunDirectory, name: str, alt: str, caption: str = "", turned: bool = True
) -> list[Picture]:
    """A figure of the run by its name without `.png`, nothing where there is none."""
    path = run.figures.get(name)
    return [Picture(inlined(path), alt, caption, turned=turned)] if path else []


def drawn(draw: Callable[[Figure], None], alt: str, height: float = 5) -> Picture:
    """A figure of 11 inches' width, drawn now."""
    with styled_figure(11, height, dpi=120) as figure:
        draw(figure)
        return Picture(png(figure), alt)


def inlined(path: Path) -> bytes:
    """A PNG file, made smaller where it is larger than `LARGEST`."""
    data = path.read_bytes()
    if len(data) <= LARGEST:
        return data
    with Image.open(path) as image:
        scale = (LARGEST / len(data)) ** 0.5
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="png")
    return buffer.getvalue()


def final_table(
    found: Measured,
    meanings: Mapping[str, Meaning],
    floor: Values,
    ceiling: Values,
    left_out: tuple[str, ...] = (),
) -> SortableTable:
    """All measures, each with its floor, its ceiling, and how far it came from one to the other.

    Args:
        found: the measures.
        meanings: by name, or by the beginning of a name that ends in `/` or `_`.
        floor: what knows nothing gets.
        ceiling: what real data get.
        left_out: beginnings of names that have a place elsewhere.
    """
    rows = []
    for name, value in found.values.items():
        if name.startswith(("epoch", "batch", *left_out)):
            continue
        meaning = explained(name, meanings)
        low, high = floor.get(name), ceiling.get(name)
        rows.append((name, value, low, high, way(value, low, high, meaning.better), meaning.text))
    return SortableTable(
        ("measure", "value", "floor", "ceiling", "% of the way", "what it is"),
        tuple(rows),
        f"All measures {found.when}. Floor is what knows nothing gets, ceiling what real data get. "
        "The way is left out where neither end is the better one, and where the floor is as good "
        "as the ceiling: there the measure cannot tell them apart.",
    )


def explained(name: str, meanings: Mapping[str, Meaning]) -> Meaning:
    """The meaning of a measure, by its own name or else by the longest beginning that has one."""
    if name in meanings:
        return meanings[name]
    begins = [start for start in meanings if start[-1] in "/_" and name.startswith(start)]
    return meanings[max(begins, key=len)] if begins else Meaning("")


def way(value: float, floor: float | None, ceiling: float | None, better: str) -> float | None:
    """Percent of the way from floor to ceiling, rounded; None where these are not in order."""
    if floor is None or ceiling is None or not better:
        return None
    if (ceiling - floor) * (1 if better == "more" else -1) <= 0:
        return None
    return float(round(100 * (value - floor) / (ceiling - floor)))


def percent(share: float) -> str:
    """`92 %`, not to be broken into lines; what is not quite all or nothing says so: `99.8 %`."""
    decimals = 0 if share in (0, 1) or 0.01 <= share <= 0.99 or not 0 < share < 1 else 1
    text = f"{100 * share:.{decimals}f}"
    text = {"100.0": "> 99.9", "0.0": "< 0.1"}.get(text, text)
    return f"{text}\N{NO-BREAK SPACE}%".replace(" ", "\N{NO-BREAK SPACE}")


def listed(names: Iterable[object]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    *most, last = [str(name) for name in names] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def spans(numbers: Sequence[int]) -> str:
    """Whole numbers in order, neighbours joined: `1–3 and 7`."""
    groups: list[list[int]] = []
    for number in sorted(numbers):
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return listed(f"{g[0]}–{g[-1]}" if len(g) > 1 else str(g[0]) for g in groups)
