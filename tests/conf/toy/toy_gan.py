"""A GAN small enough to train in milliseconds, for the tests that drive the real commands."""

import os
import time

import torch
from lightning import Callback, LightningDataModule, LightningModule
from torch import nn
from torch.utils.data import DataLoader


class ToyData(LightningDataModule):
    """Random pairs; an epoch is a fixed number of batches."""

    def __init__(self, batches_per_epoch: int = 7) -> None:
        super().__init__()
        self.batches_per_epoch = batches_per_epoch
        self.fingerprint = "toy-data"

    def train_dataloader(self) -> DataLoader:
        points = torch.randn(
            self.batches_per_epoch, 4, 2, generator=torch.Generator().manual_seed(1)
        )
        return DataLoader(points, batch_size=None, shuffle=True)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(torch.zeros(1, 4, 2), batch_size=None)


class ToyGAN(LightningModule):
    """Two manual optimizers, as the real one.

    `fail_at` and `stop_at` count batches; `signal` is what stops it.
    """

    def __init__(
        self, width: int, lr: float, fail_at: int = -1, stop_at: int = -1, signal: int = 15
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width is {width}, it must be at least 1")
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2))
        self.discriminator = nn.Linear(2, 1)
        self.lr, self.fail_at, self.stop_at, self.signal = lr, fail_at, stop_at, signal
        self.register_buffer("batches", torch.tensor(0))

    def training_step(self, batch, batch_idx):
        if int(self.batches) == self.fail_at:
            raise ArithmeticError("the toy broke")
        if int(self.batches) == self.stop_at:
            os.kill(os.getpid(), self.signal)
            time.sleep(10)
        optimizers = self.optimizers()
        fake = self.generator(torch.randn(4, 2))
        losses = (
            -self.discriminator(fake).mean(),
            self.discriminator(fake.detach()).mean() - self.discriminator(batch).mean(),
        )
        for optimizer, loss in zip(optimizers, losses, strict=True):
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.batches += 1
        return {
            "loss/generator": losses[0].detach(),
            "loss/discriminator": losses[1].detach(),
            # A known sequence: 1, 2, 3, ...
            "loss/count": self.batches.detach().float(),
            **({"loss/even": torch.tensor(2.0)} if batch_idx % 2 == 0 else {}),
        }

    def configure_optimizers(self):
        parts = (self.generator, self.discriminator)
        return [torch.optim.Adam(part.parameters(), lr=self.lr) for part in parts]

    def test_step(self, batch, batch_idx):
        return None

    def on_save_checkpoint(self, checkpoint):
        checkpoint["random_state"] = torch.get_rng_state()

    def on_load_checkpoint(self, checkpoint):
        # At once: Lightning makes the first iterator over the data, which draws a random number,
        # before on_train_start.
        torch.set_rng_state(checkpoint["random_state"])


class OtherGAN(ToyGAN):
    """Same weights by name and shape, another model."""


class ToyMeasure(Callback):
    """Measures the first weight every epoch, and something else every second epoch."""

    def __init__(self) -> None:
        self.floor = {"coverage/letters": 0.0}
        self.ceiling = {"coverage/letters": 26.0, "coverage/kl": float("nan")}

    def on_train_epoch_end(self, trainer, pl_module):
        pl_module.log_dict(
            {"coverage/letters": pl_module.generator[0].weight[0, 0].detach().clone()}
        )
        if trainer.current_epoch % 2:
            pl_module.log_dict({"coverage/kl": float(trainer.current_epoch)})

    def on_test_epoch_end(self, trainer, pl_module):
        pl_module.log_dict({"coverage/letters": 7.0, "coverage/any": float("nan")})
