"""The callbacks of latents, on models of which every answer is known."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from torch import Tensor, nn

from callbacks.latent_map import LatentMap, draw_map, embedded
from callbacks.likelihood import Likelihood
from callbacks.posterior_collapse import PosteriorCollapse, draw_active, draw_heat_map
from drumvae.drawn import Recipes
from drumvae.gaussian import Gaussian
from drumvae.hierarchy import Networks
from drumvae.likelihoods import Hits
from drumvae.metrics import GrooveMeasures
from drumvae.posterior import Posterior
from drumvae.recipes import STYLES, recipes
from drumvae.verdict import onset, verdicts

SPREAD = 2.0


class ReadsStyle(nn.Module):
    """A bar's most probable style, centred, as a feature."""

    def forward(self, bars: Tensor) -> Tensor:
        return recipes().style_posterior(bars[:, 0]).argmax(1, keepdim=True).float() - 2


class OneLives(nn.Module):
    """z_high's first dimension is the style; the other, and all of z_low, are the prior."""

    def high(self, features: Tensor) -> Gaussian:
        dead = torch.zeros_like(features)
        return Gaussian(torch.cat([SPREAD * features, dead], 1), torch.cat([dead - 6.0, dead], 1))

    def low(self, features: Tensor, prior: Gaussian) -> Gaussian:
        return prior


class Standard(nn.Module):
    """p(z_low | z_high) = N(0, I) in three dimensions."""

    def forward(self, z_high: Tensor) -> Gaussian:
        zeros = torch.zeros(len(z_high), 3)
        return Gaussian(zeros, zeros)


class SpeaksStyle(nn.Module):
    """The true cells of the style that is nearest."""

    def forward(self, z: Tensor) -> Tensor:
        styles = (z[:, 0] / SPREAD + 2).round().long().clamp(0, len(STYLES) - 1)
        return recipes().probabilities[styles].logit()[:, None].float()


class Oracle(LightningModule):
    """Knows the recipes by heart: z_high's first dimension is the style, all others are dead."""

    likelihood = Hits()

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.averaged = Networks(ReadsStyle(), OneLives(), Standard(), SpeaksStyle())
        self.unused = nn.Parameter(torch.zeros(()))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        pass

    def test_step(self, batch: Any, batch_idx: int) -> None:
        pass

    def central(self, bars: Tensor) -> tuple[Tensor, Tensor]:
        return self.averaged.central(bars[:, :1])

    def encode(self, bars: Tensor, k: int = 1) -> Posterior:
        return self.averaged.posterior(bars[:, :1], k)

    def decode(self, z_high: Tensor, z_low: Tensor) -> Tensor:
        return self.averaged.outputs(z_high, z_low)

    def log_density(self, bars: Tensor, z_high: Tensor, z_low: Tensor) -> Tensor:
        return self.likelihood.log_density(self.decode(z_high, z_low), bars[:, :1])


class Independent(nn.Module):
    """A posterior that is the prior, whatever the bar."""

    def high(self, features: Tensor) -> Gaussian:
        zeros = torch.zeros(len(features), 2)
        return Gaussian(zeros, zeros)

    def low(self, features: Tensor, prior: Gaussian) -> Gaussian:
        return prior


class Unconditional(Oracle):
    """Its density is the truth's less `offset` nats, whatever the latents."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = offset
        self.averaged.inference = Independent()

    def log_density(self, bars: Tensor, z_high: Tensor, z_low: Tensor) -> Tensor:
        return recipes().log_likelihood(bars[:, 0]) - self.offset


def run(model: LightningModule, callback: Callback, folder: Path, epochs: int = 2) -> Trainer:
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[callback],
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        max_epochs=epochs,
    )
    data = Recipes(held_out=400)
    with warnings.catch_warnings():
        # Lightning's own call of a name that torch 2.13 deprecates; and no workers are needed.
        warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*`training_step` returned `None`.*")
        trainer.fit(model, data)
        trainer.test(model, data, verbose=False)
    return trainer


@pytest.mark.parametrize("offset", [0.0, 0.75])
def test_the_gap_is_what_the_density_falls_short_of_the_truth(offset: float, tmp_path: Path):
    callback = Likelihood(GrooveMeasures(), bars=50, draws=2, final_draws=(1, 4), fresh=300)
    logged = run(Unconditional(offset), callback, tmp_path).callback_metrics
    assert logged["likelihood/gap"].item() == pytest.approx(offset, abs=1e-5)
    assert logged["likelihood/gap_error"].item() == pytest.approx(0, abs=1e-5)
    assert logged["likelihood/nll"] == logged["likelihood/nll_4"]
    nll = logged["likelihood/nll"].item()
    assert nll - callback.ceiling["likelihood/nll"] == pytest.approx(offset, abs=1e-4)
    assert callback.ceiling["likelihood/gap"] == 0
    assert [row["epoch"] for row in callback.history] == [1, 2]


def test_what_cells_of_hits_have_is_no_floor_of_velocities_and_offsets():
    bars = Recipes(held_out=40).reference("test")
    of_hits, of_all = (GrooveMeasures().floor(bars, bars, channels) for channels in (1, 3))
    assert of_hits["likelihood/nll"] > 20 and "likelihood/nll" not in of_all
    assert of_all == {k: v for k, v in of_hits.items() if k != "likelihood/nll"}


def test_one_live_dimension_among_five(tmp_path: Path):
    callback = PosteriorCollapse(GrooveMeasures(), verdicts, onset, bars=300)
    logged = run(Oracle(), callback, tmp_path).callback_metrics
    # KL of N(m, e^-6) against N(0, 1), m evenly of -4, -2, 0, 2, 4.
    expected = 0.5 * (np.exp(-6) + 8 - 1 + 6)
    assert logged["kl_high/0"].item() == pytest.approx(expected, rel=0.01)
    dead = ("kl_high/1", "kl_low/0", "kl_low/1", "kl_low/2")
    assert all(abs(logged[name].item()) < 1e-6 for name in dead)
    assert (logged["active/high"], logged["active/low"]) == (1, 0)
    assert (logged["earning/high"], logged["earning/low"]) == (1, 0)
    # The five means are far apart: all that z_high can say of a bar is its style.
    assert logged["information/high"].item() == pytest.approx(np.log(5), abs=0.02)
    assert logged["information/low"].item() == pytest.approx(0, abs=1e-6)
    assert (logged["collapse/alive_high"], logged["collapse/alive_low"]) == (0.5, 0)
    assert callback.verdict is not None
    high, low = callback.verdict.split("; z_low ")
    assert high.startswith("z_high is losing dimensions: 1 of 2 dimensions alive (#0), 1 dead (#1)")
    assert low.startswith("is collapsed: 0 of 3 dimensions alive")
    assert (tmp_path / "figures" / "posterior_collapse.png").is_file()


def test_the_verdict_says_in_which_epoch_a_dimension_died(tmp_path: Path):
    callback = PosteriorCollapse(GrooveMeasures(), verdicts, onset)
    for epoch, kl in enumerate([0.5, 0.6, 0.5, 0.001, 0.001, 0.0]):
        callback.history.append(row(2 * epoch + 2, [0.5, kl], [0.2, 0.2]))
    assert callback._died("high") == " (#1 died in epoch 8)"
    assert callback._died("low") == ""


def test_styles_are_told_apart_by_what_is_alive_alone(tmp_path: Path):
    logged = run(Oracle(), LatentMap(GrooveMeasures(), "pca"), tmp_path, 1).callback_metrics
    assert logged["style/probe"] > 0.99
    assert logged["style/information"].item() == pytest.approx(np.log(5), abs=0.02)
    assert logged["style/separation_p"] < 0.01
    assert (tmp_path / "figures" / "latent_map.png").is_file()


def row(epoch: int, high: list[float], low: list[float]) -> dict[str, float]:
    kl = {f"kl_high/{i}": v for i, v in enumerate(high)}
    return {"epoch": epoch} | kl | {f"kl_low/{i}": v for i, v in enumerate(low)}


def test_the_heat_map_marks_the_epoch_in_which_a_dimension_dies():
    history = [
        row(1, [0.5, 0.5], [0.2, 0.001]),
        row(2, [0.5, 0.2], [0.2, 0.001]),
        row(3, [0.9, 0.002], [0.2, 0.3]),
        row(4, [0.9, 0.001], [0.2, 0.3]),
    ]
    figure = Figure()
    draw_heat_map(figure, history)
    high, low = figure.axes[:2]
    (deaths,), (none,) = high.lines, low.lines
    assert deaths.get_xydata().tolist() == [[3, 1]]  # pyright: ignore
    assert not len(none.get_xydata())  # pyright: ignore
    assert [text.get_text() for text in high.texts] == ["0.90", "< 0.01"]
    assert [text.get_text() for text in low.texts] == ["0.20", "0.30"]
    assert "3 of 4 above 0.01 nat after epoch 4" in high.get_title()
    shown = np.asarray(high.collections[0].get_array()).reshape(2, 4)
    assert shown[0].tolist() == [0.5, 0.5, 0.9, 0.9]


def test_the_curve_of_active_units_counts_those_above_each_threshold():
    figure = Figure()
    high, low = [1.0, 0.02, 0.0005], [0.0, 0.0]
    levels = {"high": high, "low": low}
    draw_active(
        figure, {f"variance_{k}/{i}": v for k, of in levels.items() for i, v in enumerate(of)}
    )
    high, low = figure.axes[0].lines[:2]
    thresholds, counts = high.get_xydata().T  # pyright: ignore
    for threshold, count in ((1e-4, 3), (1e-3, 2), (0.01, 2), (0.1, 1), (2.0, 0)):
        assert counts[np.searchsorted(thresholds, threshold)] == count
    assert not low.get_ydata().any()  # pyright: ignore


def test_the_map_shows_every_bar_with_its_style():
    styles = np.array([0, 0, 2, 2, 2])
    place = np.arange(10, dtype=np.float32).reshape(5, 2)
    figure = Figure()
    draw_map(figure, place, styles, ("rock", "jazz", "latin"), "pca")
    shown = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].lines}  # pyright: ignore
    assert shown == {"rock (2)": place[:2].tolist(), "latin (3)": place[2:].tolist()}


def test_pca_of_a_line_keeps_its_order_and_its_length():
    means = np.outer(np.arange(20, dtype=np.float32), [3, 4, 0])
    place = embedded(means, "pca")
    assert np.abs(np.diff(place[:, 0])) == pytest.approx(5, rel=1e-4)
    assert np.abs(place[:, 1]).max() < 1e-3
