"""All measures of made grooves as one Markdown table."""

import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from callbacks.atomic import write_atomically
from drumvae.creative.loading import Loaded
from drumvae.creative.measures import of_modes, of_samples, of_transfer
from drumvae.creative.measures.setting import Row, Setting

HEADER = ("measure", "made", "baseline", "real", "wanted", "reached")
MEASURES = (
    of_samples.in_style,
    of_samples.neighbourhood,
    of_samples.quality,
    of_samples.novelty,
    of_transfer.transfers,
    of_modes.blends,
    of_modes.complexities,
    of_modes.tracks,
    of_modes.infills,
    of_samples.speed,
)


def measure(loaded: Loaded, split: str, seed: int, directory: Path) -> list[Row]:
    """Take every measure, print the table, and write it to `measures.md`.

    Args:
        loaded: the model, its styles and its data.
        split: of the real bars that it is compared with, `test` or `validate`.
        seed: of all draws.
        directory: of the run.

    Raises:
        ValueError: no such split, or too few styles in it.
    """
    began = time.monotonic()
    splits, fingerprint = loaded.data()
    if split not in splits or split == "train":
        raise ValueError(f"split= is test or validate, bars that nothing learnt from; got {split}")
    setting = Setting.of(loaded.model, loaded.styles, splits["train"], splits[split], seed)
    console = Console(stderr=True)
    rows: list[Row] = []
    for of in track(MEASURES, "measuring", console=console, disable=not console.is_terminal):
        rows += of(setting)
    lines = [
        f"Made by {loaded.path}, against {len(setting.real)} bars ({split} split, data "
        f"{fingerprint}); styles {', '.join(setting.names)}; temperature "
        f"{float(loaded.styles.temperature):.2f}; {time.monotonic() - began:.0f} s.",
        "",
        f"| {' | '.join(HEADER)} |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(row.cells())} |" for row in rows),
    ]
    text = "\n".join(lines) + "\n"
    write_atomically(directory / "measures.md", text)
    print(text, end="")
    return rows
