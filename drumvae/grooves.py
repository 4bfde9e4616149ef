"""What a groove is: hits, velocities and offsets on a grid of steps and voices.

A groove is quantised to sixteenths (a step is a quarter of a beat) without losing its feel: every
hit keeps its velocity and how far it lies off its step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STEPS_PER_BEAT = 4

# General MIDI notes of each voice; the first is the one that is written.
NOTES: dict[str, tuple[int, ...]] = {
    "kick": (36, 35),
    "snare": (38, 37, 40),
    "closed_hat": (42, 22, 44),
    "open_hat": (46, 26),
    "low_tom": (43, 58, 41),
    "mid_tom": (47, 45),
    "high_tom": (50, 48),
    "crash": (49, 52, 55, 57),
    "ride": (51, 53, 59),
    "clap": (39,),
}
REPORT_VOICES = (
    *("kick", "snare", "closed_hat", "open_hat", "low_tom"),
    *("high_tom", "crash", "ride", "clap"),
)
GMD_VOICES = (
    *("kick", "snare", "closed_hat", "open_hat", "low_tom"),
    *("mid_tom", "high_tom", "crash", "ride"),
)


@dataclass(frozen=True)
class Kit:
    """The voices of a groove, in the order of its columns.

    Args:
        voices: names from `NOTES`.

    Raises:
        ValueError: an unknown voice, one named twice, or none.
    """

    voices: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = [voice for voice in self.voices if voice not in NOTES]
        if unknown or not self.voices or len(set(self.voices)) < len(self.voices):
            raise ValueError(
                f"a kit has each of its voices once, of {', '.join(NOTES)}; got {[*self.voices]}"
            )

    @cached_property
    def _column(self) -> dict[int, int]:
        columns = {n: i for i, voice in enumerate(self.voices) for n in NOTES[voice]}
        # A kit without a mid tom plays its notes on the low tom.
        if "mid_tom" not in self.voices and "low_tom" in self.voices:
            columns |= dict.fromkeys(NOTES["mid_tom"], self.voices.index("low_tom"))
        return columns

    def voice_of(self, note: int) -> int | None:
        """Column of a General MIDI note, None where the kit has no such voice."""
        return self._column.get(note)

    def note_of(self, column: int) -> int:
        """General MIDI note that a column is written as."""
        return NOTES[self.voices[column]][0]


REPORT_KIT = Kit(REPORT_VOICES)
GMD_KIT = Kit(GMD_VOICES)


@dataclass(frozen=True)
class Groove:
    """One or more bars on a grid.

    Attributes:
        hits: which voice sounds at which step, bool, shape (steps, voices).
        velocities: loudness in [0, 1], 0 where there is no hit, float32, same shape.
        offsets: share of a step by which a hit is off its step, in [-0.5, 0.5], **positive is
            late**, 0 where there is no hit, float32, same shape.
        tempo: quarter notes a minute.
        meter: beats in a bar and the note that is a beat, as in 4/4.
        kit: names of the columns.

    Raises:
        ValueError: shapes or values that are none of these.
    """

    hits: NDArray[np.bool_]
    velocities: NDArray[np.float32]
    offsets: NDArray[np.float32]
    tempo: float = 120.0
    meter: tuple[int, int] = (4, 4)
    kit: Kit = GMD_KIT

    def __post_init__(self) -> None:
        shape = self.hits.shape
        if len(shape) != 2 or shape[1] != len(self.kit.voices):
            raise ValueError(
                f"hits must have shape (steps, {len(self.kit.voices)}) for this kit, got {shape}"
            )
        if self.velocities.shape != shape or self.offsets.shape != shape:
            raise ValueError(
                f"hits, velocities and offsets must have one shape, got {shape}, "
                f"{self.velocities.shape} and {self.offsets.shape}"
            )
        for name, values, low, high in (
            ("velocities", self.velocities, 0.0, 1.0),
            ("offsets", self.offsets, -0.5, 0.5),
        ):
            if not np.isfinite(values).all() or values.min() < low or values.max() > high:
                raise ValueError(f"{name} must lie in [{low:g}, {high:g}]")
        if not (np.isfinite(self.tempo) and self.tempo > 0):
            raise ValueError(f"a tempo is a positive number of beats a minute, got {self.tempo}")

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.hits)

    @property
    def step_seconds(self) -> float:
        """Length of a step."""
        return 60 / self.tempo / STEPS_PER_BEAT

    @property
    def steps_per_bar(self) -> int:
        """Steps in a bar of this meter."""
        return steps_in_bar(self.meter)

    def onsets(self) -> NDArray[np.float64]:
        """Start of each hit in seconds from the first step, in the order of `np.argwhere(hits)`."""
        step, voice = np.nonzero(self.hits)
        return (step + self.offsets[step, voice].astype(np.float64)) * self.step_seconds


def groove_of_hits(
    hits: NDArray[np.bool_], kit: Kit, tempo: float = 120.0, velocity: float = 0.8
) -> Groove:
    """A groove of one loudness, straight on the grid."""
    hits = np.asarray(hits, dtype=bool)
    return Groove(
        hits,
        (hits * velocity).astype(np.float32),
        np.zeros(hits.shape, np.float32),
        tempo,
        kit=kit,
    )


def steps_in_bar(meter: tuple[int, int]) -> int:
    """Sixteenth steps in a bar: 16 of 4/4, 12 of 3/4 and of 6/8.

    Raises:
        ValueError: a meter that sixteenths do not fill.
    """
    beats, unit = meter
    if beats < 1 or unit not in (1, 2, 4, 8, 16):
        raise ValueError(f"no grid of sixteenths for a meter of {beats}/{unit}")
    return beats * 16 // unit


class Note(NamedTuple):
    """One drum stroke: its place in quarter notes from the start, MIDI note, velocity 1-127."""

    beat: float
    note: int
    velocity: int


@dataclass(frozen=True)
class Losses:
    """What a grid could not hold, counted.

    Attributes:
        collisions: notes that fell on a cell which a louder one (or an equal one before it) has.
        outside: notes whose voice the kit does not have.
        early: notes of a voice in the kit that lie half a step and more before the first step.
    """

    collisions: int = 0
    outside: int = 0
    early: int = 0

    def __add__(self, other: "Losses") -> "Losses":
        return Losses(
            self.collisions + other.collisions,
            self.outside + other.outside,
            self.early + other.early,
        )

    def told(self) -> tuple[str, ...]:
        """What was lost, in words; nothing where nothing was."""
        kinds = (
            (self.outside, "of voices outside the kit"),
            (self.collisions, "on a step where the same voice sounds as loud or louder"),
            (self.early, "before the first step"),
        )
        return tuple(
            f"{count} {'note' if count == 1 else 'notes'} {what} left out"
            for count, what in kinds
            if count
        )


def quantise(
    notes: Sequence[Note],
    kit: Kit,
    steps: int,
    tempo: float = 120.0,
    meter: tuple[int, int] = (4, 4),
) -> tuple[Groove, Losses]:
    """Put notes on the grid; of those that share a cell the loudest stays.

    Args:
        notes: in any order.
        kit: the columns.
        steps: length of the groove.
        tempo: quarter notes a minute.
        meter: of the groove.

    Returns:
        The groove, and what was lost: notes at or after `steps` are not counted, they are later;
        those that round to a step before the first are.
    """
    columns = np.array([-1 if (c := kit.voice_of(n.note)) is None else c for n in notes], int)
    place = np.array([n.beat for n in notes], dtype=np.float64) * STEPS_PER_BEAT
    step = np.floor(place + 0.5).astype(int)
    loud = np.array([n.velocity for n in notes], dtype=int)
    outside = int((columns < 0).sum())
    inside = np.flatnonzero((columns >= 0) & (step >= 0) & (step < steps))
    shape = (steps, len(kit.voices))
    hits = np.zeros(shape, bool)
    velocities, offsets = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    # The loudest is written last; among equals the first one played.
    order = inside[np.lexsort((-place[inside], loud[inside]))]
    cells = (step[order], columns[order])
    hits[cells] = True
    velocities[cells] = loud[order] / np.float32(127)
    offsets[cells] = np.clip(place[order] - step[order], -0.5, 0.5)
    early = int(((columns >= 0) & (step < 0)).sum())
    lost = Losses(len(inside) - int(hits.sum()), outside, early)
    return Groove(hits, velocities, offsets, tempo, meter, kit), lost
