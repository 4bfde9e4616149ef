"""The sections on single letters: which survive, and whether their strokes say which."""

import csv
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray

from callbacks.page import Section, SortableTable
from callbacks.report_parts import Measured, drawn, figure, limits
from callbacks.run_directory import RunDirectory
from fontgan import LETTERS, sentences
from fontgan.curves import draw_letters
from fontgan.metrics.strokes import letter_strokes, survival_correlation

PER_LETTER = 40
"""Real glyphs of a letter whose strokes are measured: it takes a second."""


def letters(run: RunDirectory, found: Measured) -> Section | None:
    """Bars of the letters' shares, the map of their lives, and both as a table."""
    shares = _shares(found)
    if shares is None:
        return None
    lives = sentences.lives(run.metrics, epoch_samples(run))
    dead = [c for c, share in zip(LETTERS, shares, strict=True) if share < sentences.ALIVE]
    text = sentences.survival(lives) if lives else sentences.missing(dead)
    alt = f"Share of the samples of each letter {found.when}. {sentences.missing(dead)}"
    bars = figure(run, "letter_histogram", alt)
    if not bars:
        true = _true_shares(run)
        bars = [drawn(lambda figure: draw_letters(figure, shares, true), alt)]
    alt = f"Letters by epochs: when each was alive. {text}"
    _, real = limits(run)
    rows = []
    for i, letter in enumerate(LETTERS):
        row: list[str | float | None] = [letter, _hundredths(shares[i])]
        row.append(_hundredths(real.get(f"letters/{letter}")))
        if lives:
            life = lives[i]
            row += [life.born, life.lost, float(round(100 * life.share)), len(life.deaths)]
        rows.append(tuple(row))
    columns = ("letter", f"% of samples {found.when}", "% of real glyphs")
    if lives:
        columns += ("alive since epoch", "lost since epoch", "% of epochs alive", "deaths")
    table = SortableTable(columns, tuple(rows), "Every letter.")
    parts = (*bars, *figure(run, "letter_survival", alt), table)
    if lives and found.epoch is None:
        text += (
            " Lives are those of each epoch's samples, the bars those of the samples at the end: "
            "a letter near the limit may count among the one and not among the other."
        )
    return Section("Which letters survive", text, parts)


def strokes(run: RunDirectory, found: Measured) -> Section | None:
    """Whether measures of strokes rank the letters as their shares do."""
    title, shares = "Do strokes say which?", _shares(found)
    if shares is None:
        return None
    try:
        measures = _measured_strokes(run)
    except Exception as error:
        # Whatever keeps the data from being read, the report is of the run.
        reason = " ".join(str(error).split())
        text = f"The real letters are not at hand ({reason}), so their strokes are not measured."
        return Section(title, text)
    survival = np.array([shares])
    correlations = {
        name: survival_correlation(values, survival, resamples=500)
        for name, values in measures.items()
    }
    tried = len(correlations)
    ranks = tuple(
        (name, c.rho, c.low, c.high, c.p_value, "yes" if tried * c.p_value <= 0.05 else "no")
        for name, c in correlations.items()
    )
    letters = tuple(
        (letter, _hundredths(shares[i]), *(float(values[i]) for values in measures.values()))
        for i, letter in enumerate(LETTERS)
    )
    text = (
        "The course report argues that letters of few, straight, axis-aligned strokes survive. "
        + sentences.strokes(correlations)
    )
    return Section(
        title,
        text,
        (
            SortableTable(
                ("strokes", "ρ", "low", "high", "p", "tells"),
                ranks,
                "Rank correlation of each measure with the letters' shares, 95 % bootstrap "
                f"interval; it tells where p · {tried} ≤ 0.05.",
            ),
            SortableTable(
                ("letter", f"% of samples {found.when}", *measures),
                letters,
                "Strokes of real letters.",
            ),
        ),
    )


def _measured_strokes(run: RunDirectory) -> dict[str, NDArray[np.float64]]:
    """Of an evaluation, what it wrote down; else of real letters of the test families."""
    if rows := _letters_file(run):
        names = list(rows[0])[list(rows[0]).index("high") + 1 :]
        return {name: np.array([float(row[name]) for row in rows]) for name in names}
    data: Any = instantiate(run.config["data"], _convert_="all")
    glyphs = data.reference("test")
    chosen = torch.cat(
        [(glyphs.letters == i).nonzero()[:PER_LETTER, 0] for i in range(len(LETTERS))]
    )
    return letter_strokes(glyphs.images[chosen].float() / 255, glyphs.letters[chosen])


def _hundredths(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def epoch_samples(run: RunDirectory) -> int:
    """Samples that an epoch was measured on."""
    entry = (run.config.get("callbacks") or {}).get("mode_coverage") or {}
    return int(entry.get("samples", 2000))


def _shares(found: Measured) -> list[float] | None:
    names = [f"letters/{letter}" for letter in LETTERS]
    there = all(name in found.values for name in names)
    return [found.values[name] for name in names] if there else None


def _letters_file(run: RunDirectory) -> list[dict[str, str]]:
    path = run.path / "letters.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["letter"] in LETTERS]


def _true_shares(run: RunDirectory) -> dict[str, NDArray[np.float64]] | None:
    rows = _letters_file(run)
    return {k: np.array([float(row[k]) for row in rows]) for k in ("low", "high")} if rows else None
