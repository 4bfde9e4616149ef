"""Drum tracks in and out of MIDI files."""

from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from drumvae.grooves import STEPS_PER_BEAT, Groove, Kit, Losses, Note, quantise, steps_in_bar

TICKS = 960  # per quarter note in files that are written: half a tick is 0.3 ms at 100 bpm
CHANNEL = 9  # General MIDI's channel 10, counted from 0
LARGEST = 3_000_000  # bytes; a drummer fills 40 kB in ten minutes
_LEAD_IN = "lead-in"


@dataclass(frozen=True)
class Performance:
    """The drum notes of a file.

    Attributes:
        notes: in order of time; places in quarter notes.
        tempos: (place, quarter notes a minute) from the place 0 on, in order.
        meter: of the whole file.
        end: where the file ends, in quarter notes.
    """

    notes: list[Note]
    tempos: list[tuple[float, float]]
    meter: tuple[int, int]
    end: float

    @property
    def sounding(self) -> int:
        """Whole bars up to the last note."""
        last = int(max(note.beat for note in self.notes) * STEPS_PER_BEAT + 0.5)
        return last // steps_in_bar(self.meter) + 1

    @property
    def bars(self) -> int:
        """Whole bars up to the last note, and as many more as the file has after it."""
        bar = steps_in_bar(self.meter)
        return max(self.sounding, int(self.end * STEPS_PER_BEAT / bar + 1e-6))

    def tempo_at(self, beat: float) -> float:
        """Quarter notes a minute at a place."""
        return [tempo for place, tempo in self.tempos if place <= max(beat, 0)][-1]


def read_performance(path: Path) -> Performance:
    """Read the drum notes of a MIDI file, all tracks together.

    Without a tempo or a meter in the file the MIDI standard's 120 bpm and 4/4 hold.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no MIDI file, a damaged or an over-long one, one without drums on channel 10,
            one that counts in seconds, or one that changes its meter.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no MIDI file at {path}")
    if path.stat().st_size > LARGEST:
        raise ValueError(
            f"{path} has {path.stat().st_size:,} bytes, no drum track needs more than {LARGEST:,}"
        )
    try:
        file = mido.MidiFile(path)
    except Exception as error:  # mido raises whatever the bytes happen to break
        raise ValueError(f"{path} is no MIDI file, or a damaged one ({error!r})") from error
    if not 0 < file.ticks_per_beat < 0x8000:
        raise ValueError(
            f"{path} has {file.ticks_per_beat} ticks in a beat, so its notes have no place in a bar"
        )
    if file.type == 2 and len(file.tracks) > 1:
        raise ValueError(
            f"{path} holds {len(file.tracks)} patterns of their own (MIDI type 2); write one of "
            "them as type 0 or 1"
        )
    notes: list[Note] = []
    tempos: dict[float, float] = {0.0: 120.0}
    meters: list[tuple[float, tuple[int, int]]] = []
    lead_in, named, tick = False, False, 0
    for message in mido.merge_tracks(file.tracks):
        tick += message.time
        place = tick / file.ticks_per_beat
        if message.type == "note_on" and message.channel == CHANNEL and message.velocity > 0:
            notes.append(Note(place, message.note, message.velocity))
        elif message.type == "set_tempo" and message.tempo > 0:
            tempos[place] = mido.tempo2bpm(message.tempo)
            named |= place == 0
        elif message.type == "time_signature":
            meters.append((place, (message.numerator, message.denominator)))
        elif message.type == "marker" and message.text == _LEAD_IN and tick == 0:
            lead_in = True
    if not notes:
        others = {m.channel + 1 for t in file.tracks for m in t if m.type == "note_on"}
        found = f"only on {', '.join(map(str, sorted(others)))}" if others else "nor on any other"
        raise ValueError(f"{path} has no drums: no note on channel 10, {found}")
    first = notes[0].beat
    started = min((place for place in tempos if place > 0), default=None)
    if not named and started is not None and started <= max(first, 1 / STEPS_PER_BEAT):
        tempos[0.0] = tempos[started]  # some programs write it a tick late
    meter = _only_meter(path, meters)
    end = tick / file.ticks_per_beat
    bar = steps_in_bar(meter) / STEPS_PER_BEAT
    # Where the empty bar has been cut and its mark has stayed, nothing is in front.
    if lead_in and first >= bar - 0.5 / STEPS_PER_BEAT - 1e-6:
        notes = [note._replace(beat=note.beat - bar) for note in notes]
        tempos = {max(0.0, place - bar): tempo for place, tempo in sorted(tempos.items())}
        end -= bar
    return Performance(notes, sorted(tempos.items()), meter, end)


def _only_meter(path: Path, meters: list[tuple[float, tuple[int, int]]]) -> tuple[int, int]:
    if not meters or meters[0][0] > 0:
        meters = [(0.0, (4, 4)), *meters]  # The standard's, until the file names one.
    found = dict.fromkeys(meter for _, meter in meters)
    if len(found) > 1:
        named = ", ".join(f"{beats}/{unit}" for beats, unit in found)
        raise ValueError(f"{path} changes its meter ({named}); cut it into files of one meter")
    return next(iter(found))


def read_midi(path: Path, kit: Kit) -> tuple[Groove, Losses]:
    """Read a whole MIDI file as one groove, with what the grid could not hold.

    Raises:
        FileNotFoundError: no such file.
        ValueError: see `read_performance`.
    """
    performance = read_performance(path)
    steps = performance.bars * steps_in_bar(performance.meter)
    return quantise(performance.notes, kit, steps, performance.tempo_at(0), performance.meter)


def begins_early(groove: Groove) -> bool:
    """Whether a stroke precedes the first step, so that `write_midi` puts an empty bar first."""
    return bool(_ticks(groove).min(initial=0) < 0)


def _ticks(groove: Groove) -> NDArray[np.int64]:
    """Where each stroke begins; one that is late by half a step, just before the next one's."""
    per_step = TICKS / STEPS_PER_BEAT
    step, voice = np.nonzero(groove.hits)
    start = np.round((step + groove.offsets[step, voice].astype(float)) * per_step)
    return np.minimum(start, (step + 0.5) * per_step - 1).astype(np.int64)


def write_midi(groove: Groove, path: Path) -> None:
    """Write a groove as a drum track of its tempo and meter, General MIDI notes on channel 10.

    A hit that lies before the first step would lie before the start of the file: then an empty bar
    comes first, marked as a lead-in, which `read_midi` leaves out again. A note lasts half a step,
    or until the next of its pitch.

    Raises:
        ValueError: `path` is a folder.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder, and a MIDI file is to be written: name one in it")
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    track = mido.MidiTrack()
    file.tracks.append(track)
    beats, unit = groove.meter
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(groove.tempo), time=0))
    track.append(mido.MetaMessage("time_signature", numerator=beats, denominator=unit, time=0))
    per_step = TICKS / STEPS_PER_BEAT
    step, voice = np.nonzero(groove.hits)
    start = _ticks(groove)
    shift = 0
    if begins_early(groove):
        track.append(mido.MetaMessage("marker", text=_LEAD_IN, time=0))
        shift = round(groove.steps_per_bar * per_step)
    ends: dict[tuple[int, int], int] = {}
    for column in np.unique(voice):
        ticks = np.unique(start[voice == column] + shift)
        until = np.append(ticks[1:], ticks[-1] + TICKS)
        for tick, end in zip(ticks, np.minimum(ticks + round(per_step / 2), until), strict=True):
            ends[int(column), int(tick)] = int(end)
    events: list[tuple[int, int, mido.Message]] = []
    for tick, s, v in zip((start + shift).tolist(), step, voice, strict=True):
        note = groove.kit.note_of(int(v))
        loud = max(1, round(float(groove.velocities[s, v]) * 127))
        on = mido.Message("note_on", channel=CHANNEL, note=note, velocity=loud)
        off = mido.Message("note_off", channel=CHANNEL, note=note)
        # An off goes before an on of the same tick, or it would cut the next stroke short.
        events += [(tick, 1, on), (ends[int(v), tick], 0, off)]
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    end = shift + round(groove.steps * per_step)
    track.append(mido.MetaMessage("end_of_track", time=max(0, end - now)))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        file.save(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_bar(bar: NDArray[np.float32], kit: Kit, path: Path, tempo: float = 120.0) -> None:
    """Write a bar of shape (3, steps, voices), hits, velocities and offsets, as a MIDI file."""
    hits, velocities, offsets = bar
    write_midi(Groove(hits > 0.5, velocities, offsets, tempo, kit=kit), path)
