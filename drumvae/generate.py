"""Make grooves with a trained model: `python -m drumvae.generate mode=samples style=jazz`."""

import hydra
from omegaconf import DictConfig

from conf.command import job, launch


@hydra.main(version_base="1.3", config_path="pkg://conf", config_name="drumvae_generate")
@job
def generate(cfg: DictConfig) -> None:
    """Make what `cfg` asks for, and leave a run directory."""
    # Here, not above: --help and a mistyped key need no torch, and should not wait for it.
    from drumvae.generation import run

    run(cfg)


if __name__ == "__main__":
    launch(generate, app="drumvae_generate")
