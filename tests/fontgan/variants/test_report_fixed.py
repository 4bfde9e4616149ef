from functools import partial

import pytest
import torch
from scipy.spatial.distance import pdist
from torch import nn

from fontgan.networks import Discriminator, Generator, ReportDiscriminator, ReportGenerator
from fontgan.variants import ReportFixedGAN

ADAM = partial(torch.optim.Adam, lr=2e-4)


def build(**options: float) -> ReportFixedGAN:
    torch.manual_seed(0)
    pair = ReportGenerator(8), ReportDiscriminator(8)
    return ReportFixedGAN(*pair, ADAM, ADAM, **options).eval()  # without dropout


def pictures(seed: int) -> torch.Tensor:
    return torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_terms_and_their_weights_are_the_reports():
    model, real, fake = build(), pictures(1), pictures(2)
    losses = {name: loss.item() for name, loss in model.generator_losses(real, fake).items()}
    with torch.no_grad():
        logits = model.discriminator(fake)
        adversarial = nn.BCEWithLogitsLoss()(logits, torch.ones(6)).item()
        x, y, gaps = real, fake, []
        for layer in model.discriminator.layers:
            x, y = layer(x), layer(y)
            gaps.append(((x.mean((0, 2, 3)) - y.mean((0, 2, 3))) ** 2).mean().item())
    diversity = 1 / (pdist(fake.flatten(1).numpy()).mean() + 0.1)
    assert losses["loss/adversarial"] == pytest.approx(adversarial, rel=1e-5)
    assert losses["loss/feature_matching"] == pytest.approx(sum(gaps) / 3, rel=1e-4)
    assert losses["loss/diversity"] == pytest.approx(diversity, rel=1e-5)
    total = 0.5 * adversarial + 1.8 * sum(gaps) / 3 + 0.3 * diversity
    assert losses["loss/generator"] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("term", ["adversarial", "matching", "diversity"])
def test_each_weight_is_that_of_its_term(term: str):
    zero = {"adversarial": 0.0, "matching": 0.0, "diversity": 0.0}
    name = "feature_matching" if term == "matching" else term
    losses = build(**(zero | {term: 2.0})).generator_losses(pictures(1), pictures(2))
    assert torch.allclose(losses["loss/generator"], 2 * losses[f"loss/{name}"])
    losses = build(**zero).generator_losses(pictures(1), pictures(2))
    assert losses["loss/generator"].item() == 0


def test_the_gradient_reaches_the_fake_pictures_alone():
    model, real, fake = build(), pictures(1).requires_grad_(), pictures(2).requires_grad_()
    model.generator_losses(real, fake)["loss/generator"].backward()
    assert real.grad is None
    assert fake.grad is not None and fake.grad.abs().sum() > 0


def test_the_discriminators_loss_is_vanillas():
    model, real, fake = build(), pictures(1), pictures(2)
    losses = model.discriminator_losses(real, fake)
    decided, deceived = model.discriminator(real), model.discriminator(fake)
    expected = -decided.sigmoid().log().mean() - (1 - deceived.sigmoid()).log().mean()
    assert set(losses) == {"loss/discriminator"}
    assert torch.allclose(losses["loss/discriminator"], expected)


def test_another_discriminator_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"_target_=fontgan\.networks\.ReportDiscriminator"):
        ReportFixedGAN(Generator(8, width=8), Discriminator(8, width=8), ADAM, ADAM)
