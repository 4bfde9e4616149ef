from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fontgan.layers import minibatch_deviation, translated
from fontgan.networks import Discriminator, Generator, ReportDiscriminator, ReportGenerator


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 32])
@pytest.mark.parametrize(
    ("make_generator", "make_discriminator"),
    [(Generator, Discriminator), (ReportGenerator, ReportDiscriminator)],
)
def test_pictures_go_from_one_to_the_other(
    make_generator: Callable[..., Any],
    make_discriminator: Callable[..., Any],
    size: int,
    channels: int,
):
    generator = make_generator(size=size, channels=channels)
    discriminator = make_discriminator(size=size, channels=channels)
    z = generator.latent(3, seeded())
    assert z.shape == (3, generator.dimensions)
    pictures = generator(z)
    assert pictures.shape == (3, channels, size, size)
    assert pictures.min() >= -1 and pictures.max() <= 1
    assert discriminator(pictures).shape == (3,)
    features = discriminator.features(pictures)
    assert features.shape == (3, discriminator.head.in_features)


@pytest.mark.parametrize("size", [0, 3, 27, 30])
@pytest.mark.parametrize("make", [Generator, ReportGenerator, Discriminator])
def test_sizes_that_do_not_fit_are_named(make: Callable[..., Any], size: int):
    with pytest.raises(ValueError, match=rf"multiple of 4, not {size}"):
        make(size=size)


def test_the_reports_discriminator_needs_eight_pixels():
    with pytest.raises(ValueError, match="side 8 or more, not 7"):
        ReportDiscriminator(size=7)
    for size in (8, 9, 27, 30):
        assert ReportDiscriminator(size=size)(torch.zeros(2, 1, size, size)).shape == (2,)


# Latents.


def test_the_latent_is_a_gaussian_beside_a_one_hot_choice():
    generator = Generator(dimensions=6, modes=5, width=8, blocks=1)
    z = generator.latent(5000, seeded())
    assert z.shape == (5000, 11) and generator.dimensions == 11
    gaussian, choice = z[:, :6], z[:, 6:]
    assert gaussian.mean(0).abs().max() < 0.06 and (gaussian.std(0) - 1).abs().max() < 0.05
    assert torch.equal(choice.sum(1), torch.ones(5000))
    assert set(choice.unique().tolist()) == {0, 1}
    assert (choice.mean(0) - 0.2).abs().max() < 0.03
    # The choice is no function of the Gaussian.
    assert ((gaussian.T @ choice) / 5000).abs().max() < 0.03


def test_without_modes_the_latent_is_the_gaussian_alone():
    generator = Generator(dimensions=6, modes=0, width=8, blocks=1)
    z = generator.latent(2000, seeded())
    assert z.shape == (2000, 6) and generator(z[:2]).shape == (2, 1, 28, 28)
    assert z.mean().abs() < 0.05 and abs(float(z.std()) - 1) < 0.05


def test_a_weighted_choice_follows_its_shares_and_they_are_saved():
    generator = Generator(dimensions=2, modes=3, width=8, blocks=1, weighted=True)
    assert isinstance(generator.shares, torch.Tensor)
    torch.testing.assert_close(generator.shares, torch.full((3,), 1 / 3))
    generator.shares.copy_(torch.tensor([0.7, 0.0, 0.3]))
    choice = generator.latent(10_000, seeded())[:, 2:]
    assert torch.equal(choice.sum(1), torch.ones(10_000)) and choice[:, 1].sum() == 0
    assert abs(float(choice[:, 0].mean()) - 0.7) < 5 * (0.21 / 10_000) ** 0.5
    other = Generator(dimensions=2, modes=3, width=8, blocks=1, weighted=True)
    other.load_state_dict(generator.state_dict())
    assert torch.equal(other.latent(50, seeded(2)), generator.latent(50, seeded(2)))
    assert "shares" not in Generator(modes=3, width=8, blocks=1).state_dict()


def test_a_chosen_mode_lies_behind_its_gaussian():
    z = torch.randn(2, 4)
    latents = Generator(dimensions=4, modes=3, width=8).chosen(z, torch.tensor([2, 0]))
    assert torch.equal(latents, torch.cat([z, torch.tensor([[0, 0, 1.0], [1, 0, 0]])], 1))


def test_pooled_features_are_of_the_letter_wherever_it_lies():
    """By steps of the coarsest grid, four pixels, and away from the edges; placed ones are not."""
    pictures = -torch.ones(2, 1, 96, 96)
    letter = 5 * torch.randn(12, 8, generator=seeded())
    pictures[0, 0, 40:52, 44:52] = pictures[1, 0, 48:60, 36:44] = letter
    torch.manual_seed(0)
    discriminator = Discriminator(96, width=8, group=0, pool=5)
    assert discriminator(pictures).diff().abs() > 1e-3
    with torch.no_grad():
        discriminator.mix.weight[:, :-5] = 0  # what is not pooled
    torch.testing.assert_close(*discriminator(pictures))
    other = torch.cat([pictures[:1], pictures[1:].flip(2)])
    assert discriminator(other).diff().abs() > 1e-4


def test_classes_enter_the_logit_as_an_inner_product_with_the_features():
    torch.manual_seed(0)
    discriminator = Discriminator(8, width=8, group=0, classes=5)
    assert discriminator.classes is not None
    x, classes = torch.randn(3, 1, 8, 8), torch.tensor([4, 0, 4])
    plain = discriminator.head(discriminator.features(x))[:, 0]
    torch.testing.assert_close(discriminator(x), plain)
    rows = discriminator.classes.weight[classes]
    told = torch.stack([a @ b for a, b in zip(rows, discriminator.features(x), strict=True)])
    torch.testing.assert_close(discriminator(x, classes), plain + told)
    assert told.abs().max() > 0.01


@pytest.mark.parametrize("generator", [Generator(width=8, blocks=1), ReportGenerator()])
def test_an_own_generator_leaves_the_global_state_alone(generator: Any):
    before = torch.get_rng_state()
    first = generator.latent(4, seeded(1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, generator.latent(4, seeded(1)))
    assert not torch.equal(first, generator.latent(4, seeded(2)))
    generator.latent(4)
    assert not torch.equal(torch.get_rng_state(), before)
    torch.set_rng_state(before)


def test_every_part_of_the_latent_is_seen():
    torch.manual_seed(0)
    generator = Generator(dimensions=4, modes=3, width=8, blocks=1)
    z = generator.latent(2, seeded()).requires_grad_(True)
    generator(z).square().sum().backward()
    assert z.grad is not None and (z.grad.abs().sum(0) > 0).all()
    one, other = z.detach().clone(), z.detach().clone()
    one[:, 4:], other[:, 4:] = torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0])
    assert (generator(one) - generator(other)).abs().mean() > 0.01


# The report's pair.


def test_the_reports_pair_is_as_the_report_says():
    generator, discriminator = ReportGenerator(), ReportDiscriminator()
    kinds = [type(layer).__name__ for layer in generator.body]
    assert kinds == [
        *("Linear", "BatchNorm1d", "ReLU", "Unflatten"),
        *("ConvTranspose2d", "BatchNorm2d", "ReLU", "ConvTranspose2d", "Tanh"),
    ]
    x = generator.latent(2, seeded())
    shapes = [tuple((x := layer(x)).shape[1:]) for layer in generator.body]
    assert shapes[3] == (128, 7, 7) and shapes[4] == (64, 14, 14) and shapes[-1] == (1, 28, 28)
    linear = 100 * 6272 + 6272 + 2 * 6272
    convolutions = 128 * 64 * 16 + 64 + 2 * 64 + 64 * 16 + 1
    assert parameters(generator) == linear + convolutions
    outputs = discriminator.layer_features(torch.zeros(2, 1, 28, 28))
    assert [tuple(o.shape[1:]) for o in outputs] == [(64, 14, 14), (128, 7, 7), (256, 4, 4)]
    convolutions = 16 * 64 + 64 + 64 * 128 * 16 + 128 + 128 * 256 * 9 + 256
    assert parameters(discriminator) == convolutions + 256 * 16 + 1
    dropouts = [m.p for m in discriminator.modules() if isinstance(m, nn.Dropout2d)]
    slopes = [m.negative_slope for m in discriminator.modules() if isinstance(m, nn.LeakyReLU)]
    assert dropouts == [0.25] * 3 and slopes == [0.2] * 3


def test_the_reports_dropout_drops_whole_channels_and_only_in_training():
    torch.manual_seed(0)
    discriminator, x = ReportDiscriminator(), torch.rand(8, 1, 28, 28)
    dropped = (discriminator.layer_features(x)[0].abs().amax((2, 3)) == 0).float().mean()
    assert 0.15 < dropped < 0.35
    discriminator.eval()
    assert torch.equal(discriminator(x), discriminator(x))


# The faster pair.


def test_translation_moves_right_and_down_and_lets_nothing_in():
    x = torch.zeros(2, 1, 28, 28)
    x[:, 0, 10, 12] = 1
    moved = translated(x, torch.tensor([[2 / 14, 3 / 14], [-0.5 / 14, 0.0]]))
    assert moved[0, 0, 13, 14] == pytest.approx(1, abs=1e-4)
    assert moved[0].sum() == pytest.approx(1, abs=1e-4)
    assert moved[1, 0, 10, 11:13].tolist() == pytest.approx([0.5, 0.5], abs=1e-4)
    full = translated(torch.ones(1, 1, 28, 28), torch.tensor([[7 / 14, 0.0]]))
    assert full[0, 0, 5].tolist() == pytest.approx([0.0] * 7 + [1.0] * 21, abs=1e-4)


def test_a_generator_moves_one_of_its_layers_only():
    torch.manual_seed(0)
    generator = Generator(modes=0, translate=True)
    z, kept = generator.latent(4), generator.place
    assert kept is not None
    with torch.no_grad():
        kept.weight.zero_()
        unmoved = generator(z).atanh()
        kept.bias.copy_(torch.tensor([4 / 14, 0.0]))
        moved = generator(z).atanh()
        generator.out.weight[4:].zero_()  # the second layer, after the shuffle
        generator.out.bias[4:].zero_()  # pyright: ignore
        still = generator(z).atanh()
    shifted = F.pad(unmoved - still, (4, 0))[..., :28]
    assert torch.allclose(moved - still, shifted, atol=1e-3)
    generator(z).sum().backward()
    assert kept.weight.grad is not None and kept.weight.grad.isfinite().all()


def test_minibatch_deviation_on_hand_made_numbers():
    """Groups of two are n / 2 apart: 0 with 2, and 1 with 5."""
    x = torch.tensor([0.0, 1.0, 2.0, 5.0]).view(4, 1, 1, 1).expand(4, 1, 2, 3)
    found = minibatch_deviation(x, 2)
    assert found.shape == (4, 1, 2, 3)
    assert found[:, 0, 0, 0].tolist() == pytest.approx([1, 2, 1, 2])
    assert torch.equal(found, found[..., :1, :1].expand_as(found))


def test_minibatch_deviation_is_the_mean_over_channels_and_places():
    x = torch.rand(6, 3, 4, 5, generator=seeded())
    expected = x.std(0, correction=0).mean()
    for group in (6, 7, 4):  # a batch that does not divide is one group
        assert torch.allclose(minibatch_deviation(x, group), expected.expand(6, 1, 4, 5), atol=1e-5)
    alike = minibatch_deviation(x[:1].expand(4, -1, -1, -1), 4)
    assert alike.max() < 2e-4


def test_the_discriminator_sees_a_batch_that_is_all_alike():
    torch.manual_seed(0)
    pictures = torch.rand(8, 1, 28, 28)
    discriminator = Discriminator(width=8, group=8)
    alone = discriminator(pictures[:1].expand(8, -1, -1, -1))[0]
    assert not torch.allclose(discriminator(pictures)[0], alone)
    lonely = Discriminator(width=8, group=0)
    alone = lonely(pictures[:1].expand(8, -1, -1, -1))[0]
    assert torch.allclose(lonely(pictures)[0], alone, atol=1e-6)


def test_the_faster_pair_has_no_normalisation_and_no_dropout():
    for network in (Generator(), Discriminator()):
        names = {type(layer).__name__ for layer in network.modules()}
        assert not [n for n in names if "Norm" in n or "Dropout" in n]
        assert parameters(network) < 1_500_000


def test_gradients_reach_every_weight():
    torch.manual_seed(0)
    generator = Generator(size=8, width=8, blocks=1, dimensions=4, modes=3)
    discriminator = Discriminator(size=8, width=8, group=4)
    discriminator(generator(generator.latent(64, seeded()))).square().mean().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
