"""A map of z_high by style at the end of a run, with what a probe and a permutation test say."""

from typing import Any, Protocol

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from numpy.typing import NDArray

from callbacks.draws import groove_data, spread, undisturbed
from callbacks.figures import BLUE, GREEN, GREY, INK, ORANGE, SKY, VERMILION, drawing

Values = dict[str, float]
_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, SKY, GREY, INK)
_MARKERS = "os^DvPX"


class Measure(Protocol):
    """What the latents know of styles."""

    def styles(self, module: Any, bars: Any) -> Values: ...


class LatentMap(Callback):
    """Measures styles in z_high on test bars, and maps them to two dimensions.

    ```yaml
    latent_map:
      _target_: callbacks.latent_map.LatentMap
      measure:
        _target_: drumvae.metrics.GrooveMeasures
      method: tsne     # or pca
      bars: 1000       # at most, on the map
    ```

    Logs `style/probe`, `style/information`, `style/separation` with its permutation test, and the
    variances within and between styles, at the end. Writes `figures/latent_map.png`.
    """

    def __init__(self, measure: Measure, method: str = "tsne", bars: int = 1000) -> None:
        if method not in ("tsne", "pca"):
            raise ValueError(f"latent_map.method is {method!r}, it must be 'tsne' or 'pca'")
        self.measure, self.method, self.bars = measure, method, bars

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        bars = groove_data(trainer).reference("test")
        if len(set(bars.styles.tolist())) < 2:
            return
        with undisturbed(pl_module):
            values = self.measure.styles(pl_module, bars)
            some = spread(len(bars), self.bars)
            shown = bars.tensor[some].to(pl_module.device)
            means = pl_module.central(shown)[0].cpu().numpy()  # pyright: ignore
        pl_module.log_dict(values, sync_dist=True)
        if trainer.is_global_zero:
            place = embedded(means, self.method)
            with drawing(trainer, "latent_map", width=9, height=6.5) as figure:
                draw_map(figure, place, bars.styles[some.numpy()], bars.style_names, self.method)
                shares = np.bincount(bars.styles) / len(bars)
                shares = shares[shares > 0]
                figure.suptitle(
                    f"z_high by style: a probe reads {values['style/probe']:.1%} of bars "
                    f"(the commonest style has {shares.max():.0%});\n"
                    f"one draw of it knows {values['style/information']:.2f} of the style's "
                    f"{-(shares * np.log(shares)).sum():.2f} nats", fontsize=13,
                )  # fmt: skip


def embedded(means: NDArray[np.float32], method: str) -> NDArray[np.float32]:
    """Two dimensions of posterior means (n, dimensions), by t-SNE or PCA: shape (n, 2)."""
    from sklearn.decomposition import PCA  # Slow to import.
    from sklearn.manifold import TSNE

    if means.shape[1] == 1:
        return np.concatenate([means, np.zeros_like(means)], 1)
    if method == "pca" or len(means) < 10:
        return PCA(2).fit_transform(means)
    perplexity = min(30.0, (len(means) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(means)


def draw_map(
    figure: Figure,
    place: NDArray[np.float32],
    styles: NDArray[np.int64],
    names: tuple[str, ...],
    method: str,
) -> None:
    """Points by style, each style with a colour and a marker of its own."""
    axes = figure.subplots()
    for number, name in enumerate(names):
        mine = styles == number
        if mine.any():
            axes.plot(
                *place[mine].T, linestyle="", marker=_MARKERS[number % len(_MARKERS)],
                color=_COLOURS[number % len(_COLOURS)], markersize=5, alpha=0.75,
                markeredgecolor="white", markeredgewidth=0.4, label=f"{name} ({mine.sum()})",
            )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlabel={"tsne": "t-SNE", "pca": "PCA"}[method])
    axes.grid(visible=False)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
