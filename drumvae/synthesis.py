"""A drum kit of sines and filtered noise: the same samples each time, computed, not recorded.

The recipes are those of analogue drum machines: a sine whose pitch falls for skins, noise through
filters for wires, hands and sticks, square waves of partials that never meet for metal.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

RATE = 44_100
# Inharmonic partials of a metal plate, those of the hi-hat of Roland's TR-808, Hz.
METAL = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)

Array = NDArray[np.float64]
Sound = NDArray[np.float32]


class Voice(NamedTuple):
    """How a voice sounds.

    Attributes:
        seconds: length of a stroke.
        level: peak amplitude of the hardest stroke.
        pan: place from 0, left, to 1, right.
        strike: (seconds since the stroke, noise of the same shape, samples a second) -> amplitude,
            of any scale.
    """

    seconds: float
    level: float
    pan: float
    strike: Callable[[Array, Array, int], Array]


def _band(x: Array, rate: int, low: float, high: float | None = None) -> Array:
    """What lies above `low` Hz, and below `high`."""
    # A slow rate has no room for the highest bands: what it has of them is kept.
    edges = [min(edge, 0.45 * rate) for edge in (low, high) if edge is not None]
    kind = "highpass" if high is None or edges[1] <= edges[0] else "bandpass"
    sections = butter(2, edges if kind == "bandpass" else edges[0], kind, fs=rate, output="sos")
    return np.asarray(sosfilt(sections, x))


def _swept(t: Array, rest: float, start: float, fall: float) -> Array:
    """A sine whose pitch falls from `start` to `rest` Hz with the time constant `fall` seconds."""
    turns = rest * t + (start - rest) * fall * (1 - np.exp(-t / fall))
    return np.sin(2 * np.pi * turns)


def _metal(t: Array, scale: float) -> Array:
    """Square waves of a plate's partials: their overtones never meet, as in cymbals."""
    return sum((np.sign(np.sin(2 * np.pi * scale * f * t)) for f in METAL), np.zeros_like(t)) / 6


def _decay(t: Array, seconds: float) -> Array:
    return np.exp(-t / seconds)


def _kick(t: Array, noise: Array, rate: int) -> Array:
    click = _band(noise, rate, 1500, 6000) * _decay(t, 0.004)
    return _swept(t, 48, 190, 0.03) * _decay(t, 0.13) + 0.35 * click


def _snare(t: Array, noise: Array, rate: int) -> Array:
    head = _swept(t, 185, 280, 0.02) + 0.6 * _swept(t, 331, 420, 0.02)
    wires = _band(noise, rate, 1200, 9500)
    return 0.55 * head * _decay(t, 0.06) + wires * (0.5 * _decay(t, 0.05) + 0.4 * _decay(t, 0.13))


def _tom(pitch: float) -> Callable[[Array, Array, int], Array]:
    def strike(t: Array, noise: Array, rate: int) -> Array:
        stick = _band(noise, rate, 800, 5000) * _decay(t, 0.012)
        head = _swept(t, pitch, 1.6 * pitch, 0.04) + 0.3 * _swept(t, 1.59 * pitch, 2 * pitch, 0.03)
        return head * _decay(t, 18 / pitch) + 0.25 * stick

    return strike


def _hat(seconds: float) -> Callable[[Array, Array, int], Array]:
    def strike(t: Array, noise: Array, rate: int) -> Array:
        body = _band(_metal(t, 1.7) + 0.5 * noise, rate, 7000, 15000)
        return body * (0.6 * _decay(t, seconds) + 0.4 * _decay(t, seconds / 5))

    return strike


def _crash(t: Array, noise: Array, rate: int) -> Array:
    body = _band(0.7 * noise + _metal(t, 2.3), rate, 3000, 14000)
    return body * (0.6 * _decay(t, 0.55) + 0.4 * _decay(t, 0.08))


def _ride(t: Array, noise: Array, rate: int) -> Array:
    ping = sum((np.sin(2 * np.pi * f * t) for f in (2870.0, 4130.0, 5390.0)), np.zeros_like(t))
    wash = _band(_metal(t, 1.9) + 0.2 * noise, rate, 5500, 13000)
    return 0.28 * ping * _decay(t, 0.12) + wash * (0.5 * _decay(t, 0.45) + 0.5 * _decay(t, 0.02))


def _clap(t: Array, noise: Array, rate: int) -> Array:
    hands = sum((np.where(t >= at, _decay(t - at, 0.004), 0) for at in (0.0, 0.011, 0.022)), 0 * t)
    return _band(noise, rate, 900, 3500) * (hands + np.where(t >= 0.022, 0.6, 0) * _decay(t, 0.07))


VOICES = {
    "kick": Voice(0.7, 0.85, 0.5, _kick),
    "snare": Voice(0.6, 0.68, 0.47, _snare),
    "closed_hat": Voice(0.2, 0.32, 0.66, _hat(0.035)),
    "open_hat": Voice(1.4, 0.30, 0.66, _hat(0.28)),
    "low_tom": Voice(1.0, 0.60, 0.75, _tom(82)),
    "mid_tom": Voice(0.9, 0.58, 0.55, _tom(115)),
    "high_tom": Voice(0.8, 0.55, 0.36, _tom(160)),
    "crash": Voice(2.5, 0.40, 0.28, _crash),
    "ride": Voice(2.0, 0.28, 0.74, _ride),
    "clap": Voice(0.5, 0.50, 0.42, _clap),
}


@cache
def strokes(voice: str, rate: int = RATE) -> tuple[Sound, Sound]:
    """The dull and the bright sound of a voice, mono; a stroke lies between them by its velocity.

    The dull one is the bright one through two low-pass filters at its own spectral centroid.

    Args:
        voice: a name from `drumvae.grooves.NOTES`.
        rate: samples a second.
    """
    recipe = VOICES[voice]
    t = np.arange(round(recipe.seconds * rate)) / rate
    noise = np.random.default_rng(crc32(voice.encode())).standard_normal(len(t))
    bright = recipe.strike(t, noise, rate)
    bright *= np.minimum(1, (t[-1] - t) / 0.05)  # no click where the sound ends
    bright *= recipe.level / np.abs(bright).max()
    power = np.abs(np.fft.rfft(bright)) ** 2
    centroid = float((np.fft.rfftfreq(len(t), 1 / rate) * power).sum() / power.sum())
    keep = np.exp(-2 * np.pi * centroid / rate)
    dull = lfilter([(1 - keep) ** 2], [1, -2 * keep, keep**2], bright)
    return np.asarray(dull, np.float32), bright.astype(np.float32)
