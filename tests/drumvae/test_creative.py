from pathlib import Path

import pytest
import torch
from torch import Tensor

from drumvae.creative import kept
from drumvae.creative.blend import blend
from drumvae.creative.complexity import of_complexity
from drumvae.creative.feel import felt
from drumvae.creative.infill import infill
from drumvae.creative.loading import SHIPPED
from drumvae.creative.sampling import SOURCES, sample
from drumvae.creative.source import groove_of, read_source
from drumvae.creative.styles import Styles, rhythm_of
from drumvae.creative.track import following, track, walk
from drumvae.creative.trained import Trained
from drumvae.creative.transfer import onset_f1s, transfer
from drumvae.midi import write_midi

Known = tuple[Trained, Styles]


@pytest.fixture(scope="module")
def known() -> Known:
    return kept.load(SHIPPED)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("source", SOURCES)
def test_bars_of_a_style_are_read_as_it_by_the_model(known: Known, source: str):
    model, styles = known
    jazz = styles.index("jazz")
    own = styles.read(model, sample(*known, jazz, 200, chance(), source))[:, jazz].mean()
    rock = sample(*known, styles.index("rock"), 200, chance(), source)
    assert own > 0.5 > 2 * styles.read(model, rock)[:, jazz].mean()


def test_the_same_chance_makes_the_same_bars(known: Known):
    first, again, other = (sample(*known, 0, 5, chance(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_velocities_and_offsets_belong_to_hits(known: Known):
    bars = sample(*known, 0, 50, chance())
    silent = bars[:, 0] == 0
    assert not bars[:, 1][silent].any() and not bars[:, 2][silent].any()
    assert bool((bars[:, 1][~silent] > 0).all())
    assert float(bars[:, 2].abs().max()) <= 0.5


def test_onset_f1_by_hand():
    made = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 0, 0]], [[1, 0, 0, 0]]])
    source = torch.tensor([[[1, 0, 1, 0]], [[0, 0, 0, 0]], [[0, 0, 0, 1]]])
    assert onset_f1s(made, source).tolist() == [0.5, 1.0, 0.0]


def test_a_transfer_reaches_the_style_and_keeps_more_than_any_bar_of_it(known: Known):
    model, styles = known
    rock, latin = styles.index("rock"), styles.index("latin")
    source = sample(*known, rock, 6, chance(3))
    found = transfer(*known, source, latin, chance())
    assert styles.read(model, found.bars)[:, latin].mean() > 0.5
    torch.testing.assert_close(found.kept, onset_f1s(found.bars[:, 0], source[:, 0]))
    others = sample(*known, latin, 300, chance(4))[:, 0]
    common = torch.stack([onset_f1s(others, bar[0].expand_as(others)).mean() for bar in source])
    assert found.kept.mean() > common.mean() + 0.1


def test_a_blend_goes_from_one_style_to_the_other(known: Known):
    styles = known[1]
    ends = styles.index("rock"), styles.index("jazz")
    read = torch.stack([blend(*known, *ends, 9, chance(seed)).read for seed in range(20)])
    assert read[:, 0].mean() < 0.2 and read[:, -1].mean() > 0.8
    assert bool((read.mean(0).diff() > 0).all())
    with pytest.raises(ValueError, match="two steps or more"):
        blend(*known, 0, 1, 1, chance())


def test_more_complexity_is_more_hits_and_more_syncopation(known: Known):
    styles = known[1]
    amounts = torch.tensor([0.1, 0.5, 0.9]).repeat_interleave(8)
    bars = of_complexity(*known, styles.index("rock"), amounts, chance())
    density, syncopation = rhythm_of(bars, styles.kit).view(3, 8, 2).mean(1).T
    assert bool((density.diff() > 0).all()) and bool((syncopation.diff() > 0).all())
    with pytest.raises(ValueError, match=r"an amount lies in \[0, 1\]"):
        of_complexity(*known, 0, torch.tensor([1.5]), chance())


def test_an_infill_leaves_every_other_cell_bit_for_bit(known: Known):
    source = sample(*known, 0, 4, chance(5))
    new = torch.zeros(source.shape[2:], dtype=torch.bool)
    new[:, known[1].kit.voices.index("snare")] = True
    made = infill(*known, source, new, chance(), rounds=20)
    assert torch.equal(made[:, :, ~new], source[:, :, ~new])
    assert not torch.equal(made, source)
    with pytest.raises(ValueError, match="no cell is to be drawn anew"):
        infill(*known, source, torch.zeros_like(new), chance())


def test_a_walk_keeps_its_variance_and_its_correlation():
    steps = walk(20000, (3,), 0.7, chance(), None)
    assert steps.var(0).sub(1).abs().max() < 0.06
    correlation = (steps[1:] * steps[:-1]).mean(0)
    assert correlation.sub(0.7).abs().max() < 0.04


def test_a_track_of_no_variation_repeats_itself_up_to_the_fill(known: Known):
    still = track(*known, 0, 4, chance(), variation=0.0)[:, 0]
    assert torch.equal(still[0], still[1]) and torch.equal(still[1], still[2])
    assert not torch.equal(still[2], still[3])
    lively = track(*known, 0, 8, chance(), variation=1.0, fill=False)[:, 0]
    assert len(lively.flatten(1).unique(dim=0)) > 4
    with pytest.raises(ValueError, match="variation lies in"):
        track(*known, 0, 4, chance(), variation=2.0)


def test_what_follows_without_variation_is_nearer_the_end_than_any_bar(known: Known):
    source = sample(*known, 0, 3, chance(6))
    after = following(*known, source, 4, chance(), variation=0.0)[:, 0]
    others = sample(*known, 0, 100, chance(7))[:, 0]
    last = source[-1, 0]
    near = onset_f1s(after, last.expand_as(after)).mean()
    assert near > onset_f1s(others, last.expand_as(others)).mean()


def test_felt_hits_keep_what_the_source_has(known: Known):
    styles = known[1]
    source = sample(*known, 0, 1, chance(8))
    bars = source.clone()
    bars[:, 1:] = 0
    played = felt(bars, styles, 0, source)
    torch.testing.assert_close(played[:, 1], source[:, 1])
    torch.testing.assert_close(played[:, 2], source[:, 2])


def test_a_midi_file_of_any_tempo_is_read_as_bars(known: Known, tmp_path: Path):
    styles = known[1]
    bars = sample(*known, 0, 3, chance(9))
    write_midi(groove_of(bars, styles.kit, 87.0), tmp_path / "a.mid")
    source = read_source(tmp_path / "a.mid", styles.kit, 16)
    assert source.tempo == pytest.approx(87, abs=0.01)
    assert torch.equal(source.bars[:, 0], _from_first(bars)[:, 0])
    with pytest.raises(ValueError, match="a tempo lies in"):
        groove_of(bars, styles.kit, 4.0)


def _from_first(bars: Tensor) -> Tensor:
    return bars[int(bars[:, 0].flatten(1).any(1).int().argmax()) :]


def test_a_damaged_model_and_an_unknown_style_are_refused(known: Known, tmp_path: Path):
    with pytest.raises(ValueError, match="did you mean 'jazz'"):
        known[1].index("jaz")
    (tmp_path / "half.safetensors").write_bytes(SHIPPED.read_bytes()[:5000])
    with pytest.raises(ValueError, match="or a damaged one"):
        kept.load(tmp_path / "half.safetensors")
    with pytest.raises(FileNotFoundError, match="no model at"):
        kept.load(tmp_path / "none.safetensors")
