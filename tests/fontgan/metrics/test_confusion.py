import numpy as np
import pytest
import torch

from fontgan.metrics.confusion import CLASSES, confusion, true_shares


def planted(error: float) -> torch.Tensor:
    """A judge that reads every class as the next one with a given probability."""
    return (1 - error) * torch.eye(CLASSES).double() + error * torch.eye(CLASSES).double().roll(
        1, dims=1
    )


def test_counts_become_rows_of_probabilities():
    truth = torch.cat([torch.arange(26).repeat(2), torch.tensor([-1, -1])])
    read = truth.clone()
    read[0] = 1
    found = confusion(truth, read, smoothing=0.0)
    assert found.sum(1).tolist() == pytest.approx([1] * CLASSES)
    assert found[0, :2].tolist() == [0.5, 0.5] and found[26, 26] == 1


@pytest.mark.parametrize("error", [0.0, 0.05, 0.3])
def test_takes_the_judges_errors_back(error: float):
    """Exact expected readings of known shares: the most likely shares are the true ones."""
    shares = torch.arange(1, CLASSES + 1).double()
    shares /= shares.sum()
    counts = shares @ planted(error) * 1e6
    found = true_shares(counts, planted(error), resamples=2, steps=3000)
    assert found.share.numpy() == pytest.approx(shares.numpy(), abs=2e-4)


def test_a_letter_seen_only_by_error_is_none():
    counts = torch.zeros(CLASSES)
    counts[0], counts[1] = 950, 50
    found = true_shares(counts, planted(0.05), steps=2000)
    assert found.share[0] == pytest.approx(1, abs=0.01)
    assert found.share[1] < 0.01 and found.low[1] < 1e-3


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """2.5 % to either side: over 26 classes and 10 draws about 95 % lie inside."""
    shares, matrix = torch.full((CLASSES,), 1 / CLASSES).double(), planted(0.1)
    inside = []
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.multinomial(shares @ matrix, 2000, True, generator=generator)
        found = true_shares(torch.bincount(drawn, minlength=CLASSES), matrix, 200, seed)
        inside.append(((found.low <= shares) & (shares <= found.high)).double().mean())
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="no glyph of classes"):
        confusion(torch.arange(26), torch.arange(26))
    with pytest.raises(ValueError, match=r"\[-1, 26\)"):
        confusion(torch.tensor([30]), torch.tensor([0]))
    with pytest.raises(ValueError, match="not all 0"):
        true_shares(torch.zeros(CLASSES), planted(0.1))
