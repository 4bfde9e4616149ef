"""Everything that can be measured of a set of glyphs, in one run directory."""

import csv
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from callbacks.draws import draw
from callbacks.mode_coverage import save_samples
from callbacks.report import write_report
from callbacks.run_summary import write_atomically
from conf.checkpoints import newest_run, restored
from conf.evaluation import Found, data_config, record, show
from fontgan import LETTERS, junk, planted, samples
from fontgan.data import GlyphData
from fontgan.export import load_generator
from fontgan.metrics.confusion import CLASSES, Shares, confusion, true_shares
from fontgan.metrics.strokes import letter_strokes
from fontgan.verdict import Verdict, verdict

Values = dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """What was found of a set of glyphs.

    Attributes:
        final: all measures.
        floor: what uniform noise gets.
        ceiling: what real glyphs of the validation families get.
        verdict: in words.
        shares: true shares of the letters and of junk, the judge's errors taken back.
    """

    final: Values
    floor: Values
    ceiling: Values
    verdict: Verdict
    shares: Shares


def evaluate(images: Tensor, data: GlyphData, measure: Any) -> Evaluation:
    """Measure glyphs against the test families of some data.

    Args:
        images: uint8, ink bright, shape (n, 1, h, w), n of 6 or more.
        data: gives the judge and the real glyphs.
        measure: as `LetterMeasures`.
    """
    judge, test = data.judge, data.reference("test")
    training, source = data.reference("train"), data.reference("validate")
    pictures, n = images.float() / 255, len(images)
    most = measure.comparable(n, source, test)
    final = measure(pictures, judge, test, whole=True, most=most)
    final |= measure.memory(pictures, judge, training, test)
    ceiling = measure.ceiling(n, judge, source, test)
    counts = torch.tensor([round(final[f"letters/{letter}"] * n) for letter in LETTERS])
    readings = torch.cat([counts, torch.tensor([n - int(counts.sum())])])
    shares = true_shares(readings, _errors(judge, data))
    return Evaluation(
        final, measure.floor(n, judge, test, most), ceiling, verdict(final, n, ceiling), shares
    )


def _errors(judge: Any, data: GlyphData) -> Tensor:
    """The judge's confusion matrix, on validation letters and as many noisy pictures."""
    source, generator = data.reference("validate"), torch.Generator().manual_seed(0)
    noise = planted.of_junk(junk.noise)(source, source, len(source.images), generator)
    truth = torch.cat([source.letters, torch.full((len(noise),), -1)])
    return confusion(truth, judge.read(torch.cat([source.images, noise])).letter)


def run(cfg: DictConfig) -> None:
    """Evaluate what a config names, and leave a run directory.

    Raises:
        FileNotFoundError: no such checkpoint or samples, or no finished run at all.
        ValueError: they cannot be measured, or both are named.
    """
    began = time.monotonic()
    if cfg.samples is not None and cfg.ckpt_path is not None:
        raise ValueError("ckpt_path= and samples= name two things to measure; choose one")
    of: str | Path
    if cfg.samples is not None:
        data, of = instantiate(data_config(cfg, None), _convert_="all"), cfg.samples
        images = samples.load(Path(cfg.samples), data.size, cfg.ink)
    elif str(cfg.ckpt_path) == "shipped" or str(cfg.ckpt_path).endswith(".safetensors"):
        of, data = str(cfg.ckpt_path), instantiate(data_config(cfg, None), _convert_="all")
        images = draw(load_generator(Path(of))[1], cfg.drawn, cfg.seed)
    else:
        of = Path(cfg.ckpt_path) if cfg.ckpt_path else newest_run("fontgan", "gan")
        trained, module = restored(of)
        data = instantiate(data_config(cfg, trained), _convert_="all")
        images = draw(module, cfg.drawn, cfg.seed)
    if len(images) < 6:
        raise ValueError(f"{len(images)} samples are too few to measure; 6 are the least")
    evaluated = evaluate(images, data, instantiate(cfg.measure))
    said = evaluated.verdict
    health = f"health {said.health:.2f} ({said.low:.2f} to {said.high:.2f})"
    found = Found(
        str(of),
        len(images),
        evaluated.final,
        evaluated.floor,
        evaluated.ceiling,
        f"{said.sentence}; {health}",
        data.fingerprint,
        data.judge.fingerprint,
    )
    directory = record(found, cfg, time.monotonic() - began)
    save_samples(directory / "samples" / "final.npz", images)
    write_atomically(directory / "letters.csv", _letters(evaluated, data))
    write_report(directory)
    show(found, directory, left_out=("letters/",))


def _letters(found: Evaluation, data: GlyphData) -> str:
    """A row for each letter: its shares, and the strokes of the real ones."""
    test = data.reference("test")
    strokes = letter_strokes(test.images.float() / 255, test.letters)
    rows = [["letter", "share", "true_share", "low", "high", *strokes]]
    for i, letter in enumerate(LETTERS):
        values = (
            found.final[f"letters/{letter}"],
            *(
                float(column[i])
                for column in (found.shares.share, found.shares.low, found.shares.high)
            ),
        )
        rows.append(
            [letter, *(f"{v:.5f}" for v in values), *(f"{s[i]:.4f}" for s in strokes.values())]
        )
    junk = [
        float(c[CLASSES - 1]) for c in (found.shares.share, found.shares.low, found.shares.high)
    ]
    refused = 1 - found.final["coverage/accepted"]
    rows.append(["junk", f"{refused:.5f}", *(f"{v:.5f}" for v in junk), *("" for _ in strokes)])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
