"""Train a VAE: `python -m drumvae.train [GROUP=CHOICE] [KEY=VALUE] [+experiment=NAME]`."""

import hydra
from omegaconf import DictConfig

from conf.command import job, launch


@hydra.main(version_base="1.3", config_path="pkg://conf", config_name="drumvae")
@job
def train(cfg: DictConfig) -> float | None:
    """Fit, measure and record the VAE that `cfg` describes."""
    # Here, not above: --help and a mistyped key need no torch, and should not wait for it.
    from conf.run import run

    return run(cfg)


if __name__ == "__main__":
    launch(train, app="drumvae")
