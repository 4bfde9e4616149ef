import pytest
import torch
from torch import Tensor

from fontgan.batches import AlphabeticalBatches, FaceBatches, SetBatches
from fontgan.data import BuiltinTypefaces


def letters_of(batches: list[Tensor], letters: Tensor) -> list[set[int]]:
    return [set(letters[batch].tolist()) for batch in batches]


def test_alphabetical_batches_hold_their_window_and_move_on_by_one_letter():
    letters = torch.arange(26).repeat(20)
    batches = [*AlphabeticalBatches(letters, 3, 2, 60, 54, 0)]
    seen = letters_of(batches, letters)
    for number, found in enumerate(seen):
        first = number // 2 % 26
        assert found == {(first + step) % 26 for step in range(3)}
    # After Z comes A: the 25th window is Y, Z, A.
    assert seen[48] == {24, 25, 0}


def test_alphabetical_batches_depend_on_seed_and_place_alone():
    letters = torch.arange(26).repeat(4)
    whole = torch.stack([*AlphabeticalBatches(letters, 8, 3, 16, 12, 5)])
    resumed = AlphabeticalBatches(letters, 8, 3, 16, 6, 5)
    resumed.set_epoch(1)
    assert torch.equal(torch.stack([*resumed]), whole[6:])
    halves = [torch.stack([*AlphabeticalBatches(letters, 8, 3, 16, 6, 5, r, 2)]) for r in (0, 1)]
    assert torch.equal(torch.stack(halves, 1).flatten(0, 1), whole)
    other = torch.stack([*AlphabeticalBatches(letters, 8, 3, 16, 12, 6)])
    assert not torch.equal(other, whole)


def test_the_data_streams_in_alphabetical_order_when_asked():
    data = BuiltinTypefaces(batches_per_epoch=2, letters_at_once=2, pace=1)
    seen = [set(letters.tolist()) for _, letters, _ in data.train_dataloader()]
    assert seen == [{0, 1}, {1, 2}]


@pytest.mark.parametrize(("at_once", "pace"), [(0, 1), (27, 1), (8, 0)])
def test_an_impossible_alphabetical_stream_is_refused(at_once: int, pace: int):
    with pytest.raises(ValueError, match=r"letters_at_once must lie in 1 to 26"):
        AlphabeticalBatches(torch.arange(26), at_once, pace, 4, 2, 0)


def test_letters_without_a_picture_are_refused():
    with pytest.raises(ValueError, match="no picture of some letters"):
        AlphabeticalBatches(torch.arange(20), 3, 1, 4, 2, 0)


def test_face_batches_are_sets_of_different_letters_of_one_face():
    faces = torch.arange(12).repeat_interleave(26)
    for batch in FaceBatches(faces, 4, 64, 30, 1):
        sets = batch.view(16, 4)
        assert bool((faces[sets] == faces[sets[:, :1]]).all())
        assert all(len(set(row.tolist())) == 4 for row in sets)


def test_face_batches_depend_on_seed_and_place_alone():
    faces = torch.arange(5).repeat_interleave(6)
    whole = torch.stack([*FaceBatches(faces, 3, 12, 8, 5)])
    resumed = FaceBatches(faces, 3, 12, 4, 5)
    resumed.set_epoch(1)
    assert torch.equal(torch.stack([*resumed]), whole[4:])
    halves = [torch.stack([*FaceBatches(faces, 3, 12, 4, 5, r, 2)]) for r in (0, 1)]
    assert torch.equal(torch.stack(halves, 1).flatten(0, 1), whole)
    assert not torch.equal(torch.stack([*FaceBatches(faces, 3, 12, 8, 6)]), whole)


def test_sets_that_do_not_fit_are_refused():
    faces = torch.arange(5).repeat_interleave(6)
    with pytest.raises(ValueError, match=r"data\.batch_size=10 must be a multiple"):
        FaceBatches(faces, 4, 10, 2, 0)
    with pytest.raises(ValueError, match="has 6 pictures only"):
        FaceBatches(faces, 7, 14, 2, 0)
    with pytest.raises(ValueError, match="do not go together"):
        BuiltinTypefaces(letters_at_once=3, per_face=2)


def test_the_data_streams_faces_when_asked():
    data = BuiltinTypefaces(batches_per_epoch=1, batch_size=8, per_face=4)
    ((_, letters, faces),) = data.train_dataloader()
    assert bool((faces.view(2, 4) == faces.view(2, 4)[:, :1]).all())
    assert all(len(set(row.tolist())) == 4 for row in letters.view(2, 4))


def test_batches_of_sets_are_of_one_kind_as_the_deviation_compares_them():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(7, (300,), generator=generator)
    seen = torch.cat([*SetBatches(labels, 4, 64, 400, 1)]).view(-1, 4, 16)
    assert bool((labels[seen] == labels[seen[:, :1]]).all())
    # The first of each set go through all pictures, one permutation after the other, ...
    first = seen[:, 0].flatten()
    assert torch.equal(first[:300].sort().values, torch.arange(300))
    # ... and the others are any of their kind: each picture as often as any, within 5 deviations.
    counts = torch.bincount(seen[:, 1:].flatten(), minlength=300)
    expected = 400 * 48 / 300
    assert (counts - expected).abs().max() < 5 * expected**0.5
    kind = seen[:, 1][:, labels[seen[0, 0]].argmax()]
    assert len(set(kind.tolist())) > 100


def test_batches_of_sets_depend_on_seed_and_place_alone():
    labels = torch.arange(40) % 3
    whole = torch.stack([*SetBatches(labels, 3, 12, 8, 5)])
    resumed = SetBatches(labels, 3, 12, 4, 5)
    resumed.set_epoch(1)
    assert torch.equal(torch.stack([*resumed]), whole[4:])
    halves = [torch.stack([*SetBatches(labels, 3, 12, 4, 5, r, 2)]) for r in (0, 1)]
    assert torch.equal(torch.stack(halves, 1).flatten(0, 1), whole)
    assert not torch.equal(torch.stack([*SetBatches(labels, 3, 12, 8, 6)]), whole)


def test_the_data_streams_sets_when_told_the_kinds():
    data = BuiltinTypefaces(batches_per_epoch=3, batch_size=8)
    data.in_sets(data.reference("train").letters, 4)
    for _, letters, _ in data.train_dataloader():
        assert bool((letters.view(4, 2) == letters.view(4, 2)[:1]).all())
    data.in_sets(data.reference("train").letters, 5)
    with pytest.raises(ValueError, match=r"data\.batch_size that is a multiple of 5, not 8"):
        data.train_dataloader()
    with pytest.raises(ValueError, match=r"choose one, with gan\.clusters=false"):
        BuiltinTypefaces(per_face=2).in_sets(torch.zeros(3), 2)
