"""The sections with grooves: samples to see and to hear, and what else lies in the run."""

import contextlib
import io
import json
import re
import wave
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from callbacks.grooves import draw_bars
from callbacks.page import Part, Section, Sound
from callbacks.report_parts import Measured, drawn, figure
from callbacks.run_directory import RunDirectory
from drumvae.grooves import GMD_VOICES, NOTES, Groove, Kit
from drumvae.midi import read_midi
from drumvae.sound import render

RATE = 22_050
"""Samples a second, of one channel: a bar in 100 kB."""
MADE = "groove.json"
"""What `drumvae.generate` has made, with its voices."""
SHOWN = 8
"""Bars in the picture of those that have none."""
HEARD, STYLES = 2, 6
"""Bars of a style that are played, and styles at most."""
KNOWN = (
    *("posterior_collapse", "active_units", "latent_map", "samples_final", "traversals"),
    *("interpolation_detail", "interpolation_style", "likelihood"),
)
"""Figures that have a section of their own."""


def samples(run: RunDirectory, found: Measured) -> Section | None:
    """Bars of each style, as pictures and as sound; of an evaluation those that it measured."""
    bars = _styled(run)
    parts: list[Part] = [*figure(run, "samples_final", _alt(bars))]
    kept = None if parts else _kept(run)
    if kept is not None:
        voices = _voices(run, kept.shape[-1])
        first = kept[:SHOWN]
        alt = f"The first {len(first)} of {len(kept)} bars, as they come."
        parts.append(drawn(lambda f: _draw(f, first, voices), alt, 4.5))
        if set(voices) <= set(NOTES):
            kit = Kit(voices)
            bars = {
                "The first bars": [Groove(b[0] > 0.5, b[1], b[2], kit=kit) for b in kept[:HEARD]]
            }
    for style, grooves in list(bars.items())[:STYLES]:
        count = f"{len(grooves)} bar{'s' * (len(grooves) > 1)}"
        parts.append(Sound(mono_wav(grooves), f"{style}, {count}"))
    if not parts:
        return None
    made = (run.path / MADE).is_file()
    text = "What was made, bar by bar" if made else "Bars as they come, none chosen"
    text += "; the first ones can be heard." if bars else "."
    return Section("Samples", text, tuple(parts))


def others(run: RunDirectory, found: Measured) -> Section | None:
    """Figures that somebody else has put into the run, such as transfers and blends."""
    parts = [
        picture
        for name in run.figures
        if name not in KNOWN
        for picture in figure(run, name, _title(name), _title(name))
    ]
    return Section("What was made with it", "", tuple(parts)) if parts else None


def mono_wav(grooves: Sequence[Groove]) -> bytes:
    """Grooves one after the other as a WAV file of one channel, small enough for a page."""
    levels = np.round(render(grooves, RATE).mean(1) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(levels.tobytes())
    return buffer.getvalue()


def _styled(run: RunDirectory) -> dict[str, list[Groove]]:
    """The first bars of each style, of the MIDI files of the run."""
    found: dict[str, list[Groove]] = {}
    for path in sorted((run.path / "samples" / "midi").glob("*.mid")):
        style = re.sub(r"-\d+$", "", path.stem)
        if len(found.get(style, ())) < HEARD:
            try:
                groove, _ = read_midi(path, Kit(tuple(NOTES)))
            except ValueError:
                continue  # A bar without a hit is no drum track, and has no sound.
            found.setdefault(style, []).append(groove)
    return found


def _kept(run: RunDirectory) -> NDArray[np.float32] | None:
    """Bars of `samples/final.npz`, shape (n, 3, steps, voices)."""
    path = run.path / "samples" / "final.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as file:
        parts = [file[name] for name in ("hits", "velocities", "offsets")]
    return np.stack(parts, 1).astype(np.float32)


def _voices(run: RunDirectory, count: int) -> tuple[str, ...]:
    voices = tuple((run.config.get("data") or {}).get("voices") or GMD_VOICES)
    with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
        # The model's own, which need not be those of the data that the config names.
        told = json.loads((run.path / MADE).read_text("utf-8"))
        voices = tuple(told["grooves"][0]["voices"])
    return voices if len(voices) == count else tuple(str(i) for i in range(count))


def _draw(figure: Figure, bars: NDArray[np.float32], voices: Sequence[str]) -> None:
    half = -(-len(bars) // 2)
    lines = [line for line in (bars[:half], bars[half:]) if len(line)]
    for axes, line in zip(figure.subplots(len(lines), 1, squeeze=False)[:, 0], lines, strict=True):
        draw_bars(axes, line, voices, room=half)


def _alt(bars: dict[str, list[Groove]]) -> str:
    hits = {style: np.mean([g.hits.sum() for g in some]) for style, some in bars.items()}
    said = ", ".join(f"{style} {count:.0f} hits a bar" for style, count in hits.items())
    return f"Step-sequencer pictures of samples of each style. {said}".strip()


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
