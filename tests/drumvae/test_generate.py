import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra

from drumvae import generation_files
from drumvae.creative import kept
from drumvae.creative.loading import SHIPPED, Loaded
from drumvae.generation import _check
from drumvae.generation_modes import MODES
from drumvae.generation_wish import Made, Wish, bars_of
from drumvae.grooves import GMD_KIT, Groove
from drumvae.humanized import find_humanize
from drumvae.likelihoods import Hits
from drumvae.midi import read_midi, write_midi


def generate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drumvae.generate", *arguments, f"hydra.run.dir={folder}/out"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_track_is_midi_sound_a_picture_and_a_record(tmp_path: Path):
    # No run here: the model that ships plays.
    done = generate(tmp_path, "mode=track", "style=rock", "bars=2", "seed=3", "tempo=100")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    groove, _ = read_midi(out / "midi" / "track.mid", GMD_KIT)
    assert (groove.steps, round(groove.tempo)) == (32, 100)
    (sound,) = (out / "sound").glob("*.wav")
    with wave.open(str(sound)) as file:
        assert file.getnframes() / file.getframerate() >= 2 * 4 * 60 / 100
    assert (out / "figures" / "grooves.png").read_bytes().startswith(b"\x89PNG")
    json.loads((out / "groove.json").read_text())
    summary = json.loads((out / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["seed"] == 3


@pytest.mark.slow
def test_wrong_wishes_are_one_line(tmp_path: Path):
    for arguments, message in (
        (["mode=dance"], "no mode 'dance'"),
        (["mode=samples", "style=jaz"], "did you mean 'jazz'"),
        (["mode=humanize", "source=none.mid"], "none.mid"),
        (["mode=complexity", "style=rock", "amount=2"], "number from 0 to 1"),
        (["mode=track", "style=rock", "amount=0.2"], "does not take amount="),
        (["mode=samples", "from=style"], "name the style too"),
        (["mode=samples", "seed=1.5"], "seed is 1.5, it must be a whole number from 0 up"),
        (["mode=samples", "out=."], "out=. is a folder"),
        (["mode=track", "style=rock", "fill=no"], "fill= is true or false, got no"),
        (["mode=humanize", "source=a.mid", "out=./a.mid"], "is the source, which would be lost"),
        (["mode=samples", "humanizer_path=none.safetensors"], "no humanizer at none.safetensors"),
    ):
        done = generate(tmp_path, *arguments, f"ckpt_path={SHIPPED}")
        assert done.returncode != 0
        assert message in done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return Loaded(*kept.load(SHIPPED), SHIPPED, None)


@pytest.fixture(scope="module")
def humanize():
    return find_humanize(None)


def make(loaded: Loaded, *wishes: str, humanize=None) -> Made:
    """What a mode makes, in this process."""
    GlobalHydra.instance().clear()
    with initialize_config_module("conf", version_base="1.3"):
        cfg = compose("drumvae_generate", [*wishes])
    wish = Wish(cfg, loaded, torch.Generator().manual_seed(cfg.seed), humanize)
    return MODES[cfg.mode][0](wish)


@pytest.fixture(scope="module")
def source(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "source.mid"
    (groove,) = make(loaded, "mode=track", "style=rock", "bars=3", "tempo=93").grooves.values()
    write_midi(groove, path)
    return path


def only(made: Made) -> Groove:
    (groove,) = made.grooves.values()
    return groove


def test_the_same_seed_makes_the_same_file(loaded: Loaded, tmp_path: Path):
    wish = "mode=track", "style=jazz", "bars=2"
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_midi(only(make(loaded, *wish, f"seed={seed}")), tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_an_infill_changes_only_what_it_is_asked_to(loaded: Loaded, source: Path):
    before, _ = read_midi(source, GMD_KIT)
    for key, at in (
        ("voices=[snare]", np.s_[:, :, GMD_KIT.voices.index("snare")]),
        ("steps=[8,9,10]", np.s_[:, 8:11, :]),
    ):
        after = only(make(loaded, "mode=infill", f"source={source}", key))
        assert after.tempo == pytest.approx(93, abs=0.01)
        changed = np.zeros((3, 16, 9), bool)
        changed[at] = True
        for name in ("hits", "velocities", "offsets"):
            old, new = (getattr(g, name).reshape(3, 16, 9) for g in (before, after))
            assert np.array_equal(old[~changed], new[~changed])
            assert not np.array_equal(old[changed], new[changed])


def test_humanizing_moves_hits_by_as_much_as_is_asked(loaded, humanize, source):
    before, _ = read_midi(source, GMD_KIT)
    wish = "mode=humanize", f"source={source}"
    none, half, all_ = (
        only(make(loaded, *wish, f"amount={amount}", humanize=humanize)) for amount in (0, 0.5, 1)
    )
    for groove in (none, half, all_):
        assert np.array_equal(groove.hits, before.hits)
    assert np.array_equal(none.velocities, before.velocities)
    assert np.array_equal(none.offsets, before.offsets)
    assert half.velocities == pytest.approx((before.velocities + all_.velocities) / 2, abs=1e-6)
    with pytest.raises(FileNotFoundError, match=r"or name one with humanizer_path=FILE"):
        make(loaded, *wish, "amount=1")


def test_complexity_is_dense_where_it_is_asked_to_be(loaded: Loaded):
    hits = [
        sum(g.hits.sum() for g in make(loaded, "mode=complexity", "style=latin", "n=6",
                                       f"amount={amount}").grooves.values())
        for amount in (0, 0.5, 1)
    ]  # fmt: skip
    assert hits[0] < hits[1] < hits[2]


def test_a_continuation_begins_with_the_source(loaded: Loaded, source: Path):
    before, _ = read_midi(source, GMD_KIT)
    made = make(loaded, "mode=continue", f"source={source}", "bars=2")
    whole = made.grooves["whole"]
    assert whole.steps == 5 * 16 and whole.tempo == pytest.approx(93, abs=0.01)
    assert np.array_equal(whole.hits[:48], before.hits)
    assert np.array_equal(whole.hits[48:], made.grooves["continuation"].hits)


def test_a_model_of_hits_borrows_velocities_and_offsets(loaded, humanize, source):
    # The very model, told to draw hits alone.
    class Mute(Hits):
        outputs = 5

    model = kept.load(SHIPPED)[0]
    model.features = lambda bars: loaded.model.features(bars)  # it still reads three channels
    model.likelihood = Mute()
    mute = Loaded(model, loaded.styles, SHIPPED, None)
    wish = "mode=transfer", f"source={source}", "to=latin"
    before, _ = read_midi(source, GMD_KIT)
    for play in (None, humanize):
        groove = only(make(mute, *wish, humanize=play))
        same = groove.hits & before.hits
        assert np.array_equal(groove.velocities[same], before.velocities[same])
        assert np.array_equal(groove.offsets[same], before.offsets[same])
        fresh = groove.velocities[groove.hits & ~before.hits]
        assert len(np.unique(fresh)) > 3 and fresh.min() > 0


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (["mode=transfer", "to=latin"], "mode=transfer needs source=FILE.mid"),
        (["mode=transfer", "source=none.mid", "to=latin"], "no MIDI file at none.mid"),
        (["mode=track"], "mode=track needs style=STYLE, one of rock, jazz"),
        (["mode=track", "style=polka"], "no style 'polka'"),
        (["mode=track", "style=rock", "variation=1.5"], "variation= is a number from 0 to 1"),
        (["mode=track", "style=rock", "tempo=1"], r"a tempo lies in \[20, 400\]"),
        (["mode=complexity", "style=rock", "amount=-1"], "amount= is a number from 0 to 1, got -1"),
        (["mode=samples", "style=rock", "from=posterior"], "from= takes one of prior, style"),
        (["mode=samples", "n=0"], "n= is a whole number from 1 to 100,000, got 0"),
        (["mode=samples", "n=3000000000"], "n= is a whole number from 1 to 100,000"),
        (["mode=track", "style=rock", "tempo=abc"], "tempo= is a number of beats a minute"),
        (["mode=blend", "a=rock", "b=jazz", "steps=1"], "two steps or more"),
        (["mode=blend", "a=rock", "b=rock"], "a= and b= are both rock"),
    ],
)
def test_a_wish_that_cannot_be_fulfilled_names_the_way_out(loaded: Loaded, wishes, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        make(loaded, *wishes)


def test_what_has_no_file_is_said(loaded: Loaded):
    assert generation_files.left_out(make(loaded, "mode=samples", "style=jazz", "n=16")) == []
    assert generation_files.left_out(make(loaded, "mode=samples", "style=jazz", "n=101")) == [
        "midi/ has the first 100 of 101; samples/final.npz has all",
        "the picture has the first 16 of 26 rows",
    ]


def test_a_long_groove_has_no_sound(loaded: Loaded, tmp_path: Path):
    """An hour of it would take gigabytes."""
    wish = "mode=track", "style=rock", "tempo=20", "fill=false", "variation=0"
    made = make(loaded, *wish, "bars=51")  # 51 bars of 12 s
    assert generation_files.left_out(made)[0] == "a groove of more than 10 minutes: no sound"
    assert not any("sound" in said for said in generation_files.left_out(make(loaded, *wish)))


def test_an_infill_of_what_is_not_there_is_refused(loaded: Loaded, source: Path):
    for key, said in (
        ("voices=[cowbell]", "no voice 'cowbell' in this kit; voices= takes some of kick"),
        ("steps=[16]", "no step 16 in a bar; steps= takes some of 0 to 15"),
        ("steps=3.5", "no step 3.5 in a bar"),
        ("steps=true", "no step True in a bar"),
        ("steps=null", "no cell is to be drawn anew"),
    ):
        with pytest.raises(ValueError, match=said):
            make(loaded, "mode=infill", f"source={source}", key)


def test_a_key_of_another_mode_is_refused():
    with initialize_config_module("conf", version_base="1.3"):
        cfg = compose("drumvae_generate", ["mode=track"])
    _check(cfg, ["mode", "style", "hydra.run.dir", "data.archive"])
    with pytest.raises(ValueError, match="mode=track does not take amount=; it takes style, bars"):
        _check(cfg, ["mode", "amount"])


@pytest.mark.parametrize(
    ("wishes", "bars"),
    [
        (["mode=blend", "a=rock", "b=jazz", "steps=5"], 5),
        (["mode=continue", "bars=2"], 5),
        (["mode=continue", "bars=3"], 6),
        (["mode=track", "style=rock", "bars=4"], 4),
    ],
)
def test_every_bar_is_in_the_arrays_once(loaded: Loaded, source: Path, tmp_path, wishes, bars):
    given = [f"source={source}"] if wishes[0] == "mode=continue" else []
    made = make(loaded, *wishes, *given)
    with initialize_config_module("conf", version_base="1.3"):
        cfg = compose("drumvae_generate", ["sound=false"])
    generation_files.write(tmp_path, made, cfg)
    with np.load(tmp_path / "samples" / "final.npz") as arrays:
        assert arrays["hits"].shape == (bars, 16, 9) and arrays["tempos"].shape == (bars,)
        longest = max(made.grooves.values(), key=lambda groove: groove.steps)
        assert np.array_equal(arrays["hits"].reshape(-1, 9), longest.hits)


def test_all_samples_are_in_one_file_that_evaluate_reads(loaded: Loaded, tmp_path: Path):
    made = make(loaded, "mode=samples", "style=rock", "n=120", "sound=false")
    with initialize_config_module("conf", version_base="1.3"):
        cfg = compose("drumvae_generate", ["sound=false"])
    generation_files.write(tmp_path, made, cfg)
    assert len([*(tmp_path / "midi").iterdir()]) == generation_files.FILES
    with np.load(tmp_path / "samples" / "final.npz") as arrays:
        assert arrays["hits"].shape == (120, 16, 9) and arrays["tempos"].shape == (120,)
        first = bars_of(made.grooves["rock-001"], 16)[0]
        assert np.array_equal(arrays["velocities"][0], first[1].numpy())
    told = json.loads((tmp_path / "groove.json").read_text())["grooves"]
    assert len(told) == 120 and len(told[0]["hits"]) == int(first[0].sum())
