from functools import partial

import torch

from fontgan.networks import Discriminator, Generator, ReportDiscriminator, ReportGenerator
from fontgan.variants import FeatureMatchingGAN

ADAM = partial(torch.optim.Adam, lr=2e-4)


def build() -> FeatureMatchingGAN:
    torch.manual_seed(0)
    pair = ReportGenerator(8), ReportDiscriminator(8)
    return FeatureMatchingGAN(*pair, ADAM, ADAM).eval()  # without dropout


def pictures(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_generator_matches_mean_features_and_nothing_else():
    model, real, fake = build(), pictures(6, 1), pictures(5, 2)
    losses = model.generator_losses(real, fake)
    assert set(losses) == {"loss/generator"}
    with torch.no_grad():
        wanted, found = (
            model.discriminator.layer_features(x)[-1].flatten(1).numpy().mean(0)
            for x in (real, fake)
        )
    assert abs(losses["loss/generator"].item() - ((wanted - found) ** 2).sum()) < 1e-5


def test_real_pictures_in_another_order_match():
    model, real = build(), pictures(6, 1)
    assert model.generator_losses(real, real.flip(0))["loss/generator"].item() < 1e-9
    # One picture cannot match six, though its logit may be the best of all.
    assert model.generator_losses(real, real[:1].expand(6, -1, -1, -1))["loss/generator"] > 1e-4


def test_the_gradient_reaches_the_fake_pictures_alone():
    model, real, fake = build(), pictures(6, 1).requires_grad_(), pictures(6, 2).requires_grad_()
    model.generator_losses(real, fake)["loss/generator"].backward()
    assert real.grad is None
    assert fake.grad is not None and fake.grad.abs().sum() > 0


def test_the_discriminators_loss_is_vanillas():
    model, real, fake = build(), pictures(6, 1), pictures(6, 2)
    loss = model.discriminator_losses(real, fake)["loss/discriminator"]
    decided, deceived = model.discriminator(real), model.discriminator(fake)
    expected = -decided.sigmoid().log().mean() - (1 - deceived.sigmoid()).log().mean()
    assert torch.allclose(loss, expected)


def test_the_other_pair_of_networks_has_features_too():
    torch.manual_seed(0)
    pair = Generator(8, width=8, blocks=1), Discriminator(8, width=8)
    model = FeatureMatchingGAN(*pair, ADAM, ADAM)
    loss = model.generator_losses(pictures(8, 1), model.generator(model.latent(8)))
    loss["loss/generator"].backward()
    assert all(p.grad is not None for p in model.generator.parameters())
