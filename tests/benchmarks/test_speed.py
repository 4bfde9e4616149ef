"""Timings, each beside the reference step: one step of the report's GAN, batch 64, two threads.

Absolute times mean nothing across machines; ratios to the reference step of the same run do.
"""

import functools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch import Callback
from omegaconf import DictConfig
from torch import Tensor

from drumvae.gaussian import standard
from fontgan.cleaning import cleaned
from fontgan.data import BuiltinTypefaces
from fontgan.judge import Judge
from fontgan.metrics import LetterMeasures
from fontgan.networks import ReportDiscriminator, ReportGenerator
from fontgan.objectives import saturating_free_discriminator, saturating_free_generator
from fontgan.rendering import find_fonts, render_all
from fontgan.variants import VanillaGAN

pytestmark = [
    pytest.mark.slow,  # not a test of anything: `make bench` runs it
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*in eval mode at the start of training.*"),
]
REFERENCE_MS = 85  # what the reference step takes on the machine that times are quoted for


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """As the reference machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def seconds(work: Callable[[], object], times: int) -> float:
    """Median time of a call, after one to warm up."""
    work()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def bare_step() -> Callable[[Tensor], None]:
    """One step of the report's GAN in plain PyTorch."""
    form = torch.channels_last
    generator = ReportGenerator().to(memory_format=form)  # pyright: ignore
    discriminator = ReportDiscriminator().to(memory_format=form)  # pyright: ignore
    adam = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    generators, discriminators = adam(generator.parameters()), adam(discriminator.parameters())

    def step(real: Tensor) -> None:
        fake = generator(generator.latent(len(real)))
        scores = discriminator(real), discriminator(fake.detach())
        loss = saturating_free_discriminator(*scores)
        discriminators.zero_grad()
        loss.backward()
        discriminators.step()
        discriminator.requires_grad_(False)
        loss = saturating_free_generator(discriminator(fake))
        generators.zero_grad()
        loss.backward()
        generators.step()
        discriminator.requires_grad_(True)

    return step


@functools.cache
def reference_seconds() -> float:
    step = bare_step()
    real = torch.rand(64, 1, 28, 28) * 2 - 1
    return seconds(lambda: step(real), 30)


def tell(what: str, taken: float) -> None:
    scale = REFERENCE_MS / 1000 / reference_seconds()
    print(
        f"\n{what}: {taken:.3f} s here, where the reference step takes "
        f"{1000 * reference_seconds():.0f} ms; {taken * scale:.3f} s at {REFERENCE_MS} ms"
    )


def test_reference_step():
    print(f"\nreference step: {1000 * reference_seconds():.0f} ms")


def turns(
    module: LightningModule,
    data: LightningDataModule,
    callbacks: list[Callback],
    bare: Callable[[], None],
    folder: Path,
    rounds: int = 6,
) -> None:
    """Batches a second of the Trainer over those of a bare loop.

    Blocks of both take turns, so that a machine whose speed drifts slows both alike.
    """
    taken: dict[str, list[float]] = {"bare": [], "trainer": []}
    clock: list[float] = []

    class Turns(Callback):
        """After each epoch of the Trainer, as many batches of the bare loop."""

        def on_train_epoch_start(self, *_: object) -> None:
            clock.append(time.perf_counter())

        def on_train_epoch_end(self, *_: object) -> None:
            taken["trainer"].append(time.perf_counter() - clock.pop())
            began = time.perf_counter()
            bare()
            taken["bare"].append(time.perf_counter() - began)

    trainer = Trainer(
        max_epochs=rounds,
        callbacks=[*callbacks, Turns()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        accelerator="cpu",
    )
    trainer.fit(module, datamodule=data)
    ratios = [b / t for b, t in zip(taken["bare"][1:], taken["trainer"][1:], strict=True)]
    print(f"\nbatches a second, Trainer over bare loop: {statistics.median(ratios):.3f}")
    print("  each turn: " + " ".join(f"{ratio:.2f}" for ratio in ratios))


def composed(app: str, *overrides: str) -> DictConfig:
    with initialize_config_module("conf", version_base="1.3"):
        return compose(app, overrides=["name=bench", *overrides])


def test_gan_trainer_against_a_bare_loop(tmp_path: Path):
    data = BuiltinTypefaces(batches_per_epoch=40)
    step, adam = bare_step(), functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    gan = VanillaGAN(ReportGenerator(), ReportDiscriminator(), adam, adam)

    def bare() -> None:
        for images, *_ in data.train_dataloader():
            step(images * 2 - 1)

    entries = composed("fontgan", "gan=vanilla").callbacks
    callbacks = [instantiate(entries[name]) for name in ("gradient_balance", "run_summary")]
    turns(gan, data, callbacks, bare, tmp_path)


def test_vae_trainer_against_a_bare_loop(tmp_path: Path):
    config = composed("drumvae", "data.batches_per_epoch=100")
    data = instantiate(config.data, _convert_="all")
    vae, plain = (instantiate(config.vae, _convert_="all") for _ in range(2))
    networks, averaged = plain.networks, plain.averaged
    optimizer = plain.configure_optimizers()

    def bare() -> None:
        for bars, _ in data.train_dataloader():
            x = bars[:, :1]
            q = networks.posterior(x)
            outputs = networks.outputs(q.z_high, q.z_low)
            kl = q.high.kl(standard(q.z_high)).sum(1) + q.low.kl(q.low_prior).sum(1)
            loss = (kl - plain.likelihood.log_density(outputs, x)).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(networks.parameters(), 5.0)
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_([*averaged.parameters()], [*networks.parameters()], 0.001)

    turns(vae, data, [instantiate(config.callbacks.run_summary)], bare, tmp_path)


def test_judge_reads_5000_glyphs():
    images = torch.rand(5000, 1, 28, 28)
    judge = Judge()
    tell("5,000 glyphs judged", seconds(lambda: judge.read(images), 3))


def test_measures_of_an_epoch_and_of_the_end():
    data, measures = BuiltinTypefaces(), LetterMeasures()
    judge, reference = data.judge, data.reference("test")
    images = data.reference("train").images[:5000].float() / 255
    for n, whole, most in ((2000, False, 3), (5000, True, 15)):
        name = "all" if whole else "the cheap ones"
        taken = seconds(lambda n=n, w=whole: measures(images[:n], judge, reference, w), 3)
        tell(f"measures, {name}, {n} samples (target {most} s)", taken)


def test_neighbours_of_100_000_in_100_000():
    """Ten minutes; in a process of its own, whose peak memory nothing else has raised."""
    code = """
import resource, time, torch
from fontgan.metrics import neighbours
torch.set_num_threads(2)
made, real = torch.randn(100_000, 64), torch.randn(100_000, 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
neighbours(made, real)
print(time.perf_counter() - began, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    taken, before, peak = map(float, done.stdout.split())
    tell("neighbours, 100,000 x 100,000", taken)
    print(f"peak memory {peak / 1024**2:.2f} GB, {(peak - before) / 1024**2:.2f} of them new")


def test_faces_rendered_and_cleaned(fonts: Path):
    files = find_fonts([fonts])

    def work() -> int:
        faces, _ = render_all(files, 28)
        return len(cleaned(faces)[0].faces)

    taken = seconds(work, 1)
    faces, rejections = render_all(files, 28)
    tell(f"{len(faces) + len(rejections)} faces rendered and cleaned", taken)


@pytest.fixture
def fonts() -> Path:
    folder = os.environ.get("MODEKEEPER_FONTS", "")
    if not folder:
        pytest.skip("set MODEKEEPER_FONTS to a folder of fonts")
    return Path(folder)


def test_help_against_import_of_torch():
    def command(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)

    torch_alone = seconds(command("-c", "import torch"), 3)
    shown = seconds(command("-m", "fontgan.train", "--help"), 3)
    print(f"\n--help: {shown / torch_alone:.2f} times `import torch` ({torch_alone:.2f} s)")
