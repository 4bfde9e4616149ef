"""A whole run on two processes: they end with one model, of noise that each drew for itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROBE = """
import json
from pathlib import Path

import torch
from lightning import Callback


class Probe(Callback):
    def on_train_epoch_start(self, trainer, module):
        self.noise = torch.rand(3, generator=torch.Generator().manual_seed(torch.initial_seed()))

    def on_train_end(self, trainer, module):
        sums = [float(p.double().sum()) for p in module.parameters()]
        told = {"weights": sums, "noise": self.noise.tolist()}
        Path(f"rank{trainer.global_rank}.json").write_text(json.dumps(told))
"""
SHORT = ("trainer.max_epochs=2", "logger=csv", "data.batches_per_epoch=5")
LETTERS = ("+experiment=fixed", "data.batch_size=8", "gan.clusters=false")


@pytest.mark.parametrize(
    ("app", "overrides"),
    [("drumvae", ()), pytest.param("fontgan", LETTERS, marks=pytest.mark.slow)],
)
def test_two_processes_train_one_model(app: str, overrides: tuple[str, ...], tmp_path: Path):
    (tmp_path / "probe.py").write_text(PROBE)
    done = subprocess.run(
        [
            sys.executable, "-m", f"{app}.train", "trainer=ddp", "trainer.accelerator=cpu",
            "trainer.devices=2", "+callbacks.probe._target_=probe.Probe", "hydra.run.dir=run",
            *SHORT, *overrides,
        ],
        env=os.environ
        | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{tmp_path}", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert first["weights"] == pytest.approx(second["weights"], rel=1e-12)
    assert first["noise"] != second["noise"]
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["status"], summary["batches"]) == ("finished", 10)
    assert len((tmp_path / "run/metrics.csv").read_text().splitlines()) == 3
    assert (tmp_path / "run/report.html").is_file()
