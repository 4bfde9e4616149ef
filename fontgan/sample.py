"""Letters by a trained generator: `python -m fontgan.sample mode=MODE [ckpt_path=FILE]`."""

import difflib
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from conf.command import job, launch

_SEARCHED = ("truncation", "draws", "search")
USES = {
    "grid": ("n", "truncation", "sort", "nearest"),
    "letter": ("letters", "n", *_SEARCHED),
    "interpolate": ("path", "steps", "points", "compare", "pairs", *_SEARCHED),
    "alphabet": ("n", "truncation", "codes"),
    "font": ("out", "family", "candidates", "truncation"),
}
"""The keys of `conf/fontgan_sample.yaml` that each mode takes."""


def arguments(cfg: DictConfig, overrides: list[str]) -> dict[str, Any]:
    """Those of a config's keys that its mode takes; null is the mode's own default.

    Args:
        cfg: the composed config.
        overrides: what the user has set.

    Raises:
        ValueError: an unknown mode, or a key was set that only another mode takes.
    """
    if cfg.mode not in USES:
        near = difflib.get_close_matches(str(cfg.mode), USES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no mode {str(cfg.mode)!r}{hint} (there are: {', '.join(USES)})")
    mine, known = USES[cfg.mode], {key for keys in USES.values() for key in keys}
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key in known and key not in mine:
            raise ValueError(f"mode={cfg.mode} does not use {key}=; it uses {', '.join(mine)}")
    values: Any = OmegaConf.to_container(cfg, resolve=True)
    return {key: values[key] for key in mine if values[key] is not None}


@hydra.main(version_base="1.3", config_path="pkg://conf", config_name="fontgan_sample")
@job
def sample(cfg: DictConfig) -> None:
    """Draw what `cfg.mode` says."""
    chosen = arguments(cfg, list(HydraConfig.get().overrides.task))
    # Here, not above: --help and a mistyped key need no torch, and should not wait for it.
    from fontgan.sampling import run

    run(cfg, chosen)


if __name__ == "__main__":
    launch(sample, app="fontgan_sample")
