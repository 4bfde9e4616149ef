"""The sections of a GAN's report: what the course report showed, with measures that can be trusted.

`callbacks.report` renders them. All is read from the run directory; only the strokes of the real
letters need the data that the run was trained on.
"""

import re

import numpy as np
from numpy.typing import NDArray

from callbacks.page import Part, Picture, Section, Verdict
from callbacks.report_parts import (
    Measured,
    drawn,
    figure,
    final_table,
    gauges,
    inlined,
    limits,
    measured,
    percent,
)
from callbacks.run_directory import RunDirectory
from fontgan import sentences
from fontgan.curves import draw_coverage, draw_losses, draw_sheet
from fontgan.letter_sections import epoch_samples, letters, strokes
from fontgan.meanings import HEADLINE, MEANINGS
from fontgan.verdict import WORDS

SHEETS = 6
"""Sheets of epochs at most, the first and the last among them."""
TONES = {"healthy": "good", "losing letters": "mixed", "undecided": "unknown"}


def sections(run: RunDirectory) -> list[Section]:
    """All sections that a run has something for, in the order of the story."""
    found = measured(run)
    told = (
        _verdict,
        _losses,
        _sheets,
        _coverage,
        letters,
        strokes,
        _walks,
        _samples,
        _made,
        _final,
    )
    made = [section(run, found) for section in told]
    return [section for section in [*made, _balance(run)] if section is not None]


def _verdict(run: RunDirectory, found: Measured) -> Section:
    sentence = str(run.summary.get("verdict") or "")
    if not sentence and run.verdicts:
        sentence = run.verdicts[-1]["sentence"]
    word, _, reason = sentence.partition(": ")
    if word in WORDS:
        parts: list[Part] = [Verdict(word, TONES.get(word, "bad"), reason, f"verdict {found.when}")]
    else:
        parts = [Verdict("no verdict", "unknown", "This run was not judged.", "verdict")]
    parts += gauges(found, HEADLINE, MEANINGS, *limits(run))
    text = ""
    if found.epoch is not None:
        text = (
            f"It has no final measures: these are of epoch {found.epoch}, on validation families."
        )
    elif run.metrics:
        text = "Measured once, at the end, on families that neither training nor choices have seen."
    return Section("Verdict", text, tuple(parts))


def _losses(run: RunDirectory, found: Measured) -> Section | None:
    text = sentences.losses(run.losses)
    if not text:
        return None
    alt = f"Losses over batches. {text}"
    return Section("Losses", text, (drawn(lambda f: draw_losses(f, run.losses), alt),))


def _sheets(run: RunDirectory, found: Measured) -> Section | None:
    names = [name for name in run.figures if re.fullmatch(r"samples_epoch_\d+", name)]
    if not names:
        return None
    chosen = np.unique(np.linspace(0, len(names) - 1, min(SHEETS, len(names))).round().astype(int))
    parts, said = [], []
    for name in (names[i] for i in chosen):
        epoch = int(name.rpartition("_")[2])
        text = sentences.sheet(run.metrics, epoch) or f"Epoch {epoch}"
        said.append(text)
        alt = f"A sheet of samples from the same noise. {text}."
        parts += figure(run, name, alt, f"{text}.")
    half = tuple(Picture(p.png, p.alt, p.caption, half=len(parts) > 1) for p in parts)
    intro = (
        "The same noise at each of these epochs, and under Samples at the end; what the judge "
        f"refuses has a cross. Below each stands what was measured on {epoch_samples(run):,} "
        "samples."
    )
    return Section("Letters while it learned", intro, half)


def _coverage(run: RunDirectory, found: Measured) -> Section | None:
    floor, ceiling = limits(run)
    text = sentences.coverage(run.metrics, floor, ceiling)
    if not text:
        return None
    words = [(int(row["epoch"]), row["word"]) for row in run.verdicts]
    onset = sentences.collapse(words) if words else sentences.halving(run.metrics)
    text = f"{text} {onset}" if not words else f"{onset} {text}"
    picture = drawn(
        lambda figure: draw_coverage(figure, run.metrics, floor, ceiling, epoch_samples(run)),
        f"Letters drawn, and samples accepted, over the epochs. {text}",
    )
    return Section("Mode coverage", text, (picture,))


def _walks(run: RunDirectory, found: Measured) -> Section | None:
    parts = [
        picture
        for name in run.figures
        if name.startswith("interpolation")
        for picture in figure(run, name, f"A walk through the latent space, {name}.")
    ]
    text = "What lies between letters: a fixed step of the latent from one picture to the next."
    return Section("Interpolation", text, tuple(parts)) if parts else None


def _samples(run: RunDirectory, found: Measured) -> Section | None:
    accepted = found.values.get("coverage/accepted")
    text = "Samples as they come, none chosen"
    text += f": {percent(accepted)} of them are a letter." if accepted is not None else "."
    parts = figure(run, "samples_final", f"A sheet of samples at the end. {text}")
    images = None if parts else _kept(run)
    if images is not None and len(images) >= 13:
        sheet = drawn(
            lambda figure: draw_sheet(figure, images[:104]), f"A sheet of samples. {text}", height=7
        )
        parts = [sheet]
    return Section("Samples", text, tuple(parts)) if parts else None


def _made(run: RunDirectory, found: Measured) -> Section | None:
    """The sheets that `fontgan.sample` leaves beside its tables."""
    parts = [
        Picture(inlined(path), f"{path.stem.replace('_', ' ').capitalize()}.")
        for path in sorted(run.path.glob("*.png"))
    ]
    said = str(run.summary.get("verdict") or "")
    return Section("What was made", said, tuple(parts)) if parts else None


def _final(run: RunDirectory, found: Measured) -> Section | None:
    if not found.values:
        return None
    left_out = ("letters/", "loss/", "gradient/", "update/")
    table = final_table(found, MEANINGS, *limits(run), left_out)
    return Section("All measures", sentences.claims(found.values), (table,))


def _balance(run: RunDirectory) -> Section | None:
    text = sentences.balance(run.metrics)
    parts = figure(run, "gradient_balance", f"Gradients and updates over the epochs. {text}")
    return Section("Balance of the networks", text, tuple(parts)) if text or parts else None


def _kept(run: RunDirectory) -> NDArray[np.uint8] | None:
    """Grey pictures of `samples/final.npz`, (n, height, width)."""
    path = run.path / "samples" / "final.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as file:
        images = file["images"] if "images" in file else None
    return images if images is not None and images.ndim == 3 else None
