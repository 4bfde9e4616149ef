import pytest
import torch

from drumvae.grooves import GMD_KIT, Kit
from drumvae.metrics.rhythm import backbone
from drumvae.metrics.syncopation import METRE, PULSE, polyphonic_syncopation, syncopation

KIT = Kit(("kick", "snare", "closed_hat"))
EIGHTHS = range(0, 16, 2)


def line(*steps: int, length: int = 16) -> torch.Tensor:
    onsets = torch.zeros(length, dtype=torch.bool)
    onsets[list(steps)] = True
    return onsets


def bar(parts: dict, kit: Kit = KIT, length: int = 16) -> torch.Tensor:
    """One bar's hits, shape (1, steps, voices)."""
    lines = [line(*parts.get(voice, []), length=length) for voice in kit.voices]
    return torch.stack(lines, 1)[None]


def random_hits(n: int, share: float = 0.3, voices: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 16, voices, generator=torch.Generator().manual_seed(seed)) < share


# Weights by step: 0 -4 -3 -4 -2 -4 -3 -4 -1 -4 -3 -4 -2 -4 -3 -4.
@pytest.mark.parametrize(
    ("steps", "score"),
    [
        ([], 0),
        (range(16), 0),
        ([0, 4, 8, 12], 0),  # after each beat only weaker rests
        ([0], 0),
        ([2, 6, 10, 14], 7),  # -3 held over 4 (-2): 1; over 8 (-1): 2; over 12: 1; over 0: 3
        ([4, 12], 3),  # 4 (-2) held over 8 (-1): 1; 12 (-2) over the next 0: 2
        ([0, 3, 6, 10, 12], 4),  # son clave: 3 (-4) over 4 (-2): 2; 6 (-3) over 8 (-1): 2
        ([0, 3, 7, 10, 12], 5),  # rumba clave: the same 2; 7 (-4) over 8 (-1): 3
        ([0, 3, 6, 10, 13], 6),  # bossa: 2 and 2; 10 (-3) over 12 (-2): 1; 13 (-4) over 14 (-3): 1
        ([0, 3, 9], 5),  # 3 (-4) over 4 (-2) and 8 (-1), the stronger counts: 3; 9 over 12: 2
        ([15], 4),  # -4, held over the next downbeat
    ],
)
def test_syncopation_by_hand(steps, score):
    assert syncopation(line(*steps)).item() == score


def by_definition(onsets: list[bool]) -> float:
    """Each note against every rest before the next note."""
    score = 0.0
    for step in (s for s in range(16) if onsets[s]):
        rests = []
        for later in range(step + 1, step + 16):
            if onsets[later % 16]:
                break
            rests.append(METRE[later % 16])
        score += max([0, *(weight - METRE[step] for weight in rests)])
    return score


def test_syncopation_follows_its_definition_and_takes_any_shape():
    onsets = random_hits(40, 0.35).mT
    expected = [[by_definition(voice.tolist()) for voice in row] for row in onsets]
    assert syncopation(onsets).tolist() == expected


def test_syncopation_of_two_bars_is_the_sum_where_no_note_is_held_over():
    clave = [0, 3, 6, 10, 12]
    twice = line(*clave, *(16 + step for step in clave), length=32)
    assert syncopation(twice).item() == 8
    assert syncopation(twice.roll(16)).item() == 8


# Weights by step: 0 -3 -2 -3 -1 -3 -2 -3 -1 -3 -2 -3 -1 -3 -2 -3, and eighths of the hi-hat.
@pytest.mark.parametrize(
    ("kick", "snare", "score"),
    [
        ([0, 8], [4, 12], 0),
        ([0, 6], [4, 12], 6),  # kick at 6 (-2), hat alone at 8 (-1): 1 + 5
        ([0, 10], [4, 12], 3),  # kick at 10 (-2), snare and hat at 12 (-1): 1 + 2
        ([0, 8], [4, 14], 3),  # snare at 14 (-2), kick and hat at 0 (0): 2 + 1
        ([0, 7], [4, 12], 7),  # kick between hats, at 7 (-3), hat alone at 8 (-1): 2 + 5
        ([6, 8], [4, 12], 0),  # the kick of 6 sounds at 8 too
        ([0, 6, 10], [4, 12], 9),  # 6 + 3
        ([6], [6], 6),  # both at 6 (-2), hat alone at 8 (-1): one pair of steps, 1 + 5
        ([0], [3], 7),  # snare at 3 (-3), hat alone at 4 (-1): 2 + 5
    ],
)
def test_polyphonic_syncopation_by_hand(kick, snare, score):
    hits = bar({"kick": kick, "snare": snare, "closed_hat": [*EIGHTHS]})
    assert polyphonic_syncopation(hits, KIT).tolist() == [score]


def test_only_steps_of_equal_or_greater_weight_end_a_polyphonic_syncopation():
    # Hats on beats alone. Kick at 4 (-1) before snare and hat at 8 (-1): 0 + 2. Snare at 8 before
    # the hat alone at 12 (-1): 0 + 5. Nothing before 0 but a hat.
    hits = bar({"kick": [4], "snare": [8], "closed_hat": [0, 4, 8, 12]})
    assert polyphonic_syncopation(hits, KIT).tolist() == [7]
    # Kick at 0 (0) before the hat alone at 2 (-2) is none.
    assert polyphonic_syncopation(bar({"kick": [0], "closed_hat": [2]}), KIT).tolist() == [0]
    # Without a hi-hat there is no pulse to play against.
    assert polyphonic_syncopation(bar({"kick": [3], "snare": [4]}), KIT).tolist() == [0]


def test_voices_play_the_part_of_a_stream():
    kit = Kit(("kick", "clap", "ride", "crash"))
    hits = bar({"kick": [0, 10], "clap": [4, 12], "ride": [*EIGHTHS]}, kit)
    assert polyphonic_syncopation(hits, kit).tolist() == [3]
    with_crash = bar({"kick": [0, 10], "clap": [4, 12], "ride": [*EIGHTHS], "crash": [11]}, kit)
    assert polyphonic_syncopation(with_crash, kit).tolist() == [3]


def polyphonic_by_definition(row: list[list[bool]]) -> float:
    events = [(step, *row[step]) for step in range(16) if any(row[step])]
    score = 0
    for (at, kick, snare, _), (then, *after) in zip(events, events[1:] + events[:1], strict=True):
        match after:
            case [False, True, True]:
                extra = 2 * kick
            case [True, False, True]:
                extra = 1 * snare
            case [False, False, True]:
                extra = 5 * (kick or snare)
            case _:
                extra = 0
        if extra and PULSE[then] >= PULSE[at]:
            score += PULSE[then] - PULSE[at] + extra
    return score


def test_polyphonic_syncopation_follows_its_definition():
    hits = random_hits(60, 0.35, seed=2)
    found = polyphonic_syncopation(hits, KIT)
    assert found.tolist() == [polyphonic_by_definition(row.tolist()) for row in hits]
    assert found.unique().numel() > 10


@pytest.mark.parametrize("score", [syncopation, lambda x: polyphonic_syncopation(x.mT, KIT)])
def test_a_loop_of_two_bars_may_start_with_either(score):
    hits = random_hits(6, seed=3).mT
    two = torch.cat([hits[:3], hits[3:]], 2)
    assert score(two.roll(16, 2)).tolist() == score(two).tolist()
    assert score(two.roll(1, 2)).tolist() != score(two).tolist()


@pytest.mark.parametrize("measure", [polyphonic_syncopation, backbone])
def test_what_is_no_bar_of_four_beats_has_no_weights(measure):
    with pytest.raises(ValueError, match="12 steps are no whole bars"):
        syncopation(line(0, length=12))
    with pytest.raises(ValueError, match="12 steps are no whole bars"):
        measure(bar({}, length=12), KIT)
    with pytest.raises(ValueError, match="3 voices, the kit has 9"):
        measure(bar({}), GMD_KIT)
