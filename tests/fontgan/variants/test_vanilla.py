from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import Tensor, nn

from fontgan.data import GlyphData
from fontgan.glyphs import GlyphSet
from fontgan.networks import ReportDiscriminator, ReportGenerator
from fontgan.variants import VanillaGAN

pytestmark = [
    # Lightning's own call of a name that torch 2.13 deprecates; and no workers are needed.
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    # The averaged generator is always in evaluation mode, and means to be.
    pytest.mark.filterwarnings("ignore:.*in eval mode at the start of training.*"),
]

ADAM = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
BATCHES = 4


class Pictures(GlyphData):
    def sets(self) -> dict[str, GlyphSet]:
        images = torch.randint(256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(3))
        return {"train": GlyphSet(images.byte(), torch.arange(40) % 26, torch.arange(40))}


class Watch(Callback):
    """Samples after every epoch, as callbacks do, and keeps the statistics of each batch."""

    def __init__(self) -> None:
        self.means: list[Tensor] = []
        self.modes: list[bool] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        [norm] = [m for m in pl_module.generator.modules() if isinstance(m, nn.BatchNorm2d)]
        assert norm.running_mean is not None
        self.means.append(norm.running_mean.clone())
        self.modes.append(norm.training)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.sample(10, torch.Generator().manual_seed(0))


def vanilla(freeze_after: int | None = None, **options: Any) -> VanillaGAN:
    torch.manual_seed(0)
    pair = ReportGenerator(8), ReportDiscriminator(8)
    return VanillaGAN(*pair, ADAM, ADAM, freeze_after=freeze_after, **options)


def fit(model: VanillaGAN, folder: Path, epochs: int = 3) -> Watch:
    watch = Watch()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[watch],
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, Pictures(8, BATCHES, size=8))
    return watch


def moves(means: list[Tensor]) -> list[bool]:
    """Whether the statistics changed in the second, third, … batch."""
    return [not torch.equal(before, after) for before, after in pairwise(means)]


def test_without_the_slip_batch_norm_goes_on_after_sampling(tmp_path: Path):
    watch = fit(vanilla(), tmp_path)
    assert all(watch.modes) and all(moves(watch.means))


@pytest.mark.parametrize("after", [1, 4, 6])
def test_the_slip_freezes_batch_norm_from_that_batch_on(after: int, tmp_path: Path):
    model = vanilla(after)
    watch = fit(model, tmp_path)
    assert watch.modes == [True] * after + [False] * (3 * BATCHES - after)
    assert moves(watch.means) == [True] * (after - 1) + [False] * (3 * BATCHES - after)
    # The rest of the generator, and the discriminator with its dropout, train on.
    assert model.generator.training and model.discriminator.training


def test_frozen_from_the_start_it_uses_the_first_statistics(tmp_path: Path):
    model = vanilla(0)
    fit(model, tmp_path, epochs=1)
    for norm in model.generator.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            assert int(norm.num_batches_tracked) == 0
            assert norm.running_mean is not None and not norm.running_mean.any()


def test_the_slip_changes_what_is_learned(tmp_path: Path):
    free, frozen = vanilla(), vanilla(4)
    fit(free, tmp_path)
    fit(frozen, tmp_path)
    pairs = zip(free.generator.parameters(), frozen.generator.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)


def test_it_is_sampled_from_the_generator_itself(tmp_path: Path):
    model = vanilla()
    fit(model, tmp_path)
    latents = model.latent(6, torch.Generator().manual_seed(0))
    drawn = model.decode(latents)
    with torch.no_grad():
        expected = model.generator.eval()(latents) / 2 + 0.5
    assert torch.allclose(drawn, expected, atol=1e-6)
    assert VanillaGAN(model.generator, model.discriminator, ADAM, ADAM, average=0.5).decay == 0.5


def test_losses_are_the_two_cross_entropies():
    model = vanilla().eval()
    real, fake = torch.rand(2, 5, 1, 8, 8) * 2 - 1
    bce = nn.BCEWithLogitsLoss()
    decided, deceived = model.discriminator(real), model.discriminator(fake)
    expected = bce(decided, torch.ones(5)) + bce(deceived, torch.zeros(5))
    assert torch.allclose(model.discriminator_losses(real, fake)["loss/discriminator"], expected)
    expected = bce(deceived, torch.ones(5))
    assert torch.allclose(model.generator_losses(real, fake)["loss/generator"], expected)


def test_a_negative_batch_is_refused():
    with pytest.raises(ValueError, match="freeze_after counts batches, got -1"):
        vanilla(-1)
