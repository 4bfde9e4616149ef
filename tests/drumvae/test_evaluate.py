"""The command as its users run it, and what it reads."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest
import torch

from conf.checkpoints import newest_run
from drumvae.drawn import Recipes
from drumvae.evaluation import of_bars
from drumvae.grooves import REPORT_KIT
from drumvae.midi import write_bar
from drumvae.samples import load


@pytest.fixture(scope="module")
def data() -> Recipes:
    return Recipes(held_out=200)


def evaluate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "drumvae.evaluate", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip


def test_real_bars_lie_as_real_bars_do_and_copies_of_one_do_not(data: Recipes):
    test, other = data.reference("test"), data.reference("validate")
    tempos = torch.full((200,), 120.0)
    real = of_bars(other.tensor, tempos, test)
    copies = of_bars(other.tensor[:1].repeat(200, 1, 1, 1), tempos, test)
    assert real["overlap/density"] > 0.9 > 0.3 > copies["overlap/density"]
    assert real["rhythm/distinct"] == 1 and copies["rhythm/distinct"] == 1 / 200
    assert copies["rhythm/hamming"] == 0
    assert all(math.isfinite(value) for value in (*real.values(), *copies.values()))


def test_midi_files_are_cut_into_bars(data: Recipes, tmp_path: Path):
    bars = data.reference("test").tensor[:5]
    for i, bar in enumerate(bars.numpy()):
        write_bar(bar, REPORT_KIT, tmp_path / "some" / f"{i}.mid", tempo=90)
    found, tempos = load(tmp_path, REPORT_KIT, 16)
    assert torch.equal(found[:, 0], bars[:, 0])
    assert (found[:, 1] - bars[:, 1]).abs().max() <= 1 / 127
    assert tempos.numpy() == pytest.approx([90] * 5, abs=0.01)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"bars": np.zeros((2, 16, 9))}, "no array `hits`; it holds bars"),
        ({"hits": np.zeros((2, 16, 8))}, r"must be \(n, 16, 9\).*the voices are kick"),
        ({"hits": np.zeros((0, 16, 9))}, "n of 1 or more"),
        ({"hits": np.ones((2, 16, 9)), "offsets": np.ones(3)}, "the shape of hits"),
        ({"hits": np.ones((2, 16, 9)), "velocities": np.full((2, 16, 9), np.nan)}, "no numbers"),
        ({"hits": np.ones((2, 16, 9)), "tempos": np.zeros(2)}, "tempos of 0"),
        ({"hits": np.ones((2, 16, 9)), "velocities": np.full((2, 16, 9), 90.0)}, "by 127"),
        ({"hits": np.ones((2, 16, 9)), "offsets": np.full((2, 16, 9), 0.6)}, "shares of a step"),
    ],
)
def test_what_are_no_bars_is_named(tmp_path: Path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "a.npz", REPORT_KIT, 16)


def test_the_file_that_cannot_be_cut_into_bars_is_named(data: Recipes, tmp_path: Path):
    write_bar(data.reference("test").tensor[0].numpy(), REPORT_KIT, tmp_path / "good.mid")
    waltz = mido.MidiFile()
    waltz.tracks.append(mido.MidiTrack([
        mido.MetaMessage("time_signature", numerator=3, denominator=4),
        mido.Message("note_on", note=36, channel=9, time=480),
    ]))  # fmt: skip
    waltz.save(tmp_path / "waltz.mid")
    with pytest.raises(ValueError, match=r"waltz\.mid: in 3/4"):
        load(tmp_path, REPORT_KIT, 16)


def test_one_array_is_no_archive(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((2, 16, 9)))
    with pytest.raises(ValueError, match=r"one array; .*hits=ARRAY"):
        load(tmp_path / "a.npy", REPORT_KIT, 16)


def test_anybodys_bars_are_measured(data: Recipes, tmp_path: Path):
    np.savez(tmp_path / "mine.npz", hits=data.reference("validate").hits)
    ran = evaluate(tmp_path, "samples=mine.npz", "hydra.run.dir=out")
    assert ran.returncode == 0, ran.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["samples"] == 200 and summary["verdict"] is None
    for limits in ("floor", "ceiling"):
        assert summary[limits].keys() >= {"rhythm/density", "overlap/syncopation"}
    # They are the very bars that the ceiling is taken on.
    name = "overlap/polyphonic_syncopation"
    assert summary["final"][name] == pytest.approx(summary["ceiling"][name])
    assert "rhythm/backbone" in ran.stdout
    page = (tmp_path / "out" / "report.html").read_text()
    assert "no verdict" in page and name in page


def test_a_checkpoint_is_measured_on_the_data_of_its_run(tmp_path: Path):
    train = subprocess.run(
        [sys.executable, "-m", "drumvae.train", "logger=csv", "~callbacks.progress_bar",
         "trainer.max_epochs=1", "data.batches_per_epoch=5", "data.held_out=50",
         "callbacks.likelihood.fresh=20", "callbacks.likelihood.final_draws=[1]",
         "~callbacks.traversals", "~callbacks.groove_grid", "trainer.accelerator=cpu"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert train.returncode == 0, train.stderr
    ran = evaluate(tmp_path, "drawn=40", "draws=[1,5]", "fresh=30", "hydra.run.dir=out")
    assert ran.returncode == 0, ran.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["measured"].endswith("checkpoints/last.ckpt") and summary["samples"] == 40
    final = summary["final"]
    assert final["likelihood/nll"] == final["likelihood/nll_5"]
    assert final["likelihood/gap"] > 0 and "kl_low/11" in final and "rhythm/valid" in final
    assert summary["verdict"].startswith("z_high is ")
    kept = np.load(tmp_path / "out" / "samples" / "final.npz")
    assert kept["hits"].shape == (40, 16, 9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no finished run of a vae under outputs/drumvae; train one with"),
        (("samples=none.npz",), "no samples at none.npz"),
        (("ckpt_path=a", "samples=b"), "name two things to measure"),
        (("ckpt_path=shipped",), "python -m drumvae.generate mode=measure ckpt_path=shipped"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str):
    ran = evaluate(tmp_path, *arguments)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ") and said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_humanizers_run_is_not_taken_for_a_groove_models(
    ended: Callable[..., Path], tmp_path: Path
):
    older = ended(tmp_path / "outputs/drumvae/linear/1", "+experiment=linear")
    newer = ended(tmp_path / "outputs/drumvae/humanize/1", "+experiment=humanize")
    outputs = tmp_path / "outputs"
    assert newest_run("drumvae", "vae", outputs) == older
    assert newest_run("drumvae", "humanizer", outputs) == newer
    with pytest.raises(FileNotFoundError, match="no finished run of a gan"):
        newest_run("fontgan", "gan", outputs)
    done = evaluate(tmp_path, f"ckpt_path={newer}")
    assert done.returncode != 0
    assert "is a humanizer" in done.stderr and "Traceback" not in done.stderr
