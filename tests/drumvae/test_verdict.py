import math

import numpy as np
import pytest

from drumvae.metrics import GrooveMeasures
from drumvae.planted_cases import GONE, LEVEL, Case, Dimension
from drumvae.planted_models import PlantedVAE, planted_bars
from drumvae.verdict import WORDS, change_point, level_verdict, onset, verdicts

Row = dict[str, float]
ALIVE = (1.0, 0.5, 0.01, 1.0)  # KL, cost, its error, variance of the mean
DEAD = (0.0, 0.0, 0.0, 0.0)
FREE = (0.2, 0.0, 0.01, 0.0)
MOVING = (0.0, 0.0, 0.0, 0.5)
UNSURE = (1.0, 0.06, 0.02, 1.0)


def values(*dimensions: tuple[float, ...], whole: float = 1.0, level: str = "low") -> Row:
    found = {f"cost/{level}": whole, f"cost/{level}_error": 0.0, f"information/{level}": 1.5}
    names = (f"kl_{level}", f"cost_{level}", f"cost_{level}_error", f"variance_{level}")
    for i, dimension in enumerate(dimensions):
        found |= {f"{name}/{i}": v for name, v in zip(names, dimension, strict=True)}
    return found


@pytest.mark.parametrize(
    ("dimensions", "word"),
    [
        ([ALIVE] * 4, "healthy"),
        ([ALIVE] * 3 + [DEAD], "losing dimensions"),
        ([ALIVE] * 10 + [DEAD, FREE], "healthy"),
        ([ALIVE] * 9 + [DEAD] * 3, "losing dimensions"),
        ([ALIVE] + [DEAD] * 11, "losing dimensions"),
        ([DEAD] * 12, "collapsed"),
        ([DEAD] * 11 + [FREE], "alive in name only"),
        ([DEAD, MOVING], "alive in name only"),
        ([ALIVE], "healthy"),
    ],
)
def test_words(dimensions: list[tuple[float, ...]], word: str):
    found = level_verdict(values(*dimensions, whole=0.0), "low")
    assert found.word == word
    assert found.word in WORDS
    assert found.low == found.score == found.high == len(found.alive) / len(dimensions)


def test_dimensions_are_named():
    found = level_verdict(values(ALIVE, DEAD, FREE, ALIVE, MOVING), "low")
    assert (found.alive, found.dead, found.in_name_only) == ((0, 3), (1,), (2, 4))
    assert found.sentence == (
        "z_low is losing dimensions: 2 of 5 dimensions alive (#0, #3), 1 dead (#1), "
        "2 in name only (#2, #4); it says 1.50 nats of a bar beyond z_high"
    )


@pytest.mark.parametrize(
    ("dimensions", "word", "low", "high"),
    [
        ([UNSURE, DEAD], "undecided", 0, 0.5),  # collapsed, or losing
        ([ALIVE, ALIVE, ALIVE, UNSURE], "undecided", 0.75, 1),  # losing, or healthy
        ([ALIVE, UNSURE, DEAD, DEAD], "losing dimensions", 0.25, 0.5),  # either way
        ([ALIVE] * 11 + [UNSURE], "healthy", 11 / 12, 1),
        ([(0.05, 0.06, 0.02, 0.0), DEAD], "collapsed", 0, 0),  # its KL is too small anyway
    ],
)
def test_costs_near_their_limit_leave_it_undecided_only_where_the_word_depends_on_them(
    dimensions: list[tuple[float, ...]], word: str, low: float, high: float
):
    found = level_verdict(values(*dimensions, whole=0.0), "low")
    assert (found.word, found.low, found.high) == (word, low, high)
    assert ("too near the limit to tell" in found.sentence) == (low < high)


def test_more_bars_decide():
    # Every dimension of z_high is worth some 0.06 nat, just above the limit of 0.05.
    faint = Dimension(0.98, 0.2, 0.018, "alive")
    case = Case("faint", [faint] * LEVEL, [GONE] * LEVEL, ("healthy", "collapsed"))
    assert case.cost[:LEVEL] == pytest.approx(0.06, abs=0.002)
    bars, measures = planted_bars(0).tensor, GrooveMeasures(pairs=256)
    few = verdicts(measures.collapse(PlantedVAE(case), bars))
    many = verdicts(measures.collapse(PlantedVAE(case), bars.repeat(100, 1, 1, 1)))
    assert [few["high"].word, few["low"].word] == ["undecided", "collapsed"]
    assert [many["high"].word, many["low"].word] == ["healthy", "collapsed"]


def test_what_is_no_number_is_unsure():
    found = level_verdict(values(ALIVE, (1.0, math.nan, math.nan, 1.0)), "low")
    assert (found.word, found.low, found.high) == ("undecided", 0.5, 1)


def test_dimensions_that_can_each_be_spared_are_no_collapse():
    copies = values(FREE, FREE, FREE, whole=2.0)
    found = level_verdict(copies, "low")
    assert found.word == "undecided"
    assert "together they are worth 2.00 nats" in found.sentence
    unsure = level_verdict(copies | {"cost/low_error": 1.0}, "low")
    assert unsure.word == "alive in name only"


def test_both_levels_and_what_is_missing():
    both = values(ALIVE, level="high") | values(DEAD, whole=0.0)
    assert {k: v.word for k, v in verdicts(both).items()} == {"high": "healthy", "low": "collapsed"}
    del both["cost_low_error/0"]
    with pytest.raises(ValueError, match="cost_low_error/0"):
        verdicts(both)
    with pytest.raises(ValueError, match="kl_high/0"):
        verdicts({})


def history(*series: list[float], first: int = 1) -> list[Row]:
    rows = zip(*series, strict=True)
    return [
        {"epoch": first + i} | {f"kl_high/{d}": kl for d, kl in enumerate(row)}
        for i, row in enumerate(rows)
    ]


def noisy(levels: list[float], seed: int, spread: float = 0.3) -> list[float]:
    noise = np.random.default_rng(seed).normal(0, spread, len(levels))
    return (np.array(levels) * np.exp(noise)).tolist()


@pytest.mark.parametrize("at", [1, 5, 15, 29])
def test_the_onset_is_where_the_kl_fell(at: int):
    series = [noisy([1.0] * at + [0.002] * (30 - at), seed) for seed in range(20)]
    assert onset(history(*series), "high") == dict.fromkeys(range(20), at + 1)


def test_the_onset_is_an_epoch_that_was_measured():
    rows = history([1.0, 1.0, 0.001, 0.001])
    for number, row in enumerate(rows):
        row["epoch"] = 10 * (number + 1)
    assert onset(rows, "high") == {0: 30}


def test_without_a_death_there_is_no_onset():
    assert onset(history(*(noisy([0.5] * 40, seed) for seed in range(200))), "high") == {}
    never_lived = noisy([0.05] * 10 + [0.001] * 10, 0, 0.1)
    still_above = [5.0] * 10 + [0.3] * 10
    came_back = [1.0] * 5 + [0.001] * 10 + [1.0] * 5
    grew = [0.001] * 10 + [1.0] * 10
    # Between 0.14 and 0.07 nat: below the limit, but the fall is too small to speak of a death.
    hovering = [0.14] * 10 + [0.07] * 10
    assert onset(history(never_lived, still_above, came_back, grew, hovering), "high") == {}


@pytest.mark.parametrize("left", [1, 4, 8])
def test_a_late_birth_hides_no_death(left: int):
    born_and_died = [1e-4] * 5 + [1.0] * 20 + [1e-3] * left
    assert onset(history(born_and_died), "high") == {0: 26}


def test_a_slow_death_is_found_in_its_course():
    fading = np.exp(np.linspace(0, np.log(1e-3), 21)).tolist()
    died = onset(history(fading), "high")[0]
    # It passes 0.1 nat in epoch 8, and has 0.03 nat in the middle.
    assert 8 <= died <= 14


def test_below_the_faintest_kl_it_is_noise():
    # Alike for all that can be told: 1e-9 is not a fall from 1e-5.
    assert onset(history([0.2] * 10 + [1e-5] * 10 + [1e-9] * 10), "high") == {0: 11}


def test_dimensions_are_told_apart_beyond_the_tenth():
    series = [[1.0, 1.0, 1.0]] * 10 + [[1.0, 1e-3, 1e-3]]
    assert onset(history(*series), "high") == {10: 2}


def test_onset_of_nothing():
    assert onset([], "high") == {}
    assert onset(history([1.0]), "high") == {}
    with pytest.raises(ValueError, match="kl_low/0"):
        onset(history([1.0, 0.0]), "low")


def test_the_change_point_leaves_the_least_error():
    y = np.random.default_rng(3).normal(size=25)
    found = change_point(y.tolist())
    errors = [t * y[:t].var() + (25 - t) * y[t:].var() for t in range(1, 25)]
    assert found is not None
    assert found.at == 1 + int(np.argmin(errors))
    assert found.before == pytest.approx(y[: found.at].mean())
    assert found.after == pytest.approx(y[found.at :].mean())
    assert change_point([1.0]) is None
