import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule

from callbacks.gradient_balance import GradientBalance, is_drawn, relative_update


class ByHand(Callback):
    """The same facts another way: it sits at every batch, and reads the weights of the networks."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self.before = {name: self._flat(pl_module, name) for name in ("generator", "discriminator")}

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        row = {}
        for name, before in self.before.items():
            row[f"update/{name}"] = float(
                (self._flat(pl_module, name) - before).norm() / before.norm()
            )
        # The generator is trained by plain SGD: its gradient is its step over its learning rate.
        moved = self._flat(pl_module, "generator") - self.before["generator"]
        row["gradient/generator"] = float(moved.norm() / 0.01)
        self.rows.append(row)

    def _flat(self, module: Any, name: str) -> torch.Tensor:
        return torch.cat([w.detach().flatten() for w in getattr(module, name).parameters()])


def test_agrees_with_a_count_by_hand(run: Any):
    """The hook fires in manual optimization with toggled optimizers, once for each network."""
    balance, by_hand = GradientBalance(every_n_batches=1), ByHand()
    run([balance, by_hand], epochs=2, test=False)
    assert len(balance.history) == len(by_hand.rows) == 12
    for row, expected in zip(balance.history, by_hand.rows, strict=True):
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-3)
        assert row["gradient/discriminator"] > 0
    assert [row["time"] for row in balance.history] == pytest.approx([i / 6 for i in range(12)])


def test_epoch_means_are_logged(run: Any):
    balance = GradientBalance(every_n_batches=2)
    trainer, _ = run([balance], epochs=2, test=False)
    last = balance.history[-3:]
    for name in ("gradient/generator", "gradient/discriminator"):
        mean = math.prod(row[name] for row in last) ** (1 / 3)
        assert trainer.callback_metrics[name].item() == pytest.approx(mean)
    ratios = [row["update/discriminator"] / row["update/generator"] for row in last]
    found = trainer.callback_metrics["update/ratio"].item()
    assert found == pytest.approx(math.prod(ratios) ** (1 / 3))


def test_only_every_n_batches(run: Any):
    balance = GradientBalance(every_n_batches=4)
    run([balance], epochs=2, test=False)
    batches = [round(6 * row["time"]) for row in balance.history]
    blocks = (range(4), range(4, 6), range(6, 10), range(10, 12))
    assert all(batch in block for batch, block in zip(batches, blocks, strict=True))


@pytest.mark.parametrize("penalty_every", [4, 8])
def test_penalties_are_met_as_often_as_they_come(penalty_every: int):
    # Penalties fall on multiples of 8 of the batches of the run, epochs have an even number.
    drawn = [
        500 * epoch + batch + 1
        for epoch in range(100) for batch in range(500)
        if is_drawn(epoch, batch, 500, 50)
    ]  # fmt: skip
    assert len(drawn) == 1000
    share = sum(batch % penalty_every == 0 for batch in drawn) / len(drawn)
    assert share == pytest.approx(1 / penalty_every, abs=0.04)


def test_training_is_not_changed(run: Any):
    _, plain = run([], test=False)
    _, watched = run([GradientBalance(every_n_batches=1)], test=False)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def test_figure_and_resume(run: Any, tmp_path: Path, size_of: Any):
    trainer, _ = run([GradientBalance(every_n_batches=3)], epochs=1, test=False)
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    balance = GradientBalance(every_n_batches=3)
    run([balance], epochs=2, test=False, resume=tmp_path / "stopped.ckpt")
    assert [int(2 * row["time"]) for row in balance.history] == [0, 1, 2, 3]
    assert size_of(tmp_path / "figures" / "gradient_balance.png") == (1650, 1275)


def test_relative_update_by_hand():
    before = [torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])]
    after = [torch.tensor([3.0]), torch.tensor([[1.0, 4.0]])]
    assert relative_update(before, after) == pytest.approx(0.2)
    assert relative_update(before, before) == 1e-12, "standing still gives a finite ratio"
    assert relative_update([torch.zeros(2)], [torch.zeros(2)]) == 1e-12


def test_one_optimizer_is_refused():
    class OneOptimizer:
        optimizers = (object(),)

    trainer: Any = OneOptimizer()
    with pytest.raises(ValueError, match="LightningModule has 1; leave it out"):
        GradientBalance().on_train_start(trainer, LightningModule())


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1.0])
def test_a_diverged_or_dead_network_still_leaves_a_figure(tmp_path: Path, value: float):
    """Its curve ends where it diverged; one that never was finite has none."""
    names = ("gradient/generator", "gradient/discriminator")
    names += ("update/generator", "update/discriminator")
    balance = GradientBalance()
    rows = [0.5, value] if value else [value, value]
    balance.history = [{"time": i, **dict.fromkeys(names, x)} for i, x in enumerate(rows)]
    trainer: Any = SimpleNamespace(default_root_dir=tmp_path, is_global_zero=True, loggers=[])
    balance.on_exception(trainer, LightningModule(), RuntimeError("diverged"))
    assert (tmp_path / "figures" / "gradient_balance.png").is_file()
