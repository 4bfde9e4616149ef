import math

import numpy as np
import pytest
import torch

from fontgan import LETTERS
from fontgan.metrics.coverage import alive
from fontgan.onset import change_point, onset
from fontgan.verdict import WORDS, verdict

CEILING = {"coverage/accepted": 0.94, "styles/within": 0.9}


def measured(
    letters: str = LETTERS,
    accepted: float = 0.9,
    within: float = 0.85,
    closer: float = 0.4,
    error: float = 0.01,
    shares: dict[str, float] | None = None,
) -> dict[str, float]:
    """Measures of a generator that draws some letters equally, or in given shares."""
    parts = shares or {letter: 1 / len(letters) for letter in letters}
    rows = {f"letters/{letter}": accepted * parts.get(letter, 0.0) for letter in LETTERS}
    known = {"coverage/accepted": accepted, "styles/within": within, "memory/closer": closer}
    return rows | known | {"memory/error": error}


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("healthy", measured()),
        ("healthy", measured(accepted=0.7)),
        ("losing letters", measured(LETTERS[:25])),
        ("losing letters", measured(LETTERS[:14])),
        ("collapsed", measured(LETTERS[:13])),
        ("collapsed", measured("I")),
        ("collapsed", measured(shares={"I": 0.6} | {c: 0.4 / 25 for c in LETTERS if c != "I"})),
        ("noise", measured(accepted=0.4)),
        ("noise", measured("I", accepted=0.02)),
        ("noise", measured(accepted=0.0, within=0.0)),
        ("one style", measured(within=0.13)),
        ("memorised", measured(closer=1.0)),
    ],
)
def test_each_word(word: str, values: dict[str, float]):
    found = verdict(values, 5000, CEILING)
    assert found.word == word and word in WORDS
    assert found.sentence.startswith(word)
    assert 0 <= found.low <= found.health <= found.high <= 1


def test_it_names_the_letters_that_are_lost():
    found = verdict(measured("".join(c for c in LETTERS if c not in "QX")), 5000, CEILING)
    assert found.lost == "QX"
    assert found.sentence == "losing letters: Q X are hardly drawn, 90% of samples are a letter"
    assert found.health == pytest.approx(24 / 26)


@pytest.mark.parametrize("drawn", [1, 26, 40])
def test_few_samples_do_not_make_a_generator_healthy(drawn: int):
    assert verdict(measured(), drawn, CEILING).word == "undecided"


def test_what_is_obvious_needs_few_samples():
    assert verdict(measured(accepted=0.0, within=0.0), 50, CEILING).word == "noise"
    assert verdict(measured("I", within=0.125), 60, CEILING).word == "collapsed"


def test_a_letter_at_the_limit_is_undecided():
    rest = (1 - 0.25 / 26) / 25
    at = {c: rest for c in LETTERS if c != "Q"} | {"Q": 0.25 / 26}
    found = verdict(measured(shares=at), 5000, CEILING)
    assert found.word == "undecided" and found.lost == ""
    assert "losing letters" in found.sentence


def test_it_counts_the_letters_that_coverage_counts():
    """X is drawn at 0.4 of its fair share, but at 5 % of the commonest: it may be misread I."""
    rest = (1 - 0.3 - 0.015) / 24
    shares = {c: rest for c in LETTERS} | {"I": 0.3, "X": 0.015}
    counts = torch.tensor([round(20_000 * shares[c]) for c in LETTERS])
    living = alive(counts, int(counts.sum()), torch.ones(26))
    assert [LETTERS[i] for i in (~living).nonzero().flatten()] == ["X"]
    found = verdict(measured(accepted=1.0, shares=shares), 20_000, CEILING)
    assert found.word == "losing letters" and found.lost == "X"


def test_health_is_the_weakest_share_of_what_real_letters_get():
    found = verdict(measured(accepted=0.705), 5000, CEILING)
    assert found.health == pytest.approx(0.75)
    assert found.low == pytest.approx(
        0.75 - 1.96 * math.sqrt(0.705 * 0.295 / 5000) / 0.94, abs=2e-3
    )


def test_what_surely_holds_is_said_though_something_before_it_is_unsure():
    """58.2 % accepted may or may not be noise; that all of it is A is sure."""
    one = measured("A", accepted=0.582, within=0.9)
    found = verdict(one, 2000, {"coverage/accepted": 0.97, "styles/within": 0.9})
    assert found.word == "collapsed"
    assert (
        found.sentence
        == "collapsed: 1 of 26 letters are drawn, worth 1.0 equal ones; perhaps noise"
    )


@pytest.mark.parametrize("drawn", [6, 10, 15, 20, 26, 100])
def test_a_perfect_generator_never_looks_collapsed_however_few_samples(drawn: int):
    random = np.random.default_rng(drawn)
    for _ in range(200):
        counts = random.multinomial(drawn, np.full(26, 1 / 26)) / drawn
        values = measured(accepted=1.0, shares=dict(zip(LETTERS, counts.tolist(), strict=True)))
        assert verdict(values, drawn, CEILING).word in ("undecided", "healthy")


def test_memory_is_suspected_by_its_own_error():
    """Four unseen glyphs of a letter tell less than the samples' number makes believe."""
    sure, unsure = measured(closer=0.8, error=0.01), measured(closer=0.8, error=0.04)
    assert verdict(sure, 5000, CEILING).word == "memorised"
    assert verdict(unsure, 5000, CEILING).word == "undecided"


def test_a_judge_that_refuses_all_real_letters_leaves_it_undecided():
    nothing = {"coverage/accepted": 0.0, "styles/within": 0.0}
    assert verdict(measured(), 5000, nothing).word == "undecided"


def test_a_missing_measure_is_named():
    values = measured()
    del values["letters/F"]
    with pytest.raises(ValueError, match="lacks letters/F"):
        verdict(values, 100, CEILING)
    with pytest.raises(ValueError, match="on 0 samples"):
        verdict(measured(), 0, CEILING)


def test_the_change_point_of_a_planted_change():
    random = np.random.default_rng(0)
    for at in (1, 5, 19):
        rates = np.where(np.arange(20) < at, 0.04, 0.005)
        found = change_point(random.binomial(2000, rates).astype(float), np.full(20, 2000.0))
        assert found is not None and found.at == at
        assert found.before == pytest.approx(0.04, abs=0.015) and found.after < 0.01


def test_a_steady_rate_has_no_change_point():
    """500 histories without a change; even one false alarm would be more than the rule allows."""
    random = np.random.default_rng(1)
    drawn = np.full(30, 2000.0)
    alarms = [
        change_point(random.binomial(2000, 0.04, 30).astype(float), drawn) for _ in range(500)
    ]
    assert alarms == [None] * 500


def test_onset_is_when_a_lost_letter_went():
    def history(*shares: float, accepted: float = 0.9) -> list[dict[str, float]]:
        return [
            {f"letters/{x}": share if x == "Q" else (accepted - share) / 25 for x in LETTERS}
            for share in shares
        ]

    assert onset("Q", history(0, 0, 0, 0.04, 0.04, 0.035, 0.001, 0, 0), 2000) == 6
    assert onset("Q", history(0.04, 0.04, 0.03), 2000) is None
    assert onset("Q", history(0, 0.001, 0), 2000) == 0
    assert onset("Q", history(0, 0, 0, 0, 0, 0, 0, 0.04, 0.04, 0), 2000) == 9
    assert onset("Q", history(), 2000) is None
    # 16 of 1,400 accepted are more than a quarter of 1/26 of *these*: it lived, until it went.
    few = history(*[0.008] * 20, *[0.0] * 20, accepted=0.7)
    assert onset("Q", few, 2000) == 20
    # A rise before it is a greater change, and hides nothing.
    assert onset("Q", history(*[0.01] * 3, *[0.04] * 8, 0.0), 2000) == 11


def test_a_letter_is_lost_among_the_misreadings_of_another_since_it_was_drowned():
    even = {f"letters/{x}": 1 / 26 for x in LETTERS}
    drowned = {f"letters/{x}": 0.7 if x == "A" else 0.012 for x in LETTERS}
    assert (
        verdict(measured(shares={x: drowned[f"letters/{x}"] for x in LETTERS}), 2000, CEILING).lost
        == LETTERS[1:]
    )
    assert {onset(x, [even] * 10 + [drowned] * 10, 2000) for x in LETTERS[1:]} == {10}
    assert onset("A", [even] * 10 + [drowned] * 10, 2000) is None
