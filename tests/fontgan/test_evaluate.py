"""The command as its users run it."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fontgan.data import BuiltinTypefaces


def evaluate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fontgan.evaluate", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of A to M alone, in any framework: its samples in a file."""
    folder = tmp_path_factory.mktemp("half")
    source = BuiltinTypefaces().reference("validate")
    np.savez(folder / "mine.npz", images=255 - source.images[source.letters < 13, 0].numpy())
    return folder


def test_anybodys_samples_are_measured_and_judged(half: Path):
    ran = evaluate(half, "samples=mine.npz", "hydra.run.dir=out")
    assert ran.returncode == 0, ran.stderr
    summary = json.loads((half / "out" / "summary.json").read_text())
    assert summary["status"] == "finished" and summary["measured"] == "mine.npz"
    assert summary["final"]["coverage/letters"] == 13
    assert summary["ceiling"]["coverage/letters"] == 26
    assert summary["floor"]["coverage/accepted"] < 0.01
    assert summary["verdict"].startswith("collapsed: 13 of 26 letters")
    assert summary["verdict"] in ran.stdout and "coverage/accepted" in ran.stdout
    with (half / "out" / "letters.csv").open() as file:
        rows = {row["letter"]: row for row in csv.DictReader(file)}
    assert len(rows) == 27
    for letter, row in rows.items():
        true = float(row["true_share"])
        assert float(row["low"]) <= true <= float(row["high"])
        assert true > 0.04 if letter < "N" else true < 0.02 or letter == "junk"
    assert float(rows["I"]["complexity"]) < float(rows["M"]["complexity"])
    page = (half / "out" / "report.html").read_text()
    assert "13 of 26 letters" in page and "A sheet of samples" in page
    kept = np.load(half / "out" / "samples" / "final.npz")["images"]
    assert kept.dtype == np.uint8 and len(kept) == summary["samples"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no finished run of a gan under outputs/fontgan; train one with"),
        (("samples=none.npz",), "no samples at none.npz"),
        (("samples=mine.npz", "ckpt_path=a.ckpt"), "name two things to measure"),
        (("ckpt_path=a.ckpt",), "no checkpoint at a.ckpt"),
        (("sample=mine.npz",), "no key 'sample' in this config; did you mean 'samples'?"),
    ],
)
def test_a_mistake_is_one_line(half: Path, arguments: tuple[str, ...], said: str):
    ran = evaluate(half, *arguments)
    assert ran.returncode in (1, 2)
    assert ran.stderr.startswith("error: ") and said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_the_shipped_generator_is_measured(tmp_path: Path):
    ran = evaluate(tmp_path, "ckpt_path=shipped", "drawn=150", "hydra.run.dir=out")
    assert ran.returncode == 0, ran.stderr
    final = json.loads((tmp_path / "out/summary.json").read_text())["final"]
    assert final["coverage/accepted"] > 0.9 and final["coverage/any"] == 26


def test_a_checkpoint_is_measured_on_the_data_of_its_run(tmp_path: Path):
    train = subprocess.run(
        [sys.executable, "-m", "fontgan.train", "+experiment=smoke", "logger=csv",
         "~callbacks.progress_bar", "trainer.max_epochs=1", "data.batches_per_epoch=5",
         "callbacks.mode_coverage.samples=50", "callbacks.mode_coverage.final_samples=50"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert train.returncode == 0, train.stderr
    ran = evaluate(tmp_path, "drawn=60", "seed=3", "hydra.run.dir=out")
    assert ran.returncode == 0, ran.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["measured"].endswith("checkpoints/last.ckpt")
    assert summary["samples"] == 60 and summary["verdict"].startswith("noise")
    first = np.load(tmp_path / "out" / "samples" / "final.npz")["images"]
    again = evaluate(tmp_path, "drawn=60", "seed=3", "hydra.run.dir=again")
    assert again.returncode == 0, again.stderr
    assert (np.load(tmp_path / "again" / "samples" / "final.npz")["images"] == first).all()
