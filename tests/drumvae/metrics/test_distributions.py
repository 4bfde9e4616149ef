import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde

from drumvae.metrics.distributions import compare, distinct, hamming, kl_divergence, overlap_area


def normal(n: int, mean: float = 0.0, sd: float = 1.0, seed: int = 0) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return mean + sd * torch.randn(n, generator=source, dtype=torch.double)


def counts(n: int, most: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(most, (n,), generator=torch.Generator().manual_seed(seed))


def random_hits(n: int, share: float, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 16, 3, generator=torch.Generator().manual_seed(seed)) < share


def test_hamming_by_hand():
    hits = torch.zeros(3, 4, 1, dtype=torch.bool)
    hits[1, 0], hits[2, :2] = True, True
    # Of 4 cells the pairs differ in 1, 2 and 1.
    assert hamming(hits) == pytest.approx(4 / 3 / 4)
    assert hamming(torch.stack([hits[0], ~hits[0]])) == 1
    assert hamming(hits[:1].repeat(5, 1, 1)) == 0
    assert hamming(hits[:1]) == 0


def test_hamming_is_the_mean_over_pairs():
    hits = random_hits(20, 0.3)
    pairs = [(a != b).double().mean().item() for a, b in combinations(hits, 2)]
    assert hamming(hits) == pytest.approx(sum(pairs) / len(pairs))
    # Of independent cells it is 2 p (1 - p).
    assert hamming(random_hits(2000, 0.3)) == pytest.approx(0.42, abs=0.01)


def test_distinct_counts_different_bars():
    hits = random_hits(10, 0.5)
    assert distinct(hits) == 1
    assert distinct(hits.repeat(4, 1, 1)) == 0.25
    assert distinct(hits[:1].repeat(10, 1, 1)) == 0.1


@pytest.mark.parametrize("measure", [hamming, distinct])
def test_a_set_without_bars_has_no_diversity(measure):
    with pytest.raises(ValueError, match="without bars"):
        measure(random_hits(0, 0.5))


# Up to 1,000 different values are taken as they are, more in bins; Scott's rule is scipy's default.
@pytest.mark.parametrize(
    ("p", "q", "tolerance"),
    [
        (normal(200), normal(300, 1, 2, seed=1), 1e-5),
        (normal(50, sd=0.01), normal(60, 0.02, 0.01, seed=2), 1e-5),
        (counts(400, 8).double(), counts(300, 6, seed=3).double(), 1e-5),
        (normal(5000, seed=4), normal(4000, 1, 2, seed=5), 1e-3),
    ],
)
def test_densities_are_those_of_scipy(p, q, tolerance):
    one, other = gaussian_kde(p.numpy()), gaussian_kde(q.numpy())
    both = torch.cat([p, q])
    reach = 4 * float(both.std())
    grid = np.linspace(float(both.min()) - reach, float(both.max()) + reach, 6000)
    step = grid[1] - grid[0]
    lower = np.minimum(one(grid), other(grid)).sum() * step
    assert overlap_area(p, q) == pytest.approx(lower, rel=tolerance)
    ratio = one.logpdf(grid) - other.logpdf(grid)
    # Where scipy's density underflows p has no weight left either.
    terms = np.where(one(grid) > 0, one(grid) * np.nan_to_num(ratio), 0)
    assert kl_divergence(p, q) == pytest.approx(terms.sum() * step, rel=max(tolerance, 1e-4))


def test_identical_samples_overlap_and_far_ones_do_not():
    p = normal(100)
    assert overlap_area(p, p.flip(0)) == pytest.approx(1, abs=1e-6)
    assert kl_divergence(p, p.flip(0)) == pytest.approx(0, abs=1e-9)
    assert overlap_area(p, p + 50) < 1e-12
    assert 100 < kl_divergence(p, p + 50) < math.inf


def test_overlap_of_gaussians_is_the_known_one():
    # Of N(0, 1) and N(2, 1) it is 2 Φ(-1) = 0.3173, and KL 2 nats; kernels widen both a little.
    p, q = normal(20_000), normal(20_000, 2, seed=1)
    assert overlap_area(p, q) == pytest.approx(0.3173, abs=0.02)
    assert kl_divergence(p, q) == pytest.approx(2, abs=0.1)


def test_neither_scale_nor_place_nor_order_matters():
    p, q = normal(80), normal(90, 0.5, 2, seed=1)
    for measure in (overlap_area, kl_divergence):
        assert measure(1000 * p - 7, 1000 * q - 7) == pytest.approx(measure(p, q), rel=1e-6)
    assert overlap_area(q, p) == pytest.approx(overlap_area(p, q), rel=1e-9)
    assert kl_divergence(q, p) != pytest.approx(kl_divergence(p, q), rel=0.05)


def test_samples_of_one_value():
    same, other = torch.full((5,), 3.0), torch.full((8,), 4.0)
    assert overlap_area(same, same) == pytest.approx(1, abs=1e-6)
    assert kl_divergence(same, same) == 0
    assert overlap_area(same, other) == pytest.approx(0, abs=1e-12)
    assert 100 < kl_divergence(same, other) < math.inf
    # A sample of one value within another has a density as narrow as the grid allows.
    assert 0 < overlap_area(torch.zeros(50), normal(50)) < 0.1


@pytest.mark.parametrize("measure", [overlap_area, kl_divergence])
def test_a_sample_that_is_none_is_named(measure):
    with pytest.raises(ValueError, match="p must be at least 2 finite values"):
        measure(torch.tensor([0.0, math.nan]), normal(5))
    with pytest.raises(ValueError, match="q must be at least 2 finite values"):
        measure(normal(5), normal(1))


def test_compare_takes_distances_within_a_set_and_between_two():
    values, others = torch.tensor([0.0, 1.0, 3.0]), torch.tensor([2.0, 7.0])
    within = torch.tensor([1.0, 3.0, 2.0])
    between = torch.tensor([2.0, 7.0, 1.0, 6.0, 1.0, 4.0])
    found = compare(values, others)
    assert found.overlap == pytest.approx(overlap_area(within, between))
    assert found.kl == pytest.approx(kl_divergence(within, between))
    # Of two dimensions the distance is Euclidean: 3, 4 and 5, and to the other set 0, 3, 4 twice.
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    found = compare(corners, torch.zeros(2, 2))
    within, between = torch.tensor([3.0, 4.0, 5.0]), torch.tensor([0.0, 3.0, 4.0] * 2)
    assert found.overlap == pytest.approx(overlap_area(within, between))


def test_sets_of_one_distribution_differ_alike():
    alike = compare(counts(300, 20), counts(250, 20, seed=1))
    assert alike.overlap > 0.97
    assert alike.kl < 0.01
    apart = compare(counts(300, 20), 100 + counts(250, 20, seed=1))
    assert apart.overlap < 1e-6
    assert apart.kl > 10


def test_the_first_set_is_the_one_that_shows_its_collapse():
    # All bars of the generator have the data's mean.
    collapsed, data = torch.full((200,), 10.0), counts(200, 20)
    assert compare(collapsed, data).overlap < 0.1
    assert compare(data, collapsed).overlap > 0.5


def test_of_large_sets_a_seeded_draw_is_taken():
    values, others = counts(500, 30), counts(500, 30, seed=1)
    one = compare(values, others, most=50)
    assert compare(values, others, most=50) == one
    assert compare(values, others, most=50, seed=1) != one
    assert one.overlap == pytest.approx(compare(values, others).overlap, abs=0.1)


def test_compare_refuses():
    good = normal(5)
    with pytest.raises(ValueError, match="values must be at least 3, got 2"):
        compare(good[:2], good)
    with pytest.raises(ValueError, match="others must be at least 2, got 0"):
        compare(good, good[:0])
    with pytest.raises(ValueError, match="1 of the others are not finite"):
        compare(good, torch.tensor([0.0, math.nan, 1.0]))
    with pytest.raises(ValueError, match="1 and 2 dimensions"):
        compare(good, torch.zeros(4, 2))
    with pytest.raises(ValueError, match="most must be at least 3, got 2"):
        compare(good, good, most=2)
