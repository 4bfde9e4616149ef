"""Blends, complexity, tracks and infills: is what is asked what comes?"""

from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drumvae.bars import Bars
from drumvae.creative.blend import blend
from drumvae.creative.complexity import of_complexity
from drumvae.creative.infill import infill
from drumvae.creative.measures.intervals import Drawn, interval, mean_of, rank_correlation, ratio
from drumvae.creative.measures.setting import Row, Setting
from drumvae.creative.styles import rhythm_of
from drumvae.creative.track import track
from drumvae.creative.transfer import onset_f1s

BLENDS, STEPS = 30, 9
AMOUNTS, TIMES = 21, 5
TRACKS, BARS = 20, 8
INFILLED = 60


def blends(setting: Setting, path: str = "outputs") -> list[Row]:
    """The judge's posterior along blends of all pairs, and how dense the steps are."""
    model, styles, names = setting.model, setting.styles, setting.names
    curves, singles, inside = {}, [], []
    density = setting.train.hits.sum((1, 2))
    low, high = density.min(), density.max()
    for number, (a, b) in enumerate(combinations(names, 2)):
        drawn = setting.generator(200 + number)
        bars = torch.stack(
            [blend(model, styles, styles.index(a), styles.index(b), STEPS, drawn, path=path).bars
             for _ in range(BLENDS)]
        )  # fmt: skip
        p = setting.judge.probabilities(bars.flatten(0, 1))[:, [names.index(a), names.index(b)]]
        share = (p[:, 1] / p.sum(1)).reshape(BLENDS, STEPS)
        curves[f"{a} – {b}"] = rank_correlation(range(STEPS), share.mean(0))
        singles += [rank_correlation(range(STEPS), row) for row in share]
        hits = bars[:, :, 0].sum((2, 3)).numpy()
        inside.append((hits >= low) & (hits <= high))
    worst = min(curves, key=lambda pair: curves[pair])
    mean = float(np.mean([*curves.values()]))
    held = setting.real.hits.sum((1, 2))
    real = float(((held >= low) & (held <= high)).mean())
    within = float(np.mean(inside))
    return [
        Row("blend: Spearman of step and the judge's share, mean of pairs", f"{mean:.3f}",
            "0 (styles at random)", "", "≥ 0.95", mean >= 0.95),
        Row(f"… the worst pair, {worst}", f"{curves[worst]:.3f}", "", "", "≥ 0.95",
            curves[worst] >= 0.95),
        Row("… of a single blend, mean", f"{np.nanmean(singles):.3f}"),
        Row("blend: steps with as many hits as training bars have", f"{within:.3f}", "",
            f"{real:.3f}", "1", within == 1),
    ]  # fmt: skip


def complexities(setting: Setting) -> list[Row]:
    """Asked density and syncopation against measured ones."""
    found: dict[str, list[float]] = {"density": [], "syncopation": []}
    judged = []
    amounts = torch.linspace(0, 1, AMOUNTS).repeat(TIMES)
    for number, name in enumerate(setting.names):
        style = setting.styles.index(name)
        drawn = setting.generator(300 + number)
        bars = of_complexity(setting.model, setting.styles, style, amounts, drawn)
        asked = torch.stack([setting.styles.asked(style, float(a)) for a in amounts])
        got = rhythm_of(bars, setting.styles.kit)
        for column, key in enumerate(found):
            found[key].append(rank_correlation(asked[:, column], got[:, column]))
        judged.append(setting.judged(bars, name))
    real = [setting.ceiling(name) for name in setting.names]
    kept = interval([*judged, *real], ratio)
    rows = [
        Row(f"complexity: Spearman of asked and measured {key}",
            f"{np.mean(values):.3f} (worst {min(values):.3f})", "0 (no choice)", "1", "≥ 0.9",
            min(values) >= 0.9)
        for key, values in found.items()
    ]  # fmt: skip
    return [
        *rows,
        Row("complexity: in the style, share of the ceiling", str(kept), "", "1", "≥ 0.8",
            kept.value >= 0.8),
    ]  # fmt: skip


def tracks(setting: Setting) -> list[Row]:
    """Tracks of eight bars: in the style, not all alike, and neighbours nearer than others."""
    judged, distinct, near, far = [], [], [], []
    for number, name in enumerate(setting.names):
        style = setting.styles.index(name)
        drawn = setting.generator(400 + number)
        made = [track(setting.model, setting.styles, style, BARS, drawn) for _ in range(TRACKS)]
        right = setting.judge.right(torch.cat(made), name).astype(float)
        judged.append(Drawn(right, np.repeat(np.arange(TRACKS), BARS)))
        for index, bars in enumerate(made):
            hits = bars[:, 0]
            distinct.append(len(hits.flatten(1).unique(dim=0)))
            near.append(_apart(hits[:-1], hits[1:]))
            other = made[(index + 1) % TRACKS][:, 0]
            far.append(_apart(hits, other))
    real = [setting.ceiling(name) for name in setting.names]
    raw = interval(judged, mean_of)
    share = interval([*judged, *real], ratio)
    windows = _windows(setting.real)
    real_near = np.mean([_apart(w[:-1], w[1:]) for w in windows]) if windows else np.nan
    real_distinct = np.mean([len(w.flatten(1).unique(dim=0)) for w in windows]) if windows else 0
    gap = interval([Drawn.alone(far), Drawn.alone(near)], lambda m: m[0] - m[1])
    return [
        Row("tracks of 8 bars: bars in the style", str(raw), "",
            f"{np.mean([r.values.mean() for r in real]):.3f}", "≥ 0.9", raw.value >= 0.9),
        Row("… share of the ceiling", str(share), "", "1"),
        Row("tracks: distinct bars, least and mean", f"{min(distinct)}, {np.mean(distinct):.1f}",
            "", f"{real_distinct:.1f} (a performance)" if windows else "", "≥ 3",
            min(distinct) >= 3),
        Row("tracks: cells by which neighbours differ less than bars of different tracks",
            str(gap), "0", "", "above 0", gap.low > 0),
        Row("tracks: cells by which neighbours differ", f"{np.mean(near):.2f}",
            f"{np.mean(far):.2f} (bars of different tracks)",
            f"{real_near:.2f}" if windows else ""),
    ]  # fmt: skip


def infills(setting: Setting, voice: str = "snare") -> list[Row]:
    """A voice that was hidden: how near what is put there comes to what was played."""
    column = setting.styles.kit.voices.index(voice)
    bars = setting.real[np.random.default_rng(setting.seed).permutation(len(setting.real))]
    bars = bars[: INFILLED * len(setting.names)]
    new = torch.zeros(bars.tensor.shape[2:], dtype=torch.bool)
    new[:, column] = True
    made = infill(setting.model, setting.styles, bars.tensor, new, setting.generator(500))
    truth = bars.tensor[:, 0, :, column]
    train = setting.train.tensor
    frequency = train[:, 0, :, column].mean(0)
    by_chance = (torch.rand(truth.shape, generator=setting.generator(501)) < frequency).float()
    rest = [i for i in range(new.shape[1]) if i != column]
    nearest = [
        train[onset_f1s(train[:, 0][:, :, rest], bar[:, rest].expand(len(train), -1, -1)).argmax()]
        for bar in bars.tensor[:, 0]
    ]
    ways = {
        "made": made[:, 0, :, column],
        "by frequency": by_chance,
        "of the nearest training bar": torch.stack(nearest)[:, 0, :, column],
    }
    f1 = {name: _f1(found, truth) for name, found in ways.items()}
    untouched = bool(torch.equal(made[:, :, :, rest], bars.tensor[:, :, :, rest]))
    return [
        Row(f"infill of the {voice}: onset F1 with what was played", f"{f1.pop('made'):.3f}",
            "; ".join(f"{name} {value:.3f}" for name, value in f1.items()), "1"),
        Row("infill: other cells are the source's, bit for bit", "yes" if untouched else "no", "",
            "", "yes", untouched),
    ]  # fmt: skip


def _apart(a: Tensor, b: Tensor) -> float:
    """Cells by which bars differ, on average."""
    return float((a != b).flatten(1).sum(1).double().mean())


def _f1(found: Tensor, truth: Tensor) -> float:
    return float(2 * (found * truth).sum() / (found.sum() + truth.sum()))


def _windows(real: Bars) -> list[Tensor]:
    """Real stretches of as many bars as a track has, each of one performance."""
    found = []
    for performance in np.unique(real.performances):
        rows: NDArray[np.int64] = np.flatnonzero(real.performances == performance)
        for start in range(0, len(rows) - BARS + 1, BARS):
            found.append(real.tensor[rows[start : start + BARS]][:, 0])
    return found if len(real) > len(np.unique(real.performances)) else []
