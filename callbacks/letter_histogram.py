"""Which letters survive: how often each is drawn now, and when it was born and died."""

import string
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from callbacks.draws import letter_data
from callbacks.figures import BLUE, GREY, INK, VERMILION, drawing
from callbacks.history import History
from callbacks.media import log_media, log_table

PREFIX = "letters/"
_SHADES = LinearSegmentedColormap.from_list("share", ["#D6E8F3", "#56A5D2", BLUE, "#00263D"])


class LetterHistogram(History):
    """Draws the shares `letters/A` ... `letters/Z` that ModeCoverage logged before it.

    ```yaml
    letter_histogram:
      _target_: callbacks.letter_histogram.LetterHistogram
      every_n_epochs: 1      # as in mode_coverage, which must come first
      threshold: 0.25        # a letter lives from this part of its fair share on
      misread: 0.08          # and above this part of the commonest letter's share
    ```

    Writes `figures/letter_histogram.png` (bars of the last measured epoch, at the end of the test)
    and `figures/letter_survival.png` (letters x epochs); in W&B a histogram `letters` in every
    epoch, and at the end `tables/letters` with the part of the measured epochs that each lived in.

    Attributes:
        history: for each measured epoch (counted from 1) the share of samples of each letter.
        fair: share of each letter in the validation data, in the order of the alphabet.
    """

    def __init__(
        self, every_n_epochs: int = 1, threshold: float = 0.25, misread: float = 0.08
    ) -> None:
        super().__init__(every_n_epochs)
        self.threshold, self.misread = threshold, misread
        self.fair: list[float] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = self.measured_epoch(trainer)
        if epoch is None:
            return
        shares = measured_shares(trainer)
        self.fair = fair_shares(trainer, "validate", len(shares))
        self.history.append({"epoch": epoch, "shares": shares})
        if trainer.is_global_zero:
            self._log_histogram(trainer, shares)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        shares = measured_shares(trainer)  # on every process: to read them is to average them
        if trainer.is_global_zero:
            fair = fair_shares(trainer, "test", len(shares))
            self._draw_bars(trainer, shares, fair, "at the end")
            self._log_table(trainer, shares, fair)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "fair": list(self.fair)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.fair = list(state_dict["fair"])

    def draw_history(self, trainer: Trainer) -> None:
        last = self.history[-1]
        self._draw_bars(trainer, last["shares"], self.fair, f"after epoch {last['epoch']}")
        self._draw_survival(trainer)

    def _draw_bars(
        self, trainer: Trainer, shares: list[float], fair: list[float], when: str
    ) -> None:
        alive = self._living(shares, fair)
        places = np.arange(len(shares))
        with drawing(trainer, "letter_histogram", width=11, height=5) as figure:
            axes = figure.subplots()
            colours = [BLUE if lives else VERMILION for lives in alive]
            axes.bar(places, [100 * share for share in shares], color=colours, width=0.75)
            edges = np.arange(len(shares) + 1) - 0.5
            for part, style in ((1.0, "--"), (self.threshold, ":")):
                axes.stairs(
                    [100 * part * share for share in fair], edges, baseline=None,
                    color=INK, linewidth=1.5, linestyle=style,
                )  # fmt: skip
            for place in places[~alive]:
                axes.annotate(
                    "✕", (place, 100 * shares[place]), xytext=(0, 1), textcoords="offset points",
                    ha="center", color=VERMILION, fontweight="bold", fontsize=13,
                )  # fmt: skip
            axes.set_xticks(places, list(string.ascii_uppercase[: len(shares)]))
            axes.grid(axis="x", visible=False)
            axes.set(
                xlim=(-0.7, len(shares) - 0.3),
                ylim=(0, 105 * max(*shares, 1.5 * max(fair))),
                xlabel="letter",
                ylabel="share of all samples (%)",
                title=f"Letters drawn {when}: {alive.sum()} of {len(shares)} alive, "
                f"{100 * sum(shares):.0f} % of the samples are a letter",
            )
            axes.legend(
                handles=[
                    Patch(color=BLUE, label="alive"),
                    Patch(color=VERMILION, label="✕ not alive"),
                    axes.plot([], [], color=INK, linestyle="--", lw=1.5, label="fair share")[0],
                    axes.plot(
                        [], [], color=INK, linestyle=":", lw=1.5,
                        label=f"alive from {100 * self.threshold:.0f} % of it on",
                    )[0],
                ],
                loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4,
            )  # fmt: skip

    def _draw_survival(self, trainer: Trainer) -> None:
        epochs = [row["epoch"] for row in self.history]
        fair = np.array(self.fair)
        shares = np.array([row["shares"] for row in self.history])
        alive = np.array([self._living(row, self.fair) for row in shares]).T
        relative = np.ma.masked_where(~alive, (shares / fair).T)
        births, deaths = turns(alive)
        # Each epoch fills the time since the one measured before it.
        starts = [epochs[0] - (epochs[1] - epochs[0] if len(epochs) > 1 else 1), *epochs[:-1]]
        edges = np.array([*starts, epochs[-1]], dtype=float) + 0.5  # epoch 3 lies about the 3
        with drawing(trainer, "letter_survival", width=11, height=9) as figure:
            axes = figure.subplots()
            axes.set_facecolor("#F4F1EE")
            rows = np.arange(len(fair) + 1) - 0.5
            mesh = axes.pcolormesh(edges, rows, relative, cmap=_SHADES, vmin=0.25, vmax=2)
            axes.hlines(rows, edges[0], edges[-1], color="white", linewidth=2)
            size = float(np.clip(300 / len(epochs), 6, 9))
            for which, marker, colour, label in (
                (births, "^", "#FFD24A", "born"), (deaths, "X", VERMILION, "died"),
            ):  # fmt: skip
                letter, index = np.nonzero(which)
                axes.plot(
                    (edges[index] + edges[index + 1]) / 2, letter, marker, color=colour, ls="",
                    markersize=size, markeredgecolor=INK, markeredgewidth=0.6, label=label,
                )  # fmt: skip
            axes.set_yticks(range(len(fair)), list(string.ascii_uppercase[: len(fair)]))
            axes.tick_params(axis="y", length=0)
            axes.invert_yaxis()
            axes.grid(visible=False)
            axes.set(
                xlabel="epoch",
                ylabel="letter",
                title=f"When letters live: {alive[:, -1].sum()} of {len(fair)} alive after epoch "
                f"{epochs[-1]}; {_count(births, 'birth')} and {_count(deaths, 'death')} on the way",
            )
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.spines[:].set_visible(False)
            for row, life in enumerate(alive):
                axes.annotate(
                    f"{100 * life.mean():.0f} %", (1, row), xycoords=("axes fraction", "data"),
                    xytext=(44, 0), textcoords="offset points", ha="right", va="center",
                    fontsize=11, color=INK if life[-1] else VERMILION,
                )  # fmt: skip
            axes.annotate(
                "epochs\nalive", (1, 1), xycoords="axes fraction", xytext=(44, 4),
                textcoords="offset points", ha="right", fontsize=11, color=GREY,
            )  # fmt: skip
            bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=45, extend="max")
            bar.set_label("accepted samples over the fair share")
            bar.set_ticks([0.25, 0.5, 1, 1.5, 2])
            bar.outline.set_visible(False)
            axes.legend(
                handles=[
                    *axes.get_legend_handles_labels()[0],
                    Patch(facecolor="#F4F1EE", edgecolor=GREY, label="not alive"),
                ],
                loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3,
            )  # fmt: skip

    def _log_histogram(self, trainer: Trainer, shares: list[float]) -> None:
        histogram = np.array(shares), np.arange(len(shares) + 1)
        log_media(
            trainer,
            "letters",
            lambda wandb: wandb.Histogram(np_histogram=histogram),
            epoch=trainer.current_epoch,
        )

    def _living(self, shares: Any, fair: Any) -> np.ndarray:
        return living(shares, fair, self.threshold, self.misread)

    def _log_table(self, trainer: Trainer, shares: list[float], fair: list[float]) -> None:
        lives = self._living(shares, fair).tolist()
        past = np.array([self._living(row["shares"], self.fair) for row in self.history])
        epochs_alive = past.mean(axis=0).tolist() if len(past) else [None] * len(shares)
        log_table(
            trainer,
            "letters",
            ("letter", "share", "fair share", "alive", "epochs alive"),
            [*zip(string.ascii_uppercase, shares, fair, lives, epochs_alive, strict=False)],
        )


def measured_shares(trainer: Trainer) -> list[float]:
    """Share of all samples of each letter, in the order of the alphabet.

    Raises:
        ValueError: nothing has measured them.
    """
    metrics = trainer.callback_metrics
    names = sorted(name for name in metrics if name.startswith(PREFIX))
    if not names:
        raise ValueError(
            "LetterHistogram draws letters/A ... letters/Z, which nothing has measured yet; "
            "list ModeCoverage before it, with the same every_n_epochs"
        )
    return [float(metrics[name]) for name in names]


def fair_shares(trainer: Trainer, split: str, classes: int) -> list[float]:
    """Share of each letter in the real glyphs of a split."""
    letters = letter_data(trainer).reference(split).letters.cpu().numpy()
    return (np.bincount(letters, minlength=classes) / len(letters)).tolist()


def living(shares: Any, fair: Any, threshold: float = 0.25, misread: float = 0.08) -> np.ndarray:
    """Which letters are alive, as in `coverage/letters`, bool (letters,)."""
    relative = np.asarray(shares) / np.asarray(fair)
    # Logged values are float32: a share right on the threshold must not fall below it.
    often = relative >= threshold * (1 - 1e-6)
    return often & (relative > misread * relative.max() * (1 + 1e-6))


def turns(alive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where letters are born and where they die, both bool (letters, epochs).

    Nothing is born and nothing dies in the first epoch: nobody knows what was before it.
    """
    before = np.concatenate([alive[:, :1], alive[:, :-1]], axis=1)
    return alive & ~before, before & ~alive


def _count(which: np.ndarray, noun: str) -> str:
    return f"{which.sum()} {noun}" + ("" if which.sum() == 1 else "s")
