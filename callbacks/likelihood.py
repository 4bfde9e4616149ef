"""How probable the model finds bars, and how far that is from the truth where it is known."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from callbacks.draws import groove_data, spread, undisturbed
from callbacks.figures import BLUE, GREY, VERMILION, drawing, epochs_axis
from callbacks.history import History

Values = dict[str, float]


class Measure(Protocol):
    """Importance-weighted likelihood, with what knows nothing as its floor."""

    def likelihood(self, module: Any, bars: Tensor, draws: int) -> Tensor: ...
    def floor(self, train: Any, bars: Any, channels: int = 1) -> Values: ...
    def ceiling(self, bars: Any) -> Values: ...


class Likelihood(History):
    """Measures the negative log-likelihood, β = 1, of validation bars in epochs, of test bars last.

    ```yaml
    likelihood:
      _target_: callbacks.likelihood.Likelihood
      measure:
        _target_: drumvae.metrics.GrooveMeasures
      bars: 500                  # at most, in epochs
      draws: 50                  # of both latents for each bar, in epochs
      final_draws: [1, 50, 500]  # at the end; the last gives likelihood/nll
      fresh: 2000                # bars drawn anew, for the gap to the truth where it is known
      every_n_epochs: 1
    ```

    Logs `likelihood/nll`; at the end `likelihood/nll_1` … too, and where the data know their true
    distribution `likelihood/gap`, the mean of model − truth on fresh bars, pair by pair, with its
    standard error `likelihood/gap_error`. Writes `figures/likelihood.png`.

    Attributes:
        floor: what knows nothing gets on the test bars; empty until a test has ended.
        ceiling: what the data allow, the truth's own mean among them where it is known.
        history: a row for each measured epoch (counted from 1).
    """

    def __init__(
        self,
        measure: Measure,
        bars: int = 500,
        draws: int = 50,
        final_draws: Sequence[int] = (1, 50, 500),
        fresh: int = 2000,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs)
        if min(bars, draws, fresh, *final_draws) < 1:
            raise ValueError("likelihood needs bars, draws and fresh of 1 or more")
        self.measure, self.bars, self.draws = measure, bars, draws
        self.final_draws, self.fresh = tuple(final_draws), fresh
        self.floor: Values = {}
        self.ceiling: Values = {}
        self._lines: list[tuple[float, str, str]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = self.measured_epoch(trainer)
        if epoch is None:
            return
        bars = groove_data(trainer).reference("validate").tensor
        some = bars[spread(len(bars), self.bars)]
        nll = self._nll(pl_module, some, self.draws).mean()
        pl_module.log("likelihood/nll", nll, sync_dist=True)
        if pl_module.likelihood.channels == 1:  # pyright: ignore
            self._lines = self._lines or self._limits(groove_data(trainer), some)
        self.history.append({"epoch": epoch, "nll": float(nll)})

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data: Any = groove_data(trainer)
        test = data.reference("test")
        values = {
            f"likelihood/nll_{k}": float(self._nll(pl_module, test.tensor, k).mean())
            for k in self.final_draws
        }
        values["likelihood/nll"] = values[f"likelihood/nll_{self.final_draws[-1]}"]
        channels: int = pl_module.likelihood.channels  # pyright: ignore
        self.floor = self.measure.floor(data.reference("train"), test, channels)
        self.ceiling = self.measure.ceiling(test)
        truth = getattr(data, "truth", None)
        if truth is not None and channels == 1:  # The truth is of hits alone.
            values |= self._gap(pl_module, data, truth)
            hits = test.tensor[:, 0]
            self.ceiling["likelihood/nll"] = float(-truth.log_likelihood(hits).mean())
            self.ceiling["likelihood/gap"] = 0.0
        pl_module.log_dict(values, sync_dist=True)
        self.redraw(trainer)

    def _nll(self, module: LightningModule, bars: Tensor, draws: int) -> Tensor:
        with undisturbed(module):
            return self.measure.likelihood(module, bars.to(module.device), draws)

    def _gap(self, module: LightningModule, data: Any, truth: Any) -> Values:
        fresh = data.fresh(self.fresh, seed=1).tensor
        nll = self._nll(module, fresh, self.final_draws[-1]).cpu()
        gap = nll + truth.log_likelihood(fresh[:, 0])
        error = gap.std() / torch.tensor(float(len(gap))).sqrt()
        return {"likelihood/gap": float(gap.mean()), "likelihood/gap_error": float(error)}

    def _limits(self, data: Any, some: Tensor) -> list[tuple[float, str, str]]:
        """Heights of the figure's dotted lines: of all validation bars, and of its curve's own."""
        floor = self.measure.floor(data.reference("train"), data.reference("validate"))
        lines = [(floor["likelihood/nll"], "independent\ncells", GREY)]
        if getattr(data, "truth", None) is not None:
            lines.append((float(-data.truth.log_likelihood(some[:, 0]).mean()), "truth", VERMILION))
        return lines

    def draw_history(self, trainer: Trainer) -> None:
        with drawing(trainer, "likelihood", width=8, height=5) as figure:
            axes = figure.subplots()
            epochs = [row["epoch"] for row in self.history]
            values = [row["nll"] for row in self.history]
            axes.plot(epochs, values, color=BLUE, marker="o" if len(epochs) <= 40 else None)
            for height, text, colour in self._lines:
                axes.axhline(height, color=colour, linestyle=":", linewidth=1.5)
                axes.annotate(
                    text, (1, height), xycoords=("axes fraction", "data"), xytext=(4, 0),
                    textcoords="offset points", va="center", color=colour, fontsize=10,
                    annotation_clip=False,
                )  # fmt: skip
            epochs_axis(axes, epochs[-1])
            axes.set(
                title="Negative log-likelihood of validation bars",
                ylabel=f"nats a bar ({self.draws} draws)",
            )
