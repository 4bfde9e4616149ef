import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import Tensor, nn

from fontgan.data import GlyphData
from fontgan.gan import GAN
from fontgan.glyphs import GlyphSet
from fontgan.networks import Discriminator, Generator, ReportDiscriminator, ReportGenerator
from fontgan.variants import FixedGAN, VanillaGAN
from fontgan.variants.fixed import BalancedRates

pytestmark = [
    # Lightning's own call of a name that torch 2.13 deprecates; and no workers are needed.
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    # The averaged generator is always in evaluation mode, and means to be.
    pytest.mark.filterwarnings("ignore:.*in eval mode at the start of training.*"),
]

SIZE, BATCH, BATCHES = 8, 6, 5
ADAM = partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.99))


class Pictures(GlyphData):
    """Forty random pictures; five batches of six an epoch."""

    def __init__(self, size: int = SIZE, **arguments: Any) -> None:
        super().__init__(BATCH, BATCHES, size=size, **arguments)

    def sets(self) -> dict[str, GlyphSet]:
        source = torch.Generator().manual_seed(3)
        images = torch.randint(256, (40, 1, self.size, self.size), generator=source)
        numbers = torch.arange(40)
        return dict.fromkeys(("train", "test"), GlyphSet(images.byte(), numbers % 26, numbers))


class TinyGenerator(nn.Module):
    """Has batch norm; its n-th draw of latents is always the same."""

    def __init__(self) -> None:
        super().__init__()
        self.draws = 0
        self.body = nn.Sequential(
            nn.Linear(4, 16, bias=False),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Linear(16, SIZE * SIZE),
            nn.Tanh(),
        )

    def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        if generator is None:
            self.draws += 1
            generator = torch.Generator().manual_seed(self.draws)
        return torch.randn(n, 4, generator=generator)

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z).view(-1, 1, SIZE, SIZE)


class TinyDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(SIZE * SIZE, 12), nn.LeakyReLU(0.2), nn.Linear(12, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(1)


def tiny(average: float = 0.9, seed: int = 0, **options: Any) -> GAN:
    torch.manual_seed(seed)
    return GAN(TinyGenerator(), TinyDiscriminator(), ADAM, ADAM, average=average, **options)


class Recorder(Callback):
    """Keeps what every training step gave back."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *rest: Any) -> None:
        self.outputs.append(outputs)


def fit(
    model: GAN,
    folder: Path,
    epochs: int = 2,
    callbacks: list[Callback] | None = None,
    resume: Path | None = None,
    data: GlyphData | None = None,
) -> Trainer:
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=callbacks,
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data or Pictures(), ckpt_path=resume, weights_only=True)
    return trainer


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(value, other[name]) for name, value in one.items())


# The step, against a loop in bare PyTorch.


def bare_loop(model: GAN, epochs: int) -> list[tuple[float, float]]:
    """What Goodfellow et al. 2014 and an exponential moving average say, and no Lightning."""
    generator, discriminator, averaged = model.generator, model.discriminator, model.averaged
    optimizers = [ADAM(generator.parameters()), ADAM(discriminator.parameters())]
    bce, losses, count = nn.BCEWithLogitsLoss(), [], 0
    generator.train(), discriminator.train()
    sampler = Pictures().train_dataloader()
    for epoch in range(epochs):
        sampler.sampler.set_epoch(epoch)
        for images, _, _ in sampler:
            real = images * 2 - 1
            fake = generator(generator.latent(len(real)))
            decided, deceived = discriminator(real), discriminator(fake.detach())
            loss_d = bce(decided, torch.ones_like(decided)) + bce(deceived, torch.zeros(len(real)))
            optimizers[1].zero_grad()
            loss_d.backward()
            optimizers[1].step()
            loss_g = bce(discriminator(fake), torch.ones(len(real)))
            optimizers[0].zero_grad()
            loss_g.backward()
            optimizers[0].step()
            losses.append((loss_g.item(), loss_d.item()))
            count += 1
            decay = min(model.decay, (1 + count) / (10 + count))
            for kept, current in zip(averaged.parameters(), generator.parameters(), strict=True):
                kept.data = decay * kept.data + (1 - decay) * current.data
            for kept, current in zip(averaged.buffers(), generator.buffers(), strict=True):
                kept.data = current.data.clone()
    return losses


def test_training_is_that_of_a_bare_loop(tmp_path: Path):
    model, recorder = tiny(), Recorder()
    twin = copy.deepcopy(model)
    fit(model, tmp_path, epochs=2, callbacks=[recorder])
    losses = bare_loop(twin, epochs=2)
    for found, (generator, discriminator) in zip(recorder.outputs, losses, strict=True):
        assert found["loss/generator"].item() == pytest.approx(generator, rel=1e-4)
        assert found["loss/discriminator"].item() == pytest.approx(discriminator, rel=1e-4)
    expected, found = twin.state_dict(), model.state_dict()
    assert found.pop("batches") == 10 and expected.pop("batches") == 0
    for name, value in expected.items():
        assert torch.allclose(found[name].float(), value.float(), atol=1e-5), name
    assert any(name.startswith("averaged.") for name in expected)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_average_follows_its_formula(decay: float, tmp_path: Path):
    """Recomputed from the weights after every batch."""

    class Follower(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.kept = [p.detach().clone() for p in pl_module.generator.parameters()]

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
            count = trainer.global_step // 2
            memory = min(decay, (1 + count) / (10 + count))
            for kept, now in zip(self.kept, pl_module.generator.parameters(), strict=True):
                kept.mul_(memory).add_(now.detach(), alpha=1 - memory)

    model, follower = tiny(average=decay), Follower()
    fit(model, tmp_path, epochs=2, callbacks=[follower])
    for kept, averaged in zip(follower.kept, model.averaged.parameters(), strict=True):
        assert torch.allclose(kept, averaged, atol=1e-6)
    if decay:
        assert not same(weights(model.averaged), weights(model.generator))
    for kept, current in zip(model.averaged.buffers(), model.generator.buffers(), strict=True):
        assert torch.equal(kept, current)


def test_batches_are_counted_once_though_lightning_counts_two_steps(tmp_path: Path):
    model = tiny()
    trainer = fit(model, tmp_path, epochs=3)
    assert int(model.batches) == 3 * BATCHES
    assert trainer.global_step == 2 * 3 * BATCHES


@pytest.mark.parametrize("still", ["generator", "discriminator"])
def test_each_step_moves_its_own_network_only(still: str, tmp_path: Path):
    torch.manual_seed(0)
    rates = {"generator": 1e-2, "discriminator": 1e-2, still: 0.0}
    factories = [partial(torch.optim.SGD, lr=rate) for rate in rates.values()]
    model = GAN(TinyGenerator(), TinyDiscriminator(), *factories)
    before = {name: dict(getattr(model, name).named_parameters()) for name in rates}
    before = {name: {k: v.detach().clone() for k, v in p.items()} for name, p in before.items()}
    fit(model, tmp_path, epochs=1)
    for name in rates:
        unchanged = same(before[name], dict(getattr(model, name).named_parameters()))
        assert unchanged == (name == still)


def test_a_step_gives_detached_losses_and_logs_nothing(tmp_path: Path):
    recorder = Recorder()
    trainer = fit(tiny(), tmp_path, epochs=1, callbacks=[recorder])
    assert len(recorder.outputs) == BATCHES
    for outputs in recorder.outputs:
        assert set(outputs) == {"loss/generator", "loss/discriminator"}
        assert all(v.shape == () and not v.requires_grad for v in outputs.values())
    assert trainer.callback_metrics == {} and trainer.logged_metrics == {}


def test_the_optimizers_are_the_generators_and_the_discriminators():
    model = tiny()
    optimizers = model.configure_optimizers()
    for optimizer, network in zip(optimizers, (model.generator, model.discriminator), strict=True):
        [group] = optimizer.param_groups
        assert [id(p) for p in group["params"]] == [id(p) for p in network.parameters()]
    assert not any(p.requires_grad for p in model.averaged.parameters())


# Sampling.


def test_samples_are_those_of_the_averaged_generator_in_evaluation_mode(tmp_path: Path):
    model = tiny()
    fit(model, tmp_path)
    latents = torch.randn(7, 4)
    for module, decay in ((model.averaged, 0.9), (model.generator, 0.0)):
        model.decay = decay
        expected = (copy.deepcopy(module).eval()(latents) / 2 + 0.5).detach()
        assert torch.allclose(model.train().decode(latents), expected, atol=1e-6)


def test_samples_are_bright_pictures_in_unit_range():
    pictures = tiny().sample(9, torch.Generator().manual_seed(0))
    assert pictures.shape == (9, 1, SIZE, SIZE) and pictures.dtype == torch.float32
    assert pictures.min() >= 0 and pictures.max() <= 1 and not pictures.requires_grad


def test_many_samples_are_drawn_in_parts_of_one_stream():
    model = tiny()
    pictures = model.sample(1203, torch.Generator().manual_seed(4))
    latents = torch.randn(1203, 4, generator=torch.Generator().manual_seed(4))
    assert torch.allclose(pictures, (model.averaged(latents) / 2 + 0.5), atol=1e-5)
    assert model.sample(0, torch.Generator()).shape == (0, 1, SIZE, SIZE)


def test_sampling_leaves_everything_as_it_was():
    torch.manual_seed(0)
    model: GAN = VanillaGAN(ReportGenerator(SIZE), ReportDiscriminator(SIZE), ADAM, ADAM)
    model.train()
    frozen = next(m for m in model.generator.modules() if isinstance(m, nn.BatchNorm2d))
    frozen.eval()  # as the report's slip leaves it
    loss = model.generator(model.latent(4)).square().mean()
    loss.backward()
    modes = [part.training for part in model.modules()]
    grads = [p.grad.clone() for p in model.generator.parameters() if p.grad is not None]
    state, random = weights(model), torch.get_rng_state()
    first = model.sample(5, torch.Generator().manual_seed(1))
    assert [part.training for part in model.modules()] == modes
    assert same(weights(model), state)  # batch norm statistics among them
    assert torch.equal(torch.get_rng_state(), random)
    now = [p.grad for p in model.generator.parameters() if p.grad is not None]
    assert len(now) == len(grads) and all(map(torch.equal, now, grads))
    assert all(p.requires_grad for p in model.generator.parameters())
    assert torch.equal(first, model.sample(5, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, model.sample(5, torch.Generator().manual_seed(2)))


def test_modes_are_restored_after_an_error_too():
    model = tiny().train()
    with pytest.raises(RuntimeError):
        model.decode(torch.zeros(2, 5))
    assert all(part.training for part in model.averaged.modules())


def test_measuring_between_epochs_does_not_change_training(tmp_path: Path):
    class Measure(Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            pl_module.sample(20, torch.Generator().manual_seed(0))

    states = []
    for name, callbacks in (("with", [Measure()]), ("without", None)):
        torch.manual_seed(0)
        model = VanillaGAN(ReportGenerator(SIZE), ReportDiscriminator(SIZE), ADAM, ADAM)
        torch.manual_seed(1)
        fit(model, tmp_path / name, callbacks=callbacks)
        states.append(weights(model))
    assert same(*states)


def test_building_a_model_draws_nothing_more_than_its_networks_do():
    torch.manual_seed(0)
    generator, discriminator = ReportGenerator(SIZE), ReportDiscriminator(SIZE)
    before = torch.get_rng_state()
    model = GAN(generator, discriminator, ADAM, ADAM)
    assert torch.equal(torch.get_rng_state(), before)
    statistics = [m for m in model.generator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(int(m.num_batches_tracked) == 0 for m in statistics)
    assert all(part.training for part in model.generator.modules())


# What does not fit.


def test_networks_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"do not fit together.*same size and channels"):
        GAN(Generator(size=32, width=8), Discriminator(size=28, width=8), ADAM, ADAM)
    with pytest.raises(ValueError, match=r"do not fit together.*same size and channels"):
        GAN(ReportGenerator(8, channels=3), ReportDiscriminator(8, channels=1), ADAM, ADAM)


def test_latents_of_another_length_are_refused():
    class Wrong(TinyGenerator):
        def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
            return torch.zeros(n, 5)

    with pytest.raises(ValueError, match="do not fit together"):
        GAN(Wrong(), TinyDiscriminator(), ADAM, ADAM)


def test_a_discriminator_gives_one_logit():
    two = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 2))
    with pytest.raises(ValueError, match=r"one logit a picture, found \(2, 2\)"):
        GAN(TinyGenerator(), two, ADAM, ADAM)


@pytest.mark.parametrize("average", [-0.1, 1.0])
def test_the_average_has_a_range(average: float):
    with pytest.raises(ValueError, match=rf"average must lie in \[0, 1\), got {average}"):
        tiny(average=average)


def test_data_of_another_size_are_refused_at_the_first_batch(tmp_path: Path):
    model = tiny()
    before = weights(model)
    with pytest.raises(ValueError, match=r"shape \(1, 12, 12\).*\(1, 8, 8\); set size of data"):
        fit(model, tmp_path, data=Pictures(size=12))
    assert same(weights(model), before)


# Stopping and going on.


def fixed() -> GAN:
    return FixedGAN(
        Generator(SIZE, dimensions=4, modes=3, width=8, blocks=1),
        Discriminator(SIZE, width=8, group=3),
        ADAM,
        ADAM,
        average=0.9,
        penalty_every=2,
        balance=BalancedRates(every=3),
        fall_from=0.25,
    )


def clustered() -> GAN:
    generator = Generator(SIZE, dimensions=4, modes=3, width=8, blocks=1, weighted=True)
    discriminator = Discriminator(SIZE, width=8, group=3, classes=3)
    return FixedGAN(generator, discriminator, ADAM, ADAM, average=0.9, clusters=True)


def vanilla() -> GAN:
    """Dropout draws from the global state; batch norm is frozen after seven batches."""
    return VanillaGAN(ReportGenerator(SIZE), ReportDiscriminator(SIZE), ADAM, ADAM, freeze_after=7)


class Keep(Callback):
    """Saves a checkpoint after the second epoch, as the last of the callbacks."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 1:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize("make", [fixed, clustered, vanilla])
def test_a_resumed_run_equals_one_never_stopped(make: Callable[[], GAN], tmp_path: Path):
    torch.manual_seed(0)
    model, whole = make(), Recorder()
    torch.manual_seed(5)
    trainer = fit(model, tmp_path, epochs=4, callbacks=[whole, Keep(tmp_path / "two.ckpt")])
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    end = torch.get_rng_state()

    torch.manual_seed(99)  # a new process, where chance stands somewhere else
    again, rest = make(), Recorder()
    trainer = fit(again, tmp_path, epochs=4, callbacks=[rest], resume=tmp_path / "two.ckpt")
    trainer.save_checkpoint(tmp_path / "again.ckpt")

    assert int(again.batches) == 4 * BATCHES and len(rest.outputs) == 2 * BATCHES
    for one, other in zip(whole.outputs[2 * BATCHES :], rest.outputs, strict=True):
        assert same(one, other)
    assert same(model.state_dict(), again.state_dict())
    assert torch.equal(torch.get_rng_state(), end)
    one, other = (
        torch.load(tmp_path / f"{name}.ckpt", weights_only=True)["optimizer_states"]
        for name in ("whole", "again")
    )
    for a, b in zip(one, other, strict=True):
        assert a["param_groups"] == b["param_groups"]
        for index, state in a["state"].items():
            assert same(state, b["state"][index])


def test_a_checkpoint_holds_plain_containers_and_the_average(tmp_path: Path):
    trainer = fit(fixed(), tmp_path)
    trainer.save_checkpoint(tmp_path / "all.ckpt")
    checkpoint = torch.load(tmp_path / "all.ckpt", weights_only=True)
    assert int(checkpoint["state_dict"]["batches"]) == 2 * BATCHES
    assert any(name.startswith("averaged.") for name in checkpoint["state_dict"])
    assert "torch" in checkpoint["random_state"]
