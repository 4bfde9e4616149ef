import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from fontgan.clusters import DIRECTIONS, Clusters, centred, gradient_histograms
from fontgan.data import BuiltinTypefaces


def edge(turns: int) -> Tensor:
    """A picture of side 16 whose ink rises to the right, turned by quarters to the left."""
    picture = torch.zeros(1, 1, 16, 16)
    picture[..., 8:] = 1
    return torch.rot90(picture, turns, (2, 3))


def by_direction(pictures: Tensor) -> Tensor:
    return gradient_histograms(pictures).unflatten(1, (DIRECTIONS, -1)).sum(2)


@pytest.mark.parametrize(("turns", "direction"), [(0, 0), (1, 6), (2, 4), (3, 2)])
def test_an_edge_is_found_in_the_direction_in_which_its_ink_rises(turns: int, direction: int):
    # Right is 0, down a quarter of the eight. Away from the ends of the edge nothing else rises.
    found = by_direction(edge(turns))[0]
    assert found.argmax() == direction
    # cos² 45° = 1/2 of it counts for each neighbour, nothing for what is a quarter away.
    inner = gradient_histograms(edge(turns)).unflatten(1, (DIRECTIONS, 4, 4))[0]
    inner = inner[:, 1:3, 1:3].sum((1, 2)).roll(-direction)
    torch.testing.assert_close(
        inner / inner[0], torch.tensor([1, 0.5, 0, 0, 0, 0, 0, 0.5]), atol=1e-5, rtol=0
    )


def test_histograms_know_the_place_but_not_how_dark_the_ink_is():
    letters = BuiltinTypefaces().reference("validate").images[:26].float() / 255
    features = gradient_histograms(letters)
    assert features.shape == (26, DIRECTIONS * 49)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(26))
    torch.testing.assert_close(gradient_histograms(letters * 0.4), features, atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient_histograms(letters.repeat(1, 3, 1, 1)), features)
    moved = gradient_histograms(letters.roll(8, 3))
    assert (moved * features).sum(1).max() < 0.9
    assert gradient_histograms(torch.full((1, 1, 28, 28), 0.0)).eq(0).all()


def test_clusters_are_those_of_k_means_on_the_histograms():
    images = BuiltinTypefaces().reference("validate").images[:600].float() / 255
    clusters = Clusters(20, 28)
    clusters.fit(images, seed=3)
    features = gradient_histograms(images).numpy()
    means = KMeans(20, random_state=3).fit(features)
    assert clusters(images).tolist() == means.predict(features).tolist()
    counts = torch.bincount(torch.from_numpy(means.labels_).long(), minlength=20)
    torch.testing.assert_close(clusters.shares, counts / 600)
    again = Clusters(20, 28)
    again.load_state_dict(clusters.state_dict())
    assert torch.equal(again(images), clusters(images))


def test_what_looks_alike_comes_together_whatever_order_it_comes_in():
    kinds = torch.cat([edge(turns) for turns in (0, 1, 2)])
    truth = torch.arange(3).repeat(50)[torch.randperm(150, generator=torch.Generator())]
    noise = torch.rand(150, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    pictures = kinds[truth] * 0.9 + 0.1 * noise
    clusters = Clusters(3, 16)
    clusters.fit(pictures)
    found = clusters(pictures)
    table = torch.zeros(3, 3, dtype=torch.long).index_put_((truth, found), torch.tensor(1), True)
    assert (table > 0).sum() == 3  # each kind in one cluster, and each cluster of one kind
    torch.testing.assert_close(clusters.shares, torch.full((3,), 1 / 3))


def test_a_picture_is_moved_to_the_centre_of_its_ink():
    picture = torch.zeros(3, 1, 16, 16)
    picture[0, 0, 2:6, 9:13] = 1  # centre 3.5, 10.5; that of the picture is 7.5, 7.5
    picture[1, 0, 6:10, 6:10] = 1
    picture[2] = 0.2  # noise alone has no centre
    moved = centred(picture)
    expected = picture.clone()
    expected[0] = picture[1]
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_what_lies_elsewhere_is_of_the_same_cluster_when_centred():
    shapes = torch.zeros(3, 1, 16, 16)
    shapes[0, 0, 4:8, 4:6] = 1
    shapes[1, 0, 4:6, 4:8] = 1
    shapes[2, 0, [4, 5, 6, 7], [4, 5, 6, 7]] = 1
    truth = torch.arange(3).repeat(30)
    shifts = torch.randint(0, 9, (90, 2), generator=torch.Generator().manual_seed(4)).tolist()
    pictures = torch.stack(
        [s.roll(tuple(by), (1, 2)) for s, by in zip(shapes[truth], shifts, strict=True)]
    )
    pairs = {}
    for centre in (True, False):
        clusters = Clusters(3, 16, centre)
        clusters.fit(pictures)
        pairs[centre] = len(set(zip(truth.tolist(), clusters(pictures).tolist(), strict=True)))
    assert pairs[True] == 3 and pairs[False] > 5


@pytest.mark.parametrize(("pictures", "made"), [(3, 1), (29, 2), (40, 4), (90, 4)])
def test_few_pictures_make_fewer_clusters(pictures: int, made: int):
    drawn = torch.rand(pictures, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    clusters = Clusters(4, 16)
    clusters.fit(drawn)
    assert set(clusters(drawn).tolist()) == set(range(made))
    assert (clusters.shares > 0).sum() == made and float(clusters.shares.sum()) == pytest.approx(1)
    assert clusters(torch.zeros(1, 1, 16, 16)) < made
