import math

import pytest
import torch
import torch.nn.functional as F
from scipy.spatial.distance import pdist
from torch import Generator, Tensor, nn

from fontgan.objectives import (
    feature_matching,
    gradient_penalty,
    relativistic,
    report_diversity,
    report_feature_matching,
    saturating_free_discriminator,
    saturating_free_generator,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


# Adversarial losses.


def test_non_saturating_losses_are_cross_entropies():
    real, fake = 3 * random(50), 3 * random(50, seed=1)
    bce = nn.BCEWithLogitsLoss()
    expected = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    assert saturating_free_discriminator(real, fake) == pytest.approx(float(expected))
    assert saturating_free_generator(fake) == pytest.approx(float(bce(fake, torch.ones_like(fake))))


def test_non_saturating_losses_on_hand_made_numbers():
    undecided = torch.zeros(3, dtype=torch.float64)
    assert float(saturating_free_discriminator(undecided, undecided)) == pytest.approx(
        2 * math.log(2)
    )
    assert float(saturating_free_generator(undecided)) == pytest.approx(math.log(2))
    # -log sigmoid(log 3) = log(4 / 3)
    sure = torch.tensor([math.log(3)], dtype=torch.float64)
    assert float(saturating_free_generator(sure)) == pytest.approx(math.log(4 / 3))
    assert float(saturating_free_discriminator(sure, -sure)) == pytest.approx(2 * math.log(4 / 3))


def test_losses_stay_finite_where_a_sigmoid_is_exactly_zero_or_one():
    far = torch.tensor([-200.0, 200.0], requires_grad=True)
    loss = saturating_free_discriminator(far, far) + saturating_free_generator(far)
    loss = loss + relativistic(far, far.flip(0))
    loss.backward()
    assert loss.isfinite() and far.grad is not None and far.grad.isfinite().all()


def test_the_generators_loss_does_not_saturate():
    """Where the discriminator is sure of a fake, the slope is whole."""
    logits = torch.tensor([-30.0], requires_grad=True)
    saturating_free_generator(logits).backward()
    assert float(logits.grad) == pytest.approx(-1)


def test_the_pairing_loss_is_the_cross_entropy_of_the_difference():
    real, fake = 3 * random(40), 3 * random(40, seed=1)
    expected = F.binary_cross_entropy_with_logits(real - fake, torch.ones_like(real))
    assert float(relativistic(real, fake)) == pytest.approx(float(expected))
    one = torch.tensor([2.0, 1.0], dtype=torch.float64)
    other = torch.tensor([1.0, 1.0], dtype=torch.float64)
    by_hand = (math.log(1 + math.exp(-1)) + math.log(2)) / 2
    assert float(relativistic(one, other)) == pytest.approx(by_hand)


def test_only_differences_of_pairs_matter_to_the_pairing_loss():
    real, fake = random(10), random(10, seed=1)
    assert torch.allclose(relativistic(real + 7, fake + 7), relativistic(real, fake))
    assert not torch.allclose(relativistic(real.flip(0), fake), relativistic(real, fake))


# Penalties.


def test_the_penalty_of_a_linear_discriminator_is_half_its_squared_weight():
    weight = random(1 * 6 * 6)
    for pictures in (random(5, 1, 6, 6), torch.zeros(3, 1, 6, 6, dtype=torch.float64)):
        penalty = gradient_penalty(lambda x: x.flatten(1) @ weight, pictures)
        assert penalty.item() == pytest.approx(float(weight @ weight) / 2, rel=1e-12)


def test_the_penalty_of_a_quadratic_discriminator():
    """D(x) = |x|² / 2 has gradient x."""
    pictures = random(4, 2, 3, 3)
    penalty = gradient_penalty(lambda x: x.flatten(1).square().sum(1) / 2, pictures)
    assert penalty.item() == pytest.approx(float(pictures.flatten(1).square().sum(1).mean()) / 2)


def test_the_penalty_reaches_the_weights_and_not_the_pictures():
    """d/dw |w|² / 2 = w: the gradient through the gradient."""
    weight = random(9).requires_grad_(True)
    pictures = random(5, 1, 3, 3).requires_grad_(True)
    gradient_penalty(lambda x: x.flatten(1) @ weight, pictures).backward()
    assert weight.grad is not None and torch.allclose(weight.grad, weight.detach())
    assert pictures.grad is None


def test_the_penalty_of_a_network_is_that_of_finite_differences():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    pictures, step, total = random(3, 1, 2, 2), 1e-6, 0.0
    for index in range(3):
        for pixel in range(4):
            shift = torch.zeros(4, dtype=torch.float64)
            shift[pixel] = step
            moved = [
                network(pictures[index : index + 1] + s * shift.view(1, 1, 2, 2)) for s in (1, -1)
            ]
            total += ((moved[0] - moved[1]) / (2 * step)).item() ** 2
    penalty = gradient_penalty(lambda x: network(x).squeeze(1), pictures)
    assert penalty.item() == pytest.approx(total / 3 / 2, rel=1e-6)


# Feature matching and diversity.


def test_feature_matching_on_hand_made_numbers():
    real = torch.tensor([[1.0, 0.0], [3.0, 4.0]])  # means 2 and 2
    fake = torch.tensor([[0.0, 1.0], [0.0, 0.0], [3.0, 2.0]])  # means 1 and 1
    assert float(feature_matching(real, fake)) == pytest.approx(2.0)
    assert float(feature_matching(real, real.flip(0))) == 0


def test_the_reports_feature_matching_on_hand_made_numbers():
    first = torch.zeros(2, 2, 1, 2), torch.zeros(2, 2, 1, 2)
    first[0][:, 0] = 1.0  # channel means 1 and 0, against 0 and 0: mean square 1 / 2
    second = torch.full((2, 1, 1, 1), 5.0), torch.full((2, 1, 1, 1), 2.0)  # 9
    third = torch.ones(2, 3, 2, 2), torch.ones(2, 3, 2, 2)  # 0
    real, fake = zip(first, second, third, strict=True)
    assert float(report_feature_matching(list(real), list(fake))) == pytest.approx(
        (0.5 + 9 + 0) / 3
    )


def test_the_reports_feature_matching_needs_as_many_layers():
    with pytest.raises(ValueError):
        report_feature_matching([torch.ones(1, 1, 1, 1)], [])


def test_the_reports_diversity_of_two_known_pictures():
    pictures = torch.zeros(2, 1, 28, 28)
    pictures[1, 0, 0, 0], pictures[1, 0, 5, 5] = 3.0, 4.0  # at distance 5
    assert float(report_diversity(pictures)) == pytest.approx(1 / 5.1)


def test_the_reports_diversity_is_over_all_pairs():
    pictures = random(6, 1, 4, 4)
    expected = 1 / (pdist(pictures.flatten(1).numpy()).mean() + 0.1)
    assert float(report_diversity(pictures)) == pytest.approx(expected)
    assert float(report_diversity(torch.ones(4, 1, 3, 3))) == pytest.approx(10)  # all alike


def test_the_diversity_of_pictures_all_alike_has_a_gradient():
    pictures = torch.ones(4, 1, 3, 3, requires_grad=True)
    report_diversity(pictures).backward()
    assert pictures.grad is not None and pictures.grad.isfinite().all()
