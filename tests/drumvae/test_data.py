import csv
import io
import os
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
import torch

from drumvae.bars import Bars
from drumvae.batches import EpochBatches
from drumvae.drawn import Factors, Recipes
from drumvae.grooves import GMD_KIT, REPORT_KIT
from drumvae.midi import CHANNEL
from drumvae.performances import STYLES, read_folders, read_gmd
from drumvae.played import GrooveMidi, MidiFolders

COLUMNS = ["style", "bpm", "beat_type", "time_signature", "midi_filename", "split"]


def midi(path: Path, bars: int = 2, seed: int = 0, meter: tuple[int, int] = (4, 4)) -> Path:
    rng = np.random.default_rng(seed)
    track = mido.MidiTrack(
        [mido.MetaMessage("time_signature", numerator=meter[0], denominator=meter[1])]
    )
    for _ in range(bars * 8):
        note = int(rng.choice([36, 38, 42]))
        track.append(mido.Message("note_on", channel=CHANNEL, note=note, velocity=90))
        track.append(mido.Message("note_off", channel=CHANNEL, note=note, velocity=0, time=240))
    path.parent.mkdir(parents=True, exist_ok=True)
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(path)
    return path


def archive(folder: Path, rows: list[dict[str, str]] | None = None, columns=COLUMNS) -> Path:
    """A small archive like the dataset's: three performances a split, of two bars each."""
    if rows is None:
        rows = [
            {
                "style": style, "bpm": "120", "beat_type": "beat", "time_signature": "4-4",
                "midi_filename": f"d/{split}{i}.mid", "split": split,
            }
            for split in ("train", "validation", "test")
            for i, style in enumerate(("rock/halftime", "jazz", "gospel"))
        ]  # fmt: skip
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "gmd.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("groove/info.csv", table.getvalue())
        for seed, row in enumerate(rows):
            meter = tuple(map(int, row["time_signature"].split("-")))
            part = midi(folder / "m.mid", seed=seed, meter=meter)
            file.write(part, f"groove/{row['midi_filename']}")
    return path


def test_the_recipes_have_the_reports_splits_and_never_change():
    one, two = Recipes(seed=1), Recipes(seed=2)
    assert [len(one.reference(s)) for s in ("train", "validate", "test")] == [800, 200, 200]
    counts = Counter(one.reference("train").styles.tolist())
    assert counts == dict.fromkeys(range(5), 160)
    assert one.fingerprint == two.fingerprint
    splits = [one.reference(s).hits.reshape(-1, 144) for s in ("train", "validate", "test")]
    shared = {bar.tobytes() for bar in splits[0]} & {bar.tobytes() for bar in splits[2]}
    assert not shared


def test_bars_of_another_tempo_or_performance_are_other_data():
    bars = Recipes().reference("test")
    slower = replace(bars, tempos=bars.tempos / 2)
    together = replace(bars, performances=np.zeros_like(bars.performances))
    assert len({each.fingerprint for each in (bars, slower, together)}) == 3


def test_fresh_bars_are_none_of_the_splits_and_follow_the_seed():
    data = Recipes()
    a, b = data.fresh(50, 1), data.fresh(50, 2)
    assert (a.hits != b.hits).any()
    assert (a.hits == data.fresh(50, 1).hits).all()


def test_an_endless_stream_never_repeats_and_a_resumed_one_goes_on():
    data = Recipes(endless=True, batches_per_epoch=3, batch_size=8)
    data.setup("fit")
    loader = data.train_dataloader()
    epochs = []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        epochs.append(torch.cat([bars for bars, _ in loader]))
    assert len({bar.numpy().tobytes() for bar in torch.cat(epochs)}) == 48
    again = data.train_dataloader()
    again.sampler.set_epoch(1)
    assert torch.equal(torch.cat([bars for bars, _ in again]), epochs[1])


def test_every_bar_comes_once_in_a_round():
    sampler = EpochBatches(n=10, batch_size=5, batches=2, seed=0)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert sorted(torch.cat([*sampler]).tolist()) == [*range(10)]


def test_two_processes_share_the_stream_of_one():
    whole = [*EpochBatches(12, 3, 4, seed=0)]
    halves = [[*EpochBatches(12, 3, 2, seed=0, rank=r, world=2)] for r in (0, 1)]
    for index in range(2):
        for rank in (0, 1):
            assert torch.equal(halves[rank][index], whole[2 * index + rank])


def test_bars_survive_a_file_and_a_damaged_one_is_named(tmp_path):
    bars = Factors(train=20, held_out=5).reference("train")
    bars.save(tmp_path / "a.npz")
    again = Bars.load(tmp_path / "a.npz")
    assert (again.hits == bars.hits).all()
    assert np.allclose(again.velocities, bars.velocities, atol=1e-6)
    assert (again.offsets == bars.offsets).all()
    assert again.kit == REPORT_KIT
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    with pytest.raises(ValueError, match="damaged"):
        Bars.load(tmp_path / "b.npz")


def test_an_archive_is_cut_by_performance_and_its_styles_are_mapped(tmp_path):
    splits, report = read_gmd(archive(tmp_path), GMD_KIT, progress=False)
    assert {split: len(bars) for split, bars in splits.items()} == {
        "train": 6, "validate": 6, "test": 6,
    }  # fmt: skip
    assert [STYLES[s] for s in splits["test"].styles[::2]] == ["rock", "jazz", "other"]
    owners = [set(bars.performances.tolist()) for bars in splits.values()]
    assert not (owners[0] & owners[1] or owners[0] & owners[2] or owners[1] & owners[2])
    assert not report.skipped


def test_other_meters_are_skipped_counted_and_named(tmp_path):
    rows = [
        {
            "style": "rock", "bpm": "120", "beat_type": "beat", "time_signature": meter,
            "midi_filename": f"d/{i}.mid", "split": split,
        }
        for i, (meter, split) in enumerate(
            [("4-4", "train"), ("3-4", "train"), ("4-4", "validation"), ("4-4", "test")]
        )
    ]  # fmt: skip
    splits, report = read_gmd(archive(tmp_path, rows), GMD_KIT, progress=False)
    assert len(splits["train"]) == 2
    assert report.skipped == {"d/1.mid": "in 3/4: not 4/4"}
    assert "1 files skipped (1 in 3/4)" in str(report)


def test_an_archive_without_what_is_needed_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"lacks the column\(s\) split"):
        read_gmd(archive(tmp_path, columns=COLUMNS[:-1]), GMD_KIT, progress=False)
    whole = archive(tmp_path)
    (tmp_path / "cut.zip").write_bytes(whole.read_bytes()[:500])
    with pytest.raises(ValueError, match="no zip archive, or a damaged one"):
        read_gmd(tmp_path / "cut.zip", GMD_KIT, progress=False)
    with pytest.raises(FileNotFoundError, match="no archive"):
        read_gmd(tmp_path / "none.zip", GMD_KIT, progress=False)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(ValueError, match=r"no readable groove/info\.csv"):
        read_gmd(tmp_path / "empty.zip", GMD_KIT, progress=False)
    with pytest.raises(ValueError, match="no bar left for train"):
        read_gmd(archive(tmp_path, []), GMD_KIT, progress=False)


def test_an_archive_with_another_hash_is_refused(tmp_path):
    data = GrooveMidi(archive=str(archive(tmp_path)), cache=str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="its sha256 is"):
        data.setup("fit")


def test_folders_are_split_by_file_and_a_cache_is_rebuilt_when_damaged(tmp_path):
    for i in range(8):
        midi(tmp_path / "midi" / ("funk" if i % 2 else "swing") / f"{i}.mid", seed=i)
    (tmp_path / "midi" / "notes.mid").write_text("text")
    arguments = {"dirs": [str(tmp_path / "midi")], "cache": str(tmp_path / "cache")}
    first = MidiFolders(**arguments)
    sizes = {s: len(first.reference(s)) for s in ("train", "validate", "test")}
    assert sizes == {"train": 12, "validate": 2, "test": 2}
    assert first.reference("train").style_names == ("funk", "swing")
    stored = sorted((tmp_path / "cache" / "grooves").glob("*.npz"))
    assert len(stored) == 3
    stored[0].write_bytes(b"half")
    assert MidiFolders(**arguments).fingerprint == first.fingerprint
    one = {**arguments, "dirs": str(tmp_path / "midi")}  # a folder is as good as a list of one
    assert MidiFolders(**one).fingerprint == first.fingerprint
    assert Bars.load(stored[0]) is not None
    note = next((tmp_path / "cache" / "grooves").glob("*.txt")).read_text()
    assert "notes.mid" in note


def test_a_copy_of_a_file_is_no_second_performance(tmp_path):
    for i in range(3):
        midi(tmp_path / "a" / f"{i}.mid", seed=i)
    (tmp_path / "a" / "copy.mid").write_bytes((tmp_path / "a" / "0.mid").read_bytes())
    splits, report = read_folders([tmp_path], GMD_KIT, progress=False)
    assert sum(len(bars) for bars in splits.values()) == 6
    assert any("copy" in reason for reason in report.skipped.values())


def test_nothing_usable_is_an_error_that_says_why(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        MidiFolders([str(tmp_path / "none")])
    with pytest.raises(FileNotFoundError, match="no MIDI file"):
        MidiFolders([str(tmp_path)])
    (tmp_path / "a.mid").write_text("text")
    with pytest.raises(ValueError, match=r"at least 3 are needed \(a\.mid: "):
        MidiFolders([str(tmp_path)], cache=str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 12}, "multiple of 16"),
        ({"batch_size": 0}, "batch_size"),
        ({"voices": ["kick"]}, "recipes are for"),
        ({"train": 0}, "at least 5"),
    ],
)
def test_nonsense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recipes(**arguments)


ARCHIVE = Path(os.environ.get("MODEKEEPER_DATA", "")) / "groove-v1.0.0-midionly.zip"


@pytest.mark.slow
@pytest.mark.skipif(
    not ARCHIVE.is_file(), reason="set MODEKEEPER_DATA to the folder of the dataset's archive"
)
def test_the_real_dataset(tmp_path):
    data = GrooveMidi(archive=str(ARCHIVE), cache=str(tmp_path))
    counts = {s: len(data.reference(s)) for s in ("train", "validate", "test")}
    assert counts["train"] == 16704
    assert counts["test"] == 2145
    names = Counter()
    for split in counts:
        bars = data.reference(split)
        names.update(bars.style_names[s] for s in bars.styles)
    assert names["rock"] == 6834
    assert names["latin"] == 4373
    assert names["jazz"] == 2283
    assert names["hip-hop"] == 878
    electronic = STYLES.index("electronic")
    assert (data.reference("train").styles == electronic).sum() == 554
    assert not (data.reference("test").styles == electronic).any()
    assert data.fingerprint == GrooveMidi(archive=str(ARCHIVE), cache=str(tmp_path)).fingerprint
