from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from callbacks.draws import draw, undisturbed
from callbacks.mode_coverage import ModeCoverage


class Probe(Callback):
    """Notes what a run has published, epoch by epoch, as a later callback sees it."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.epochs.append({name: float(x) for name, x in trainer.callback_metrics.items()})


def coverage(measure: Any, **options: Any) -> ModeCoverage:
    return ModeCoverage(measure, **{"samples": 200, "final_samples": 300, **options})


def test_measures_reach_the_callbacks_after_it(run: Any, measure: Any, tmp_path: Path):
    probe, callback = Probe(), coverage(measure)
    trainer, _ = run([callback, probe])
    assert len(probe.epochs) == 3
    for seen, row in zip(probe.epochs, callback.history, strict=True):
        assert seen["coverage/letters"] == row["coverage/letters"]
        assert 0 <= seen["letters/A"] <= 1 and "neighbours/recall" in seen
    assert [row["epoch"] for row in callback.history] == [1, 2, 3]
    assert "frechet/judge" in trainer.callback_metrics


def test_the_final_samples_are_those_measured(run: Any, measure: Any, tmp_path: Path):
    callback = coverage(measure)
    trainer, _ = run([callback])
    images = np.load(tmp_path / "samples" / "final.npz")["images"]
    assert images.shape == (300, 8, 8) and images.dtype == np.uint8
    data = trainer.datamodule
    pictures, test = torch.from_numpy(images)[:, None].float() / 255, data.reference("test")
    most = measure.comparable(300, data.reference("validate"), test)
    again = measure(pictures, data.judge, test, whole=True, most=most)
    for name, value in again.items():
        assert trainer.callback_metrics[name].item() == pytest.approx(value, rel=1e-6)
    assert set(callback.floor) == set(callback.ceiling) == set(again)
    assert callback.ceiling["coverage/letters"] == 26


def test_figure(run: Any, measure: Any, tmp_path: Path, size_of: Any):
    run([coverage(measure)])
    assert size_of(tmp_path / "figures" / "mode_coverage.png") == (1650, 750)
    assert not list(tmp_path.rglob("*.partial"))


def test_skipped_epochs_draw_nothing(run: Any, measure: Any, monkeypatch: pytest.MonkeyPatch):
    drawn = []
    original = draw
    monkeypatch.setattr(
        "callbacks.mode_coverage.draw", lambda *a: (drawn.append(a[1]), original(*a))[1]
    )
    callback = coverage(measure, every_n_epochs=2)
    run([callback], epochs=5)
    assert drawn == [200, 200, 300]
    assert [row["epoch"] for row in callback.history] == [2, 4]


def test_a_resumed_run_draws_the_whole_curve(run: Any, measure: Any, tmp_path: Path):
    whole, first, second = coverage(measure), coverage(measure), coverage(measure)
    run([whole], epochs=4, test=False)
    trainer, _ = run([first], epochs=2, test=False)
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    run([second], epochs=4, test=False, resume=tmp_path / "stopped.ckpt")
    assert [row["epoch"] for row in second.history] == [1, 2, 3, 4]
    assert second.history[:2] == whole.history[:2]


def test_measuring_never_changes_training(run: Any, measure: Any):
    """Weights and batch statistics, bit for bit: dropout would notice one draw too many."""
    _, plain = run([], test=False)
    _, watched = run([coverage(measure)], test=False)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def test_drawing_leaves_everything_as_it_was(run: Any):
    _, model = run([], epochs=1, test=False)
    model.train()
    model.generator[2].eval()
    modes = [part.training for part in model.modules()]
    gradients = [weight.grad for weight in model.parameters()]
    state = torch.get_rng_state()
    first = draw(model, 600, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in model.modules()] == modes
    assert all(a is b.grad for a, b in zip(gradients, model.parameters(), strict=True))
    assert first.shape == (600, 1, 8, 8) and first.dtype == torch.uint8
    assert torch.equal(draw(model, 600, seed=1), first)
    assert not torch.equal(draw(model, 600, seed=2), first)


def test_undisturbed_also_where_drawing_fails():
    network = nn.Sequential(nn.Dropout())
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="planted"), undisturbed(network):
        network.eval()
        torch.rand(3)
        raise RuntimeError("planted")
    assert network[0].training and torch.equal(torch.get_rng_state(), state)


def test_data_without_a_judge_is_refused(run: Any, measure: Any):
    class Other:
        datamodule = None

    with pytest.raises(ValueError, match="datamodule with `judge` and `reference`, got None"):
        coverage(measure).on_train_epoch_end(type("T", (Other,), {"current_epoch": 0})(), None)  # type: ignore[arg-type]
