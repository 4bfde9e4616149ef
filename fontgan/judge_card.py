"""Report how good a letter judge is on unseen groups; the command line of judges."""

import argparse
import math
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Generator, Tensor

from fontgan.glyphs import GlyphSet
from fontgan.judge import BUILTIN, REPORT, Judge
from fontgan.judge_training import resized, train
from fontgan.junk import TRAINED, UNSEEN
from fontgan.near_letters import NearLetters


def expected_calibration_error(confidence: Tensor, right: Tensor, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017, eq. 3).

    Args:
        confidence: in [0, 1], shape (n,).
        right: whether each answer was right, shape (n,).
        bins: number of bins.
    """
    place = (confidence * bins).long().clamp(0, bins - 1)
    error = 0.0
    for index in range(bins):
        inside = place == index
        if inside.any():
            gap = confidence[inside].mean() - right[inside].float().mean()
            error += float(gap.abs()) * float(inside.float().mean())
    return error


def figures(
    judge: Judge,
    real: GlyphSet,
    near: NearLetters,
    seed: int = 1,
    noise: float = 0.0,
    floor: float = 0.0,
) -> dict[str, float]:
    """The model card: what the judge does with unseen letters and with junk of every kind.

    Args:
        judge: to be measured.
        real: letters that it was not trained on.
        near: near-letters of other groups than it was trained on.
        seed: of the junk and the noise.
        noise: standard deviation of Gaussian noise on whatever it is shown.
        floor: ink up to this much is taken off before.

    Returns:
        Shares: "accepted", "right" (of the accepted), "calibration" (ECE of the accepted), and
        "junk/KIND" accepted for each kind of junk and of near-letter.
    """
    generator = Generator().manual_seed(seed)

    def shown(images: Tensor) -> Tensor:
        pictures = images.float() / 255 if images.dtype == torch.uint8 else images
        if floor:
            pictures = torch.where(pictures <= floor, torch.zeros_like(pictures), pictures)
        if noise:
            pictures = pictures + noise * torch.randn(pictures.shape, generator=generator)
        return pictures.clamp(0, 1)

    reading = judge.read(shown(real.images))
    taken = reading.letter >= 0
    right = reading.letter == real.letters
    table = {
        "accepted": float(taken.float().mean()),
        "right": float(right[taken].float().mean()) if taken.any() else math.nan,
        "calibration": expected_calibration_error(reading.confidence[taken], right[taken]),
    }
    chosen = torch.randperm(len(real.letters), generator=generator)
    for kind, make in {**TRAINED, **UNSEEN}.items():
        taken = []
        for part in chosen[:2000].split(250):
            pictures = make(real.images[part].float() / 255, real.letters[part], generator)
            taken.append(judge.read(shown(pictures)).letter >= 0)
        table[f"junk/{kind}"] = float(torch.cat(taken).float().mean())
    if len(near.characters):
        images = resized(torch.from_numpy(near.glyphs)[:, None], judge.size)
        taken = judge.read(shown(images)).letter >= 0
        for character in sorted(set(near.characters)):
            mine = torch.tensor([c == character for c in near.characters])
            table[f"junk/{character}"] = float(taken[mine].float().mean())
    return table


def _sets(path: Path) -> tuple[dict[str, GlyphSet], str]:
    """Three splits of typefaces, or of the course report's letters; and their fingerprint."""
    if str(path) == "report":
        from fontgan.data import ReportLetters

        data = ReportLetters()
        return data.sets(), data.fingerprint
    from fontgan.typefaces import Typefaces

    typefaces = Typefaces.load(path)
    splits = ("train", "validate", "test")
    return {split: GlyphSet.of(typefaces, split) for split in splits}, typefaces.fingerprint


def main(arguments: list[str] | None = None) -> None:
    """Command line of `python -m fontgan.judge`."""
    from fontgan.typefaces import BUILTIN as TYPEFACES

    parser = argparse.ArgumentParser(
        prog="python -m fontgan.judge",
        description="Train the letter judge, or report how good it is.",
    )
    parser.add_argument("command", choices=["train", "report"])
    parser.add_argument(
        "--set",
        type=Path,
        default=TYPEFACES,
        help="typefaces (the built-in ones), or `report`: the course report's letters",
    )
    parser.add_argument("--out", type=Path, help="weights to write or to report (the shipped ones)")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--noise", type=float, default=0.0, help="report: noise on what it is shown"
    )
    parser.add_argument(
        "--floor", type=float, default=0.0, help="report: ink up to this much is taken off before"
    )
    options = parser.parse_args(arguments)
    out = options.out or (REPORT if str(options.set) == "report" else BUILTIN)
    try:
        letters, fingerprint = _sets(options.set)
        if options.command == "train":
            train(
                letters["train"],
                letters["validate"],
                NearLetters.builtin("train"),
                fingerprint,
                options.steps,
                seed=options.seed,
            ).save(out)
        judge, near = Judge.load(out), NearLetters.builtin("test")
        measured = figures(judge, letters["test"], near, noise=options.noise, floor=options.floor)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    table = Table(title=f"judge {judge.fingerprint}, on unseen groups")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in measured.items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)
