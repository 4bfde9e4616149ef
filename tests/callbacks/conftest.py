"""A tiny GAN, its data and its judge: what the callbacks ask for, and nothing else."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

SIDE = 8
BATCHES = 6


@dataclass(frozen=True)
class Reading:
    letter: Tensor
    features: Tensor


@dataclass(frozen=True)
class Glyphs:
    images: Tensor
    letters: Tensor


class BrightnessJudge(nn.Module):
    """Reads the mean brightness: black is junk, then A to Z."""

    fingerprint, size = "brightness", SIDE

    def read(self, images: Tensor) -> Reading:
        if images.dtype == torch.uint8:
            images = images / 255
        letter = (images.mean(dim=(1, 2, 3)) * 27).long().clamp(max=26) - 1
        return Reading(letter, images[:, 0, 2:4, 2:4].flatten(1))


class TinyData(LightningDataModule):
    def __init__(self) -> None:
        super().__init__()
        self.judge = BrightnessJudge()
        self.references = {split: self._glyphs(seed) for seed, split in enumerate(SPLITS)}

    def reference(self, split: str) -> Glyphs:
        return self.references[split]

    def train_dataloader(self) -> DataLoader:
        return DataLoader(TensorDataset(torch.zeros(BATCHES, 1)))

    test_dataloader = train_dataloader

    @staticmethod
    def _glyphs(seed: int) -> Glyphs:
        letters = torch.arange(26).repeat(2)
        noise = torch.rand(52, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) - 0.5
        images = ((letters[:, None, None, None] + 1.5 + noise) / 27 * 255).byte()
        return Glyphs(images, letters)


SPLITS = ("train", "validate", "test")


class TinyGAN(LightningModule):
    """Trains on nothing much; `sample` is careless with modes and with the random state."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(
            nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, SIDE * SIDE)
        )
        self.discriminator = nn.Sequential(nn.Linear(SIDE * SIDE, 8), nn.ReLU(), nn.Linear(8, 1))

    def configure_optimizers(self) -> Any:
        slow = torch.optim.SGD(self.generator.parameters(), lr=0.01)
        return [slow, torch.optim.Adam(self.discriminator.parameters(), lr=0.01)]

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        optimizers: Any = self.optimizers()
        losses = {}
        for name, optimizer, sign in zip(
            ("generator", "discriminator"), optimizers, (1, -1), strict=True
        ):
            with self.toggled_optimizer(optimizer):
                fake = self.generator(torch.randn(16, 4, device=self.device))
                loss = sign * nn.functional.softplus(-self.discriminator(fake)).mean()
                optimizer.zero_grad()
                self.manual_backward(loss)
                optimizer.step()
            losses[f"loss/{name}"] = loss.detach()
        return losses

    def test_step(self, batch: Any, batch_idx: int) -> None:
        pass

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        self.generator.eval()
        torch.rand(1)
        noise = torch.randn(n, 4, generator=generator, device=self.device)
        return self.generator(noise).sigmoid().view(n, 1, SIDE, SIDE)


Run = Callable[..., tuple[Trainer, TinyGAN]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(callbacks, epochs, test=True, resume=None, logger=False)` in `tmp_path`."""

    def run(
        callbacks: list[Callback],
        epochs: int = 3,
        test: bool = True,
        resume: Path | None = None,
        logger: Any = False,
    ) -> tuple[Trainer, TinyGAN]:
        torch.manual_seed(0)
        trainer = Trainer(
            accelerator="cpu",
            callbacks=callbacks,
            default_root_dir=tmp_path,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            log_every_n_steps=1,
            logger=logger,
            max_epochs=epochs,
        )
        model, data = TinyGAN(), TinyData()
        with warnings.catch_warnings():
            # Lightning's own call of a name that torch 2.13 deprecates; and no workers are needed.
            warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            trainer.fit(model, data, ckpt_path=resume, weights_only=True)
            if test:
                trainer.test(model, data, verbose=False)
        return trainer, model

    return run


@pytest.fixture
def measure() -> Any:
    from fontgan.metrics.measures import LetterMeasures

    return LetterMeasures()


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG that can be read whole."""
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        return image.size


@pytest.fixture
def size_of() -> Callable[[Path], tuple[int, int]]:
    return png_size
