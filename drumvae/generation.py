"""A config becomes grooves: `python -m drumvae.generate`."""

import time
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from drumvae import generation_files as files
from drumvae.creative.feel import says_feel
from drumvae.creative.loading import Loaded, model_and_data
from drumvae.generation_modes import MODES
from drumvae.generation_wish import Wish
from drumvae.humanized import find_humanize

# Keys that every mode takes.
COMMON = ("mode", "ckpt_path", "seed", "tempo", "sound", "out", "humanizer_path")
COMMON += ("name", "app", "data")
MEASURE = "measure"


def run(cfg: DictConfig) -> None:
    """Make what a config asks for, and leave a run directory.

    Raises:
        FileNotFoundError: no model, or no such source.
        ValueError: no such mode, a key that it does not take, or a value that it cannot use.
    """
    began = time.monotonic()
    given = HydraConfig.get().overrides.task
    _check(cfg, [override.lstrip("+~").partition("=")[0] for override in given])
    named = any(override.lstrip("+").startswith("data") for override in given)
    loaded = model_and_data(cfg, named)
    directory = Path(HydraConfig.get().runtime.output_dir)
    if cfg.mode == MEASURE:
        from drumvae.creative.measures.table import measure

        measure(loaded, cfg.split, cfg.seed, directory)
        return
    mode = MODES[cfg.mode][0]
    wish = _wish(cfg, loaded)
    made = mode(wish)
    if cfg.source is not None:
        made.remarks = (*wish.source.remarks, *made.remarks)
    files.write(directory, made, cfg)
    command = ["python", "-m", f"{cfg.app}.{HydraConfig.get().job.name}", *given]
    told = {"command": command, "seconds": time.monotonic() - began, "data": None}
    files.summarise(directory, made, cfg, loaded.path, told)
    files.show(made, directory, loaded.path)


def _check(cfg: DictConfig, given: list[str]) -> None:
    if cfg.mode not in (*MODES, MEASURE):
        raise ValueError(f"no mode {cfg.mode!r}; mode= takes one of {', '.join((*MODES, MEASURE))}")
    takes = ("split",) if cfg.mode == MEASURE else MODES[cfg.mode][1]
    for key in given:
        if key.partition(".")[0] not in (*COMMON, *takes, "hydra"):
            raise ValueError(
                f"mode={cfg.mode} does not take {key}=; it takes {', '.join(takes)} and "
                f"{', '.join(COMMON[1:7])}"
            )
    if "from" in given and cfg.style is None:
        raise ValueError("from= says how bars of a style are drawn; name the style too: style=rock")
    for key in ("fill", "sound"):
        if not isinstance(cfg[key], bool):
            raise ValueError(f"{key}= is true or false, got {cfg[key]}")
    if cfg.out is None:
        return
    out = Path(str(cfg.out)).expanduser()  # `out=` alone is the working directory
    if out.is_dir():
        raise ValueError(f"out={out} is a folder; name a MIDI file in it: out={out / 'mine.mid'}")
    if cfg.source is not None and out.resolve() == Path(str(cfg.source)).expanduser().resolve():
        raise ValueError(f"out={out} is the source, which would be lost; name another file")


def _wish(cfg: DictConfig, loaded: Loaded) -> Wish:
    needed = cfg.mode == "humanize" or cfg.humanizer_path or not says_feel(loaded.model)
    return Wish(
        cfg,
        loaded,
        torch.Generator().manual_seed(cfg.seed),
        find_humanize(cfg.humanizer_path) if needed else None,
    )
