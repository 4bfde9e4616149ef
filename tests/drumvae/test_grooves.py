import numpy as np
import pytest

from drumvae.grooves import (
    GMD_KIT,
    NOTES,
    REPORT_KIT,
    Groove,
    Kit,
    Losses,
    Note,
    groove_of_hits,
    quantise,
    steps_in_bar,
)


def cells(groove: Groove) -> set[tuple[int, str]]:
    return {(int(s), groove.kit.voices[v]) for s, v in np.argwhere(groove.hits)}


def test_every_note_of_the_map_belongs_to_one_voice():
    notes = [note for group in NOTES.values() for note in group]
    assert len(notes) == len(set(notes))
    kit = Kit(tuple(NOTES))
    for voice, group in NOTES.items():
        assert {kit.voices[kit.voice_of(note)] for note in group} == {voice}
        assert kit.note_of(kit.voices.index(voice)) == group[0]


def test_without_a_mid_tom_its_notes_go_to_the_low_tom():
    assert REPORT_KIT.voices[REPORT_KIT.voice_of(47)] == "low_tom"
    assert GMD_KIT.voices[GMD_KIT.voice_of(47)] == "mid_tom"


def test_a_voice_outside_the_kit_is_none():
    assert GMD_KIT.voice_of(39) is None  # clap
    assert GMD_KIT.voice_of(56) is None  # cowbell


@pytest.mark.parametrize("voices", [(), ("kick", "kick"), ("kick", "cowbell")])
def test_a_kit_of_unknown_or_repeated_voices_is_refused(voices):
    with pytest.raises(ValueError, match="each of its voices once"):
        Kit(voices)


@pytest.mark.parametrize(
    ("meter", "steps"), [((4, 4), 16), ((3, 4), 12), ((6, 8), 12), ((5, 4), 20), ((7, 8), 14)]
)
def test_steps_of_a_bar(meter, steps):
    assert steps_in_bar(meter) == steps


def test_notes_fall_on_the_nearest_step_and_keep_their_offset():
    # A step is a quarter of a beat: 1.05 beats are 4.2 steps, 0.98 beats 3.92.
    groove, lost = quantise([Note(1.05, 38, 127), Note(0.98, 36, 64)], GMD_KIT, 16)
    assert cells(groove) == {(4, "snare"), (4, "kick")}
    assert groove.offsets[4, GMD_KIT.voices.index("snare")] == pytest.approx(0.2)  # late
    assert groove.offsets[4, GMD_KIT.voices.index("kick")] == pytest.approx(-0.08)  # early
    assert groove.velocities[4, GMD_KIT.voices.index("kick")] == pytest.approx(64 / 127)
    assert lost == Losses(0, 0)


def test_the_louder_of_two_notes_on_a_cell_stays_and_the_other_is_counted():
    notes = [Note(0.0, 38, 40), Note(0.05, 40, 90), Note(0.1, 37, 90), Note(2.0, 39, 100)]
    groove, lost = quantise(notes, GMD_KIT, 16)
    snare = GMD_KIT.voices.index("snare")
    assert groove.velocities[0, snare] == pytest.approx(90 / 127)
    assert groove.offsets[0, snare] == pytest.approx(0.2)  # the first of the two equal ones
    assert lost == Losses(collisions=2, outside=1)


def test_notes_before_the_first_step_are_counted():
    groove, lost = quantise([Note(-0.2, 36, 100), Note(-0.1, 38, 100)], GMD_KIT, 16)
    assert cells(groove) == {(0, "snare")} and lost == Losses(early=1)


def test_silence_has_no_velocity_and_no_offset():
    groove, _ = quantise([Note(0.3, 36, 80)], GMD_KIT, 16)
    assert (groove.velocities[~groove.hits] == 0).all()
    assert (groove.offsets[~groove.hits] == 0).all()


def test_onsets_in_seconds():
    groove, _ = quantise([Note(0.0, 36, 80), Note(1.05, 38, 80)], GMD_KIT, 16, tempo=60)
    assert groove.onsets() == pytest.approx([0.0, 1.05])
    assert groove.step_seconds == 0.25


def test_wrong_shapes_and_values_are_refused():
    hits = np.zeros((16, 9), bool)
    hits[0, 0] = True
    good = groove_of_hits(hits, GMD_KIT)
    with pytest.raises(ValueError, match="shape"):
        groove_of_hits(hits[:, :8], GMD_KIT)
    with pytest.raises(ValueError, match="offsets must lie"):
        Groove(hits, good.velocities, good.offsets + 0.6, kit=GMD_KIT)
    with pytest.raises(ValueError, match="velocities must lie"):
        Groove(hits, good.velocities * np.nan, good.offsets, kit=GMD_KIT)
    with pytest.raises(ValueError, match="tempo"):
        Groove(hits, good.velocities, good.offsets, tempo=0, kit=GMD_KIT)
