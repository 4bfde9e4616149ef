import pytest
import torch

from fontgan import LETTERS
from fontgan.metrics.styles import style_coverage, styles

K = 4


def real(each: int = 20) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features with K styles a letter, far apart; letters; styles."""
    letter = torch.arange(26).repeat_interleave(K * each)
    style = torch.arange(K).repeat_interleave(each).repeat(26)
    noise = torch.randn(len(letter), 8, generator=torch.Generator().manual_seed(0))
    features = 0.1 * noise
    features[:, 0] += 50 * letter
    features[torch.arange(len(letter)), 1 + style] += 5
    return features, letter, style


def test_finds_planted_styles():
    features, letter, style = real()
    found = styles(features, letter, K)
    assert found.counts.tolist() == [[20] * K] * 26
    cells = found.cells(features[style == 1], letter[style == 1])
    assert (cells > 0).sum(1).tolist() == [1] * 26


def test_all_styles_and_one_style():
    features, letter, style = real()
    known = styles(features, letter, K)
    every = style_coverage(known.counts, known.cells(features, letter), len(letter))
    assert (every.coverage, every.within) == (1, 1)
    assert every.entropy == pytest.approx(1)
    one = style == 2
    found = style_coverage(known.counts, known.cells(features[one], letter[one]), int(one.sum()))
    assert (found.coverage, found.within, found.entropy) == (1 / K, 1 / K, 0)


def test_dropped_letters_lower_coverage_but_not_what_is_within_the_rest():
    features, letter, _ = real()
    known = styles(features, letter, K)
    kept = letter < 13
    found = style_coverage(known.counts, known.cells(features[kept], letter[kept]), int(kept.sum()))
    assert (found.coverage, found.within) == (0.5, 1)


def test_a_few_misread_samples_are_no_letter_in_one_style():
    counts = torch.full((26, K), 10)
    generated = torch.zeros(26, K, dtype=torch.long)
    generated[20], generated[21, 0] = 24, 4  # 96 samples in all four styles, 4 in one of another
    found = style_coverage(counts, generated, 100)
    assert found.within == pytest.approx(0.96 + 0.04 / K)
    assert found.entropy == pytest.approx(0.96)


def test_the_threshold_is_a_quarter_of_a_cells_share_met_exactly():
    counts = torch.full((26, K), 10)
    generated = torch.zeros(26, K, dtype=torch.long)
    generated[:, 0] = 10
    generated[0, 1] = 10
    # 4 cells of 104 are fair at drawn / 104 each: 10 of 4160 are a quarter of 40.
    assert style_coverage(counts, generated, 4160).coverage == pytest.approx(27 / 104)
    assert style_coverage(counts, generated, 4161).coverage == 0


def test_nothing_accepted_is_zero_and_nonsense_is_refused():
    counts = torch.full((26, K), 10)
    found = style_coverage(counts, torch.zeros_like(counts), 100)
    assert (found.coverage, found.within, found.entropy) == (0, 0, 0)
    with pytest.raises(ValueError, match="at most 5 samples"):
        style_coverage(counts, counts, 5)
    features, letter, _ = real(2)
    with pytest.raises(ValueError, match=f"of {LETTERS[3]} need"):
        styles(features[letter != 3], letter[letter != 3], K)
