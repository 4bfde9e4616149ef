"""Do strokes say which letters survive? `python -m fontgan.survival RUN…`.

The report argues that axis-aligned, simple letters that look alike from face to face outlive the
others in a collapse. Given runs (best: of one variant, several seeds) this correlates each measure
of `fontgan.metrics.strokes` with the letters' final shares, and says how sure that is.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import OmegaConf
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fontgan import LETTERS
from fontgan.data import GlyphData
from fontgan.metrics.strokes import letter_strokes, survival_correlation

MEANING = {
    "complexity": "perimeter² / ink",
    "aligned": "edges along an axis",
    "curvature": "turn of the outline",
    "holes": "enclosed areas",
    "variance": "from face to face",
}


def shares(runs: Sequence[Path]) -> tuple[NDArray[np.float64], str]:
    """Final shares of the letters in each run, shape (runs, 26), and the data's fingerprint.

    Raises:
        FileNotFoundError: a folder is no run directory.
        ValueError: a run measured no letters, or the runs saw different data.
    """
    rows, data = [], {}
    for run in runs:
        path = run / "summary.json"
        if not path.is_file():
            raise FileNotFoundError(f"no summary.json in {run}: it is no run directory")
        summary = json.loads(path.read_text(encoding="utf-8"))
        row = [summary["final"].get(f"letters/{letter}") for letter in LETTERS]
        if None in row:
            raise ValueError(
                f"{run} is {summary['status']} and has no final letters; leave it out, or go on "
                "with it to its end"
            )
        rows.append(row)
        data[run] = summary["data"]
    if len(set(data.values())) > 1:
        listed = ", ".join(f"{run}: {name}" for run, name in data.items())
        raise ValueError(f"the runs saw different data ({listed}); name runs on the same data")
    return np.array(rows, dtype=np.float64), next(iter(data.values()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m fontgan.survival", description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run directories")
    options = parser.parse_args(arguments)
    try:
        survival, _ = shares(options.runs)
        config = OmegaConf.load(options.runs[0] / "config.yaml")
        data: GlyphData = instantiate(config.data, _convert_="all")
        test = data.reference("test")
        measures = letter_strokes(test.images.float() / 255, test.letters)
        found = {
            name: survival_correlation(measures[name], survival)
            for name in track(measures, "correlating", console=Console(stderr=True), transient=True)
        }
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    table = Table("strokes", "what it is", "ρ with the share", "95 % interval", "p", "tells")
    count = len(options.runs)
    table.title = f"{count} {'run' if count == 1 else 'runs'}, 26 letters"
    table.caption = f"{len(found)} measures are tried: one tells where p · {len(found)} ≤ 0.05"
    for name, r in found.items():
        interval = f"{r.low:+.2f} to {r.high:+.2f}"
        table.add_row(
            name,
            MEANING[name],
            f"{r.rho:+.2f}",
            interval,
            "< 0.001" if r.p_value < 0.001 else f"{r.p_value:.3f}",
            "yes" if len(found) * r.p_value <= 0.05 else "no",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
