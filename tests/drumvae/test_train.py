import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import mido
import numpy as np
import pytest

QUICK = (
    "logger=csv", "~callbacks.progress_bar", "trainer.max_epochs=2", "data.batches_per_epoch=10",
    "data.train=100", "data.held_out=40", "callbacks.likelihood.fresh=20",
    "callbacks.likelihood.draws=5", "callbacks.likelihood.final_draws=[1,20]",
    "callbacks.groove_grid.per_style=2", "callbacks.groove_grid.final_samples=50",
    "vae.encoder.width=16", "vae.decoder.width=16", "trainer.accelerator=cpu",
)  # fmt: skip


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "drumvae.train", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": "", "HOME": str(folder), "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    done = train(folder, *QUICK, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr + done.stdout
    return folder / "run"


def test_a_run_directory_describes_itself(run):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["batches"] == 20
    assert summary["data"]
    assert summary["verdict"].startswith("z_high is ") and "; z_low is " in summary["verdict"]
    assert {p.name for p in (run / "figures").iterdir()} >= {
        "posterior_collapse.png", "active_units.png", "likelihood.png", "latent_map.png",
        "traversals.png", "interpolation_detail.png", "interpolation_style.png",
        "samples_final.png",
    }  # fmt: skip


def test_the_measures_of_the_design_are_there(run):
    final = json.loads((run / "summary.json").read_text())["final"]
    with (run / "metrics.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == 2
    names = {
        "loss/total", "loss/reconstruction", "kl/high", "kl/low", "beta/high", "beta/low",
        "kl_high/0", "kl_high/3", "kl_low/0", "kl_low/11", "active/high", "active/low",
        "information/high", "information/low", "likelihood/nll", "reconstruction/f1",
    }  # fmt: skip
    assert names <= {name for name, value in rows[-1].items() if value}
    assert {
        "likelihood/gap", "likelihood/nll_1", "likelihood/nll_20", "style/probe",
        "style/information", "style/separation", "style/within_high", "style/between_high",
        "style/within_low",
    } <= set(final)  # fmt: skip
    parts = sum(float(rows[-1][f"kl_high/{i}"]) for i in range(4))
    assert parts == pytest.approx(
        float(rows[-1]["information/high"]) + float(rows[-1]["aggregate/high"]), abs=0.5
    )


def test_an_untrained_model_is_between_the_floor_of_chance_and_the_truth(run):
    summary = json.loads((run / "summary.json").read_text())
    truth = summary["ceiling"]["likelihood/nll"]
    assert truth < summary["floor"]["likelihood/nll"]
    assert summary["final"]["likelihood/nll"] > truth
    assert summary["final"]["likelihood/gap"] > 0


def test_the_samples_are_kept_as_arrays_and_as_midi(run):
    with np.load(run / "samples" / "final.npz") as stored:
        assert stored["hits"].shape == stored["offsets"].shape == (50, 16, 9)
        assert stored["hits"].dtype == bool
    files = sorted((run / "samples" / "midi").glob("*.mid"))
    assert [f.stem for f in files if f.stem.startswith("jazz")] == ["jazz-00", "jazz-01"]
    assert mido.MidiFile(files[0]).ticks_per_beat == 960


def test_a_sweep_over_schedules_makes_a_run_of_each(tmp_path):
    done = train(
        tmp_path, "-m", "annealing=none,cyclical", *QUICK, "trainer.max_epochs=1",
        "~callbacks.traversals", "~callbacks.groove_grid", "~callbacks.latent_map",
        "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = []
    for job in ("0", "1"):
        summary = json.loads((tmp_path / "sweep" / job / "summary.json").read_text())
        assert summary["status"] == "finished"
        names.append(summary["command"])
    assert "annealing=none" in names[0]
    assert "annealing=cyclical" in names[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data=groove", "data.archive=none.zip"), "no archive at none.zip"),
        (("data=midi", "data.dirs=[none]"), "no folder none"),
        (("+experiment=fixed",), "belongs to fontgan"),
        (("annealing=linaer",), "did you mean 'linear'"),
        (("vae.steps=32",), "set steps and voices of both alike"),
        (("annealing.per=batch",), "it must be 'dimension' or 'level'"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_an_exit_code(tmp_path, arguments, message):
    done = train(tmp_path, *arguments, "logger=csv", "~callbacks.progress_bar")
    assert done.returncode != 0
    told = done.stderr.strip().splitlines()
    assert message in told[-1]
    assert "Traceback" not in done.stderr


def test_a_checkpoint_of_another_shape_is_refused_and_the_run_is_left_alone(run, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    done = train(
        tmp_path, *QUICK, "vae.low=6", f"ckpt_path={run}/checkpoints/last.ckpt",
        f"hydra.run.dir={run}", "trainer.max_epochs=3",
    )  # fmt: skip
    assert done.returncode != 0
    assert "checkpoint of another model" in done.stderr
    assert before == {p: p.stat().st_mtime_ns for p in run.rglob("*")}


def test_final_values_are_numbers(run):
    final = json.loads((run / "summary.json").read_text())["final"]
    # Where no dimension is active, nothing separates on the active ones.
    rest = {k: v for k, v in final.items() if not k.startswith("style/separation_active")}
    assert all(v is not None and math.isfinite(v) for v in rest.values())
