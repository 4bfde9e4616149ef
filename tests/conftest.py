import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

REPOSITORY = Path(__file__).parents[1]
TOY = REPOSITORY / "tests" / "conf" / "toy"
TOY_CHOICES = ["gan=toy", "data=toy", "callbacks=toy", "trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def no_wandb_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests, nothing of theirs is found and nothing is sent."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE", "HYDRA_FULL_ERROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def toy_run() -> Callable[..., float | None]:
    """`run()` in this process, on the toy model: toy_run(directory, *overrides)."""
    # Not above: collecting the tests that need neither should not import torch.
    from conf.run import run

    def start(directory: Path, *overrides: str) -> float | None:
        GlobalHydra.instance().clear()
        with initialize_config_module("conf", version_base="1.3"):
            cfg = compose(
                "fontgan",
                [
                    f"hydra.searchpath=[file://{TOY}/configs]",
                    *TOY_CHOICES,
                    "logger=csv",
                    *overrides,
                ],
                return_hydra_config=True,
            )
        directory.mkdir(parents=True, exist_ok=True)
        with open_dict(cfg):
            cfg.hydra.runtime.output_dir = str(directory)
            cfg.hydra.job.name = "train"
            HydraConfig.instance().set_config(cfg)
            cfg = cfg.copy()
            del cfg["hydra"]
        return run(cfg)

    return start


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`python -m fontgan.train` in an empty folder: train(*arguments, toy=True)."""

    def start(*arguments: str, toy: bool = True) -> subprocess.CompletedProcess[str]:
        choices = list(arguments)
        if toy:
            logger = [] if any(a.startswith("logger=") for a in arguments) else ["logger=csv"]
            choices = ["--config-dir", f"{TOY}/configs", *arguments, *TOY_CHOICES, *logger]
        return subprocess.run(
            [sys.executable, "-m", "fontgan.train", *choices],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{TOY}"},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return start
