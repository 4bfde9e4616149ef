"""Samples of a style: are they in it, do they cover it, are they as well made, are they new."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from drumvae.bars import Bars
from drumvae.creative.measures.intervals import Drawn, interval, ratio
from drumvae.creative.measures.judge import of_style
from drumvae.creative.measures.setting import Row, Setting
from drumvae.creative.sampling import SOURCES, sample
from drumvae.metrics.rhythm import backbone, faults

DRAWN = 1000  # bars of each style
NEIGHBOURS = 5
SETS = 5  # of which density and coverage are averaged


def in_style(setting: Setting) -> list[Row]:
    """The judge's share of bars in their style, from each source."""
    names = setting.names
    real = [setting.ceiling(name) for name in names]
    anything = sample(setting.model, setting.styles, None, DRAWN * len(names), setting.generator(1))
    floor = np.mean([setting.judged(anything, name).values.mean() for name in names])
    wanted = (0.95, 1.05) if setting.easy else (0.85, 1.05)
    rows = []
    for source in reversed(SOURCES):
        made = [setting.judged(_samples(setting, name, source), name) for name in names]
        found = interval([*made, *real], ratio)
        asked = source == "mixture"
        rows.append(
            Row(
                f"samples, `from={source}`: in their style, share of the ceiling",
                str(found),
                f"{floor / np.mean([r.values.mean() for r in real]):.3f} (any bar of the model)",
                f"1 (accuracy {np.mean([r.values.mean() for r in real]):.3f})",
                f"{wanted[0]}–{wanted[1]}" if asked else "",
                bool(wanted[0] <= found.value <= wanted[1]) if asked else None,
            )
        )
        if asked:
            by_style = ", ".join(
                f"{name} {m.values.mean():.2f} of {r.values.mean():.2f}"
                for name, m, r in zip(names, made, real, strict=True)
            )
            rows.append(Row("… accuracy by style, made of real", by_style))
    return rows


def density_and_coverage(
    made: NDArray[np.float64], real: NDArray[np.float64], k: int = NEIGHBOURS
) -> tuple[float, float]:
    """Density and coverage of Naeem et al. 2020 (arXiv 2002.09797), equations 2 and 3.

    Balls are closed: bars often have twins, and an open ball of radius 0 would be empty.

    Args:
        made: features, shape (n, d).
        real: features, shape (m, d), m above k.
        k: each real point's ball reaches its k-th nearest other point.

    Returns:
        Mean number of balls around a made point, over k; share of balls that hold one.
    """
    balls = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(real)
    radii = balls.kneighbors(real)[0][:, k]  # the nearest is the point itself, or a twin
    inside = pairwise_distances(made, real) <= radii + 1e-6
    return float(inside.sum(1).mean() / k), float(inside.any(0).mean())


def neighbourhood(setting: Setting) -> list[Row]:
    """Density and coverage of each style's samples, beside those of as many training bars."""
    found: dict[str, list[tuple[float, float]]] = {"made": [], "real": [], "any": []}
    for number, name in enumerate(setting.names):
        real = _flat(setting.held_out(name).tensor)[:DRAWN]
        train = of_style(setting.train, name)
        source = setting.generator(10 + number)
        style = setting.styles.index(name)
        for _ in range(SETS):
            n = len(real)
            chosen = torch.randint(len(train), (n,), generator=source)
            sets = {
                "made": sample(setting.model, setting.styles, style, n, source),
                "real": train.tensor[chosen],
                "any": sample(setting.model, setting.styles, None, n, source),
            }
            for kind, bars in sets.items():
                found[kind].append(density_and_coverage(_flat(bars), real))
    made, ceiling, other = (np.mean(found[kind], 0) for kind in ("made", "real", "any"))
    share = made[1] / ceiling[1]
    return [
        Row("samples: density", f"{made[0]:.3f}", f"{other[0]:.3f} (any bar of the model)",
            f"{ceiling[0]:.3f}"),
        Row("samples: coverage, share of the ceiling", f"{share:.3f} ({made[1]:.3f})",
            f"{other[1] / ceiling[1]:.3f}", f"1 ({ceiling[1]:.3f})", "≥ 0.8", bool(share >= 0.8)),
    ]  # fmt: skip


def quality(setting: Setting) -> list[Row]:
    """Backbone, over-dense hats and off-beat snares: as often as in real bars?"""
    made, real = _as_held_out(setting)
    rows = []
    for label, rates in (
        ("backbone", lambda hits: backbone(hits, setting.styles.kit)),
        ("over-dense hats", lambda hits: faults(hits, setting.styles.kit)["dense_hats"]),
        ("off-beat snares", lambda hits: faults(hits, setting.styles.kit)["offbeat_snare"]),
    ):
        share = float(rates(made[:, 0] > 0).double().mean())
        values = Drawn(rates(torch.from_numpy(real.hits)).double().numpy(), real.performances)
        found = interval([values])
        rows.append(
            Row(f"samples: bars with {label}", f"{share:.3f}", "", str(found), "in the interval",
                bool(found.low <= share <= found.high))
        )  # fmt: skip
    return rows


def novelty(setting: Setting) -> list[Row]:
    """Exact copies of training bars."""
    made, real = _as_held_out(setting)
    known = {bar.tobytes() for bar in setting.train.hits}

    def copies(hits: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.array([bar.tobytes() in known for bar in hits], dtype=float)

    share = float(copies(made[:, 0].numpy() > 0).mean())
    limit = interval([Drawn(copies(real.hits), real.performances)])
    return [Row("samples: copies of training bars", f"{share:.2g}", "1 (training bars)",
                str(limit), "at most the real rate", share <= limit.high)]  # fmt: skip


def speed(setting: Setting) -> list[Row]:
    """Ten thousand bars in one call."""
    began = time.monotonic()
    sample(setting.model, setting.styles, 0, 10_000, setting.generator(3))
    seconds = time.monotonic() - began
    return [
        Row("10,000 bars in one call, seconds", f"{seconds:.1f}", "", "", "≤ 60", seconds <= 60)
    ]


def _samples(setting: Setting, name: str, source: str) -> Tensor:
    style = setting.styles.index(name)
    return sample(setting.model, setting.styles, style, DRAWN, setting.generator(style), source)


def _as_held_out(setting: Setting) -> tuple[Tensor, Bars]:
    """Ten made bars for each held-out bar of the judged styles; and these."""
    mine = np.isin(setting.real.styles, [setting.real.style_names.index(n) for n in setting.names])
    real = setting.real[mine]
    made = [
        sample(setting.model, setting.styles, setting.styles.index(name),
               10 * len(of_style(real, name)), setting.generator(20 + number))
        for number, name in enumerate(setting.names)
    ]  # fmt: skip
    return torch.cat(made), real


def _flat(bars: Tensor) -> NDArray[np.float64]:
    return (bars[:, 0] > 0).flatten(1).double().numpy()
