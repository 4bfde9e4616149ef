import io
import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from drumvae.grooves import GMD_KIT, NOTES, REPORT_KIT, Groove, Kit, groove_of_hits
from drumvae.sound import (
    LOUDEST,
    RATE,
    lead_in,
    render,
    render_fluidsynth,
    render_loop,
    wav_bytes,
    write_wav,
)
from drumvae.synthesis import VOICES, strokes

EVERYTHING = Kit(tuple(NOTES))


def strike(
    kit: Kit,
    *cells: tuple[int, str],
    steps: int = 16,
    tempo: float = 120.0,
    velocity: float = 0.8,
    offset: float = 0.0,
) -> Groove:
    hits = np.zeros((steps, len(kit.voices)), bool)
    for step, voice in cells:
        hits[step, kit.voices.index(voice)] = True
    offsets = (hits * offset).astype(np.float32)
    return Groove(hits, (hits * velocity).astype(np.float32), offsets, tempo, kit=kit)


def onset(sound: np.ndarray, start: float = 0.0, end: float | None = None) -> float:
    """Second at which the amplitude first comes to a twentieth of its peak, within an interval."""
    part = np.abs(sound).sum(1)[round(start * RATE) : None if end is None else round(end * RATE)]
    return start + int(np.argmax(part > 0.05 * part.max())) / RATE


def energy(sound: np.ndarray) -> float:
    return float(np.square(sound, dtype=np.float64).sum())


def centroid(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float((np.fft.rfftfreq(len(samples), 1 / RATE) * power).sum() / power.sum())


@pytest.mark.parametrize("voice", NOTES)
@pytest.mark.parametrize(
    ("tempo", "step", "offset"), [(120, 5, 0.0), (87.5, 7, 0.45), (190, 11, -0.3)]
)
def test_a_stroke_sounds_when_the_groove_says(voice, tempo, step, offset):
    sound = render(strike(EVERYTHING, (step, voice), tempo=tempo, offset=offset))
    assert onset(sound) == pytest.approx((step + offset) * 15 / tempo, abs=0.001)


def test_grooves_follow_one_another_in_their_own_tempo_meter_and_kit():
    waltz = strike(EVERYTHING, (0, "clap"), steps=12, tempo=90)
    waltz = Groove(waltz.hits, waltz.velocities, waltz.offsets, 90, (3, 4), EVERYTHING)
    sound = render([waltz, strike(GMD_KIT, (4, "mid_tom"), tempo=140)])
    bar = 12 * 15 / 90
    assert onset(sound) == pytest.approx(0, abs=0.001)
    assert onset(sound, start=bar) == pytest.approx(bar + 4 * 15 / 140, abs=0.001)


def test_a_stroke_before_the_first_step_comes_first_and_moves_the_rest():
    early, straight = strike(GMD_KIT, (0, "kick"), offset=-0.4), strike(GMD_KIT, (8, "snare"))
    both = Groove(early.hits | straight.hits, early.velocities + straight.velocities, early.offsets)
    assert lead_in(both) == pytest.approx(0.4 * 0.125)
    assert lead_in(straight) == 0
    sound = render(both)
    assert onset(sound) == pytest.approx(0, abs=0.001)
    # The snare's stroke is the only one with highs this late.
    highs = np.abs(np.diff(sound, axis=0))
    assert onset(highs, start=0.8) == pytest.approx(1.0 + 0.05, abs=0.001)


@pytest.mark.parametrize("voice", NOTES)
def test_a_louder_stroke_is_louder_and_brighter(voice):
    sounds = [render(strike(EVERYTHING, (0, voice), velocity=v / 127)) for v in (30, 64, 100, 127)]
    loud = [energy(sound) for sound in sounds]
    assert loud == sorted(loud) and loud[0] > 0
    bright = [centroid(sound[:, 0]) for sound in sounds]
    assert bright == sorted(bright) and bright[-1] > 1.05 * bright[0]
    assert np.abs(sounds[-1]).max() > 6 * np.abs(sounds[0]).max()


def test_skins_are_low_metal_is_high_and_toms_are_in_order():
    of = {voice: centroid(strokes(voice)[1]) for voice in VOICES}
    assert of["kick"] < of["low_tom"] < of["mid_tom"] < of["high_tom"] < 300
    assert of["high_tom"] < of["clap"] < of["closed_hat"]
    assert 1000 < of["snare"] < of["crash"] < of["open_hat"]
    assert {*VOICES} == {*NOTES}


def test_an_open_hat_rings_longer_than_a_closed_one_until_that_chokes_it():
    free = render(strike(GMD_KIT, (0, "open_hat")))
    choked = render(strike(GMD_KIT, (0, "open_hat"), (2, "closed_hat")))
    closed = render(strike(GMD_KIT, (2, "closed_hat")))
    before = round(0.249 * RATE)
    assert np.array_equal(choked[:before], free[:before])
    after = round(0.257 * RATE)  # the stroke at 0.25 s and the hat's 6 ms to close
    assert energy(free[after + RATE // 10 :]) > 10 * energy(choked[after + RATE // 10 :])
    assert np.array_equal(choked[after : len(closed)], closed[after : len(choked)])


def test_together_open_and_closed_hat_both_sound():
    both = render(strike(GMD_KIT, (0, "open_hat"), (0, "closed_hat")))
    assert energy(both[round(0.3 * RATE) :]) > 0


def test_silence_is_silence_of_the_same_length():
    sound = render(strike(GMD_KIT, steps=32, tempo=100))
    assert sound.shape == (round(32 * 0.15 * RATE), 2)
    assert not sound.any()


def test_nothing_clips_with_everything_on_at_once():
    hits = np.ones((16, len(NOTES)), bool)
    sound = render(groove_of_hits(hits, EVERYTHING, tempo=200, velocity=1.0))
    assert np.abs(sound).max() <= LOUDEST
    assert np.abs(sound).max() > 0.98
    assert sound.dtype == np.float32


def test_sounds_are_the_same_each_time():
    groove = groove_of_hits(np.eye(16, 9, dtype=bool), REPORT_KIT)
    strokes.cache_clear()
    first = render(groove)
    strokes.cache_clear()
    assert np.array_equal(first, render(groove))


def test_a_loop_is_a_whole_pass_with_the_tails_and_early_strokes_of_its_neighbours():
    groove = strike(GMD_KIT, (0, "kick"), (14, "crash"), tempo=120, offset=-0.25)
    loop = render_loop(groove)
    assert len(loop) == 2 * RATE
    four = render([groove] * 4)
    start = round((lead_in(groove) + 4) * RATE)
    assert np.array_equal(loop, four[start : start + 2 * RATE])
    # The kick before the first step is heard at the end of the pass before.
    kick = render_loop(strike(GMD_KIT, (0, "kick"), offset=-0.25))
    assert onset(kick, start=1.5) == pytest.approx(2 - 0.25 * 0.125, abs=0.001)


@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_a_wav_file_has_what_was_rendered_in_16_bits(tmp_path, rate):
    groove = strike(GMD_KIT, (0, "kick"), (4, "snare"), (6, "crash"), velocity=1.0)
    write_wav(tmp_path / "sub" / "a.wav", groove, rate)
    sound = render(groove, rate)
    with wave.open(str(tmp_path / "sub" / "a.wav"), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, rate)
        assert file.getnframes() == len(sound)
        stored = np.frombuffer(file.readframes(len(sound)), "<i2").reshape(-1, 2) / 32767
    assert np.abs(stored - sound).max() <= 0.5 / 32767 + 1e-7
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["a.wav"]


def test_bytes_for_a_page_are_a_wav_file_and_may_loop():
    groove = strike(GMD_KIT, (0, "crash"))
    for loop, frames in ((False, round(2.5 * RATE)), (True, 2 * RATE)):
        with wave.open(io.BytesIO(wav_bytes(groove, loop=loop)), "rb") as file:
            assert file.getnframes() == frames


def test_what_cannot_be_played_is_refused():
    with pytest.raises(ValueError, match="no groove"):
        render([])
    with pytest.raises(ValueError, match="8,000"):
        render(strike(GMD_KIT), rate=4000)


def test_fluidsynth_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no `fluidsynth`"):
        render_fluidsynth(strike(GMD_KIT), tmp_path / "a.sf2")


def test_a_soundfont_that_is_missing_or_none_is_refused(tmp_path, monkeypatch):
    # What is refused before anything is started; no FluidSynth would get to see it.
    program = tmp_path / "fluidsynth"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no soundfont at .*none\.sf2"):
        render_fluidsynth(strike(GMD_KIT), tmp_path / "none.sf2")
    (tmp_path / "text.sf2").write_text("no sound")
    with pytest.raises(ValueError, match=r"text\.sf2 is no soundfont"):
        render_fluidsynth(strike(GMD_KIT), tmp_path / "text.sf2")


# A folder of soundfonts, as Debian's packages of them fill /usr/share/sounds/sf2.
FOLDER = Path(os.environ.get("MODEKEEPER_SOUNDFONTS", "/usr/share/sounds/sf2"))
SOUNDFONTS = sorted(FOLDER.glob("*.sf2"))
needs_fluidsynth = pytest.mark.skipif(
    not shutil.which("fluidsynth") or not SOUNDFONTS,
    reason=f"needs fluidsynth and a soundfont in {FOLDER} (MODEKEEPER_SOUNDFONTS)",
)


@needs_fluidsynth
@pytest.mark.parametrize("offset", [0.0, -0.4])
def test_fluidsynth_plays_strokes_where_the_groove_says(offset):
    groove = strike(GMD_KIT, (0, "snare"), (8, "snare"), offset=offset, velocity=1.0)
    sound = render_fluidsynth(groove, SOUNDFONTS[0])
    # A block of 64 samples, and the soundfont's own attack.
    assert onset(sound) == pytest.approx(0.002, abs=0.003)
    assert onset(sound, start=0.8) == pytest.approx(1.002, abs=0.003)


@needs_fluidsynth
def test_a_damaged_soundfont_is_refused_with_the_reason(tmp_path):
    damaged = tmp_path / "damaged.sf2"
    damaged.write_bytes(SOUNDFONTS[0].read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cannot play .*damaged\.sf2: .*error"):
        render_fluidsynth(strike(GMD_KIT, (0, "snare")), damaged)
