import math

import pytest
import torch

from drumvae.grooves import Kit
from drumvae.metrics.timing import dynamics, microtiming, swing

KIT = Kit(("kick", "snare", "closed_hat"))
EIGHTHS = range(0, 16, 2)
BACKBEAT = {"kick": [0, 8], "snare": [4, 12], "closed_hat": [*EIGHTHS]}


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


def swung(middle: float, division: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A hi-hat on every beat (or half of one) and `middle` steps after it, on the nearest step."""
    hits, offsets = torch.zeros(1, 16, 1, dtype=torch.bool), torch.zeros(1, 16, 1)
    for start in range(0, 16, 32 // division):
        hits[0, start] = True
        step = round(start + middle)
        hits[0, step], offsets[0, step] = True, start + middle - step
    return hits, offsets


@pytest.mark.parametrize(
    ("division", "middle", "ratio"),
    [
        (8, 2.0, 1.0),
        (8, 8 / 3, 2.0),  # a triplet: on the fourth sixteenth, a third of a step early
        (8, 2.4, 1.5),
        (8, 3.0, 3.0),
        (8, 1.9, 1.9 / 2.1),
        (16, 1.0, 1.0),
        (16, 4 / 3, 2.0),
        (16, 1.2, 1.5),
    ],
)
def test_swing_of_known_ratio(division, middle, ratio):
    found = swing(*swung(middle, division), division)
    assert found.ratio == pytest.approx(ratio, abs=1e-6)
    # The last beat (or half of one) has no next one to close its pair.
    assert found.pairs == (3 if division == 8 else 7)


def test_swing_is_the_ratio_of_mean_parts():
    # Long parts 2 and 3 over short parts 2 and 1.
    hits = line(0, 2, 4, 7, 8)[None, :, None]
    assert swing(hits, torch.zeros(hits.shape)).ratio == pytest.approx(5 / 3)
    # A whole bar that is late is no swing.
    assert swing(hits, torch.full(hits.shape, 0.3)).ratio == pytest.approx(5 / 3)


@pytest.mark.parametrize(
    "steps",
    [
        [0, 4, 8, 12],
        [0, 1, 2, 3, 4],  # sixteenths are no pair of eighths
        [0, 2, 3, 4],
        [0, 3, 6, 9, 12, 15],
        [2, 6, 10, 14],
        [12, 14],
        [],
    ],
)
def test_no_pair_of_eighths_has_no_ratio(steps):
    hits = line(*steps)[None, :, None]
    found = swing(hits, torch.zeros(hits.shape))
    assert math.isnan(found.ratio)
    assert found.pairs == 0


def test_hits_of_different_voices_are_no_pair():
    hits = bar({"kick": [0, 4, 8, 12], "closed_hat": [2, 6, 10, 14]})
    assert swing(hits, torch.zeros(hits.shape)).pairs == 0


def test_two_hits_in_one_place_are_no_pair():
    hits, offsets = line(0, 3, 4)[None, :, None], torch.zeros(1, 16, 1)
    offsets[0, 3], offsets[0, 4] = 0.5, -0.5
    assert swing(hits, offsets).pairs == 0


def test_swing_refuses():
    hits = line(0, 2, 4)[None, :, None]
    with pytest.raises(ValueError, match="8 or 16, got 4"):
        swing(hits, torch.zeros(hits.shape), 4)
    with pytest.raises(ValueError, match="16 offsets are not finite"):
        swing(hits, torch.full(hits.shape, math.nan))
    with pytest.raises(ValueError, match="14 steps are no whole beats"):
        swing(hits[:, :14], torch.zeros(1, 14, 1))


def test_microtiming_in_milliseconds():
    # A sixteenth lasts 125 ms at 120 bpm and 250 ms at 60.
    hits = bar({"kick": [0, 8], "snare": [4]}).repeat(2, 1, 1)
    offsets = torch.zeros(hits.shape)
    offsets[:, 0, 0], offsets[:, 8, 0] = 0.2, -0.2
    offsets[:, 4, 1] = 0.1
    offsets[:, :, 2] = 0.4  # of no hit
    found = microtiming(hits, offsets, torch.tensor([120.0, 60.0]))
    # Kick: 25, -25, 50 and -50 ms; snare: 12.5 and 25 ms.
    assert found.mean[:2].tolist() == pytest.approx([0, 18.75], abs=1e-5)
    assert found.sd[:2].tolist() == pytest.approx([math.sqrt(3125 / 2), 6.25], rel=1e-6)
    assert found.absolute[:2].tolist() == pytest.approx([37.5, 18.75], rel=1e-6)
    for values in (found.mean, found.sd, found.absolute):
        assert math.isnan(values[2])


def test_a_voice_that_drags_by_one_amount_is_tight():
    hits = random_hits(5)
    found = microtiming(hits, torch.full(hits.shape, 0.25), torch.full((5,), 150.0))
    assert found.mean.tolist() == pytest.approx([25.0] * 3)
    assert found.absolute.tolist() == pytest.approx([25.0] * 3)
    assert found.sd.tolist() == pytest.approx([0.0] * 3)


@pytest.mark.parametrize("tempo", [0.0, -120.0, math.nan, math.inf])
def test_a_tempo_that_is_none_is_named(tempo):
    hits = bar(BACKBEAT)
    with pytest.raises(ValueError, match=f"got {tempo:g}"):
        microtiming(hits, torch.zeros(hits.shape), torch.tensor([tempo]))
    with pytest.raises(ValueError, match="1 bars need as many tempos, got shape \\(2,\\)"):
        microtiming(hits, torch.zeros(hits.shape), torch.full((2,), 120.0))


def test_dynamics_by_hand():
    hits = bar({"kick": [0, 4, 8, 12], "snare": [4, 12]})
    velocities = torch.zeros(hits.shape)
    velocities[0, [0, 4, 8, 12], 0] = torch.tensor([0.9, 0.3, 0.6, 0.2])
    velocities[0, [4, 12], 1] = 0.7
    found = dynamics(hits, velocities)
    # Kick: mean 0.5, so that 0.9 alone lies above 0.625 but 0.6 does not; squares of deviations
    # 0.16, 0.04, 0.01 and 0.09.
    assert found.mean[:2].tolist() == pytest.approx([0.5, 0.7])
    assert found.sd[:2].tolist() == pytest.approx([math.sqrt(0.075), 0], abs=1e-6)
    assert found.accents[:2].tolist() == [0.25, 0]
    assert dynamics(hits, velocities, accent=1.1).accents[0] == 0.5
    for values in (found.mean, found.sd, found.accents):
        assert math.isnan(values[2])
    with pytest.raises(ValueError, match="48 velocities are not finite"):
        dynamics(hits, velocities / 0 * 0)


def test_accents_do_not_change_with_the_volume():
    hits = random_hits(30)
    velocities = torch.rand(hits.shape, generator=torch.Generator().manual_seed(1))
    loud, soft = dynamics(hits, velocities), dynamics(hits, velocities / 4)
    assert soft.mean.tolist() == pytest.approx((loud.mean / 4).tolist())
    assert soft.sd.tolist() == pytest.approx((loud.sd / 4).tolist())
    assert soft.accents.tolist() == loud.accents.tolist()
    assert 0 < loud.accents[0] < 1
