import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Logged:
    """The one offline W&B run of a run directory, as W&B's own reader tells it."""

    directory: Path

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """All of them, in order."""
        return [json.loads(line) for line in self._inspect().splitlines()]

    @cached_property
    def state(self) -> dict[str, Any]:
        """What W&B would show of the run: config, summary, tags, how it ended."""
        return json.loads(self._inspect("--summary"))

    def _inspect(self, *options: str) -> str:
        (run,) = self.directory.glob("wandb/offline-run-*")
        cache = {"WANDB_CACHE_DIR": str(self.directory / "wandb" / "cache")}
        return subprocess.run(
            [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", *options, run],
            check=True, capture_output=True, text=True, env=os.environ | cache,
        ).stdout  # fmt: skip

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Records of a kind."""
        return [record[kind] for record in self.records if record["type"] == kind]

    @property
    def items(self) -> list[dict[str, Any]]:
        """What was logged, call by call, less W&B's own keys."""
        items = (entry["item"] for entry in self.of("history"))
        return [{k: v for k, v in item.items() if not k.startswith("_")} for item in items]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Those that are rows of measures: nothing in them is a picture, a table or a histogram."""
        return [item for item in self.items if not any(key.endswith("._type") for key in item)]


@pytest.fixture(scope="session")
def read_back() -> Callable[[Path], Logged]:
    """Reads what a run in some directory has logged to W&B: read_back(directory)."""
    return Logged


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Chromium for all tests: two of Playwright's loops do not go together in a process."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as play:
        own = play.chromium.executable_path
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        executable = found or (own if Path(own).exists() else None)
        if executable is None:
            pytest.skip("no chromium here; apt-get install chromium brings it")
        browser = play.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()
