"""Learn from a model's training bars what `Styles` holds."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drumvae.bars import Bars
from drumvae.creative.mixtures import fit
from drumvae.creative.styles import QUANTILES, Styles, rhythm_of
from drumvae.creative.trained import Model

NO_STYLE = "other"  # what the Groove MIDI Dataset has besides the styles
LEAST = 10  # bars without which a style is none
POSTERIORS = 256  # bars kept of each style
PULL = 5.0  # hits that a cell's mean velocity and offset are worth before any is seen
DRAWN = 300  # bars of each style that the temperature is found with
TEMPERATURES = (0.4, 1.2)  # it lies between
STRENGTH = 0.01  # inverse of the probe's penalty
SEED = 0


@torch.no_grad()
def fit_styles(model: Model, bars: Bars, unseen: Bars) -> Styles:
    """Learn the styles that have `LEAST` bars or more; "other" is none.

    Args:
        model: what the bars are read by.
        bars: it was trained on.
        unseen: it was not trained on, of the validation split; for the temperature.

    Raises:
        ValueError: no style has as many bars.
    """
    counts = np.bincount(bars.styles, minlength=len(bars.style_names))
    enough = [number for number, count in enumerate(counts) if count >= LEAST]
    kept = [number for number in enough if bars.style_names[number] != NO_STYLE] or enough
    if not kept:
        raise ValueError(
            f"no style has {LEAST} training bars or more: "
            + ", ".join(f"{n} {c}" for n, c in zip(bars.style_names, counts, strict=True))
        )
    generator = torch.Generator().manual_seed(SEED)
    features = torch.cat([model.features(part) for part in bars.tensor.split(4096)])
    high = model.posterior_high(features)
    z_high = high.draw(generator)
    z_low = model.posterior_low(features, z_high).draw(generator)
    latents = torch.cat([z_high, z_low], 1).double().numpy()
    mixtures, posteriors, rhythms, feels, tempos = [], [], [], [], []
    for style in kept:
        mine = bars.styles == style
        mixtures.append(fit(latents[mine], bars.performances[mine]))
        rows = torch.from_numpy(np.flatnonzero(mine))
        some = rows[torch.randint(len(rows), (POSTERIORS,), generator=generator)]
        posteriors.append(torch.stack([high.mean[some], high.log_variance[some]], 1))
        own = bars.tensor[rows]
        rhythms.append(_quantiles(rhythm_of(own, bars.kit)))
        feels.append(_feel(own))
        tempos.append(float(np.median(bars.tempos[mine])))
    densities, syncopations = torch.stack(rhythms).unbind(2)
    velocities, offsets = torch.stack(feels).unbind(1)
    styles = Styles(
        tuple(bars.style_names[style] for style in kept),
        bars.kit,
        tuple(mixtures),
        torch.stack(posteriors),
        _probe(features, bars.styles, kept),
        densities.contiguous(),
        syncopations.contiguous(),
        torch.zeros(len(kept), QUANTILES),
        velocities.contiguous(),
        offsets.contiguous(),
        torch.tensor(tempos),
        torch.tensor(1.0),
    )
    return replace(
        styles,
        readings=_readings(model, styles, bars),
        temperature=_temperature(model, styles, bars, unseen),
    )


def _readings(model: Model, styles: Styles, bars: Bars) -> Tensor:
    read = torch.cat([styles.read(model, part) for part in bars.tensor.split(4096)])
    place = torch.linspace(0, 1, QUANTILES)
    own = [torch.from_numpy(bars.styles == bars.style_names.index(n)) for n in styles.names]
    return torch.stack([torch.quantile(read[mine, i], place) for i, mine in enumerate(own)])


def _temperature(model: Model, styles: Styles, bars: Bars, unseen: Bars) -> Tensor:
    """At which made bars lie as far from the nearest training bar as unseen bars do.

    Cells are independent once z is known, and drummers are more of one mind than that. By
    bisection, styles counting alike; 1 where no style has unseen bars.
    """
    known = bars.tensor[:, 0].flatten(1)
    names = [n for n in styles.names if (unseen.styles == unseen.style_names.index(n)).any()]
    decoded, real = [], []
    for name in names:
        z = styles.mixtures[styles.index(name)].draw(DRAWN, torch.Generator().manual_seed(SEED))
        decoded.append(model.decode(z[:, : model.high], z[:, model.high :]))
        mine = np.flatnonzero(unseen.styles == unseen.style_names.index(name))
        some = np.linspace(0, len(mine) - 1, min(DRAWN, len(mine))).round().astype(int)
        real.append(_nearest(unseen.tensor[mine[some]], known))
    low, high = TEMPERATURES if names else (1.0, 1.0)
    for _ in range(8 if names else 0):
        middle = (low * high) ** 0.5
        now = replace(styles, temperature=torch.tensor(middle))
        drawn = torch.Generator().manual_seed(SEED)
        made = [_nearest(now.draw(model, outputs, drawn), known) for outputs in decoded]
        low, high = (low, middle) if sum(made) > sum(real) else (middle, high)
    return torch.tensor((low * high) ** 0.5)


def _nearest(bars: Tensor, known: Tensor) -> float:
    """Cells by which bars differ from the nearest of known hits (m, cells), on average."""
    hits = bars[:, 0].flatten(1)
    return float(
        torch.cat(
            [(part.sum(1)[:, None] + known.sum(1) - 2 * part @ known.T).min(1).values
             for part in hits.split(500)]
        ).mean()
    )  # fmt: skip


def _quantiles(values: Tensor) -> Tensor:
    """Shape (`QUANTILES`, 2), of values (n, 2)."""
    return torch.quantile(values, torch.linspace(0, 1, QUANTILES), dim=0)


def _feel(bars: Tensor) -> Tensor:
    """Mean velocity and offset of the hits in each cell, shape (2, steps, voices).

    A cell that is seldom played leans on its voice, and a voice that never is on all of them.
    """
    hits = bars[:, 0]
    count = hits.sum(0)
    means = []
    for channel, nothing in ((1, 0.8), (2, 0.0)):
        total = bars[:, channel].sum(0)
        everywhere = total.sum() / count.sum() if count.sum() else torch.tensor(nothing)
        voice = (total.sum(0) + PULL * everywhere) / (count.sum(0) + PULL)
        means.append((total + PULL * voice) / (count + PULL))
    return torch.stack(means)


def _probe(features: Tensor, styles: np.ndarray[Any, Any], kept: list[int]) -> Tensor:
    """Weights and biases of a logistic regression, the features' scale folded in."""
    from sklearn.linear_model import LogisticRegression  # Here: see `mixtures.fit`.

    width = features.shape[1]
    if len(kept) == 1:
        return torch.zeros(width + 1, 1)
    mine = np.isin(styles, kept)
    x = features.double().numpy()[mine]
    mean, scale = x.mean(0), x.std(0) + 1e-6
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Not quite converged is as good here.
        model.fit((x - mean) / scale, np.searchsorted(kept, styles[mine]))
    weights, biases = model.coef_, model.intercept_
    if len(kept) == 2:  # scikit-learn keeps one row for two classes
        weights, biases = np.stack([-weights[0], weights[0]]) / 2, np.array([-1, 1]) * biases / 2
    weights = weights / scale
    biases = biases - weights @ mean
    return torch.from_numpy(np.vstack([weights.T, biases])).float()
