import csv
import json
from pathlib import Path

import pytest
import yaml
from lightning.fabric.loggers import tensorboard

CHOICE = Path(__file__).parents[2] / "conf" / "logger" / "tensorboard.yaml"
# As overrides, because the toy has made another choice of the group.
LOGGER = [
    f"+logger.tensorboard.{key}={value}"
    for key, value in yaml.safe_load(CHOICE.read_text())["tensorboard"].items()
]


def test_every_row_of_metrics_is_an_event_of_its_epoch(toy_run, tmp_path):
    package = "tensorboard.backend.event_processing.event_accumulator"
    events = pytest.importorskip(package, reason="tensorboard is not installed")
    toy_run(tmp_path, "trainer.max_epochs=3", *LOGGER)
    there = events.EventAccumulator(str(tmp_path / "tensorboard"))
    there.Reload()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    for name in ("coverage/letters", "loss/generator", "loss/discriminator", "coverage/kl"):
        found = {event.step: event.value for event in there.Scalars(name)}
        wanted = {int(row["epoch"]): float(row[name]) for row in rows if row[name]}
        assert found == pytest.approx(wanted, rel=1e-6)
    summary = json.loads((tmp_path / "summary.json").read_text())
    (tested,) = there.Scalars("final/coverage/letters")
    assert tested.value == summary["final"]["coverage/letters"]
    assert "hp_metric" not in there.Tags()["scalars"]


def test_without_the_package_the_way_out_is_named(toy_run, tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "_TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr(tensorboard, "_TENSORBOARDX_AVAILABLE", False)
    with pytest.raises(Exception, match="pip install tensorboard, or choose logger=csv"):
        toy_run(tmp_path, "trainer.max_epochs=1", *LOGGER)
