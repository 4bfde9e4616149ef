import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from drumvae.bars import Bars, bars_of
from drumvae.grooves import GMD_KIT, REPORT_KIT, Groove, Kit, groove_of_hits
from drumvae.humanize import humanize, load_humanizer, save_humanizer
from drumvae.humanize_measures import (
    HumanizeMeasures,
    bar_overlap,
    cell_medians,
    nearest,
    timing_error,
    value_overlap,
    velocity_error,
)
from drumvae.humanizer import Humanizer
from drumvae.midi import write_midi

ARCHIVE = Path(os.environ.get("MODEKEEPER_DATA", "")) / "groove-v1.0.0-midionly.zip"


@pytest.fixture(scope="module")
def humanizer() -> Humanizer:
    torch.manual_seed(0)
    return Humanizer(width=16, blocks=1, detail=8, feels=5, rank=4)


def random_groove(steps: int = 32, seed: int = 0, kit: Kit = GMD_KIT, tempo: float = 96) -> Groove:
    hits = np.random.default_rng(seed).random((steps, len(kit.voices))) < 0.3
    return groove_of_hits(hits, kit, tempo)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_bars(n: int = 6, seed: int = 0) -> Bars:
    grooves = [random_groove(16, seed + i) for i in range(n)]
    return bars_of(grooves, [0] * n, [i // 3 for i in range(n)], ("rock",), GMD_KIT)


def test_the_amount_lies_between_what_was_given_and_what_is_drawn(humanizer):
    groove = random_groove()
    none, half, whole = (humanize(humanizer, groove, a, source()) for a in (0.0, 0.5, 1.0))
    assert np.array_equal(none.velocities, groove.velocities)
    assert np.array_equal(none.offsets, groove.offsets)
    for name in ("velocities", "offsets"):
        given, drawn = getattr(groove, name), getattr(whole, name)
        assert not np.array_equal(given, drawn)
        assert getattr(half, name) == pytest.approx((given + drawn) / 2, abs=1e-6)
    assert all(np.array_equal(g.hits, groove.hits) for g in (none, half, whole))
    assert not whole.offsets[~groove.hits].any() and not whole.velocities[~groove.hits].any()
    assert (whole.velocities[groove.hits] >= 1 / 127).all()
    assert (whole.tempo, whole.meter, whole.kit) == (groove.tempo, groove.meter, groove.kit)


def test_chance_comes_from_the_generator_alone(humanizer):
    groove = random_groove()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (humanize(humanizer, groove, 1.0, source(s)) for s in (1, 1, 2))
    assert np.array_equal(first.offsets, again.offsets)
    assert not np.array_equal(first.offsets, other.offsets)
    assert torch.equal(torch.get_rng_state(), state)


def test_two_bars_are_played_alike_as_one_groove_as_a_row_and_as_a_performance(humanizer):
    long = random_groove(32)
    parts = [
        replace(
            long, hits=long.hits[i : i + 16], velocities=long.velocities[i : i + 16],
            offsets=long.offsets[i : i + 16],
        )
        for i in (0, 16)
    ]  # fmt: skip
    as_bars = bars_of(parts, [0, 0], [7, 7], ("rock",), GMD_KIT)
    one, row = humanize(humanizer, long, 1.0, source()), humanize(humanizer, parts, 1.0, source())
    bars = humanize(humanizer, as_bars, 1.0, source())
    for name in ("velocities", "offsets"):
        expected = getattr(one, name)
        assert np.array_equal(np.concatenate([getattr(g, name) for g in row]), expected)
        assert np.array_equal(getattr(bars, name).reshape(expected.shape), expected)
    assert isinstance(bars, Bars) and isinstance(row, list)


def test_a_feel_is_kept_through_a_track_and_changes_between_tracks():
    # Two feels, loud and soft, that nothing else tells apart.
    torch.manual_seed(0)
    model = Humanizer(width=8, blocks=1, detail=4, feels=2, rank=1)
    head = model.averaged.velocities
    with torch.no_grad():
        for part in (head.gate.weight, head.gate.bias, head.base.weight, head.base.bias):
            part.zero_()
        head.feels.copy_(torch.tensor([[-1.0], [1.0]]))
        head.turn.zero_()[:, :, 0] = 1.0
        head.bias[..., 1] = -20.0
    hits = np.ones((160, 9), bool)
    loud = []
    for seed in range(40):
        played = humanize(model, groove_of_hits(hits, GMD_KIT), 1.0, source(seed))
        share = (played.velocities > 0.5).mean()
        assert share in (0.0, 1.0)
        loud.append(share)
    assert 8 <= sum(loud) <= 32
    alone = humanize(model, random_bars(40), 1.0, source())
    means = [v[h].mean() > 0.5 for v, h in zip(alone.velocities, alone.hits, strict=True)]
    assert len(set(means)) == 2
    assert all(means[i] == means[i - i % 3] for i in range(39))


def test_a_voice_that_is_not_known_is_played_like_its_nearest(humanizer):
    hits = np.zeros((16, 9), bool)
    snare, clap = (REPORT_KIT.voices.index(voice) for voice in ("snare", "clap"))
    hits[4, [snare, clap]] = hits[12, clap] = True
    played = humanize(humanizer, groove_of_hits(hits, REPORT_KIT), 1.0, source())
    assert played.offsets[4, snare] == played.offsets[4, clap] != 0
    assert played.velocities[12, clap] > 0
    own = np.zeros((16, 9), bool)
    own[[4, 12], GMD_KIT.voices.index("snare")] = True
    same = humanize(humanizer, groove_of_hits(own, GMD_KIT), 1.0, source())
    assert same.offsets[12, GMD_KIT.voices.index("snare")] == played.offsets[12, clap]


def test_what_cannot_be_humanized_is_refused(humanizer):
    for amount in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="amount must be from 0 to 1"):
            humanize(humanizer, random_groove(), amount)
    with pytest.raises(ValueError, match="whole bars of 16 steps in 4/4, got 12"):
        humanize(humanizer, random_groove(12))
    with pytest.raises(ValueError, match="one kit"):
        humanize(humanizer, [random_groove(), random_groove(kit=REPORT_KIT)])
    with pytest.raises(ValueError, match=r"does not know the voice 'crash'"):
        humanize(humanizer, random_groove(kit=Kit(("crash",))), kit=Kit(("kick",)))
    assert humanize(humanizer, []) == []


def test_half_precision_fits_a_megabyte_and_plays_the_same(tmp_path):
    torch.manual_seed(0)
    model = Humanizer()
    save_humanizer(model, tmp_path / "humanizer.safetensors")
    assert (tmp_path / "humanizer.safetensors").stat().st_size <= 1_000_000
    again = load_humanizer(tmp_path / "humanizer.safetensors")
    hits = torch.from_numpy(random_bars().hits)
    tempos = torch.full((6,), 100.0)
    whole, half = model.median(hits, tempos), again.median(hits, tempos)
    assert (whole[:, 1] - half[:, 1]).abs().max() <= 1.01 / 127
    assert (whole[:, 2] - half[:, 2]).abs().max() < 2e-3


def test_what_is_no_humanizer_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no humanizer at"):
        load_humanizer(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(ValueError, match="no humanizer, or a damaged one"):
        load_humanizer(tmp_path / "text.safetensors")
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_humanizer(tmp_path / "none.ckpt")


def test_errors_are_means_over_hits_in_milliseconds_and_levels():
    hits = torch.tensor([[[True, False], [True, True]], [[False, False], [True, False]]])
    offsets = torch.tensor([[[0.1, 9.0], [0.2, -0.4]], [[9.0, 9.0], [0.0, 9.0]]])
    predicted = torch.zeros(2, 2, 2)
    # A step is 125 ms at 120 and 250 ms at 60 beats a minute.
    predicted[1, 1, 0] = -0.1
    expected = (12.5 + 25 + 50 + 25) / 4
    assert timing_error(predicted, offsets, hits, torch.tensor([120.0, 60.0])) == pytest.approx(
        expected
    )
    assert velocity_error(predicted, offsets, hits) == pytest.approx(127 * (0.7 + 0.1) / 4)
    with pytest.raises(ValueError, match="no hit"):
        velocity_error(predicted, offsets, torch.zeros_like(hits))


def test_medians_of_cells_are_over_hits_alone():
    hits = torch.tensor([[True, False], [True, False], [True, False], [False, False]])[:, None]
    values = torch.tensor([[0.1, 7.0], [0.4, 7.0], [0.2, 7.0], [9.0, 7.0]])[:, None]
    assert cell_medians(values, hits).tolist() == [[pytest.approx(0.2), 0.0]]


def test_the_nearest_bar_differs_in_the_fewest_cells():
    train, test = random_bars(30), random_bars(20, seed=100)
    found = nearest(train, torch.from_numpy(test.hits))
    for hits, index in zip(test.hits, found.tolist(), strict=True):
        assert index == int(np.argmin((train.hits != hits).sum((1, 2))))


def test_overlaps_are_of_values_at_hits():
    hits = torch.rand(400, 16, 9, generator=source()) < 0.3
    values = torch.rand(hits.shape, generator=source(1))
    others = torch.where(hits, values + 0.5, 7.0)
    assert value_overlap(values, hits, others, hits) == pytest.approx(0.5, abs=0.02)
    assert value_overlap(values, hits, values + 3, hits) == pytest.approx(0, abs=1e-3)


def test_bars_that_are_all_alike_do_not_overlap_with_bars_that_differ():
    hits = torch.ones(100, 16, 9, dtype=torch.bool)
    level = torch.rand(100, 1, 1, generator=source())
    noise = 0.1 * torch.randn(100, 16, 9, generator=source(1))
    differ, alike = level + noise, 0.5 + noise
    assert bar_overlap(differ, hits, differ, hits) > 0.95
    assert bar_overlap(alike, hits, differ, hits) < 0.3


def test_a_sequencer_is_the_floor_and_the_nearest_of_the_bars_themselves_misses_nothing():
    bars = random_bars(12)
    rng = np.random.default_rng(0)
    offsets = (bars.hits * rng.uniform(-0.4, 0.4, bars.hits.shape)).astype(np.float32)
    velocities = (bars.hits * rng.uniform(0.1, 1.0, bars.hits.shape)).astype(np.float32)
    bars, measure = replace(bars, offsets=offsets, velocities=velocities), HumanizeMeasures()
    floor, hits = measure.floor(bars), bars.hits
    assert floor["humanize/timing_error"] == pytest.approx(
        np.abs(offsets[hits]).mean() * 15_000 / 96, rel=1e-5
    )
    assert floor["humanize/velocity_error"] == pytest.approx(
        127 * np.abs(velocities[hits] - 0.8).mean(), rel=1e-5
    )
    assert floor["humanize/offset_overlap"] < 0.2
    # To be asked of the bars that it was learnt from, the nearest bar is the bar itself.
    assert measure.baselines(bars, bars)["humanize/timing_error_of_nearest_bar"] == 0


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Humanize learnt from a folder of MIDI files, as a command."""
    folder = tmp_path_factory.mktemp("run")
    for number in range(6):
        groove = random_groove(64, seed=number)
        offsets = (0.2 * groove.hits).astype(np.float32)
        write_midi(replace(groove, offsets=offsets), folder / "midi" / f"{number}.mid")
    done = subprocess.run(
        [
            sys.executable, "-m", "drumvae.train", "+experiment=humanize", "data=midi",
            "data._target_=drumvae.passages.FolderPassages", "data.dirs=[midi]",
            "data.batch_size=4", "logger=csv", "trainer.max_epochs=2", "trainer.accelerator=cpu",
            "humanizer.width=16", "hydra.run.dir=run",
        ],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": "", "HOME": str(folder), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return folder / "run"


def test_a_run_measures_itself_between_floor_and_ceiling(run):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["floor"]["humanize/timing_error"] == pytest.approx(0.2 * 15_000 / 96, abs=0.2)
    final = summary["final"]
    assert {
        "humanize/timing_error", "humanize/timing_error_in_context", "humanize/velocity_error",
        "humanize/velocity_overlap", "humanize/offset_overlap", "humanize/nll",
        "humanize/timing_error_of_cell_medians", "humanize/timing_error_of_nearest_bar",
    } <= final.keys()  # fmt: skip
    assert final["humanize/timing_error_of_cell_medians"] == pytest.approx(0, abs=3)
    assert set(summary["ceiling"]) == {k for k in final if "overlap" in k}
    # The folder's other grooves are as loud and as late as its test groove, to the last hit.
    assert summary["ceiling"]["humanize/velocity_overlap"] == pytest.approx(1, abs=1e-3)
    assert summary["best"]["humanize/nll"] > 0
    names = {p.name for p in (run / "figures").iterdir()}
    assert names == {"timing_error.png", "feel.png"}


def test_a_checkpoint_of_a_run_plays(run):
    model = load_humanizer(run / "checkpoints" / "last.ckpt")
    assert model.sizes["width"] == 16 and not model.training
    groove = random_groove()
    assert np.array_equal(humanize(model, groove, 1.0, source()).hits, groove.hits)
    with np.load(run / "samples" / "final.npz") as drawn:
        assert drawn["hits"].dtype == bool
        assert drawn["hits"].shape == drawn["velocities"].shape == drawn["offsets"].shape
        assert not drawn["velocities"][~drawn["hits"]].any()
        assert drawn["tempos"] == pytest.approx(96, abs=0.01)


@pytest.mark.slow
@pytest.mark.skipif(
    not ARCHIVE.is_file(), reason="set MODEKEEPER_DATA to the folder of the dataset's archive"
)
def test_on_the_groove_midi_dataset_the_grid_misses_as_it_was_published(tmp_path):
    from drumvae.played import GrooveMidi

    data = GrooveMidi(str(ARCHIVE), cache=str(tmp_path))
    measure, test = HumanizeMeasures(), data.reference("test")
    # 22.6 ms in Gillick et al. 2019.
    assert measure.floor(test)["humanize/timing_error"] == pytest.approx(22.6, abs=0.1)
    baselines = measure.baselines(data.reference("train"), test)
    assert baselines["humanize/timing_error_of_cell_medians"] < 21
