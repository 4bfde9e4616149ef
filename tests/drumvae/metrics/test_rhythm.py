import math
from itertools import product

import pytest
import torch

from drumvae.grooves import REPORT_KIT, Kit
from drumvae.metrics.rhythm import backbone, balance, density, evenness, faults, rhythm

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


def whole(hits: torch.Tensor, velocity: float = 0.5, offset: float = 0.0) -> torch.Tensor:
    """Bars of shape (n, 3, steps, voices), every hit of one loudness and lateness."""
    return torch.stack([hits.float(), velocity * hits, offset * hits], 1)


def test_density_counts_hits_of_each_voice():
    assert density(bar(BACKBEAT)).tolist() == [[2, 2, 8]]
    assert density(bar({}, length=32)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("steps", [[0, 8], [0, 4, 8, 12], [1, 5, 9, 13], EIGHTHS, range(16)])
def test_isochronous_patterns_are_even_and_balanced(steps):
    assert evenness(line(*steps)).item() == pytest.approx(1)
    assert balance(line(*steps)).item() == pytest.approx(1)


def test_evenness_and_balance_by_hand():
    # One onset: as even as can be, and all of its weight on one side.
    assert evenness(line(5)).item() == pytest.approx(1)
    assert balance(line(5)).item() == pytest.approx(0)
    # Two neighbours of sixteen, half a turn apart in order: the vectors of k = 0 and 1 are 1 and
    # -exp(i pi/8), and |1 - exp(i pi/8)| / 2 = sin(pi/16); in place |1 + exp(i pi/8)| / 2.
    assert evenness(line(0, 1)).item() == pytest.approx(math.sin(math.pi / 16))
    assert balance(line(0, 1)).item() == pytest.approx(1 - math.cos(math.pi / 16))
    # Two pairs of opposites are balanced but not even: of the four vectors two are 1 and two are
    # exp(-2 i pi 3/16), and |1 + exp(-2 i pi 3/16)| / 2 = cos(3 pi/16).
    assert balance(line(0, 1, 8, 9)).item() == pytest.approx(1)
    assert evenness(line(0, 1, 8, 9)).item() == pytest.approx(math.cos(3 * math.pi / 16))
    # Nothing is neither.
    assert evenness(line()).item() == balance(line()).item() == 0


def test_evenness_is_the_first_coefficient_of_the_transform():
    for onsets in random_hits(20, 0.4, seed=4).mT.flatten(0, 1):
        places = onsets.nonzero().flatten() / 16
        if len(places):
            circle = torch.polar(torch.ones(len(places)), 2 * math.pi * places)
            coefficients = torch.fft.fft(circle) / len(places)
            first = coefficients[1 % len(places)].abs().item()
            assert evenness(onsets).item() == pytest.approx(first, abs=1e-5)
            zeroth = coefficients[0].abs().item()
            assert balance(onsets).item() == pytest.approx(1 - zeroth, abs=1e-5)


@pytest.mark.parametrize("measure", [evenness, balance])
def test_rotation_changes_neither_evenness_nor_balance(measure):
    onsets = random_hits(10, seed=5).mT
    for shift in (1, 5, 16):
        assert torch.allclose(measure(onsets.roll(shift, -1)), measure(onsets))


def test_backbone_needs_a_kick_on_one_and_a_snare_on_two_and_four():
    assert backbone(bar(BACKBEAT), KIT).tolist() == [True]
    for voice, missing in (("kick", 0), ("snare", 4), ("snare", 12)):
        hits = bar(BACKBEAT)
        hits[0, missing, KIT.voices.index(voice)] = False
        assert backbone(hits, KIT).tolist() == [False]
    assert backbone(bar({"kick": [0], "clap": [4, 12]}, REPORT_KIT), REPORT_KIT).tolist() == [True]
    # Both of two bars.
    two = torch.cat([bar(BACKBEAT), bar(BACKBEAT)], 1)
    assert backbone(two, KIT).tolist() == [True]
    two[0, 16, 0] = False
    assert backbone(two, KIT).tolist() == [False]
    hats = Kit(("closed_hat", "ride"))
    assert backbone(bar({"ride": [0, 4, 12]}, hats), hats).tolist() == [False]


def names(hits: torch.Tensor, **thresholds: float) -> set[str]:
    return {name for name, found in faults(hits, KIT, **thresholds).items() if found.all()}


def test_faults_begin_above_their_thresholds():
    assert names(bar(BACKBEAT)) == set()
    assert names(bar({})) == {"empty"}
    assert names(bar({"closed_hat": range(12)})) == set()
    assert names(bar({"closed_hat": range(13)})) == {"dense_hats"}
    assert names(bar({"closed_hat": range(13)}), most_hats=1) == set()
    # 16 kicks, 8 snares (four of them on a beat) and 8 hats are 2 hits a step.
    full = {"kick": range(16), "snare": EIGHTHS, "closed_hat": EIGHTHS}
    assert names(bar(full)) == set()
    assert names(bar(full | {"closed_hat": range(9)})) == {"dense"}
    assert names(bar(full), most_hits=1.9) == {"dense"}
    assert names(bar({"snare": [2, 4, 7, 12]})) == set()
    assert names(bar({"snare": [2, 4, 7]})) == {"offbeat_snare"}
    assert names(bar({"snare": [2, 4, 7]}), most_offbeat=0.7) == set()


def test_rhythm_puts_measures_together():
    hits = torch.cat([bar(BACKBEAT), bar(BACKBEAT | {"kick": [0, 6]}), bar({"kick": [0]})])
    found = rhythm(whole(hits, 0.5, 0.2), KIT, torch.full((3,), 120.0))
    assert found["rhythm/density"] == pytest.approx((12 + 12 + 1) / 3)
    assert found["rhythm/density_snare"] == pytest.approx(4 / 3)
    assert found["rhythm/syncopation"] == 0  # the hats fill every eighth
    # Kick at 0 and 8: 0; at 0 and 6 (-3, over 8, -1): 2; at 0: 0. Snares at 4 and 12 have 3.
    assert found["rhythm/syncopation_kick"] == pytest.approx(2 / 3)
    assert found["rhythm/syncopation_snare"] == pytest.approx(2)
    assert found["rhythm/polyphonic_syncopation"] == pytest.approx(2)
    assert found["rhythm/evenness"] == pytest.approx(1)
    assert found["rhythm/balance"] == pytest.approx(2 / 3)
    assert found["rhythm/backbone"] == pytest.approx(2 / 3)
    assert found["rhythm/valid"] == 1
    assert (found["rhythm/swing"], found["rhythm/swing_pairs"]) == (1, 6)
    assert math.isnan(found["rhythm/swing_sixteenths"])
    assert found["rhythm/swing_sixteenths_pairs"] == 0
    assert found["rhythm/timing_kick"] == found["rhythm/timing"] == pytest.approx(25)
    assert found["rhythm/timing_sd"] == pytest.approx(0, abs=1e-6)
    assert found["rhythm/velocity_closed_hat"] == 0.5
    assert found["rhythm/accents"] == 0
    assert found["rhythm/distinct"] == 1
    # Of 48 cells the bars differ in 2, 11 and 11.
    assert found["rhythm/hamming"] == pytest.approx(24 / 3 / 48)


def test_rhythm_says_where_nothing_was_there_to_measure():
    found = rhythm(whole(bar({"kick": [0, 4]})), KIT, torch.tensor([120.0]))
    missing = {name for name, value in found.items() if math.isnan(value)}
    of_hits = ("timing", "timing_sd", "timing_absolute", "velocity", "velocity_sd", "accents")
    silent = {f"rhythm/{x}_{v}" for x, v in product(of_hits, ("snare", "closed_hat"))}
    assert missing == silent | {"rhythm/swing", "rhythm/swing_sixteenths"}
    # Bars without a hit have all the other numbers too.
    nothing = rhythm(whole(bar({})), KIT, torch.tensor([120.0]))
    assert nothing.keys() == found.keys()
    assert nothing["rhythm/empty"] == 1
    assert nothing["rhythm/valid"] == nothing["rhythm/density"] == nothing["rhythm/evenness"] == 0


def test_copies_of_a_set_change_nothing_but_its_diversity():
    bars = whole(random_hits(8, seed=6), 0.7, -0.1)
    tempos = torch.linspace(80, 160, 8)
    once, twice = rhythm(bars, KIT, tempos), rhythm(bars.repeat(2, 1, 1, 1), KIT, tempos.repeat(2))
    once["rhythm/distinct"] /= 2
    once["rhythm/hamming"] *= (8 - 1) / 8 * 16 / 15  # pairs of copies are at 0
    for name in ("rhythm/swing_pairs", "rhythm/swing_sixteenths_pairs"):
        once[name] *= 2
    assert twice == pytest.approx(once, nan_ok=True)


def test_rhythm_refuses_what_are_no_bars():
    bars, tempos = whole(bar(BACKBEAT)), torch.tensor([120.0])
    with pytest.raises(ValueError, match=r"got \(0, 3, 16, 3\)"):
        rhythm(bars[:0], KIT, tempos[:0])
    with pytest.raises(ValueError, match=r"got \(1, 1, 16, 3\)"):
        rhythm(bars[:, :1], KIT, tempos)
    bars[0, 2, 4, 1] = math.nan
    with pytest.raises(ValueError, match="1 values of the bars are not finite"):
        rhythm(bars, KIT, tempos)
