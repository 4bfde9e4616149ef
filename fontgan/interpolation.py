"""The mode of `python -m fontgan.sample` that walks from letter to letter."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from callbacks.draws import write_arrays
from fontgan import LETTERS
from fontgan.export import load_generator
from fontgan.latents import drawn, smoothness, walk
from fontgan.search import find, indices
from fontgan.sheets import Row, read, sheet
from fontgan.studio import Outcome, Studio, Values
from fontgan.walks import KINDS, MEASURES, Measured, interval, walks

WAYS = ("linear", "spherical")


def interpolate(
    studio: Studio,
    path: str = "A-C-E",
    steps: int = 9,
    points: int = 65,
    compare: Sequence[str] = (),
    pairs: int = 50,
    draws: int = 2000,
    search: int = 200,
    truncation: float = 1.0,
) -> Outcome:
    """A walk through given letters, along lines and great circles, and how smooth it is.

    With `compare` that of several generators, and many random walks of each.
    """
    letters = indices(path.replace("-", ""))
    if len(letters) < 2:
        raise ValueError(f"path={path} names one letter, and a walk needs two: path=A-C")
    for name, number, least in (("steps", steps, 2), ("points", points, 3), ("pairs", pairs, 2)):
        if number < least:
            raise ValueError(f"{name} must be at least {least}, got {number}")
    studios = _studios(studio, compare)
    rows, segments, kept, missing = [], [], {}, []
    for name, one in studios.items():
        stations = _stations(one, letters, draws, search, truncation)
        if len(stations) < len(letters):
            missing.append(f"{name} cannot draw {LETTERS[letters[len(stations)]]}")
            continue
        for way in WAYS:
            shown = drawn(one.model, one.judge, _through(stations, steps, one, way))
            label = f"{name} {way}" if compare else way
            kept[f"images {label}"] = shown.images[:, 0].numpy()
            kept[f"latents {label}"] = shown.latents.numpy()
            rows.append(Row(shown.images, read(shown, confidence=False), label))
            segments += _segments(one, stations, letters, points, way, name)
    if missing and not compare:
        raise ValueError(
            f"{missing[0]}: it is in none of {draws} draws, and a search finds none; name another "
            "path="
        )
    if rows:
        by = f"{len(studios)} generators" if compare else studio.title
        sheet(studio.directory / "path.png", f"From {' to '.join(LETTERS[i] for i in letters)}",
              rows, "; ".join([f"{by}: below each the letter read", *missing]))  # fmt: skip
        write_arrays(studio.directory / "path.npz", **kept)
        studio.table("path", segments)
    if compare:
        models = {name: one.model for name, one in studios.items()}
        return compared(studio, walks(models, studio.judge, pairs, points, draws, studio.seed))
    final: Values = {}
    for way in WAYS:
        mine = [row for row in segments if row["way"] == way]
        for measure in ("features", "pixels", "legible"):
            final[f"walk/{way}/{measure}"] = sum(row[measure] for row in mine) / len(mine)
    passed = ", ".join(row["letters"] for row in segments if row["way"] == "spherical")
    said = (
        f"along great circles {final['walk/spherical/legible']:.0%} of the points are a letter "
        f"(passed: {passed}), and the largest of {points - 1} steps is "
        f"{final['walk/spherical/features']:.1f} times the mean one in the judge's features"
    )
    return Outcome(len(segments), final, said)


def _studios(studio: Studio, compare: Sequence[str]) -> dict[str, Studio]:
    """By the generators' names; the data and their judge are those of the first."""
    if not compare:
        return {studio.title: studio}
    studios: dict[str, Studio] = {}
    for source in compare:
        model = load_generator(Path(source))[1]
        name = model.record.source or Path(source).stem
        studios[source if name in studios else name] = replace(studio, model=model)
    if len(studios) < 2:
        raise ValueError("compare= needs two different runs or more: compare=[RUN1,RUN2]")
    return studios


def _stations(
    studio: Studio, letters: list[int], draws: int, search: int, truncation: float
) -> list[Tensor]:
    """A latent of each letter, the first that is found, up to the first that is not."""
    pool, found = studio.draw(draws, truncation), []
    for letter in letters:
        one = find(studio.model, studio.judge, letter, 1, pool, search).draws
        if not len(one):
            break
        found.append(one.latents[0])
    return found


def _between(a: Tensor, b: Tensor, points: int, studio: Studio, way: str) -> Tensor:
    return walk(a, b, points, studio.model.record.gaussian, way == "spherical")


def _through(stations: list[Tensor], steps: int, studio: Studio, way: str) -> Tensor:
    """Latents from station to station, each station once."""
    parts = [_between(a, b, steps, studio, way)[:-1] for a, b in pairwise(stations)]
    return torch.cat([*parts, stations[-1][None]])


def _segments(
    studio: Studio, stations: list[Tensor], letters: list[int], points: int, way: str, name: str
) -> list[dict[str, Any]]:
    """A row of measures for each segment of a path."""
    rows = []
    for (i, a), (k, b) in pairwise(zip(letters, stations, strict=True)):
        found = smoothness(drawn(studio.model, studio.judge, _between(a, b, points, studio, way)))
        ends = f"{LETTERS[i]}-{LETTERS[k]}"
        rows.append({"run": name, "way": way, "from_to": ends, **vars(found)})
    return rows


def compared(studio: Studio, measured: Mapping[str, Measured]) -> Outcome:
    """Write and show the table of many walks, and what differs from the first generator's.

    Walk i of each generator is between the same two letters, so differences are taken walk by walk.
    """
    rows, final = [], {}
    shown = Table(title="Random walks, the same letters for each run (mean and 95 % interval)")
    for column in ("run", "way", *MEASURES):
        shown.add_column(column, no_wrap=column in ("run", "way"))
    for name, kinds in measured.items():
        for kind in KINDS:
            cells = []
            for measure, values in zip(MEASURES, kinds[kind].T, strict=True):
                found = interval(values, seed=studio.seed)
                rows.append({"run": name, "way": kind, "measure": measure, **vars(found)})
                final[f"walk/{name}/{kind}/{measure}"] = found.mean
                cells.append(f"{found.mean:.2f}\n{found.low:.2f}–{found.high:.2f}")
            shown.add_row(name, kind, *cells)
    first, *others = measured
    said = []
    for other in others:
        for column, what in ((0, "largest over mean step in features"), (2, "share of letters")):
            difference = (
                measured[other]["spherical"][:, column] - measured[first]["spherical"][:, column]
            )
            found = interval(difference, seed=studio.seed)
            row = {"run": f"{other} - {first}", "way": "spherical", "measure": MEASURES[column]}
            rows.append({**row, **vars(found)})
            said.append(
                f"{other} minus {first}, {what}: {found.mean:+.2f} "
                f"({found.low:+.2f} to {found.high:+.2f})"
            )
    studio.table("walks", rows)
    walked = sum(len(values) for kinds in measured.values() for values in kinds.values())
    return Outcome(walked, final, "; ".join(said), shown=shown)
