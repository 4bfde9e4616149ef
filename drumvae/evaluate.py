"""Measure a model of bars: `python -m drumvae.evaluate [ckpt_path=FILE | samples=FILE]`."""

import hydra
from omegaconf import DictConfig

from conf.command import job, launch


@hydra.main(version_base="1.3", config_path="pkg://conf", config_name="drumvae_evaluate")
@job
def evaluate(cfg: DictConfig) -> None:
    """Measure what `cfg` names with everything there is."""
    # Here, not above: --help and a mistyped key need no torch, and should not wait for it.
    from drumvae.evaluation import run

    run(cfg)


if __name__ == "__main__":
    launch(evaluate, app="drumvae_evaluate")
