import numpy as np
import pytest
import torch

from fontgan.metrics.vendi import vendi_of_similarity, vendi_score


def test_published_examples():
    """Friedman & Dieng's own: three nearly different items, and two that are nearly alike."""
    apart = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert vendi_of_similarity(apart) == pytest.approx(3)
    k = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.double)
    assert vendi_of_similarity(k) == pytest.approx(2.1573, abs=1e-4)


# The package imports a name that scipy deprecates, when it is imported.
@pytest.mark.filterwarnings("ignore:.*csr_matrix.*:DeprecationWarning")
@pytest.mark.parametrize(("n", "d"), [(200, 16), (20, 64)])
def test_agrees_with_the_authors_package(n: int, d: int):
    from vendi_score import vendi

    features = torch.randn(n, d, dtype=torch.double, generator=torch.Generator().manual_seed(n))
    expected = vendi.score_X(features.numpy(), normalize=True)
    assert vendi_score(features) == pytest.approx(expected, rel=1e-6)
    unit = torch.nn.functional.normalize(features)
    similarity = unit @ unit.T
    assert vendi_of_similarity(similarity) == pytest.approx(vendi.score_K(similarity.numpy()))


def test_counts_equal_kinds_whatever_their_length():
    kinds = 3 * torch.eye(7)[torch.arange(700) % 7] * torch.rand(700, 1).add(0.5)
    assert vendi_score(kinds) == pytest.approx(7)
    assert vendi_score(kinds[:1].repeat(50, 1)) == pytest.approx(1)


def test_grows_with_n_until_every_kind_is_met():
    generator = torch.Generator().manual_seed(0)
    kinds = torch.eye(50)[torch.randint(50, (2000,), generator=generator)]
    few, some, many = (vendi_score(kinds[:n]) for n in (20, 100, 2000))
    assert few < 20 and few < some < many
    assert many == pytest.approx(50, rel=0.03)


def test_zeros_and_what_is_not_finite():
    assert vendi_score(torch.zeros(4, 3)) == pytest.approx(4)
    with pytest.raises(ValueError, match="not finite"):
        vendi_score(torch.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="n >= 1"):
        vendi_score(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="diagonal"):
        vendi_of_similarity(torch.zeros(2, 2))
