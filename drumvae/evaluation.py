"""Everything that can be measured of a model of drum bars, in one run directory."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from callbacks.draws import write_arrays
from callbacks.report import write_report
from conf.checkpoints import newest_run, restored
from conf.evaluation import Found, data_config, record, show
from drumvae import samples
from drumvae.bars import Bars
from drumvae.data import GrooveData
from drumvae.metrics.distributions import compare
from drumvae.metrics.rhythm import balance, evenness, rhythm
from drumvae.metrics.syncopation import polyphonic_syncopation, syncopation
from drumvae.verdict import verdicts

Values = dict[str, float]


def of_bars(bars: Tensor, tempos: Tensor, reference: Bars) -> Values:
    """Rhythm of a set of bars, and how it lies to real ones.

    Args:
        bars: hits, velocities and offsets, shape (n, 3, steps, voices), n of 3 or more.
        tempos: shape (n,).
        reference: real bars.

    Returns:
        `rhythm/…` (what was not there to be measured is left out), and `overlap/…`, `divergence/…`
        of each feature of a bar: see `drumvae.metrics.distributions.compare`.

    Raises:
        ValueError: too few bars, or values that are not finite.
    """
    values = {k: v for k, v in rhythm(bars, reference.kit, tempos).items() if np.isfinite(v)}
    made, real = (_features(hits, reference) for hits in (bars[:, 0] > 0, _hits(reference)))
    for name, feature in made.items():
        found = compare(feature, real[name])
        values[f"overlap/{name}"], values[f"divergence/{name}"] = found.overlap, found.kl
    return values


def _hits(bars: Bars) -> Tensor:
    return torch.from_numpy(bars.hits)


def _features(hits: Tensor, reference: Bars) -> dict[str, Tensor]:
    anywhere = hits.any(2)
    return {
        "density": hits.sum((1, 2)).double(),
        "syncopation": syncopation(anywhere),
        "polyphonic_syncopation": polyphonic_syncopation(hits, reference.kit),
        "evenness": evenness(anywhere),
        "balance": balance(anywhere),
    }


def of_model(module: Any, data: GrooveData, measure: Any, cfg: DictConfig) -> Values:
    """Latents, styles and likelihood on test bars."""
    test = data.reference("test")
    bars = test.tensor
    values = measure.collapse(module, bars) | measure.sensitivity(module, bars)
    if len(set(test.styles.tolist())) > 1:
        values |= measure.styles(module, test)
    for k in cfg.draws:
        values[f"likelihood/nll_{k}"] = float(measure.likelihood(module, bars, k).mean())
    values["likelihood/nll"] = values[f"likelihood/nll_{cfg.draws[-1]}"]
    truth = getattr(data, "truth", None)
    if truth is not None and module.likelihood.channels == 1:
        fresh = data.fresh(cfg.fresh, seed=1).tensor  # pyright: ignore  known truths can be drawn
        gap = measure.likelihood(module, fresh, cfg.draws[-1])
        gap = gap + truth.log_likelihood(fresh[:, 0])
        values["likelihood/gap"] = float(gap.mean())
        values["likelihood/gap_error"] = float(gap.std()) / len(gap) ** 0.5
    return values


def _noise(reference: Bars, n: int, seed: int) -> Tensor:
    """Bars whose cells know nothing of each other, with as many hits as real ones."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n, *reference.hits.shape[1:])
    hits = (torch.rand(shape, generator=generator) < float(reference.hits.mean())).float()
    velocities, offsets = (torch.rand(shape, generator=generator) for _ in range(2))
    return torch.stack([hits, hits * velocities, hits * (offsets - 0.5)], 1)


def _tempos(reference: Bars, n: int, seed: int) -> Tensor:
    """Tempos of real bars: a share of a step is as many milliseconds then as it is there."""
    chosen = np.random.default_rng(seed).integers(len(reference), size=n)
    return torch.from_numpy(reference.tempos[chosen])


def run(cfg: DictConfig) -> None:
    """Evaluate what a config names, and leave a run directory.

    Raises:
        FileNotFoundError: no such checkpoint or samples, or no finished run at all.
        ValueError: they cannot be measured, or both are named.
    """
    began, measure = time.monotonic(), instantiate(cfg.measure)
    if cfg.samples is not None and cfg.ckpt_path is not None:
        raise ValueError("ckpt_path= and samples= name two things to measure; choose one")
    values: Values = {}
    said = None
    if cfg.samples is not None:
        of = Path(cfg.samples)
        data: GrooveData = instantiate(data_config(cfg, None), _convert_="all")
        bars, tempos = samples.load(of, data.kit, data.steps)
    else:
        of = Path(cfg.ckpt_path) if cfg.ckpt_path else newest_run("drumvae", "vae")
        if str(of) == "shipped" or of.suffix == ".safetensors":
            raise ValueError(
                f"{of} is a model without its run, whose likelihood and latents are not measured; "
                f"python -m drumvae.generate mode=measure ckpt_path={of} data=CHOICE measures "
                "what it makes"
            )
        trained, module = restored(of)
        if trained.module != "vae":
            raise ValueError(
                f"{of} is a {trained.module}, and this measures groove models; the summary.json of "
                "its run has what was measured of it"
            )
        data = instantiate(data_config(cfg, trained), _convert_="all")
        values = of_model(module, data, measure, cfg)
        said = "; ".join(found.sentence for found in verdicts(values).values())
        bars = module.sample(cfg.drawn, torch.Generator().manual_seed(cfg.seed))  # pyright: ignore
        tempos = _tempos(data.reference("test"), len(bars), cfg.seed)
    if len(bars) < 3:
        raise ValueError(f"{len(bars)} bars are too few to measure; 3 are the least")
    train, source, test = (data.reference(split) for split in ("train", "validate", "test"))
    values |= of_bars(bars, tempos, test)
    noise = _noise(test, len(source), cfg.seed)
    floor = of_bars(noise, _tempos(test, len(noise), cfg.seed), test)
    ceiling = of_bars(source.tensor, torch.from_numpy(source.tempos), test)
    if cfg.samples is None:
        floor |= measure.floor(train, test, module.likelihood.channels)  # pyright: ignore
        ceiling |= measure.ceiling(test)
    found = Found(str(of), len(bars), values, floor, ceiling, said, data.fingerprint)
    directory = record(found, cfg, time.monotonic() - began)
    hits, velocities, offsets = bars.numpy().transpose(1, 0, 2, 3)
    write_arrays(
        directory / "samples" / "final.npz", hits=hits > 0, velocities=velocities, offsets=offsets
    )
    write_report(directory)
    by_voice = tuple(
        f"rhythm/{name}_{voice}"
        for voice in data.kit.voices
        for name in ("density", "syncopation", "timing", "timing_sd", "timing_absolute",
                     "velocity", "velocity_sd", "accents")
    )  # fmt: skip
    show(found, directory, left_out=("cost_", "variance_", *by_voice))
