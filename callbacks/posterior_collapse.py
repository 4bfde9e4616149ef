"""Which latent dimensions live: KL, activity, information and worth of each, epoch by epoch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from callbacks.draws import groove_data, spread, undisturbed
from callbacks.figures import BLUE, GREY, INK, ORANGE, VERMILION, drawing, epochs_axis
from callbacks.history import History
from callbacks.media import log_table

Values = dict[str, float]
LEVELS = ("high", "low")
COLUMNS = ("dimension", "verdict", "KL", "cost", "cost error", "variance of the mean")
COLLAPSED = 0.01
"""Nats of KL below which a dimension counts as collapsed in the heat map, as in the report."""


class Measure(Protocol):
    """Measures of a model's latents; each leaves the model as it was."""

    def collapse(self, module: Any, bars: Tensor) -> Values: ...
    def sensitivity(self, module: Any, bars: Tensor) -> Values: ...


class LevelVerdict(Protocol):
    """What has become of a level: which dimensions live, how many surely and perhaps, in words."""

    alive: tuple[int, ...]
    in_name_only: tuple[int, ...]
    score: float
    low: float
    high: float
    sentence: str


Rules = Callable[[Mapping[str, float]], Mapping[str, LevelVerdict]]
Onset = Callable[[Sequence[Mapping[str, float]], str], Mapping[int, int]]


class PosteriorCollapse(History):
    """Measures every latent dimension on validation bars in epochs, on test bars at the end.

    ```yaml
    posterior_collapse:
      _target_: callbacks.posterior_collapse.PosteriorCollapse
      measure:
        _target_: drumvae.metrics.GrooveMeasures
      rules:
        _target_: drumvae.verdict.verdicts
        _partial_: true
      onset:
        _target_: drumvae.verdict.onset
        _partial_: true
      bars: 500              # at most, in epochs; all of them at the end
      every_n_epochs: 1
    ```

    Logs `kl_high/0` …, `cost_high/0` …, `active/…`, `earning/…`, `information/…`, `aggregate/…`,
    `reconstruction/f1`, at the end `sensitivity_high/0` … too, and `collapse/alive_high` …, the
    share of a level's dimensions that the verdict calls alive, between the shares that `…_sure`
    and `…_perhaps` are. Writes `figures/posterior_collapse.png`, a heat map dimension × epoch, and
    `figures/active_units.png`, the number of active units at every threshold; in W&B
    `tables/dimensions` too.

    Attributes:
        history: a row for each measured epoch (counted from 1).
        verdict: a sentence on each level, once a test has ended, with when dimensions died.
    """

    def __init__(
        self,
        measure: Measure,
        rules: Rules,
        onset: Onset,
        bars: int = 500,
        every_n_epochs: int = 1,
    ) -> None:
        super().__init__(every_n_epochs)
        if bars < 2:
            raise ValueError(f"posterior_collapse needs bars of 2 or more, got {bars}")
        self.measure, self.rules, self.onset, self.bars = measure, rules, onset, bars
        self.verdict: str | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = self.measured_epoch(trainer)
        if epoch is None:
            return
        bars = groove_data(trainer).reference("validate").tensor
        some = bars[spread(len(bars), self.bars)].to(pl_module.device)
        values = self._measured(pl_module, some)
        kept = ("kl_", "active/", "earning/", "information/")
        self.history.append(
            {"epoch": epoch} | {k: v for k, v in values.items() if k.startswith(kept)}
        )

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        bars = groove_data(trainer).reference("test").tensor.to(pl_module.device)
        values = self._measured(pl_module, bars)
        found = self.rules(values)
        self.verdict = "; ".join(found[level].sentence + self._died(level) for level in LEVELS)
        with undisturbed(pl_module):
            pl_module.log_dict(self.measure.sensitivity(pl_module, bars), sync_dist=True)
        if trainer.is_global_zero:
            with drawing(trainer, "active_units", width=8, height=5) as figure:
                draw_active(figure, values)
            log_table(trainer, "dimensions", COLUMNS, dimension_rows(values, found))
        self.redraw(trainer)

    def _measured(self, module: LightningModule, bars: Tensor) -> Values:
        with undisturbed(module):
            values = self.measure.collapse(module, bars)
        shares = {}
        for level, found in self.rules(values).items():
            shares[f"collapse/alive_{level}"] = found.score
            shares[f"collapse/alive_{level}_sure"] = found.low
            shares[f"collapse/alive_{level}_perhaps"] = found.high
        module.log_dict(values | shares, sync_dist=True)
        return values

    def _died(self, level: str) -> str:
        deaths = self.onset(self.history, level)
        parts = [f"#{dimension} died in epoch {epoch}" for dimension, epoch in deaths.items()]
        return f" ({', '.join(parts)})" if parts else ""

    def draw_history(self, trainer: Trainer) -> None:
        with drawing(trainer, "posterior_collapse", width=11, height=7) as figure:
            draw_heat_map(figure, self.history)


def dimensions(row: Mapping[str, float], level: str, measure: str = "kl") -> list[str]:
    """Names of a measure of a level's dimensions, in the order of these."""
    names = [name for name in row if name.startswith(f"{measure}_{level}/")]
    return sorted(names, key=lambda name: int(name.rpartition("/")[2]))


def dimension_rows(
    values: Mapping[str, float], found: Mapping[str, LevelVerdict]
) -> list[list[str | float]]:
    """What is known of each dimension, a row each, in the order of `COLUMNS`."""
    rows: list[list[str | float]] = []
    for level in LEVELS:
        verdict, kinds = found[level], ("kl_{}", "cost_{}", "cost_{}_error", "variance_{}")
        for number in range(len(dimensions(values, level))):
            word = "alive" if number in verdict.alive else "dead"
            word = "in name only" if number in verdict.in_name_only else word
            measures = [values[f"{kind.format(level)}/{number}"] for kind in kinds]
            rows.append([f"z_{level} {number}", word, *measures])
    return rows


def draw_heat_map(figure: Figure, history: list[Values]) -> None:
    """KL of each dimension over epochs, z_high above z_low; what is below 0.01 nat is marked."""
    epochs = [row["epoch"] for row in history]
    step = epochs[1] - epochs[0] if len(epochs) > 1 else 1
    edges = np.array([epochs[0] - step, *epochs], dtype=float) + 0.5  # epoch 3 lies about the 3
    counts = [len(dimensions(history[0], level)) for level in LEVELS]
    both = figure.subplots(2, 1, sharex=True, height_ratios=counts, squeeze=False)[:, 0]
    mesh = None
    for axes, level in zip(both, LEVELS, strict=True):
        names = dimensions(history[0], level)
        kl = np.array([[row[name] for name in names] for row in history]).T
        rows = np.arange(len(names) + 1) - 0.5
        mesh = axes.pcolormesh(
            edges, rows, np.clip(kl, 1e-3, None), cmap="viridis", norm=LogNorm(1e-3, 3)
        )
        axes.hlines(rows, edges[0], edges[-1], color="white", linewidth=1.5)
        dead = kl < COLLAPSED
        died = np.argwhere(dead[:, 1:] & ~dead[:, :-1])
        axes.plot(
            [(edges[e + 1] + edges[e + 2]) / 2 for _, e in died], [d for d, _ in died],
            "X", color=VERMILION, markersize=9, markeredgecolor="white", linestyle="",
        )  # fmt: skip
        for number, last in enumerate(kl[:, -1]):
            axes.annotate(
                "< 0.01" if last < COLLAPSED else f"{last:.2f}", (1, number),
                xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
                va="center", fontsize=11, color=VERMILION if last < COLLAPSED else INK,
                annotation_clip=False,
            )  # fmt: skip
        axes.set_yticks(range(len(names)), [str(i) for i in range(len(names))])
        axes.set_ylabel(f"z_{level}")
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.invert_yaxis()
    alive = sum(row >= COLLAPSED for row in _last(history))
    both[0].set_title(
        f"KL of each latent dimension: {alive} of {sum(counts)} above {COLLAPSED} nat "
        f"after epoch {epochs[-1]:.0f} (✕ where one falls below)"
    )
    epochs_axis(both[1], epochs[-1])
    both[1].set_xlim(edges[0], edges[-1])
    if mesh is not None:
        bar = figure.colorbar(mesh, ax=list(both), pad=0.09, aspect=40, extend="both")
        bar.set_label("KL (nats)")
        bar.outline.set_visible(False)  # pyright: ignore


def _last(history: list[Values]) -> list[float]:
    row = history[-1]
    return [row[name] for level in LEVELS for name in dimensions(row, level)]


def draw_active(figure: Figure, values: Mapping[str, float]) -> None:
    """How many units count as active, at every threshold of the variance of their means."""
    axes = figure.subplots()
    thresholds = np.logspace(-5, 1, 200)
    units = []
    for level, colour in zip(LEVELS, (ORANGE, BLUE), strict=True):
        names = dimensions(values, level, "variance")
        variances = np.array([values[name] for name in names])
        counts = (variances[None] > thresholds[:, None]).sum(1)
        axes.step(thresholds, counts, where="post", color=colour, label=f"z_{level} ({len(names)})")
        units.append(len(names))
    axes.axvline(0.01, color=GREY, linestyle=":", linewidth=1.5)
    axes.annotate(
        "0.01", (0.01, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
        textcoords="offset points", color=GREY, fontsize=10, ha="center",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set(
        title="Active units", xlabel="threshold of the variance of the posterior mean",
        ylabel="units above it",
        ylim=(-0.2, max(units) + 0.5),
    )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
