import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import entropy, norm
from sklearn.metrics import mutual_info_score

from drumvae.metrics.disentanglement import (
    attribute_predictability,
    concentration,
    dci,
    mutual_information_gap,
)
from drumvae.metrics.probes import false_separation, leakage, linear_probes

# Every combination of two factors equally often: nothing that one of them knows of the other.
EVEN = np.array([*product(range(4), range(3))] * 40)
SQUARE = np.array([*product(range(4), range(4))] * 30)
QUARTER_TURN_HALVED = np.array([[1, -1], [1, 1]]) / math.sqrt(2)


def noisy(factors: np.ndarray, seed: int = 0) -> np.ndarray:
    return factors + np.random.default_rng(seed).normal(scale=0.3, size=factors.shape)


def test_codes_that_are_the_factors():
    codes = EVEN.astype(float)
    gap = mutual_information_gap(codes, EVEN)
    assert gap.gaps == pytest.approx([1, 1])
    assert gap.table == pytest.approx(np.diag([math.log(4), math.log(3)]), abs=1e-12)
    found = dci(codes, EVEN)
    assert (found.disentanglement, found.completeness) == (1, 1)
    assert found.informativeness.tolist() == [1, 1]
    assert found.importance.tolist() == [[1, 0], [0, 1]]
    # The other dimension is left with chance.
    single = attribute_predictability(codes, EVEN)
    assert single.table.diagonal().tolist() == [1, 1]
    assert single.gaps == pytest.approx([1 - 1 / 4, 1 - 1 / 3], abs=0.1)
    assert single.score == single.gaps.mean()
    # Shuffled factors have no place, whatever the codes know of the true ones.
    assert gap.floor < 0.02
    assert single.floor < 0.1


def test_a_pair_turned_by_45_degrees_is_informative_but_not_disentangled():
    straight, turned = SQUARE.astype(float), SQUARE @ QUARTER_TURN_HALVED
    assert mutual_information_gap(straight, SQUARE).score == pytest.approx(1)
    assert mutual_information_gap(turned, SQUARE).score < 0.01
    assert attribute_predictability(turned, SQUARE).score < 0.1
    before, after = dci(straight, SQUARE), dci(turned, SQUARE)
    assert (before.disentanglement, before.completeness) == (1, 1)
    assert max(after.disentanglement, after.completeness) < 0.05
    assert after.informativeness.min() > 0.95


def test_a_factor_told_twice_is_disentangled_but_not_complete():
    codes = EVEN[:, [0, 0, 1, 1]].astype(float)
    assert mutual_information_gap(codes, EVEN).score == 0
    assert attribute_predictability(codes, EVEN).score == 0
    found = dci(codes, EVEN)
    assert found.disentanglement == 1
    # Each factor on two of four dimensions: 1 − ln 2 / ln 4.
    assert found.completeness == pytest.approx(0.5, abs=0.05)


def test_noise_tells_nothing():
    codes = np.random.default_rng(1).normal(size=(len(EVEN), 3))
    gap, single = mutual_information_gap(codes, EVEN), attribute_predictability(codes, EVEN)
    assert (gap.score, gap.floor) == (pytest.approx(0, abs=0.02), pytest.approx(0, abs=0.02))
    assert (single.score, single.floor) == (pytest.approx(0, abs=0.1), pytest.approx(0, abs=0.1))
    assert min(gap.floor, single.floor) > 0
    found = dci(codes, EVEN)
    assert max(found.disentanglement, found.completeness) < 0.05
    assert found.informativeness == pytest.approx(np.array([1 / 4, 1 / 3]), abs=0.1)


def test_the_gap_by_hand():
    codes, factor = np.array([[0, 0], [0, 1], [1, 1], [1, 1.0]]), np.array([[0], [0], [1], [1]])
    # Where the second code is 1 (3 of 4), a third is left of level 0.
    left = 0.75 * (math.log(3) - 2 / 3 * math.log(2))
    found = mutual_information_gap(codes, factor)
    assert found.table[:, 0] == pytest.approx([math.log(2), math.log(2) - left])
    assert found.score == pytest.approx(left / math.log(2))


def test_information_agrees_with_another_implementation():
    codes = noisy(EVEN[:, [0, 1, 1]], seed=2)
    found = mutual_information_gap(codes, EVEN)
    for z, row in zip(codes.T, found.table, strict=True):
        binned = np.digitize(z, np.histogram_bin_edges(z, 20)[1:-1])
        assert row == pytest.approx([mutual_info_score(binned, v) for v in EVEN.T])
    best = np.sort(found.table, axis=0)[::-1]
    assert found.gaps == pytest.approx((best[0] - best[1]) / np.log([4, 3]))


def test_the_bias_of_the_plug_in_estimate_is_the_stated_one():
    rng = np.random.default_rng(0)
    found = mutual_information_gap(rng.uniform(size=(2000, 60)), rng.integers(0, 3, (2000, 1)))
    assert found.table.mean() == pytest.approx(19 * 2 / (2 * 2000), rel=0.15)


def test_concentration_by_hand():
    importance = np.array([[3.0, 1.0], [0.0, 4.0]])
    assert concentration(importance) == pytest.approx(
        0.5 * (1 - entropy([0.75, 0.25], base=2)) + 0.5
    )
    assert concentration(importance.T) == pytest.approx(
        3 / 8 + 5 / 8 * (1 - entropy([0.2, 0.8], base=2))
    )
    assert concentration(np.eye(3)) == 1
    assert concentration(np.ones((2, 3))) == pytest.approx(0)
    # A dimension without any importance has no say.
    assert concentration([[0, 0, 0], [0, 2, 0]]) == 1
    assert concentration(np.zeros((2, 3))) == 0
    with pytest.raises(ValueError, match="≥ 0"):
        concentration([[1, -1]])


def test_thresholds_weigh_levels_alike_and_do_not_follow_noise():
    # Two Gaussians a standard deviation apart, one four times as common: the best threshold lies
    # half way, and is right with probability Φ(1/2) on either side.
    rng = np.random.default_rng(0)
    factor = np.repeat([0, 0, 0, 0, 1], 800)[:, None]
    found = attribute_predictability(factor + rng.normal(size=(4000, 2)) * [1, 9], factor)
    assert found.table[0, 0] == pytest.approx(norm.cdf(0.5), abs=0.03)


def test_the_forest_does_not_charge_what_it_cannot_read_to_noise():
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 2, (800, 2))
    codes = np.hstack([factors + rng.normal(scale=0.5, size=(800, 2)), rng.normal(size=(800, 1))])
    found = dci(codes, factors)
    assert found.importance[2].max() < 0.13
    assert found.disentanglement > 0.45
    # Levels two standard deviations apart: nothing can beat Φ(1).
    assert found.informativeness == pytest.approx(np.full(2, norm.cdf(1)), abs=0.07)


def test_scale_place_and_names_of_levels_do_not_matter():
    codes = np.hstack([noisy(EVEN), np.random.default_rng(3).normal(size=(len(EVEN), 1))])
    order = [2, 0, 1]
    # From far below what float32 tells from 0, and with an offset, to far above.
    moved = (codes * [1e-9, -5.0, 1e5] + [0, 100, 0])[:, order]
    renamed = np.stack([np.array([7, -3, 50, 0])[EVEN[:, 0]], EVEN[:, 1] + 10], 1)
    for measure in (mutual_information_gap, attribute_predictability):
        before, after = measure(codes, EVEN), measure(moved, EVEN)
        assert after.table == pytest.approx(before.table[order], abs=0.03)
        assert measure(codes, renamed).score == pytest.approx(before.score, abs=0.03)
    before, after = dci(codes, EVEN), dci(moved, EVEN)
    assert after.importance == pytest.approx(before.importance[order], abs=0.02)
    assert after.disentanglement == pytest.approx(before.disentanglement, abs=0.02)
    assert dci(codes, renamed).completeness == pytest.approx(before.completeness, abs=0.02)


def test_a_constant_dimension_tells_nothing():
    codes = np.column_stack([EVEN, np.full(len(EVEN), 0.1)])
    assert mutual_information_gap(codes, EVEN).table[2] == pytest.approx([0, 0], abs=1e-12)
    assert attribute_predictability(codes, EVEN).table[2] == pytest.approx([1 / 4, 1 / 3])
    assert dci(codes, EVEN).importance[2].tolist() == [0, 0]
    dead = dci(np.zeros((len(EVEN), 2)), EVEN)
    assert (dead.disentanglement, dead.completeness) == (0, 0)
    assert dead.informativeness.tolist() == dead.chance.tolist()
    found = false_separation(codes, [1, 1, 1], EVEN[:, 0])
    assert (found.ratio[2], found.p_value[2], found.false[2]) == (0, 1, False)
    assert linear_probes(codes, EVEN, np.arange(len(EVEN)), 0)[0].balanced == 1


def test_a_held_out_performance_was_never_seen():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 6)
    factors = rng.integers(0, 2, (40, 2))[groups]
    codes = rng.normal(size=(40, 30))[groups] + 0.001 * rng.normal(size=(240, 30))
    honest, leaking = dci(codes, factors, groups), dci(codes, factors)
    assert leaking.informativeness.min() > 0.9
    assert honest.informativeness.mean() < 0.75
    honest, leaking = (linear_probes(codes, factors, g, 0)[0] for g in (groups, np.arange(240)))
    assert honest.balanced < 0.75
    assert leaking.balanced > 0.9
    # A level of one performance is on one side only, and no probe can be asked for it.
    factors[groups == 0] = 2
    assert attribute_predictability(codes, factors).table.shape == (30, 2)
    with pytest.raises(ValueError, match="factor 0 has 3 levels, but 2 in both"):
        attribute_predictability(codes, factors, groups)
    assert linear_probes(codes, factors, groups, 0)[0].chance == 1 / 2


X, V, G = EVEN + 0.0, EVEN, np.arange(len(EVEN))
NAN = np.where(np.arange(len(X))[:, None] == 7, [1.0, np.nan], X)


@pytest.mark.parametrize("measure", [mutual_information_gap, attribute_predictability, dci])
@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (NAN, V, r"codes\[7, 1\] is nan"),
        (np.where(X == 3, -np.inf, X), V, r"codes\[9, 0\] is -inf"),
        (X[:-1], V, "479 codes, 480 factors"),
        (X, V + 0.0, "integers, got float64"),
        (X, V * [1, 0], r"factor 1 .* only \[0\]"),
        (X[:, :1], V, r"2 or more.*\(480, 1\)"),
        (X[:, 0], V, r"got \(480,\)"),
        (X[:0], V[:0], "factor 0 has no two values"),
    ],
)
def test_what_cannot_be_measured_is_named(measure, codes, factors, message):
    with pytest.raises(ValueError, match=message):
        measure(codes, factors)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mutual_information_gap(X, V, bins=1), "bins .* 1"),
        (lambda: dci(X, V[:, :1]), "2 factors, got 1"),
        (lambda: dci(X, V, G % 3), "4 groups, got 3"),
        (lambda: dci(X[:12], V[:12]), "factor 0 has 4 levels, but"),
        (lambda: attribute_predictability(X, V, G[1:]), "479 groups"),
        (lambda: linear_probes(X, V, G * 0), "factor 0 has 0 levels in 2 groups"),
        (lambda: linear_probes(X, V, V[:, 0]), "factor 0 has 0 levels in 2 groups"),
        (lambda: linear_probes(NAN, V, G), "is nan"),
        (lambda: leakage(X, X[:-1], V[:, 0], V, G), "479 codes"),
        (lambda: leakage(X, X, V[:, 0] * 0, V, G), "factor 0 has no two values"),
        (lambda: false_separation(NAN, [1, 1], V[:, 0]), "is nan"),
        (lambda: false_separation(X, [1, 1, 1], V[:, 0]), r"\(3,\) beside 2"),
        (lambda: false_separation(X, [1, np.nan], V[:, 0]), "finite .* nan"),
        (lambda: false_separation(X, [1, -0.3], V[:, 0]), "negative.*-0.3"),
        (lambda: false_separation(X, [1, 1], V[:, 0], permutations=18), "18 permutations"),
        (lambda: false_separation(X, [1, 1], V[:, 0] * 0), "no two values"),
    ],
)
def test_arguments_that_fit_nothing_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_floors_know_that_bars_of_a_performance_are_alike():
    # Codes are alike within a performance and tell nothing of a factor that is its own throughout.
    scores = {"gap": [], "single": []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(40), 20)
        factor = rng.permutation(np.arange(40) % 2)[groups][:, None]
        codes = rng.normal(size=(40, 3))[groups] + 0.1 * rng.normal(size=(800, 3))
        gap = mutual_information_gap(codes, factor, seed=seed, groups=groups)
        single = attribute_predictability(codes, factor, groups, seed)
        scores["gap"].append((gap.score, gap.floor, mutual_information_gap(codes, factor).floor))
        scores["single"].append((single.score, single.floor, single.floor))
    score, floor, single_bars = np.mean(scores["gap"], axis=0)
    assert floor == pytest.approx(score, rel=0.5)
    assert single_bars < score / 5
    score, floor, _ = np.mean(scores["single"], axis=0)
    assert floor == pytest.approx(score, rel=0.5)
