"""Grooves as sound: on the computed kit, as WAV files, and on FluidSynth where it is installed.

Sound is float32 in [-0.99, 0.99], shape (samples, 2), left and right.
"""

import io
import os
import shutil
import subprocess
import wave
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from drumvae.grooves import Groove
from drumvae.midi import begins_early, write_midi
from drumvae.synthesis import RATE, VOICES, Sound, strokes

LOUDEST = 0.99
HATS = ("closed_hat", "open_hat")
CHOKE = 0.006  # seconds in which a hat that closes falls silent
LOUDNESS = 1.5  # a stroke's amplitude is velocity to this power: a ghost note at 0.2 is -21 dB


def render(grooves: Groove | Sequence[Groove], rate: int = RATE) -> Sound:
    """Play grooves, one after the other, on the computed kit; the last strokes ring out.

    A closed hat chokes an open one, and so does the next open one. Only where strokes would add
    up to more than full scale is the whole turned down. A stroke before the first step comes
    first: the first step then lies `lead_in` seconds from the start.

    Args:
        grooves: one, or several; each with its own tempo, meter and kit.
        rate: samples a second.

    Returns:
        Shape (samples, 2).

    Raises:
        ValueError: no groove, or a rate below 8,000.
    """
    played = _played(grooves)
    if rate < 8000:
        raise ValueError(f"sound needs a rate of 8,000 samples a second or more, got {rate}")
    events, length = _events(played, rate)
    hats = sorted(start for start, voice, _ in events if voice in HATS)
    end = max([length, *(s + len(strokes(voice, rate)[0]) for s, voice, _ in events)])
    mono: dict[str, Sound] = {}
    for start, voice, velocity in events:
        dull, bright = strokes(voice, rate)
        loud = velocity**LOUDNESS
        stroke = loud * (1 - velocity) * dull + loud * velocity * bright
        if voice == "open_hat":
            after = next((hat - start for hat in hats if hat > start), len(stroke))
            stroke = _choked(stroke, after, rate)
        track = mono.setdefault(voice, np.zeros(end, np.float32))
        track[start : start + len(stroke)] += stroke
    sound = np.zeros((end, 2), np.float32)
    for voice, track in mono.items():
        angle = VOICES[voice].pan * np.pi / 2  # of equal power wherever a voice stands
        for side, gain in enumerate((np.cos(angle), np.sin(angle))):
            sound[:, side] += np.float32(gain) * track
    peak = float(np.abs(sound).max(initial=0.0))
    # A little less than full: the last bit of float32 may round up.
    return sound * np.float32(0.99999 * LOUDEST / peak) if peak > LOUDEST else sound


def render_loop(grooves: Groove | Sequence[Groove], rate: int = RATE) -> Sound:
    """One pass of grooves that go round and round: as long as their bars, without a seam.

    What rings over its end, and the strokes before its first step, come from the passes beside it.

    Args:
        grooves: one, or several.
        rate: samples a second.

    Returns:
        Shape (samples, 2).

    Raises:
        ValueError: see `render`.
    """
    played = _played(grooves)
    seconds = sum(groove.steps * groove.step_seconds for groove in played)
    longest = max(voice.seconds for voice in VOICES.values())
    before = ceil(longest / seconds)
    sound = render(played * (before + 2), rate)
    start = round((lead_in(played) + before * seconds) * rate)
    return sound[start : start + round(seconds * rate)]


def lead_in(grooves: Groove | Sequence[Groove]) -> float:
    """Seconds from the start of the sound to the first step: 0 unless a stroke lies before it."""
    starts = [groove.onsets().min(initial=0.0) for groove in _played(grooves)[:1]]
    return max(0.0, -float(starts[0]))


def _played(grooves: Groove | Sequence[Groove]) -> list[Groove]:
    played = [grooves] if isinstance(grooves, Groove) else list(grooves)
    if not played:
        raise ValueError("there is no groove to play")
    return played


def _events(grooves: list[Groove], rate: int) -> tuple[list[tuple[int, str, float]], int]:
    """Strokes as (sample, voice, velocity), and the samples up to the last bar's end."""
    events, begin = [], lead_in(grooves)
    for groove in grooves:
        cells = np.argwhere(groove.hits)
        for (step, column), onset in zip(cells, groove.onsets(), strict=True):
            start = max(0, round((begin + float(onset)) * rate))
            velocity = float(groove.velocities[step, column])
            events.append((start, groove.kit.voices[column], velocity))
        begin += groove.steps * groove.step_seconds
    return events, round(begin * rate)


def _choked(stroke: Sound, after: int, rate: int) -> Sound:
    """A stroke that falls silent so many samples after it began."""
    fade = np.linspace(1, 0, round(CHOKE * rate), dtype=np.float32)
    rest = stroke[: after + len(fade)].copy()
    rest[after:] *= fade[: max(0, len(rest) - after)]
    return rest


def wav_bytes(grooves: Groove | Sequence[Groove], rate: int = RATE, loop: bool = False) -> bytes:
    """What `render` plays, or `render_loop`, as a WAV file: two channels of 16 bits."""
    sound = render_loop(grooves, rate) if loop else render(grooves, rate)
    levels = np.round(sound * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(levels.tobytes())
    return buffer.getvalue()


def write_wav(path: Path, grooves: Groove | Sequence[Groove], rate: int = RATE) -> None:
    """Write what `render` plays as a WAV file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(wav_bytes(grooves, rate))
    partial.replace(path)


def render_fluidsynth(groove: Groove, soundfont: Path, rate: int = RATE) -> Sound:
    """Play a groove on a soundfont's General MIDI drums, with the `fluidsynth` executable.

    Args:
        groove: of any number of bars.
        soundfont: an .sf2 or .sf3 file.
        rate: samples a second.

    Returns:
        Shape (samples, 2), as of `render`: a lead-in bar of the MIDI file is cut off.

    Raises:
        FileNotFoundError: no such soundfont, or no `fluidsynth` on the PATH.
        ValueError: the file is no soundfont, or FluidSynth cannot play it.
    """
    executable = shutil.which("fluidsynth")
    if executable is None:
        raise FileNotFoundError(
            "no `fluidsynth` on the PATH; install FluidSynth, or use the built-in kit (render)"
        )
    if not soundfont.is_file():
        raise FileNotFoundError(f"no soundfont at {soundfont}")
    with soundfont.open("rb") as file:
        kind = file.read(12)
    if kind[:4] + kind[8:] != b"RIFFsfbk":
        # FluidSynth itself would play silence, and call it a success.
        raise ValueError(f"{soundfont} is no soundfont (.sf2, .sf3)")
    with TemporaryDirectory() as folder:
        midi, sound = Path(folder) / "groove.mid", Path(folder) / "groove.wav"
        write_midi(groove, midi)
        done = subprocess.run(
            [executable, "-niq", "-g", "0.7", "-r", str(rate), "-O", "s16", "-F", str(sound),
             str(soundfont), str(midi)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode or "error:" in done.stderr or not sound.is_file():
            told = done.stderr.strip().splitlines() or ["it gave no reason"]
            raise ValueError(f"fluidsynth cannot play {soundfont}: {told[0]}")
        with wave.open(str(sound), "rb") as file:
            levels = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    early = lead_in(groove)
    bar = groove.steps_per_bar * groove.step_seconds
    stereo = levels.reshape(-1, 2)[round((bar - early) * rate) if begins_early(groove) else 0 :]
    return np.clip(stereo / 32768, -LOUDEST, LOUDEST).astype(np.float32)
