"""What `python -m drumvae.generate` leaves: MIDI, a picture, sound, and what was measured."""

import json
import os
import platform
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from callbacks.atomic import write_atomically
from callbacks.figures import styled_figure
from callbacks.glance import cell
from callbacks.grooves import draw_bars
from callbacks.run_directory import now
from drumvae.creative.loading import SHIPPED
from drumvae.generation_wish import Made, Titled
from drumvae.grooves import STEPS_PER_BEAT, Groove, Kit
from drumvae.midi import write_midi

FILES = 100  # grooves that get a MIDI file of their own; all are in samples/final.npz
SOUNDS = 16  # and a WAV file
LONGEST = 600  # seconds of one; an hour would take gigabytes
ROWS = 16  # of the picture


def write(directory: Path, made: Made, cfg: DictConfig) -> None:
    """Write all but the summary.

    Args:
        directory: of the run.
        made: what there is to write.
        cfg: of the run; its `out` names a MIDI file, its `sound` asks for WAV files.
    """
    write_atomically(directory / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    grooves = [*made.grooves.items()]
    for name, groove in grooves[:FILES]:
        write_midi(groove, directory / "midi" / f"{name}.mid")
    if cfg.out is not None:
        write_midi(grooves[0][1], Path(str(cfg.out)).expanduser())
    write_atomically(directory / "groove.json", json.dumps(_told(made, cfg)) + "\n")
    _write_arrays(directory / "samples" / "final.npz", made)
    _draw(directory / "figures" / "grooves.png", made.pictured, grooves[0][1].kit)
    if cfg.sound:
        from drumvae.sound import write_wav  # Slow: scipy's filters.

        for name, groove in (entry for entry in grooves[:SOUNDS] if _seconds(entry[1]) <= LONGEST):
            write_wav(directory / "sound" / f"{name}.wav", groove)


def left_out(made: Made) -> list[str]:
    """What has no file or no place in the picture, in words."""
    count, rows = len(made.grooves), len(made.pictured)
    said = []
    if count > FILES:
        said.append(f"midi/ has the first {FILES} of {count}; samples/final.npz has all")
    if long := sum(_seconds(groove) > LONGEST for groove in made.grooves.values()):
        which = "a groove" if long == 1 else f"{long} grooves"
        said.append(f"{which} of more than {LONGEST // 60} minutes: no sound")
    if rows > ROWS:
        said.append(f"the picture has the first {ROWS} of {rows} rows")
    return said


def summarise(
    directory: Path, made: Made, cfg: DictConfig, measured: Path, told: dict[str, Any]
) -> None:
    """Write `summary.json`, in the form that a training run's has.

    Args:
        directory: of the run.
        made: what was measured.
        cfg: of the run.
        measured: the model's file.
        told: "command", "seconds" and "data".
    """
    packages = ("modekeeper", "torch", "hydra-core", "numpy")
    summary = {
        "status": "finished",
        "error": None,
        "command": shlex.join(told["command"]),
        "ended": now(),
        "seed": cfg.seed,
        "measured": str(measured),
        "samples": len(made.grooves),
        "final": made.final,
        "best": {},
        "floor": made.floor,
        "ceiling": made.ceiling,
        "remarks": [*made.remarks],
        "verdict": made.said,
        "seconds": round(told["seconds"], 3),
        "batches": 0,
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "data": told["data"],
        "judge": None,
    }
    write_atomically(directory / "summary.json", json.dumps(summary, indent=2) + "\n")


def show(made: Made, directory: Path, model: Path) -> None:
    """Print what was measured beside what knows nothing and real bars, and where everything is."""
    table = Table("measure", "floor", "value", "real")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, value in made.final.items():
        table.add_row(name, cell(made.floor.get(name)), cell(value), cell(made.ceiling.get(name)))
    console = Console()
    console.print(table)
    named = "the shipped one" if model == SHIPPED else str(model)
    console.print(f"{made.said} (model: {named})", highlight=False, soft_wrap=True)
    for remark in made.remarks:
        console.print(f"of the source: {remark}", highlight=False)
    for remark in left_out(made):
        console.print(remark, highlight=False)
    console.print(str(directory), soft_wrap=True)


def _seconds(groove: Groove) -> float:
    return groove.steps / STEPS_PER_BEAT * 60 / groove.tempo


def _told(made: Made, cfg: DictConfig) -> dict[str, Any]:
    return {
        "mode": cfg.mode,
        "seed": cfg.seed,
        "grooves": [{"name": name, **_cells(groove)} for name, groove in made.grooves.items()],
    }


def _cells(groove: Groove) -> dict[str, Any]:
    """A groove as plain lists; a hit is its step, voice, velocity and offset."""
    hits = [
        [step, voice, round(float(groove.velocities[step, voice]), 4),
         round(float(groove.offsets[step, voice]), 4)]
        for step, voice in np.argwhere(groove.hits).tolist()
    ]  # fmt: skip
    return {
        "tempo": round(groove.tempo, 3),
        "meter": list(groove.meter),
        "steps": groove.steps,
        "voices": list(groove.kit.voices),
        "hits": hits,
    }


def _write_arrays(path: Path, made: Made) -> None:
    """All that was made as the model's bars, each once: a long groove holds the short ones."""
    grooves = [*made.grooves.values()]
    longest, steps = max(groove.steps for groove in grooves), made.pictured[0][0][1].shape[1]
    whole = [groove for groove in grooves if groove.steps == longest]
    arrays = {
        name: np.concatenate(
            [getattr(g, name).reshape(-1, steps, len(g.kit.voices)) for g in whole]
        )
        for name in ("hits", "velocities", "offsets")
    }
    tempos = [np.full(g.steps // steps, g.tempo, np.float32) for g in whole]
    with _whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays, tempos=np.concatenate(tempos))


def _draw(path: Path, rows: list[list[Titled]], kit: Kit) -> None:
    rows = rows[:ROWS]
    columns = max(len(row) for row in rows)
    width = 0.17 * rows[0][0][1].shape[1] * columns + 1.2
    height = 0.2 * len(kit.voices) + 0.8
    with styled_figure(width, height * len(rows)) as figure:
        figure.supxlabel(
            "darker is louder; left of its step is early, right of it late", fontsize=9
        )
        stacked = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, line in zip(stacked, rows, strict=True):
            titles, bars = zip(*line, strict=True)
            draw_bars(axes, [bar.numpy() for bar in bars], kit.voices, titles, room=columns)
        with _whole(path) as partial:
            figure.savefig(partial, format="png", facecolor="white")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path to write to, whose file is at `path` once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
