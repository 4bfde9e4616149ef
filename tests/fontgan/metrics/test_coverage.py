import math

import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from fontgan import LETTERS
from fontgan.metrics.coverage import LetterCoverage, alive, coverage, divergence, entropy

UNIFORM = torch.full((26,), 65)


def read(counts: torch.Tensor, refused: int = 0) -> dict[str, float]:
    metric = LetterCoverage(UNIFORM)
    metric.update(torch.repeat_interleave(torch.arange(26), counts))
    metric.update(torch.full((refused,), -1))
    return {name: value.item() for name, value in metric.compute().items()}


def test_every_letter_alike_is_full_coverage():
    measured = read(torch.full((26,), 100))
    assert measured["coverage/letters"] == measured["coverage/any"] == 26
    assert measured["coverage/accepted"] == 1
    assert measured["coverage/entropy"] == pytest.approx(1, abs=1e-12)
    assert measured["coverage/kl"] == pytest.approx(0, abs=1e-12)
    assert measured["letters/A"] == measured["letters/Z"] == pytest.approx(1 / 26)


def test_one_letter_only():
    counts = torch.zeros(26, dtype=torch.long)
    counts[LETTERS.index("I")] = 500
    measured = read(counts)
    assert measured["coverage/letters"] == measured["coverage/any"] == 1
    assert measured["coverage/entropy"] == 0
    assert measured["coverage/kl"] == pytest.approx(math.log(26))
    assert measured["letters/I"] == 1 and measured["letters/A"] == 0


def test_nothing_accepted_is_defined_and_the_worst():
    measured = read(torch.zeros(26, dtype=torch.long), refused=50)
    assert all(math.isfinite(value) for value in measured.values())
    assert measured["coverage/letters"] == measured["coverage/accepted"] == 0
    assert measured["coverage/entropy"] == 0
    assert measured["coverage/kl"] == pytest.approx(math.log(26))


@pytest.mark.parametrize(("count", "letters"), [(25, 26), (24, 0)])
def test_the_threshold_is_exact_and_closed(count: int, letters: int):
    """25 of 2,600 samples are exactly a quarter of a fair share of 1/26."""
    counts = torch.full((26,), count)
    assert coverage(counts, 2600, UNIFORM) == letters


def test_a_letter_that_another_may_be_read_as_is_not_alive():
    """Of 1,000 samples 36 read as O are a fair share, and next to 930 of Q they are none."""
    counts = torch.zeros(26, dtype=torch.long)
    o, q = LETTERS.index("O"), LETTERS.index("Q")
    counts[q], counts[o] = 930, 36
    assert alive(counts, 1000, UNIFORM).nonzero().flatten().tolist() == [q]
    counts[q] = 449  # 36 is more than eight of each hundred of them
    assert alive(counts, 1000, UNIFORM).nonzero().flatten().tolist() == [o, q]
    counts[q] = 450  # and now no more than that
    assert coverage(counts, 1000, UNIFORM) == 1


def test_junk_lowers_coverage():
    counts = torch.full((26,), 10)
    assert read(counts)["coverage/letters"] == 26
    assert read(counts, refused=260 * 3)["coverage/letters"] == 26
    measured = read(counts, refused=260 * 3 + 1)
    assert measured["coverage/letters"] == 0 and measured["coverage/any"] == 26


def test_fair_means_as_in_the_data():
    """A letter that is rare in the data may be rare in the samples."""
    data = torch.tensor([90, 9, 1])
    assert coverage(torch.tensor([900, 90, 10]), 1000, data) == 3
    assert coverage(torch.tensor([900, 90, 2]), 1000, data) == 2
    assert divergence(data * 10, data).item() == pytest.approx(0, abs=1e-12)
    assert divergence(torch.zeros(3), data).item() == pytest.approx(math.log(100))


def test_entropy_and_divergence_agree_with_scipy():
    generator = torch.Generator().manual_seed(3)
    counts, data = torch.randint(1, 500, (2, 26), generator=generator)
    counts[::5] = 0
    expected = scipy_entropy(counts.numpy()) / math.log(26)
    assert entropy(counts).item() == pytest.approx(expected, abs=1e-12)
    expected = scipy_entropy(counts.numpy(), data.numpy())
    assert divergence(counts, data).item() == pytest.approx(expected, abs=1e-12)


def test_batches_add_up():
    letters = torch.randint(-1, 26, (777,), generator=torch.Generator().manual_seed(0))
    whole, parts = LetterCoverage(UNIFORM), LetterCoverage(UNIFORM)
    whole.update(letters)
    for batch in letters.split(100):
        parts.update(batch)
    assert whole.compute() == parts.compute()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match=r"no glyph of classes \[1\]"):
        coverage(torch.tensor([1, 1]), 2, torch.tensor([5, 0]))
    with pytest.raises(ValueError, match="only 1 drawn"):
        coverage(torch.tensor([1, 1]), 1, torch.tensor([5, 5]))
    with pytest.raises(ValueError, match=r"lie in \[-1, 26\), found \[26, 26\]"):
        LetterCoverage(UNIFORM).update(torch.tensor([26]))
    with pytest.raises(ValueError, match="no sample at all"):
        empty = LetterCoverage(UNIFORM)
        empty.update(torch.zeros(0, dtype=torch.long))
        empty.compute()
    with pytest.raises(ValueError, match="26 letters, found 3"):
        LetterCoverage(torch.ones(3))
