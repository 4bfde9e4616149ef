"""Has every known factor a place of its own?

Everywhere `codes` are posterior means, float (n, dimensions), `factors` are discrete, int
(n, factors), and `groups` (n,) are performances, kept on one side of a split. ValueError is raised
for codes that are not finite, lengths that differ, and a factor of one value. Measures are free of
the scale of a dimension, which is mapped onto [0, 1]; a constant one goes to 0 and tells nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.tree import DecisionTreeClassifier

from drumvae.metrics.permutation import shuffled

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
SHUFFLES = 10  # of the factors, for a floor


@dataclass(frozen=True)
class Gap:
    """How far the best dimension is ahead of the next, as in MIG and SAP.

    Attributes:
        score: mean of `gaps`.
        gaps: one for each factor, in [0, 1], shape (factors,).
        table: what each dimension tells of each factor, shape (dimensions, factors).
        floor: mean score of ten shuffles of the factors, which then have no place at all; factors
            that are the same throughout a group are shuffled among whole groups.
    """

    score: float
    gaps: Floats
    table: Floats
    floor: float


def mutual_information_gap(
    codes: ArrayLike,
    factors: ArrayLike,
    bins: int = 20,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Gap:
    r"""MIG: lead of the best dimension in what it says of a factor, as a share of its entropy.

    .. math:: \frac1K \sum_k \frac{1}{H(v_k)} (I(z_{j(k)}; v_k) - \max_{j \ne j(k)} I(z_j; v_k))

    Paper: Chen et al. 2018, "Isolating Sources of Disentanglement", eq. 6; `bins` of equal width
    between the extremes of a code as in Locatello et al. 2019, "Challenging Common Assumptions".
    I (`table`, nats) is the plug-in estimate: where there is nothing, it is too high by about
    (occupied bins − 1)(levels − 1) / 2n (Miller 1955). Of that a gap keeps what the floor shows.
    """
    x, v, rows = checked(codes, factors, groups, least=2)
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    binned = np.minimum((x * bins).astype(np.int64), bins - 1)
    entropy = np.array([_information(column, column) for column in v.T])

    def table(levels: Labels) -> Floats:
        return np.array([[_information(z, column) for column in levels.T] for z in binned.T])

    rng, found = np.random.default_rng(seed), table(v)
    others = [_lead(table(_shuffled(v, rows, rng))) / entropy for _ in range(SHUFFLES)]
    gaps = _lead(found) / entropy
    return Gap(float(gaps.mean()), gaps, found, float(np.mean(others)))


def attribute_predictability(
    codes: ArrayLike, factors: ArrayLike, groups: ArrayLike | None = None, seed: int = 0
) -> Gap:
    """SAP: lead of the best dimension in telling a factor alone; at most 1 − 1 / levels each.

    Paper: Kumar et al. 2018, "Variational Inference of Disentangled Latent Concepts from Unlabeled
    Observations", section 3. The classifier is the paper's, thresholds on one dimension: a tree of
    a leaf for each level, levels weighted alike, that finds thresholds one by one. `table` is its
    balanced accuracy on the quarter of the groups (rows, without groups) that is held out.
    """
    x, v, rows = checked(codes, factors, groups, least=2)
    train, test = _split(v, rows, seed)

    def table(fitted: Labels, asked: Labels) -> Floats:
        accuracy = np.empty((x.shape[1], v.shape[1]))
        for i, j in np.ndindex(*accuracy.shape):
            leaves = int(v[:, j].max()) + 1
            tree = DecisionTreeClassifier(
                max_leaf_nodes=leaves, class_weight="balanced", random_state=seed
            ).fit(x[train, i : i + 1], fitted[:, j])
            answers = tree.predict(x[test, i : i + 1])
            accuracy[i, j] = balanced_accuracy_score(asked[:, j], answers)
        return accuracy

    rng, found = np.random.default_rng(seed), table(v[train], v[test])
    others = [
        _lead(table(_shuffled(v[train], rows[train], rng), _shuffled(v[test], rows[test], rng)))
        for _ in range(SHUFFLES)
    ]
    gaps = _lead(found)
    return Gap(float(gaps.mean()), gaps, found, float(np.mean(others)))


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness, informativeness.

    Attributes:
        disentanglement: does a dimension tell of one factor only, in [0, 1].
        completeness: is a factor told by one dimension only, in [0, 1].
        informativeness: held-out accuracy for each factor, shape (factors,).
        chance: what always guessing its commonest level would get, shape (factors,).
        importance: shape (dimensions, factors); columns add up to 1, or are 0 without any splits.
    """

    disentanglement: float
    completeness: float
    informativeness: Floats
    chance: Floats
    importance: Floats


def dci(
    codes: ArrayLike, factors: ArrayLike, groups: ArrayLike | None = None, seed: int = 0
) -> DCI:
    """How dimensions share the work of predicting at least two factors, from all of them together.

    Paper: Eastwood & Williams 2018, "A Framework for the Quantitative Evaluation of Disentangled
    Representations", section 2. Importance is the mean decrease of impurity in a random forest
    whose 100 trees look at all dimensions at each split (or those that tell nothing would be put
    to use) and have leaves of at least 1 % of the rows (or they would learn noise).
    """
    x, v, rows = checked(codes, factors, groups, least=2)
    if v.shape[1] < 2:
        raise ValueError("disentanglement needs at least 2 factors, got 1")
    train, test = _split(v, rows, seed)
    importance, right = [], []
    for levels in v.T:
        forest = RandomForestClassifier(
            max_features=None,  # pyright: ignore[reportArgumentType]
            min_samples_leaf=max(1, len(train) // 100),
            random_state=seed,
        ).fit(x[train], levels[train])
        importance.append(forest.feature_importances_)
        right.append(np.mean(forest.predict(x[test]) == levels[test]))
    matrix = np.stack(importance, 1)
    chance = np.array([np.mean(w[test] == np.bincount(w[train]).argmax()) for w in v.T])
    d, c = concentration(matrix), concentration(matrix.T)
    return DCI(d, c, np.array(right), chance, matrix)


def concentration(importance: ArrayLike) -> float:
    r"""Have rows one column each: disentanglement of R, completeness of R transposed, in [0, 1].

    .. math:: \sum_i \rho_i (1 - H(P_{i\cdot}) / \log K), \quad P_{ij} = R_{ij} / \sum_k R_{ik}

    ρ is a row's share of R, shape (rows, K ≥ 2); 0 where R is. (The paper averages completeness
    over factors: the same, where the importances for each factor add up to 1.)
    """
    matrix = np.asarray(importance, np.float64)
    if matrix.ndim != 2 or matrix.shape[1] < 2 or not (np.isfinite(matrix) & (matrix >= 0)).all():
        raise ValueError(f"importance must be finite, ≥ 0, (rows, 2 or more), got {importance}")
    rows = matrix[matrix.any(1)]
    shares = rows / rows.sum(1, keepdims=True)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1)
    found = rows.sum(1) @ (1 - entropy / np.log(matrix.shape[1]))
    return max(0.0, float(found / matrix.sum())) if len(rows) else 0.0


def checked(
    codes: ArrayLike, factors: ArrayLike, groups: ArrayLike | None = None, least: int = 1
) -> tuple[Floats, Labels, Labels]:
    """Codes on [0, 1], levels of factors and groups from 0 on; or what is wrong with them."""
    x, v = np.asarray(codes, np.float64), np.asarray(factors)
    if x.ndim != 2 or v.ndim != 2 or not v.shape[1] or x.shape[1] < least:
        wanted = f"(n, {least} or more) and (n, 1 or more)"
        raise ValueError(f"codes and factors must be {wanted}, got {x.shape} and {v.shape}")
    rows = np.arange(len(v)) if groups is None else np.asarray(groups)
    if not len(x) == len(v) == len(rows):
        raise ValueError(f"{len(x)} codes, {len(v)} factors, {len(rows)} groups: not of one length")
    if v.dtype.kind not in "biu":
        raise ValueError(f"factors must be integers, got {v.dtype}")
    if not np.isfinite(x).all():
        i, j = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"codes[{i}, {j}] is {x[i, j]}")
    levels = [np.unique(column, return_inverse=True) for column in v.T]
    for j, (values, _) in enumerate(levels):
        if len(values) < 2:
            raise ValueError(f"factor {j} has no two values to tell apart, only {values.tolist()}")
    spread = np.ptp(x, axis=0)
    x = (x - x.min(0)) / np.where(spread > 0, spread, 1)
    return x, np.stack([w for _, w in levels], 1), np.unique(rows, return_inverse=True)[1]


def _shuffled(factors: Labels, groups: Labels, rng: np.random.Generator) -> Labels:
    return np.stack([shuffled(levels, groups, rng) for levels in factors.T], 1)


def _lead(table: Floats) -> Floats:
    """Best minus second best dimension, shapes (dimensions, factors) → (factors,)."""
    ordered = np.sort(table, axis=0)
    return ordered[-1] - ordered[-2]


def _information(a: Labels, b: Labels) -> float:
    """Plug-in I(a; b), nats; of a and itself it is the entropy."""
    width = b.max() + 1
    joint = np.bincount(a * width + b, minlength=(a.max() + 1) * width).reshape(-1, width) / len(a)
    alone = joint.sum(1, keepdims=True) * joint.sum(0)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / alone[seen])).sum())


def _split(factors: Labels, groups: Labels, seed: int) -> tuple[Labels, Labels]:
    """Rows to learn from, and those of a quarter of the groups; all levels must be in both."""
    if groups.max() < 3:
        raise ValueError(f"a held-out quarter needs at least 4 groups, got {groups.max() + 1}")
    splitter = GroupShuffleSplit(1, test_size=0.25, random_state=seed)
    train, test = next(splitter.split(factors, groups=groups))
    for j, column in enumerate(factors.T):
        both = np.intersect1d(column[train], column[test])
        if len(both) <= column.max():
            raise ValueError(
                f"factor {j} has {column.max() + 1} levels, but {len(both)} in both "
                "learnt and held-out rows: take more samples"
            )
    return train, test
