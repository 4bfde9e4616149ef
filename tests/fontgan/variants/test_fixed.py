import math
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning import Callback, Trainer
from torch import Tensor, nn

from fontgan.data import GlyphData
from fontgan.gan import GAN
from fontgan.glyphs import GlyphSet
from fontgan.networks import Discriminator, Generator
from fontgan.variants import FixedGAN
from fontgan.variants.fixed import BalancedRates, falling

pytestmark = [
    # Lightning's own call of a name that torch 2.13 deprecates; and no workers are needed.
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    # The averaged generator is always in evaluation mode, and means to be.
    pytest.mark.filterwarnings("ignore:.*in eval mode at the start of training.*"),
]

RATE = 1e-3
ADAM = partial(torch.optim.Adam, lr=RATE, betas=(0.0, 0.99))
BATCHES = 6


class Pictures(GlyphData):
    def sets(self) -> dict[str, GlyphSet]:
        images = torch.randint(256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(3))
        return {"train": GlyphSet(images.byte(), torch.arange(40) % 26, torch.arange(40))}


class Linear(nn.Module):
    """D(x) = w · x."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 64))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight


def linear(**options: Any) -> FixedGAN:
    torch.manual_seed(0)
    return FixedGAN(Generator(8, width=8, blocks=1), Linear(), ADAM, ADAM, **options)


def fixed(**options: Any) -> FixedGAN:
    torch.manual_seed(0)
    pair = Generator(8, width=8, blocks=1), Discriminator(8, width=8, group=4)
    return FixedGAN(*pair, ADAM, ADAM, **options)


class Watch(Callback):
    """Learning rates in each batch, outputs, relative updates of both networks."""

    def __init__(self) -> None:
        self.rates: list[tuple[float, ...]] = []
        self.outputs: list[dict[str, Tensor]] = []
        self.factors: list[float] = []
        self.updates: list[list[float]] = []

    def _flat(self, model: FixedGAN) -> list[Tensor]:
        networks = (model.generator, model.discriminator)
        return [torch.cat([p.detach().flatten().clone() for p in n.parameters()]) for n in networks]

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
        self.before = self._flat(pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *rest: Any) -> None:
        self.rates.append(tuple(o.param_groups[0]["lr"] for o in trainer.optimizers))
        self.outputs.append(outputs)
        self.factors.append(float(pl_module.rate))
        pairs = zip(self.before, self._flat(pl_module), strict=True)
        self.updates.append([float((now - old).norm() / old.norm()) for old, now in pairs])


def fit(model: FixedGAN, folder: Path, epochs: int = 2) -> Watch:
    watch = Watch()
    Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[watch],
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(model, Pictures(8, BATCHES, size=8))
    return watch


def pictures(seed: int) -> Tensor:
    return torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# The loss and its normalisation.


def test_the_scale_is_the_moving_mean_square_of_the_difference():
    model, expected = linear(penalty_every=0), 1.0
    for seed in range(5):
        real, fake = 3 * pictures(seed), pictures(seed + 10)
        difference = (model.discriminator(real) - model.discriminator(fake)).detach()
        expected = 0.99 * expected + 0.01 * float(difference.square().mean())
        loss = model.discriminator_losses(real, fake)["loss/discriminator"]
        assert float(model.scale) == pytest.approx(expected, rel=1e-5)
        by_hand = F.softplus(-difference / math.sqrt(max(1.0, expected))).mean()
        assert loss.item() == pytest.approx(float(by_hand), rel=1e-5)


@pytest.mark.parametrize(("scale", "size"), [(0.25, 1.0), (1.0, 1.0), (16.0, 4.0)])
def test_the_generator_faces_the_same_scale_and_does_not_move_it(scale: float, size: float):
    model, real, fake = linear(), pictures(1), pictures(2)
    model.scale.fill_(scale)
    difference = (model.discriminator(fake) - model.discriminator(real)).detach()
    loss = model.generator_losses(real, fake)["loss/generator"]
    assert loss.item() == pytest.approx(float(F.softplus(-difference / size).mean()), rel=1e-5)
    assert float(model.scale) == scale


def test_a_confident_discriminator_keeps_its_slope():
    """What the normalisation is for: at Δ = 30 softplus(-Δ) is flat, softplus(-Δ / 30) is not."""
    slopes = {}
    for normalise in (True, False):
        model = linear(normalise=normalise, penalty_every=0)
        model.scale.fill_(900.0)
        real = torch.zeros(1, 1, 8, 8)
        real[0, 0, 7, 7] = 30.0  # weight 1 there
        model.discriminator_losses(real, torch.zeros(1, 1, 8, 8))["loss/discriminator"].backward()
        slopes[normalise] = float(model.discriminator.weight.grad[-1].abs())
    assert slopes[False] < 1e-9 and slopes[True] > 0.2


def test_without_normalisation_it_is_the_plain_pairing_loss():
    model, real, fake = linear(normalise=False, penalty_every=0), 9 * pictures(1), pictures(2)
    model.scale.fill_(100.0)
    difference = (model.discriminator(real) - model.discriminator(fake)).detach()
    loss = model.discriminator_losses(real, fake)["loss/discriminator"]
    assert loss.item() == pytest.approx(float(F.softplus(-difference).mean()), rel=1e-5)
    assert float(model.scale) == 100


def test_without_pairing_the_losses_are_those_of_the_plain_gan():
    model, real, fake = linear(pairing=False, penalty_every=0), pictures(1), pictures(2)
    plain = GAN(model.generator, model.discriminator, ADAM, ADAM)
    for name in ("discriminator_losses", "generator_losses"):
        found, expected = getattr(model, name)(real, fake), getattr(plain, name)(real, fake)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in found)
    assert float(model.scale) == 1


def test_the_generators_gradient_reaches_the_fake_pictures_alone():
    model, real, fake = fixed(), pictures(1).requires_grad_(), pictures(2).requires_grad_()
    model.generator_losses(real, fake)["loss/generator"].backward()
    assert real.grad is None
    assert fake.grad is not None and fake.grad.abs().sum() > 0


# Penalties.


@pytest.mark.parametrize(("every", "gamma"), [(1, 0.5), (4, 0.5), (3, 2.0)])
def test_penalties_come_every_few_batches_with_as_much_weight(every: int, gamma: float):
    """Of a linear discriminator R1 and R2 are |w|² / 2 each."""
    with_penalty = linear(penalty_every=every, gamma=gamma)
    without = linear(penalty_every=0)
    square = float(with_penalty.discriminator.weight.detach().square().sum())
    real, fake = pictures(1), pictures(2)
    for batch in range(1, 13):
        with_penalty.batches.fill_(batch)
        with_penalty.scale.fill_(1.0)
        without.scale.fill_(1.0)
        losses = with_penalty.discriminator_losses(real, fake)
        plain = without.discriminator_losses(real, fake)["loss/discriminator"].item()
        extra = losses["loss/discriminator"].item() - plain
        if batch % every == 0:
            assert losses["loss/penalty"].item() == pytest.approx(square, rel=1e-5)
            assert extra == pytest.approx(every * gamma * square, rel=1e-4)
        else:
            assert "loss/penalty" not in losses and extra == 0


def test_penalties_are_at_the_real_and_at_the_generated_pictures():
    """D(x) = |x|² / 2 has gradient x: half the mean squares of both add up."""
    model = linear(penalty_every=1)
    model.discriminator.forward = lambda x: x.flatten(1).square().sum(1) / 2
    real, fake = 2 * pictures(1), pictures(2)
    expected = sum(float(x.flatten(1).square().sum(1).mean()) / 2 for x in (real, fake))
    assert model.discriminator_losses(real, fake)["loss/penalty"].item() == pytest.approx(expected)


def test_in_a_run_every_kth_batch_has_the_penalty(tmp_path: Path):
    watch = fit(fixed(penalty_every=4), tmp_path)
    present = ["loss/penalty" in outputs for outputs in watch.outputs]
    assert present == [batch % 4 == 0 for batch in range(1, 2 * BATCHES + 1)]
    assert not any("loss/penalty" in o for o in fit(fixed(penalty_every=0), tmp_path).outputs)


# Learning rates.


@pytest.mark.parametrize(
    ("done", "start", "expected"),
    [
        (0.0, 0.5, 1.0),
        (0.5, 0.5, 1.0),
        (0.75, 0.5, 0.51),
        (1.0, 0.5, 0.02),
        (2.0, 0.5, 0.02),
        (0.5, 0.0, 0.51),
        (2 / 3, 0.5, 0.02 + 0.98 * 0.75),
        (1.0, 1.0, 1.0),
        (5.0, 1.0, 1.0),
    ],
)
def test_the_fall_at_known_points(done: float, start: float, expected: float):
    assert falling(done, start) == pytest.approx(expected)


def test_the_fall_never_rises():
    values = [falling(k / 200, 0.3) for k in range(260)]
    assert all(later <= earlier for earlier, later in pairwise(values))
    assert falling(1.0, 0.3, least=0.1) == pytest.approx(0.1)


def test_both_rates_fall_along_the_run(tmp_path: Path):
    watch = fit(fixed(fall_from=0.5), tmp_path)
    for batch, rates in enumerate(watch.rates):
        expected = RATE * falling(batch / (2 * BATCHES), 0.5)
        assert rates == pytest.approx((expected, expected))
    assert fit(fixed(fall_from=1), tmp_path).rates == [(RATE, RATE)] * (2 * BATCHES)


def test_both_rates_rise_first(tmp_path: Path):
    watch = fit(fixed(fall_from=1, rise_over=4), tmp_path)
    expected = [RATE * min(1.0, (batch + 1) / 4) for batch in range(2 * BATCHES)]
    for both, rate in zip(watch.rates, expected, strict=True):
        assert both == pytest.approx((rate, rate))


@pytest.mark.parametrize(("d", "g", "ratio"), [(3.0, 1.0, 1.0), (0.4, 1.0, 1.0), (1.0, 1.0, 0.5)])
def test_the_factor_converges_to_the_ratio_on_a_known_plant(d: float, g: float, ratio: float):
    """Updates in proportion to the rate: the factor that makes f d / g = ratio is ratio g / d."""
    balance, factor = BalancedRates(ratio=ratio, gain=0.1, most=10), torch.ones(())
    gaps = []
    for _ in range(120):
        factor = balance.factor(factor, factor * d, torch.tensor(g))
        gaps.append(abs(math.log(float(factor) * d / g / ratio)))
    assert float(factor) == pytest.approx(ratio * g / d, rel=1e-3)
    assert all(b <= a + 1e-6 for a, b in pairwise(gaps))
    # Each measurement closes a tenth of the logarithmic gap.
    assert gaps[1] / gaps[0] == pytest.approx(0.9, rel=1e-3)


@pytest.mark.parametrize(("d", "end"), [(1e9, 0.25), (1e-9, 4.0), (0.0, 4.0), (math.inf, 0.25)])
def test_the_factor_is_bounded(d: float, end: float):
    balance, factor = BalancedRates(gain=0.5, most=4), torch.ones(())
    for _ in range(40):
        factor = balance.factor(factor, torch.tensor(d), torch.tensor(1.0))
        assert 0.25 <= float(factor) <= 4
    assert float(factor) == end
    assert float(balance.factor(torch.ones(()), torch.ones(()), torch.zeros(()))) >= 0.25


def test_in_a_run_the_factor_moves_when_measured_and_steers_the_discriminator(tmp_path: Path):
    balance = BalancedRates(ratio=0.2, every=3, gain=0.3)
    model = fixed(balance=balance, fall_from=1)
    watch = fit(model, tmp_path, epochs=3)
    factor = torch.ones(())
    for batch in range(1, 3 * BATCHES + 1):
        assert watch.rates[batch - 1] == pytest.approx((RATE, RATE * float(factor)), rel=1e-6)
        if batch % 3 == 0:
            generator, discriminator = map(torch.tensor, watch.updates[batch - 1])
            factor = balance.factor(factor, discriminator, generator)
        assert watch.factors[batch - 1] == pytest.approx(float(factor), rel=1e-4)
    assert float(factor) < 0.9  # Adam's first steps are of one size: the ratio was near 1
    assert all(f == 1 for f in fit(fixed(balance=None), tmp_path).factors)


@pytest.mark.parametrize(
    "options",
    [{"gamma": -1}, {"penalty_every": -1}, {"fall_from": -0.1}, {"fall_from": 1.1}],
    ids=str,
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any]):
    with pytest.raises(ValueError, match="fixed needs"):
        linear(**options)


@pytest.mark.parametrize(
    "options", [{"ratio": 0}, {"every": 0}, {"gain": 0}, {"gain": 1.1}, {"most": 0.9}], ids=str
)
def test_balances_out_of_range_are_refused(options: dict[str, Any]):
    with pytest.raises(ValueError, match="balance needs"):
        BalancedRates(**options)


def test_noise_is_on_what_the_discriminator_sees_real_or_not():
    module, seen = linear(noise=0.5, penalty_every=0), []
    module.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    real, fake = torch.zeros(4000, 1, 8, 8), torch.ones(4000, 1, 8, 8)
    module.discriminator_losses(real, fake)
    module.generator_losses(real, fake)
    assert len(seen) == 4
    for pictures in seen:
        mean = pictures.mean().round()
        assert (pictures - mean).mean().abs() < 0.01
        assert (pictures - mean).std().item() == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="noise of 0 or more"):
        linear(noise=-1.0)


# Clusters.


def clustered(classes: int = 4, weighted: bool = True) -> FixedGAN:
    torch.manual_seed(0)
    generator = Generator(8, width=8, blocks=1, modes=4, weighted=weighted)
    discriminator = Discriminator(8, width=8, group=4, classes=classes)
    return FixedGAN(generator, discriminator, ADAM, ADAM, clusters=True)


def test_both_networks_are_told_the_clusters_of_the_real_pictures(tmp_path: Path):
    model, choices, told = clustered(), [], []
    model.generator.register_forward_pre_hook(lambda _, z: choices.append(z[0][:, -4:].argmax(1)))
    model.discriminator.register_forward_pre_hook(lambda _, x: told.append((x[0], x[1])))
    fit(model, tmp_path, epochs=1)
    data = Pictures(8, BATCHES, size=8)
    images = data.reference("train").images.float() / 255
    assert model.clusters is not None
    data.in_sets(model.clusters(images), 4)  # as many as its deviation is taken over
    truth = [model.clusters(batch[0]) for batch in data.train_dataloader()]
    assert len(set(torch.cat(truth).tolist())) == 4
    assert list(map(Tensor.tolist, choices)) == list(map(Tensor.tolist, truth))
    real, classes = told[0]
    assert torch.equal(classes, truth[0]) and torch.equal(model.clusters(real / 2 + 0.5), truth[0])
    assert {tuple(classes.tolist()) for _, classes in told} == {tuple(t.tolist()) for t in truth}
    shares = torch.bincount(model.clusters(images), minlength=4) / len(images)
    for network in (model.generator, model.averaged):
        torch.testing.assert_close(network.shares, shares)


def test_a_run_that_goes_on_keeps_its_clusters(tmp_path: Path):
    model = clustered()
    assert model.clusters is not None
    model.clusters.centres.normal_()
    centres = model.clusters.centres.clone()
    model.batches += 1
    fit(model, tmp_path)
    assert torch.equal(model.clusters.centres, centres)
    other = clustered()
    other.load_state_dict(model.state_dict())
    assert other.clusters is not None and torch.equal(other.clusters.centres, centres)


@pytest.mark.parametrize("options", [{"classes": 0}, {"classes": 5}, {"weighted": False}], ids=str)
def test_networks_that_cannot_be_told_clusters_are_refused(options: dict[str, Any]):
    with pytest.raises(ValueError, match=r"gan\.generator\.weighted=true.*gan\.clusters=false"):
        clustered(**options)
