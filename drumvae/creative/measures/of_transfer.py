"""Transfers: do they reach the style, and keep more of the source than styles share anyway?"""

from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from drumvae.creative.measures.intervals import Drawn, interval, mean_of, ratio
from drumvae.creative.measures.judge import beat_correlation, of_style
from drumvae.creative.measures.setting import Row, Setting
from drumvae.creative.sampling import sample
from drumvae.creative.transfer import onset_f1s, transfer

SOURCES = 60  # bars of each style that are transferred to each other


@dataclass
class Way:
    """What a way to transfer gets, a set for each pair of styles.

    Attributes:
        style: whether each bar is taken for the target style.
        f1: onset F1 with the source, above that of real bars of the target style.
        beats: correlation of onsets on each step with the source, likewise.
    """

    style: list[Drawn] = field(default_factory=list)
    f1: list[Drawn] = field(default_factory=list)
    beats: list[Drawn] = field(default_factory=list)

    def mean(self, name: str) -> float:
        """Mean over all pairs."""
        return float(np.mean([drawn.values.mean() for drawn in getattr(self, name)]))


def transfers(setting: Setting) -> list[Row]:
    """All pairs of styles, against copies, neighbours and bars that know nothing of the source."""
    ways = {name: Way() for name in ("made", "copy", "nearest", "random detail", "real")}
    pairs = [*permutations(setting.names, 2)]
    for number, (a, b) in enumerate(pairs):
        source = setting.held_out(a)
        rows = np.random.default_rng(setting.seed).permutation(len(source))[:SOURCES]
        source = source[rows]
        drawn = setting.generator(100 + number)
        real = setting.held_out(b).tensor
        sets = _bars(setting, source.tensor, real, b, drawn)
        hits, others = source.tensor[:, 0], real[:, 0]
        pairwise = [
            (float(onset_f1s(others, bar.expand_as(others)).mean()),
             float(beat_correlation(others, bar.expand_as(others)).mean())) for bar in hits
        ]  # fmt: skip
        common = np.array(pairwise)
        for name, bars in sets.items():
            way, groups = ways[name], source.performances
            f1 = onset_f1s(bars[:, 0], hits).double().numpy() - common[:, 0]
            beats = beat_correlation(bars[:, 0], hits).numpy() - common[:, 1]
            way.style.append(Drawn(setting.judge.right(bars, b).astype(float), groups, a))
            way.f1.append(Drawn(f1, groups, a))
            way.beats.append(Drawn(beats, groups, a))
    return _rows(setting, ways, pairs)


def _bars(
    setting: Setting, source: Tensor, real: Tensor, b: str, drawn: torch.Generator
) -> dict[str, Tensor]:
    model, styles = setting.model, setting.styles
    target = styles.index(b)
    made = [transfer(model, styles, bar[None], target, drawn).bars for bar in source]
    train = of_style(setting.train, b).tensor
    nearest = [
        train[onset_f1s(train[:, 0], bar[0].expand_as(train[:, 0])).argmax()] for bar in source
    ]
    return {
        "made": torch.cat(made),
        "copy": source,
        "nearest": torch.stack(nearest),
        "random detail": sample(model, styles, target, len(source), drawn, "style"),
        "real": real[torch.randint(len(real), (len(source),), generator=drawn)],
    }


def _rows(setting: Setting, ways: dict[str, Way], pairs: list[tuple[str, str]]) -> list[Row]:
    real = [setting.ceiling(b) for _, b in pairs]
    made = ways["made"]
    style = interval([*made.style, *real], ratio)
    ceiling = float(np.mean([r.values.mean() for r in real]))
    least = 0.85 if setting.easy else 0.80
    others = [name for name in ways if name not in ("made", "real")]
    rows = [
        Row("transfer: in the target style, share of the ceiling", str(style),
            "; ".join(f"{n} {ways[n].mean('style') / ceiling:.3f}" for n in others),
            f"1 (accuracy {ceiling:.3f})", f"≥ {least}", bool(style.value >= least)),
    ]  # fmt: skip
    for name, label in (("f1", "onset F1 with the source"), ("beats", "correlation of beats")):
        drawn: list[Drawn] = getattr(made, name)
        each = [interval([d]) for d in drawn]
        worst = min(range(len(pairs)), key=lambda i: np.nan_to_num(each[i].low, nan=-np.inf))
        rows.append(
            Row(f"transfer: {label}, above what real bars of the styles share",
                str(interval(drawn, mean_of)),
                "; ".join(f"{n} {ways[n].mean(name):.3f}" for n in others),
                f"{ways['real'].mean(name):.3f}")
        )  # fmt: skip
        rows.append(
            Row(f"… the pair with the lowest interval, {' → '.join(pairs[worst])}",
                f"{each[worst]}, {len(np.unique(drawn[worst].groups))} performances", "", "",
                "above 0", None if np.isnan(each[worst].low) else each[worst].low > 0)
        )  # fmt: skip
    better = [
        n for n in others
        if all(ways[n].mean(k) >= made.mean(k) for k in ("style", "f1"))
    ]  # fmt: skip
    worse = [
        n for n in others
        if all(ways[n].mean(k) <= made.mean(k) for k in ("style", "f1"))
    ]  # fmt: skip
    rows.append(
        Row("transfer: baselines that dominate it in style and F1", ", ".join(better) or "none",
            f"dominated by it: {', '.join(worse) or 'none'}", "", "none", not better)
    )  # fmt: skip
    return rows
