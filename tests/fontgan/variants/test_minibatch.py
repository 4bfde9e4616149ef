import math
from functools import partial

import pytest
import torch

from fontgan.networks import ReportGenerator
from fontgan.variants import MinibatchDiscriminator, MinibatchGAN
from fontgan.variants.minibatch import MinibatchDiscrimination

ADAM = partial(torch.optim.Adam, lr=2e-4)


def layer(tensor: torch.Tensor) -> MinibatchDiscrimination:
    made = MinibatchDiscrimination(*tensor.shape)
    with torch.no_grad():
        made.tensor.copy_(tensor)
    return made


def test_closeness_on_hand_made_numbers():
    """f(x) = 0, 1, 3 in one direction: distances 1, 3 and 2."""
    x = torch.tensor([[0.0], [1.0], [3.0]])
    found = layer(torch.ones(1, 1, 1))(x).detach()
    e = math.exp
    expected = [e(-1) + e(-3), e(-1) + e(-2), e(-3) + e(-2)]
    assert torch.equal(found[:, :1], x)
    assert found[:, 1].tolist() == pytest.approx(expected, rel=1e-6)


def test_rows_are_separate_and_columns_add_up():
    """Two rows of two columns: M_b = (x1, x2) · T_b; distances are L1 over the columns."""
    tensor = torch.zeros(2, 2, 2)
    tensor[0, 0, 0], tensor[1, 0, 1] = 1.0, 2.0  # row 0 is (x1, 2 x2)
    tensor[0, 1, 0] = -1.0  # row 1 is (-x1, 0)
    x = torch.tensor([[0.0, 0.0], [1.0, 0.5]])
    found = layer(tensor)(x).detach()[:, 2:]
    assert found[0].tolist() == pytest.approx([math.exp(-2), math.exp(-1)])
    assert torch.equal(found[0], found[1])


def test_closeness_is_that_of_an_explicit_sum():
    torch.manual_seed(0)
    made, x = MinibatchDiscrimination(6, 4, 3), torch.randn(7, 6)
    found = made(x)
    assert found.shape == (7, 10)
    for i in range(7):
        for b in range(4):
            rows = [x[j] @ made.tensor[:, b] for j in range(7)]
            total = sum(
                math.exp(-(rows[i] - rows[j]).abs().sum().item()) for j in range(7) if j != i
            )
            assert found[i, 6 + b].item() == pytest.approx(total, rel=1e-4)


def test_a_collapsed_batch_is_as_close_as_can_be_and_a_single_picture_has_no_neighbour():
    torch.manual_seed(0)
    made = MinibatchDiscrimination(6, 4, 3)
    alike = made(torch.randn(1, 6).expand(9, 6)).detach()[:, 6:]
    assert torch.allclose(alike, torch.full((9, 4), 8.0))
    assert torch.allclose(made(torch.randn(1, 6)).detach()[:, 6:], torch.zeros(1, 4), atol=1e-6)


@pytest.mark.parametrize("size", [8, 28, 32])
def test_the_discriminator_sees_the_batch(size: int):
    torch.manual_seed(0)
    discriminator = MinibatchDiscriminator(size, kernels=7, width=3).eval()
    pictures = torch.rand(5, 1, size, size) * 2 - 1
    logits = discriminator(pictures)
    assert logits.shape == (5,)
    alone = discriminator(pictures[:1].expand(5, -1, -1, -1))
    assert not torch.allclose(logits[0], alone[0], atol=1e-6)
    # The same pictures in another order have the same logits.
    assert torch.allclose(discriminator(pictures.flip(0)).flip(0), logits, atol=1e-5)
    features = discriminator.features(pictures).shape[1]
    assert discriminator.head.in_features == features + 7
    assert discriminator.minibatch.tensor.shape == (features, 7, 3)


def test_losses_are_vanillas_and_reach_the_learned_directions():
    torch.manual_seed(0)
    model = MinibatchGAN(ReportGenerator(8), MinibatchDiscriminator(8), ADAM, ADAM)
    real, fake = torch.rand(2, 6, 1, 8, 8) * 2 - 1
    model.discriminator_losses(real, fake)["loss/discriminator"].backward()
    gradient = model.discriminator.minibatch.tensor.grad
    assert gradient is not None and gradient.abs().sum() > 0
    assert set(model.generator_losses(real, fake)) == {"loss/generator"}
