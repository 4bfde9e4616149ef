"""What the makers of grooves do where the answer is known."""

from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
import torch
from prdc import compute_prdc
from scipy.stats import spearmanr
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from drumvae.creative import kept
from drumvae.creative.infill import infill
from drumvae.creative.loading import SHIPPED, newest
from drumvae.creative.measures.intervals import Drawn, interval, mean_of, rank_correlation, ratio
from drumvae.creative.measures.judge import beat_correlation
from drumvae.creative.measures.of_samples import density_and_coverage
from drumvae.creative.mixtures import Mixture, fit
from drumvae.creative.sampling import sample
from drumvae.creative.source import body, read_source
from drumvae.creative.styles import Styles
from drumvae.creative.track import following
from drumvae.creative.trained import MODEL, Trained
from drumvae.creative.transfer import transfer
from drumvae.gaussian import Gaussian
from drumvae.grooves import GMD_KIT
from drumvae.likelihoods import Hits
from drumvae.midi import read_performance
from drumvae.performances import cut


@pytest.fixture(scope="module")
def known() -> tuple[Trained, Styles]:
    return kept.load(SHIPPED)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    factors = torch.randn(2, 3, 3, generator=chance(5)).tril()
    factors.diagonal(dim1=1, dim2=2).abs_().add_(0.3)
    return Mixture(torch.tensor([0.3, 0.7]), torch.tensor([[0.0, 1, 2], [3, -1, 0]]), factors)


def test_a_mixture_has_the_density_of_torchs(mixture: Mixture):
    theirs = MixtureSameFamily(
        Categorical(mixture.weights), MultivariateNormal(mixture.means, scale_tril=mixture.factors)
    )
    points = mixture.draw(50, chance())
    torch.testing.assert_close(mixture.log_density(points), theirs.log_prob(points))
    drawn = mixture.draw(40_000, chance(1))
    torch.testing.assert_close(drawn.mean(0), theirs.mean, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.var(0), theirs.variance, atol=0.15, rtol=0)


def test_groups_share_their_first_dimensions_and_have_the_mixtures_moments(mixture: Mixture):
    drawn = mixture.grouped(8000, 2, 1, chance()).view(8000, 2, 3)
    assert torch.equal(drawn[:, 0, 0], drawn[:, 1, 0])
    assert not torch.equal(drawn[:, 0, 1:], drawn[:, 1, 1:])
    covariance = torch.cov(mixture.draw(40_000, chance(1)).T)
    torch.testing.assert_close(torch.cov(drawn[:, 0].T), covariance, atol=0.2, rtol=0)


def test_components_are_for_what_performances_share_not_for_each_performance():
    source = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 20)
    shared = source.normal(size=(400, 2)) * 0.3 + 4.0 * (np.arange(400) % 2)[:, None]
    assert len(fit(shared, groups).weights) >= 2
    own = source.normal(size=(400, 2)) * 0.1 + source.normal(size=(20, 2))[groups]
    assert len(fit(own, groups).weights) == 1


@pytest.mark.parametrize("sizes", [[199, 1], [598, 1, 1], [5000, 2, 1, 1, 1], [200]])
def test_one_performance_may_have_nearly_all_bars(sizes: list[int]):
    points = np.random.default_rng(1).normal(size=(sum(sizes), 2))
    assert len(fit(points, np.repeat(np.arange(len(sizes)), sizes)).weights) == 1


class _Line:
    """One latent of each level; a cell's log-odds are a line in z_low; q is wrong on purpose."""

    likelihood = Hits()
    high = 1
    slopes = torch.tensor([[3.0, -2.0], [1.0, 2.5]])

    def features(self, bars: Tensor) -> Tensor:
        return bars[:, 0].mean((1, 2))[:, None]

    def posterior_high(self, features: Tensor) -> Gaussian:
        return Gaussian(0.3 * features, torch.full_like(features, 0.2))

    def posterior_low(self, features: Tensor, z_high: Tensor) -> Gaussian:
        return Gaussian(z_high - features, torch.full_like(features, 0.5))

    def detail_prior(self, z_high: Tensor) -> Gaussian:
        return Gaussian(0.8 * z_high, torch.full_like(z_high, -0.5))

    def decode(self, z_high: Tensor, z_low: Tensor) -> Tensor:
        return (self.slopes * z_low[:, :, None] - 0.5)[:, None]


def test_an_infill_has_the_exact_conditional_distribution(known, monkeypatch):
    # From one draw of the prior for all, which is far off: the chain has to find its way.
    monkeypatch.setattr("drumvae.creative.infill.STARTS", 1)
    # z_low alone is N(0, 0.8² + e^-0.5); the three kept cells are given, the fourth is asked.
    bar = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    z = torch.linspace(-8, 8, 4001)
    prior = torch.exp(-0.5 * z.square() / (0.64 + np.exp(-0.5)))
    p = torch.sigmoid(_Line.slopes * z[:, None, None] - 0.5)
    given = prior * p[:, 0, 0] * (1 - p[:, 0, 1]) * (1 - p[:, 1, 0])
    truth = float((given * p[:, 1, 1]).sum() / given.sum())
    chains = 10_000
    source = torch.stack([bar, 0.8 * bar, 0 * bar]).expand(chains, -1, -1, -1)
    new = torch.tensor([[False, False], [False, True]])
    styles = replace(known[1], temperature=torch.tensor(1.0))
    error = (truth * (1 - truth) / chains) ** 0.5
    start, made = (
        infill(_Line(), styles, source, new, chance(), rounds)[:, 0, 1, 1].mean()
        for rounds in (0, 60)
    )
    assert abs(float(start) - truth) > 20 * error
    assert abs(float(made) - truth) < 4 * error


def test_a_bar_stays_what_it_is_in_its_own_style_and_not_in_another(known):
    model, styles = known
    latin = styles.index("latin")
    bars = sample(model, styles, latin, 60, chance(1))
    typical = bars[styles.read(model, bars)[:, latin] > 0.95][:4]
    found = transfer(model, styles, typical, latin, chance())
    assert float(found.read.min()) >= styles.typical(latin, 0.33)
    other = transfer(model, styles, typical, styles.index("jazz"), chance())
    assert found.kept.mean() > 0.9 > 0.85 > other.kept.mean()


def test_equal_bars_are_transferred_alike(known):
    model, styles = known
    bar = sample(model, styles, 0, 1, chance(2))
    found = transfer(model, styles, bar.repeat(2, 1, 1, 1), 1, chance()).bars
    assert torch.equal(found[0], found[1])
    kept_hits = (found[0, 0] > 0) & (bar[0, 0] > 0)
    assert torch.equal(found[0, 1:, kept_hits], bar[0, 1:, kept_hits])


def test_what_follows_without_variation_is_the_last_bar(known):
    model, styles = known
    source = sample(model, styles, 0, 3, chance(6))
    after = following(model, styles, source, 2, chance(), variation=0.0)
    assert torch.equal(after[0, 0], source[-1, 0])
    assert torch.equal(after[1, 0], source[-1, 0])


def test_what_follows_leaves_the_last_stroke_out(known):
    model, styles = known
    source = sample(model, styles, 0, 3, chance(6))
    stroke = torch.zeros_like(source[:1])
    stroke[0, 0, 0, 0] = 1
    ended = torch.cat([source, stroke, torch.zeros_like(stroke)])
    assert torch.equal(body(ended), source) and torch.equal(body(source), source)
    # Of one bar and a stroke too, whatever silence follows.
    for silent in (0, 3):
        short = torch.cat([source[:1], stroke, torch.zeros_like(stroke).repeat(silent, 1, 1, 1)])
        assert torch.equal(body(short), source[:1])
    after = following(model, styles, body(ended), 1, chance(), variation=0.0)
    assert torch.equal(after[0, 0], source[-1, 0])


def test_density_and_coverage_are_those_of_prdc():
    source = np.random.default_rng(0)
    real, made = source.normal(size=(200, 5)), source.normal(0.2, 0.8, size=(150, 5))
    theirs = compute_prdc(real, made, nearest_k=5)
    assert density_and_coverage(made, real) == pytest.approx(
        (theirs["density"], theirs["coverage"])
    )
    twins = np.zeros((20, 2))
    assert density_and_coverage(twins, twins)[1] == 1  # where an open ball would be empty


def test_a_bootstrap_draws_whole_performances():
    values = np.repeat([0.0, 1.0], 50)
    alone = interval([Drawn.alone(values)])
    together = interval([Drawn(values, np.repeat([0, 1], 50))])
    assert alone.value == together.value == 0.5
    assert 0.35 < alone.low < 0.45 and 0.55 < alone.high < 0.65
    assert together.low < 0 and together.high > 1  # two performances tell hardly anything
    halves = interval([Drawn.alone([1, 1]), Drawn.alone([2, 2])], ratio)
    assert (halves.low, halves.value, halves.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("performances", [3, 4, 7, 20])
def test_intervals_of_few_performances_hold_the_truth(performances: int):
    rng = np.random.default_rng(performances)
    groups, held = np.repeat(np.arange(performances), 10), 0
    for _ in range(300):
        values = rng.normal(size=performances)[groups] + rng.normal(size=len(groups))
        found = interval([Drawn(values, groups)])
        held += found.low <= 0 <= found.high
    assert 0.91 <= held / 300 <= 0.99


def test_one_performance_has_no_interval():
    found = interval([Drawn(np.array([0.0, 1.0, 0.8]), np.zeros(3, int))])
    assert np.isnan(found.low) and str(found) == "0.600 (of one performance: no interval)"


def test_sets_of_the_same_performances_are_no_independent_witnesses():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 5)
    values = rng.normal(size=12)[groups]
    once = interval([Drawn(values, groups, "rock")])
    thrice = interval([Drawn(values, groups, "rock")] * 3, mean_of)
    believed = interval([Drawn(values, groups)] * 3, mean_of)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    assert believed.high - believed.low < 0.7 * (once.high - once.low)
    # A set of half of them moves with the others.
    half = Drawn(values[:30], groups[:30], "rock")
    difference = interval([half, half], lambda means: means[0] - means[1])
    assert (difference.low, difference.high) == (0, 0)


def test_rank_correlation_is_spearmans():
    a, b = np.random.default_rng(1).integers(0, 6, size=(2, 40))
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b)[0])
    assert np.isnan(rank_correlation(np.ones(4), np.arange(4)))


def test_beats_correlate_by_hand():
    source = torch.zeros(4, 4, 2)
    source[:, [0, 2]] = 1
    made = source.clone()
    made[1] = 1 - source[1]
    made[2] = 0
    made[3, 0, 0] = 0  # 1, 0, 2, 0 beside 2, 0, 2, 0
    expected = [1.0, -1.0, 0.0, np.corrcoef([1, 0, 2, 0], [2, 0, 2, 0])[0, 1]]
    assert beat_correlation(made, source).tolist() == pytest.approx(expected)


def midi(path: Path, notes: list[tuple[float, int]], bpm: float = 120, meter=(4, 4)) -> Path:
    """A file of notes at places in quarter notes."""
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))])
    track.append(mido.MetaMessage("time_signature", numerator=meter[0], denominator=meter[1]))
    now = 0
    for beat, note in notes:
        tick = round(beat * 480)
        track.append(mido.Message("note_on", channel=9, note=note, velocity=100, time=tick - now))
        now = tick
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(path)
    return path


def test_a_loose_file_is_cut_into_bars_and_keeps_its_swing(tmp_path: Path):
    # A bar of rest, then swung eighths (2 : 1) for a bar and a beat, at 93 beats a minute.
    swung = [(4 + beat + late, 42) for beat in range(5) for late in (0, 2 / 3)]
    source = read_source(midi(tmp_path / "a.mid", swung, 93), GMD_KIT, 16)
    assert source.bars.shape == (2, 3, 16, 9)
    assert source.remarks == ("its first bar is silent and left out",)
    assert source.tempo == pytest.approx(93, abs=0.01)
    hats = source.bars[:, 0, :, GMD_KIT.voices.index("closed_hat")]
    assert hats[0].nonzero()[:, 0].tolist() == [0, 3, 4, 7, 8, 11, 12, 15]
    assert int(hats[1].sum()) == 2 and int(source.bars[:, 0].sum()) == 10
    late = source.bars[:, 2][source.bars[:, 0] > 0]
    assert late[1::2].numpy() == pytest.approx(4 * 2 / 3 - 3, abs=1e-3)


def test_rests_at_either_end_are_left_out_and_those_between_stay_rests(known, tmp_path: Path):
    """A song's file goes on after its drums; nobody plays in a rest what nobody asked for."""
    model, styles = known
    beats = [b + 4 * bar for bar in (2, 3, 5) for b in range(4)]
    file = mido.MidiFile(midi(tmp_path / "a.mid", [(beat, 36) for beat in beats]))
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("end_of_track", time=5000 * 4 * 480)]))
    file.save(tmp_path / "a.mid")
    source = read_source(tmp_path / "a.mid", styles.kit, 16)
    assert source.bars[:, 0].sum((1, 2)).tolist() == [4, 4, 0, 4]
    assert source.remarks == ("its first 2 bars are silent and left out",)
    made = transfer(model, styles, source.bars, 0, chance())
    assert (
        torch.equal(made.bars[2], source.bars[2]) and (made.bars[:, 0].sum((1, 2)) > 0).sum() == 3
    )
    new = torch.zeros(16, 9, dtype=torch.bool)
    new[:, 1] = True
    assert torch.equal(infill(model, styles, source.bars, new, chance())[2], source.bars[2])
    with pytest.raises(ValueError, match=r"too long: 20,001 bars"):
        cut(replace(read_performance(tmp_path / "a.mid"), end=4.0 * 20_001), styles.kit)


def test_an_outro_is_no_last_stroke():
    """Four full bars and four sparse ones: the last one alone may be an end."""
    bars = torch.zeros(8, 3, 16, 9)
    for number, count in enumerate((12, 12, 12, 12, 3, 2, 1, 1)):
        bars[number, 0, :count, 0] = 1
    assert torch.equal(body(bars), bars[:7])


def test_patterns_of_their_own_are_no_groove(tmp_path: Path):
    file = mido.MidiFile(midi(tmp_path / "a.mid", [(0, 36)]))
    file.type = 2
    file.tracks.append(file.tracks[-1])
    file.save(tmp_path / "a.mid")
    with pytest.raises(ValueError, match=r"patterns of their own \(MIDI type 2\)"):
        read_source(tmp_path / "a.mid", GMD_KIT, 16)


def test_notes_that_are_renamed_and_a_late_tempo_are_heard(tmp_path: Path):
    played = midi(tmp_path / "a.mid", [(0, 37), (1, 37), (2, 44), (3, 38), (3, 36)], 120)
    assert read_source(played, GMD_KIT, 16).remarks == (
        "3 notes are written as the kit's own of their voice (37 as 38, 44 as 42)",
    )
    file = mido.MidiFile(type=0, ticks_per_beat=480)
    file.tracks.append(mido.MidiTrack([
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(90), time=10),
        mido.Message("note_on", note=36, channel=9, velocity=90, time=0),
    ]))  # fmt: skip
    file.save(tmp_path / "late.mid")
    source = read_source(tmp_path / "late.mid", GMD_KIT, 16)
    assert source.tempo == pytest.approx(90, abs=0.01) and source.remarks == ()


def test_a_lead_in_that_was_cut_takes_no_bar_with_it(tmp_path: Path):
    file = mido.MidiFile(midi(tmp_path / "a.mid", [(0, 36), (4, 36), (8, 36)]))
    file.tracks[0].insert(0, mido.MetaMessage("marker", text="lead-in", time=0))
    file.save(tmp_path / "a.mid")
    assert read_source(tmp_path / "a.mid", GMD_KIT, 16).bars.shape[0] == 3
    file = mido.MidiFile(midi(tmp_path / "b.mid", [(3.9, 36), (8, 36)]))
    file.tracks[0].insert(0, mido.MetaMessage("marker", text="lead-in", time=0))
    file.save(tmp_path / "b.mid")
    source = read_source(tmp_path / "b.mid", GMD_KIT, 16)
    assert source.bars.shape[0] == 2 and float(source.bars[0, 2, 0, 0]) == pytest.approx(-0.4)


def test_what_a_source_loses_is_said(tmp_path: Path):
    clapped = midi(tmp_path / "a.mid", [(0, 36), (1, 39), (2, 36), (2.01, 36), (3, 39)])
    source = read_source(clapped, GMD_KIT, 16)
    assert source.remarks == (
        "2 notes of voices outside the kit left out",
        "1 note on a step where the same voice sounds as loud or louder left out",
    )
    file = mido.MidiFile(midi(tmp_path / "b.mid", [(0, 36), (4, 36)], 100))
    change = mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(160), time=4 * 480)
    file.tracks.append(mido.MidiTrack([change]))
    file.save(tmp_path / "b.mid")
    (remark,) = read_source(tmp_path / "b.mid", GMD_KIT, 16).remarks
    assert remark.startswith("its tempo moves between 100 and 160 beats a minute")
    assert read_source(midi(tmp_path / "c.mid", [(0, 36), (4, 36)]), GMD_KIT, 16).remarks == ()
    with pytest.raises(ValueError, match=r"2,001 bars long, and 2,000 are the most"):
        read_source(midi(tmp_path / "d.mid", [(0, 36), (8000, 36)]), GMD_KIT, 16)


def test_a_file_that_no_bar_comes_from_says_why(tmp_path: Path):
    waltz = midi(tmp_path / "waltz.mid", [(0, 36)], meter=(3, 4))
    with pytest.raises(ValueError, match=r"in 3/4, and the model plays 4/4"):
        read_source(waltz, GMD_KIT, 16)
    bells = midi(tmp_path / "bells.mid", [(0, 81)])
    with pytest.raises(ValueError, match="none of a voice of this kit"):
        read_source(bells, GMD_KIT, 16)
    with pytest.raises(ValueError, match="no drums"):
        read_source(midi(tmp_path / "empty.mid", []), GMD_KIT, 16)


def test_the_newest_finished_run_of_the_right_model_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert newest(MODEL) is None
    for name, target, status in (
        ("a", MODEL, "finished"),
        ("b", "drumvae.humanizer.Humanizer", "finished"),
        ("c", MODEL, "failed"),
        ("d", None, "finished"),
    ):
        run = tmp_path / "outputs" / "drumvae" / name
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "last.ckpt").touch()
        (run / "summary.json").write_text(f'{{"status": "{status}"}}')
        config = f"module: m\nm:\n  _target_: {target}\n" if target else "app: other\n"
        (run / "config.yaml").write_text(config)
    found = newest(MODEL)
    assert found is not None and found.parts[-3] == "a"
