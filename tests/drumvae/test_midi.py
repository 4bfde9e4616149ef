from pathlib import Path

import mido
import numpy as np
import pytest

from drumvae.grooves import GMD_KIT, REPORT_KIT, Groove, Losses
from drumvae.midi import CHANNEL, begins_early, read_midi, read_performance, write_midi


def random_groove(seed: int, steps: int = 32, tempo: float = 97.3, kit=GMD_KIT) -> Groove:
    rng = np.random.default_rng(seed)
    hits = rng.random((steps, 9)) < 0.25
    hits[0, 0] = hits[-1, 1] = True
    velocities = (hits * rng.integers(1, 128, hits.shape) / 127).astype(np.float32)
    offsets = (hits * rng.uniform(-0.49, 0.49, hits.shape)).astype(np.float32)
    return Groove(hits, velocities, offsets, tempo, kit=kit)


def written(path: Path, *messages: mido.Message | mido.MetaMessage, ticks: int = 480) -> Path:
    file = mido.MidiFile(ticks_per_beat=ticks)
    file.tracks.append(mido.MidiTrack(messages))
    file.save(path)
    return path


def stroke(note: int, velocity: int = 100, time: int = 0, channel: int = CHANNEL) -> mido.Message:
    return mido.Message("note_on", note=note, velocity=velocity, time=time, channel=channel)


def test_a_stroke_late_by_half_a_step_stays_on_its_step(tmp_path: Path):
    hits, offsets = np.zeros((16, 9), bool), np.zeros((16, 9), np.float32)
    hits[[0, 7, 8, 15], 0], offsets[[0, 7, 8, 15], 0] = True, 0.5
    write_midi(
        Groove(hits, 0.5 * hits.astype(np.float32), offsets, kit=GMD_KIT), tmp_path / "a.mid"
    )
    again, _ = read_midi(tmp_path / "a.mid", GMD_KIT)
    assert (again.hits == hits).all()
    assert again.offsets[hits] == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize(("offset", "early"), [(-0.001, False), (-0.01, True), (0.3, False)])
def test_a_groove_begins_early_where_its_file_does(tmp_path: Path, offset: float, early: bool):
    hits, offsets = np.zeros((16, 9), bool), np.zeros((16, 9), np.float32)
    hits[0, 0], offsets[0, 0] = True, offset
    groove = Groove(hits, 0.5 * hits.astype(np.float32), offsets, kit=GMD_KIT)
    write_midi(groove, tmp_path / "a.mid")
    texts = [m.type for m in mido.MidiFile(tmp_path / "a.mid").tracks[0]]
    assert begins_early(groove) == early == ("marker" in texts)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tempo", [40.0, 97.3, 250.0])
def test_writing_and_reading_keeps_hits_velocities_and_onsets(tmp_path, seed, tempo):
    groove = random_groove(seed, tempo=tempo)
    write_midi(groove, tmp_path / "a.mid")
    again, lost = read_midi(tmp_path / "a.mid", GMD_KIT)
    assert (again.hits == groove.hits).all()
    assert np.abs(again.velocities - groove.velocities).max() <= 1 / 127 + 1e-6
    assert np.abs(again.onsets() - groove.onsets()).max() <= 0.001
    assert again.tempo == pytest.approx(tempo, rel=1e-4)
    assert lost == Losses(0, 0)


def test_a_hit_before_the_first_step_brings_a_lead_in_that_is_left_out_again(tmp_path):
    groove = random_groove(0)
    groove.offsets[0, 0] = -0.4
    write_midi(groove, tmp_path / "a.mid")
    first = min(n.beat for n in read_performance(tmp_path / "a.mid").notes)
    assert first == pytest.approx(-0.1, abs=0.001)
    assert all(t >= 0 for t in np.diff([m.time for m in mido.MidiFile(tmp_path / "a.mid")]) * 0)
    again, _ = read_midi(tmp_path / "a.mid", GMD_KIT)
    assert again.steps == groove.steps
    assert again.offsets[0, 0] == pytest.approx(-0.4, abs=0.005)


def test_an_empty_last_bar_survives(tmp_path):
    groove = random_groove(1)
    silent = Groove(
        *(np.concatenate([part[:16], part[:16] * 0]).astype(part.dtype)
          for part in (groove.hits, groove.velocities, abs(groove.offsets))),
        kit=GMD_KIT,
    )  # fmt: skip
    write_midi(silent, tmp_path / "a.mid")
    assert read_midi(tmp_path / "a.mid", GMD_KIT)[0].steps == 32


def test_other_voices_are_counted_and_other_channels_are_no_drums(tmp_path):
    path = written(
        tmp_path / "a.mid",
        *(stroke(36), stroke(56, time=10), stroke(36, time=1, channel=0), stroke(38, 0, 5)),
    )
    groove, lost = read_midi(path, GMD_KIT)
    assert groove.hits.sum() == 1
    assert lost == Losses(0, 1)


def test_a_marker_later_in_the_file_is_no_lead_in(tmp_path):
    groove = random_groove(1)
    write_midi(groove, tmp_path / "a.mid")
    file = mido.MidiFile(tmp_path / "a.mid")
    marker = mido.MetaMessage("marker", text="lead-in", time=16 * 240)
    file.tracks.append(mido.MidiTrack([marker]))
    file.save(tmp_path / "b.mid")
    again, lost = read_midi(tmp_path / "b.mid", GMD_KIT)
    assert (again.hits == groove.hits).all() and lost == Losses()


def test_a_meter_that_comes_later_changes_the_standard_one(tmp_path):
    later = mido.MetaMessage("time_signature", numerator=3, denominator=4, time=4800)
    with pytest.raises(ValueError, match=r"changes its meter \(4/4, 3/4\)"):
        read_midi(written(tmp_path / "a.mid", stroke(36), later, stroke(36)), GMD_KIT)
    at_once = mido.MetaMessage("time_signature", numerator=3, denominator=4)
    groove, _ = read_midi(written(tmp_path / "b.mid", at_once, stroke(36)), GMD_KIT)
    assert groove.meter == (3, 4)


def test_no_note_is_struck_while_its_pitch_still_sounds(tmp_path):
    """A sequencer that pairs notes by pitch would cut the second one short."""
    shape = (16, len(GMD_KIT.voices))
    hits, offsets = np.zeros(shape, bool), np.zeros(shape, np.float32)
    hits[[3, 4], 0] = True
    offsets[3, 0], offsets[4, 0] = 0.4, -0.3
    write_midi(
        Groove(hits, 0.5 * hits.astype(np.float32), offsets, kit=GMD_KIT), tmp_path / "a.mid"
    )
    notes = [m.type for m in mido.MidiFile(tmp_path / "a.mid").tracks[0] if "note" in m.type]
    assert notes == ["note_on", "note_off"] * 2
    with pytest.raises(ValueError, match="is a folder"):
        write_midi(Groove(hits, offsets * 0, offsets, kit=GMD_KIT), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mid"]


def test_mid_toms_reach_a_kit_without_them(tmp_path):
    path = written(tmp_path / "a.mid", stroke(47))
    groove, _ = read_midi(path, REPORT_KIT)
    assert groove.hits[0, REPORT_KIT.voices.index("low_tom")]


def test_the_standard_tempo_and_meter_hold_where_none_is_said(tmp_path):
    performance = read_performance(written(tmp_path / "a.mid", stroke(36)))
    assert performance.tempo_at(0) == 120
    assert performance.meter == (4, 4)


def test_tempo_changes_are_kept(tmp_path):
    path = written(
        tmp_path / "a.mid",
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(100)),
        stroke(36),
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(50), time=480 * 4),
        stroke(36),
    )
    performance = read_performance(path)
    assert performance.tempo_at(0) == pytest.approx(100)
    assert performance.tempo_at(3.9) == pytest.approx(100)
    assert performance.tempo_at(4) == pytest.approx(50)


def test_bad_files_are_refused_with_a_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="no MIDI file"):
        read_performance(tmp_path / "none.mid")
    (tmp_path / "text.mid").write_text("no music")
    with pytest.raises(ValueError, match="no MIDI file, or a damaged one"):
        read_performance(tmp_path / "text.mid")
    whole = written(tmp_path / "whole.mid", *(stroke(36, time=9) for _ in range(50)))
    (tmp_path / "cut.mid").write_bytes(whole.read_bytes()[:90])
    with pytest.raises(ValueError, match="damaged"):
        read_performance(tmp_path / "cut.mid")
    with pytest.raises(ValueError, match=r"no drums: no note on channel 10, only on 1, 3$"):
        piano = written(tmp_path / "piano.mid", stroke(60, channel=0), stroke(60, channel=2))
        read_performance(piano)
    zero = whole.read_bytes()
    (tmp_path / "zero.mid").write_bytes(zero[:12] + b"\0\0" + zero[14:])
    with pytest.raises(ValueError, match="0 ticks"):
        read_performance(tmp_path / "zero.mid")
    (tmp_path / "long.mid").write_bytes(b"MThd" + bytes(3_000_001))
    with pytest.raises(ValueError, match="no drum track needs more"):
        read_performance(tmp_path / "long.mid")


def test_a_file_that_changes_its_meter_is_refused(tmp_path):
    path = written(
        tmp_path / "a.mid",
        mido.MetaMessage("time_signature", numerator=4, denominator=4),
        stroke(36),
        mido.MetaMessage("time_signature", numerator=3, denominator=4, time=1920),
        stroke(36),
    )
    with pytest.raises(ValueError, match=r"4/4, 3/4"):
        read_performance(path)


def test_a_million_notes_are_too_many(tmp_path):
    # Four bytes a note: the limit on size is the limit on notes.
    data = bytes([0, 0x99, 36, 100]) * 10**6
    header = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 0, 0, 1, 1, 224])
    track = b"MTrk" + len(data).to_bytes(4, "big") + data
    (tmp_path / "a.mid").write_bytes(header + track)
    with pytest.raises(ValueError, match="no drum track needs more"):
        read_performance(tmp_path / "a.mid")
