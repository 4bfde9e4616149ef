import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from lightning import Trainer
from omegaconf import OmegaConf


@pytest.fixture(scope="session")
def ended() -> Callable[..., Path]:
    """Writes a run as `ended(RUN, OVERRIDE…)` and returns its checkpoint."""

    def write(run: Path, *words: str) -> Path:
        """A finished run of an untrained model, as it lies under outputs/."""
        with initialize_config_module("conf", version_base="1.3"):
            config = compose("drumvae", [*words])
        module = instantiate(config[config.module], _convert_="all")
        (run / "checkpoints").mkdir(parents=True)
        # What watches a run asks Hydra for its directory, and nobody else needs it.
        kept = [key for key in config if key not in ("callbacks", "logger", "trainer")]
        OmegaConf.save(OmegaConf.masked_copy(config, kept), run / "config.yaml")
        trainer = Trainer(max_epochs=0, logger=False, enable_checkpointing=False, accelerator="cpu")
        trainer.strategy.connect(module)
        trainer.save_checkpoint(run / "checkpoints" / "last.ckpt")
        (run / "summary.json").write_text(json.dumps({"status": "finished"}))
        return run / "checkpoints" / "last.ckpt"

    return write
