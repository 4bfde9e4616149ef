import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fontgan.networks import ReportDiscriminator, ReportGenerator
from fontgan.variants import UnrolledGAN, VanillaGAN

ADAM = partial(torch.optim.Adam, lr=2e-4)


class OnePixel(nn.Module):
    """Draws its latent."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, 1, 1, 1, generator=generator, dtype=torch.float64)

    def forward(self, z: Tensor) -> Tensor:
        return z * self.scale


class Line(nn.Module):
    """D(x) = w x + b."""

    def __init__(self, weight: float = 0.7, bias: float = -0.2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(bias, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x.flatten(1).sum(1) + self.bias


def line(steps: int, rate: float = 0.5, **options: Any) -> UnrolledGAN:
    return UnrolledGAN(OnePixel(), Line(), ADAM, ADAM, steps=steps, rate=rate, **options)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


REAL, FAKE = column(1.0, 2.0, 0.5), column(-0.3, 0.4, 1.1)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def descended(weight: float, bias: float, fake: list[float], steps: int, rate: float) -> Any:
    """w and b after steps of descent on mean softplus(-D(x)) + mean softplus(D(f)), by hand."""
    real = REAL.flatten().tolist()
    for _ in range(steps):
        slopes = [(-sigmoid(-(weight * x + bias)) / len(real), x) for x in real]
        slopes += [(sigmoid(weight * f + bias) / len(fake), f) for f in fake]
        weight, bias = (
            weight - rate * sum(slope * x for slope, x in slopes),
            bias - rate * sum(slope for slope, _ in slopes),
        )
    return weight, bias


def loss_by_hand(fake: list[float], steps: int, rate: float = 0.5) -> float:
    weight, bias = descended(0.7, -0.2, fake, steps, rate)
    return sum(math.log1p(math.exp(-(weight * f + bias))) for f in fake) / len(fake)


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_the_surrogate_has_learned_for_k_steps(steps: int):
    model = line(steps)
    weights = model.unrolled(REAL, FAKE)
    expected = descended(0.7, -0.2, FAKE.flatten().tolist(), steps, 0.5)
    found = weights["weight"].item(), weights["bias"].item()
    assert found == pytest.approx(expected, rel=1e-12)
    loss = model.generator_losses(REAL, FAKE)["loss/generator"].item()
    assert loss == pytest.approx(loss_by_hand(FAKE.flatten().tolist(), steps), rel=1e-12)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_gradient_runs_through_the_surrogate_steps(steps: int):
    """Against central differences of the loss worked out by hand."""
    fake = FAKE.clone().requires_grad_(True)
    line(steps).generator_losses(REAL, fake)["loss/generator"].backward()
    assert fake.grad is not None
    values, step = FAKE.flatten().tolist(), 1e-5
    for i in range(len(values)):
        up, down = ([v + (j == i) * s for j, v in enumerate(values)] for s in (step, -step))
        slope = (loss_by_hand(up, steps) - loss_by_hand(down, steps)) / (2 * step)
        assert fake.grad.flatten()[i].item() == pytest.approx(slope, rel=1e-6)


def test_looking_ahead_changes_the_gradient_beyond_the_moved_weights():
    """With the surrogate's weights held fixed the slope is another: that is what unrolling adds."""
    fake = FAKE.clone().requires_grad_(True)
    model = line(1)
    model.generator_losses(REAL, fake)["loss/generator"].backward()
    weight, bias = descended(0.7, -0.2, FAKE.flatten().tolist(), 1, 0.5)
    first_order = [-weight * sigmoid(-(weight * f + bias)) / 3 for f in FAKE.flatten().tolist()]
    assert fake.grad is not None
    assert fake.grad.flatten().tolist() != pytest.approx(first_order, rel=1e-2)


def pair() -> tuple[ReportGenerator, ReportDiscriminator]:
    torch.manual_seed(0)
    return ReportGenerator(8), ReportDiscriminator(8)


def test_without_steps_it_is_vanilla():
    real, noise = torch.rand(6, 1, 8, 8) * 2 - 1, torch.randn(6, 100)
    found = []
    for make in (VanillaGAN, partial(UnrolledGAN, steps=0)):
        model = make(*pair(), ADAM, ADAM)
        torch.manual_seed(1)  # of dropout
        loss = model.generator_losses(real, model.generator(noise))["loss/generator"]
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in model.generator.parameters())])
    assert all(torch.allclose(one, other, atol=1e-7) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("steps", [1, 4])
def test_the_discriminator_is_untouched(steps: int):
    model = UnrolledGAN(*pair(), ADAM, ADAM, steps=steps, rate=0.1)
    before = {name: value.clone() for name, value in model.discriminator.state_dict().items()}
    real = torch.rand(6, 1, 8, 8) * 2 - 1
    loss = model.generator_losses(real, model.generator(model.latent(6)))["loss/generator"]
    loss.backward()
    after = model.discriminator.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(p.grad is None and p.requires_grad for p in model.discriminator.parameters())
    assert all(p.grad is not None for p in model.generator.parameters())


def test_the_surrogate_is_a_better_discriminator():
    model = UnrolledGAN(*pair(), ADAM, ADAM, steps=5, rate=0.05).eval()
    real, fake = torch.rand(32, 1, 8, 8), -torch.rand(32, 1, 8, 8)
    before = model.discriminator_losses(real, fake)["loss/discriminator"].item()
    weights = model.unrolled(real, fake)
    model.discriminator.load_state_dict({k: v.detach() for k, v in weights.items()})
    assert model.discriminator_losses(real, fake)["loss/discriminator"].item() < before


@pytest.mark.parametrize(("steps", "rate"), [(-1, 0.1), (1, 0.0), (1, -0.1)])
def test_numbers_out_of_range_are_refused(steps: int, rate: float):
    with pytest.raises(ValueError, match=rf"got {steps} and {rate}"):
        line(steps, rate)
