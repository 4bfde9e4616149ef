"""The callback of a humanizer, on a module that knows every bar by heart."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor, nn

from callbacks.humanization import Humanization, draw_feel
from drumvae.bars import Bars
from drumvae.data import GrooveData
from drumvae.grooves import GMD_KIT
from drumvae.humanize_measures import HumanizeMeasures

LATE = 0.1  # what the module is late by when it draws


def bars(n: int, seed: int) -> Bars:
    rng = np.random.default_rng(seed)
    hits = rng.random((n, 16, 9)) < 0.2
    velocities = (hits * rng.integers(1, 128, hits.shape) / 127).astype(np.float32)
    offsets = (hits * rng.uniform(-0.4, 0.3, hits.shape)).astype(np.float32)
    numbers, tempos = np.arange(n), rng.uniform(80, 140, n).astype(np.float32)
    return Bars(hits, velocities, offsets, numbers * 0, numbers // 4, tempos, ("rock",), GMD_KIT)


class Played(GrooveData):
    def sets(self) -> dict[str, Bars]:
        return {"train": bars(40, 0), "validate": bars(12, 1), "test": bars(16, 2)}


class KnowsAll(LightningModule):
    """Medians are what was played, draws are that and `LATE`; it counts how often it is asked."""

    def __init__(self, data: GrooveData) -> None:
        super().__init__()
        self.data, self.asked = [data], []
        self.automatic_optimization = False
        self.unused, self.dropout = nn.Parameter(torch.zeros(())), nn.Dropout(0.5)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch: Any, batch_idx: int) -> None: ...

    def test_step(self, batch: Any, batch_idx: int) -> None: ...

    def _played(self, hits: Tensor) -> Tensor:
        for split in ("train", "validate", "test"):
            known = self.data[0].reference(split).tensor
            if hits.shape == known[:, 0].shape and torch.equal(hits > 0, known[:, 0] > 0):
                self.asked.append(split)
                return known
        raise AssertionError("other bars than those of the data")

    def log_likelihood(self, bars: Tensor, tempos: Tensor, around: Tensor | None = None) -> Tensor:
        torch.rand(1)
        return torch.full((len(bars),), -7.0)

    def median(self, hits: Tensor, tempos: Tensor, around: Tensor | None = None) -> Tensor:
        self.eval()
        played = self._played(hits)
        if around is None:
            return played * torch.tensor([1.0, 1.0, 0.0])[:, None, None]
        return played

    def sample(self, hits: Tensor, tempos: Tensor, generator: torch.Generator) -> Tensor:
        torch.rand(1)
        played = self._played(hits).clone()
        played[:, 2] += LATE * played[:, 0]
        return played


def run(folder: Path, epochs: int, every: int) -> tuple[Trainer, KnowsAll, Humanization]:
    data = Played(batch_size=10)
    module, callback = KnowsAll(data), Humanization(HumanizeMeasures(), every)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[callback],
            default_root_dir=folder,
        )  # fmt: skip
        torch.manual_seed(3)
        state = torch.get_rng_state()
        trainer.fit(module, datamodule=data)
        assert module.training and module.dropout.training
        drawn = torch.rand(4)
        torch.set_rng_state(state)
        for _ in range(epochs):  # the loader draws a number for each epoch, the callback none
            torch.empty((), dtype=torch.int64).random_()
        assert torch.equal(drawn, torch.rand(4))
        trainer.test(module, datamodule=data, verbose=False)
    return trainer, module, callback


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, *run(folder, epochs=4, every=2)


def test_epochs_are_measured_on_validation_bars_and_skipped_ones_cost_nothing(done):
    _, _, module, callback = done
    assert module.asked[:4] == ["validate"] * 4
    assert set(module.asked[4:]) == {"test"}
    assert [row["epoch"] for row in callback.history] == [2, 4]
    grid = HumanizeMeasures().floor(bars(12, 1))["humanize/timing_error"]
    for row in callback.history:
        assert row["humanize/timing_error"] == pytest.approx(grid)
        assert row["humanize/timing_error_in_context"] == 0
        assert row["humanize/nll"] == 7


def test_the_end_is_measured_on_test_bars(done):
    _, trainer, _, callback = done
    final = {name: float(value) for name, value in trainer.callback_metrics.items()}
    grid = callback.floor["humanize/timing_error"]
    assert final["humanize/timing_error"] == pytest.approx(grid)
    assert final["humanize/timing_error_in_context"] == 0
    assert final["humanize/velocity_error"] == 0
    assert final["humanize/velocity_overlap"] == pytest.approx(1, abs=1e-4)
    assert final["humanize/offset_overlap"] < final["humanize/velocity_overlap"]
    assert {name for name in final if "overlap" in name} == set(callback.ceiling)
    assert final["humanize/timing_error_of_cell_medians"] > 0


def test_what_was_drawn_is_kept(done):
    folder, _, _, _ = done
    test = bars(16, 2)
    with np.load(folder / "samples" / "final.npz") as stored:
        assert np.array_equal(stored["hits"], test.hits)
        assert np.array_equal(stored["velocities"], test.velocities)
        assert stored["offsets"] == pytest.approx(test.offsets + LATE * test.hits, abs=1e-6)
        assert np.array_equal(stored["tempos"], test.tempos)


def test_the_figures_show_both_views_and_where_the_grid_lies(done):
    folder, _, _, callback = done
    assert {p.name for p in (folder / "figures").iterdir()} == {"timing_error.png", "feel.png"}
    assert [*callback._lines] == ["on the grid", "medians of\neach cell"]
    figure = Figure()
    played = bars(16, 2).tensor
    draw_feel(figure, played, played)
    for axes in figure.axes:
        drawn, real = (np.asarray(p.get_data().values) for p in axes.patches)  # pyright: ignore
        assert np.array_equal(drawn, real)
        assert drawn.sum() == pytest.approx(100)


def test_a_resumed_run_keeps_its_rows(done):
    _, _, _, callback = done
    again = Humanization(HumanizeMeasures())
    again.load_state_dict(callback.state_dict())
    assert again.history == callback.history
    with pytest.raises(ValueError, match="every_n_epochs of 1 or more"):
        Humanization(HumanizeMeasures(), every_n_epochs=0)


def test_other_data_is_refused(tmp_path):
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, default_root_dir=tmp_path)  # fmt: skip
    with pytest.raises(ValueError, match="measuring grooves needs a datamodule"):
        Humanization(HumanizeMeasures()).on_test_epoch_end(trainer, LightningModule())
