"""What `python -m fontgan.sample` draws: one function a mode, and the folder that they leave."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from torch import Tensor

from conf.evaluation import Found, data_config, record, show
from fontgan import LETTERS
from fontgan.alphabets import alphabet, font
from fontgan.export import load_generator
from fontgan.interpolation import interpolate
from fontgan.metrics.coverage import wilson
from fontgan.search import find, indices
from fontgan.sheets import Row, in_full, in_rows, read, sheet
from fontgan.studio import Outcome, Studio, positive

COLUMNS = 13  # half an alphabet


def grid(
    studio: Studio, n: int = 104, truncation: float = 1.0, sort: bool = True, nearest: bool = False
) -> Outcome:
    """Samples, sorted by what the judge reads, and the training glyphs nearest to them."""
    positive(n=n)
    draws = studio.draw(n, truncation)
    letter, sure = draws.reading.letter, draws.reading.confidence
    if sort:
        place = torch.where(letter < 0, len(LETTERS), letter).tolist()
        order = sorted(range(n), key=lambda i: (place[i], -float(sure[i])))
        draws = draws[torch.tensor(order)]
    rows = in_rows(draws.images, read(draws), COLUMNS)
    accepted, kinds = float((letter >= 0).double().mean()), len(set(letter.tolist()) - {-1})
    final = {"coverage/accepted": accepted, "coverage/any": float(kinds)}
    note, kept = f"{studio.title}, truncation {truncation:g}: the letter read, and how surely", {}
    if nearest:
        training = studio.data.reference("train").images
        which, distances = nearest_glyphs(draws.images, training)
        captions = [f"{distance:.2f}" for distance in distances.tolist()]
        beside = in_rows(training[which], captions, COLUMNS)
        beside = [Row(r.images, r.captions, "nearest", quiet=True) for r in beside]
        rows = [row for pair in zip(rows, beside, strict=True) for row in pair]
        note += "; below it the nearest training glyph, and its distance (RMS)"
        final["memory/nearest"] = float(distances.median())
        kept = {"nearest": training[which][:, 0].numpy(), "distances": distances.numpy()}
    said = f"{accepted:.0%} of {n} samples are a letter, {kinds} different ones"
    sheet(studio.directory / "grid.png", said, rows, note)
    studio.keep("grid", draws, **kept)
    return Outcome(n, final, said)


def nearest_glyphs(images: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
    """Of each picture the nearest training glyph, and how far it is.

    Args:
        images: uint8, shape (n, 1, h, w).
        training: uint8, shape (m, 1, h, w).

    Returns:
        Indices, shape (n,), and root mean squared differences of pixels in [0, 1], shape (n,).
    """
    pictures, known = (glyphs.flatten(1).float() / 255 for glyphs in (images, training))
    # As in `fontgan.metrics.memory`: a product finds the nearest, a difference gives the distance.
    nearest = (known.square().sum(1) - 2 * pictures @ known.T).argmin(1)
    return nearest, (pictures - known[nearest]).square().mean(1).sqrt()


def letter(
    studio: Studio,
    letters: str = LETTERS,
    n: int = 8,
    truncation: float = 1.0,
    draws: int = 2000,
    search: int = 200,
) -> Outcome:
    """So many of each letter, and how often the generator draws it."""
    positive(n=n, draws=draws)
    wanted, pool = indices(letters), studio.draw(draws, truncation)
    founds = [find(studio.model, studio.judge, i, n, pool, search) for i in wanted]
    rows, table, said = [], [], []
    for found in founds:
        name, k = LETTERS[found.letter], len(found.draws)
        low, high = (float(end) for end in wilson(torch.tensor([found.accepted]), draws))
        captions = [in_full(p) for p in found.draws.reading.confidence.tolist()]
        captions[found.by_rejection :] = [f"{c} *" for c in captions[found.by_rejection :]]
        rows.append(Row(found.draws.images, captions, f"{name}   {found.share:.1%}"))
        row = {"letter": name, "share": found.share, "low": low, "high": high}
        ways = {"by_rejection": found.by_rejection, "by_search": found.by_search, "missing": n - k}
        table.append(row | ways)
        if not found.accepted:
            how = f"a search finds {k}" if k else "a search finds none either: it cannot be drawn"
            said.append(f"{name} is in none of {draws:,} draws (at most {high:.2%}), {how}")
        elif k < n:
            said.append(f"of {name} only {k} of {n} were found")
    note = f"{studio.title}; its share of {draws:,} draws; below each how surely it is read"
    if any(found.by_search for found in founds):
        note += "; * found by the search"
    sheet(studio.directory / "letters.png", "Letters on request", rows, note)
    studio.table("letters", table)
    found = founds[0].draws
    for other in founds[1:]:
        found = found.beside(other.draws)
    studio.keep("letters", found)
    final = {f"letters/{LETTERS[found.letter]}": found.share for found in founds}
    return Outcome(len(found), final, "; ".join(said) or "every letter was found as often as asked")


MODES: dict[str, Callable[..., Outcome]] = {
    function.__name__: function for function in (grid, letter, interpolate, alphabet, font)
}


def run(cfg: DictConfig, arguments: dict[str, Any]) -> None:
    """Draw what a config says, and leave a folder of it.

    Args:
        cfg: as `conf/fontgan_sample.yaml`.
        arguments: those of its keys that its mode takes.

    Raises:
        FileNotFoundError: no such checkpoint, or none at all.
        ValueError: the generator and the mode do not go together, or an argument is out of range.
    """
    began, compared = time.monotonic(), arguments.get("compare")
    if cfg.ckpt_path and compared:
        raise ValueError("ckpt_path= and compare= both name runs; name all of them in compare=")
    named = compared[0] if compared else cfg.ckpt_path
    told = cfg.mode in ("alphabet", "font")
    trained, model = load_generator(Path(str(named)) if named else None, told)
    data: Any = instantiate(data_config(cfg, trained), _convert_="all")
    directory = Path(HydraConfig.get().runtime.output_dir)
    outcome = MODES[cfg.mode](Studio(model, data, directory, cfg.seed), **arguments)
    found = Found(
        str(named or (model.record.source if trained else "shipped")),
        outcome.samples,
        outcome.final,
        outcome.floor,
        outcome.ceiling,
        outcome.said,
        data.fingerprint,
        data.judge.fingerprint,
    )
    directory = record(found, cfg, time.monotonic() - began)
    if outcome.shown is None:
        show(found, directory)
    else:
        console = Console()
        console.print(outcome.shown, outcome.said, highlight=False)
        console.print(str(directory), soft_wrap=True)
