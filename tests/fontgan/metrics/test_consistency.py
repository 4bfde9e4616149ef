from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fontgan.data import BuiltinTypefaces
from fontgan.glyphs import GlyphSet
from fontgan.metrics.consistency import (
    alphabets,
    consistency,
    shuffled,
    style_probe,
    train_probe,
)


def same(points: Tensor) -> Tensor:
    """Alphabets whose letters all lie at one point."""
    return F.normalize(points, dim=1)[:, None].expand(-1, 26, -1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> BuiltinTypefaces:
    return BuiltinTypefaces(cache=str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def faces(data: BuiltinTypefaces) -> Tensor:
    return alphabets(data.reference("train"))


def test_hands_of_their_own_are_always_found():
    found = consistency(same(torch.eye(7)))
    assert (found.letters, found.halves, found.error) == (1, 1, 0)
    assert found.chance == pytest.approx(1 / 7)


def test_one_hand_for_all_is_chance():
    found = consistency(same(torch.ones(8, 3)))
    assert (found.letters, found.halves, found.error) == (1 / 8, 1 / 8, 0)


def test_twins_are_told_apart_by_lot():
    found = consistency(same(torch.eye(4).repeat(2, 1)))
    assert (found.letters, found.halves) == (0.5, 0.5)


def test_hands_change_places_from_letter_to_letter():
    """Two hands, one for A-M and one for N-Z of each face, in opposite order."""
    hands = torch.eye(2)
    first = torch.stack([hands[0]] * 13 + [hands[1]] * 13)
    mixed = torch.stack([first, first.flip(1)])
    # The other half is mostly of the other hand, or of the own, as the halving falls.
    one = consistency(mixed, splits=1, seed=0)
    order = torch.randperm(26, generator=torch.Generator().manual_seed(0))
    early = int((order[:13] < 13).sum())  # Of the first half; the second has 13 less so many.
    own = [letter for half, other in ((early, 13 - early), (13 - early, early))
           for letter in [other > 6.5] * half + [other < 6.5] * (13 - half)]  # fmt: skip
    assert one.letters == pytest.approx(sum(own) / 26)


def test_it_is_what_a_search_by_hand_finds():
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(5, 1, 4, generator=generator) + torch.randn(5, 26, 4, generator=generator)
    embedded = F.normalize(points, dim=2)
    order = torch.randperm(26, generator=torch.Generator().manual_seed(1)).tolist()
    letters, halves = 0, 0
    for query, other in ((order[:13], order[13:]), (order[13:], order[:13])):
        means = [sum(embedded[face, i] for i in other) for face in range(5)]
        centres = [mean / mean.norm() for mean in means]
        for face in range(5):
            for i in query:
                near = [float(embedded[face, i] @ centre) for centre in centres]
                letters += near.index(max(near)) == face
            half = sum(embedded[face, i] for i in query)
            near = [float(half @ centre) for centre in centres]
            halves += near.index(max(near)) == face
    found = consistency(embedded, splits=1, seed=1)
    assert found.letters == pytest.approx(letters / 130)
    assert found.halves == pytest.approx(halves / 10)


def test_one_alphabet_cannot_be_found_among_others():
    with pytest.raises(ValueError, match="needs 2 or more, got 1"):
        consistency(same(torch.eye(1)))


def test_a_face_gives_its_first_glyph_of_each_letter():
    letters = torch.tensor([*range(26), 0, *range(1, 26)])
    faces = torch.tensor([5] * 27 + [9] * 25)
    images = torch.arange(52, dtype=torch.uint8).view(52, 1, 1, 1)
    found = alphabets(GlyphSet(images, letters, faces))
    # Face 9 has no A.
    assert (found * 255).round().flatten().tolist() == list(range(26))
    assert alphabets(GlyphSet(images[:3], letters[:3], faces[:3])).shape == (0, 26, 1, 1, 1)


def test_shuffling_deals_each_letter_out_anew(faces: Tensor):
    mixed = shuffled(faces[:30])
    for letter in range(26):
        before, after = (f[:, letter].flatten(1).sum(1).sort().values for f in (faces[:30], mixed))
        assert torch.equal(before, after)
    assert (mixed != faces[:30]).flatten(2).any(2).float().mean() > 0.9


def test_a_probe_that_saw_sixty_faces_tells_unseen_ones_apart(
    data: BuiltinTypefaces, faces: Tensor
):
    probe = train_probe(faces[::9], steps=40, batch=24)
    real = alphabets(data.reference("validate"))[::4]
    found = consistency(probe.embed(real))
    mixed = consistency(probe.embed(shuffled(real)))
    assert len(real) == 22 and found.letters > 5 * found.chance and found.halves > 0.5
    assert mixed.letters < 2 * mixed.chance
    again = train_probe(faces[::9], steps=40, batch=24)
    assert torch.equal(again.embed(real[:2]), probe.embed(real[:2]))


def test_a_probe_needs_two_faces(faces: Tensor):
    with pytest.raises(ValueError, match="the training data have 1 with all letters"):
        train_probe(faces[:1])


def test_a_probe_is_kept_and_a_damaged_one_trained_again(data: BuiltinTypefaces, faces: Tensor):
    probe = style_probe(data, steps=2)
    (file,) = Path(data.cache, "style_probes").iterdir()
    assert file.name.startswith(data.fingerprint)
    kept = file.read_bytes()
    # Were it not read, a thousand steps would make another one.
    assert torch.equal(style_probe(data, steps=1000).embed(faces[:1]), probe.embed(faces[:1]))
    file.write_bytes(kept[:100])
    assert torch.equal(style_probe(data, steps=2).embed(faces[:1]), probe.embed(faces[:1]))
    assert file.read_bytes() == kept
