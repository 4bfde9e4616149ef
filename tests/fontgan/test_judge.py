import copy
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor

from fontgan.cleaning import build
from fontgan.data import ReportLetters
from fontgan.glyphs import GlyphSet
from fontgan.judge import BUILTIN, REPORT, Judge
from fontgan.judge_card import expected_calibration_error, figures, main
from fontgan.judge_training import calibrate, disturbed, grained, junk_batch, train
from fontgan.junk import TRAINED, UNSEEN, blend
from fontgan.near_letters import NearLetters
from fontgan.typefaces import BUILTIN as TYPEFACES
from fontgan.typefaces import Typefaces

REPOSITORY = Path(__file__).parents[2]
REAL = Path(matplotlib.get_data_path()) / "fonts" / "ttf"

REFUSED_KINDS = ("noise", "blank", "shuffled", "smears", "blend")
UNSEEN_KINDS = ("salt", "ramps", "gratings", "thirds", "triple", "evenly")


@pytest.fixture(scope="module")
def typefaces() -> Typefaces:
    return Typefaces.load(TYPEFACES)


@pytest.fixture(scope="module")
def unseen(typefaces: Typefaces) -> GlyphSet:
    return GlyphSet.of(typefaces, "test")


@pytest.fixture
def shipped() -> Judge:
    return Judge.load()


@pytest.fixture
def untrained() -> Judge:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Judge(28, features=16, data="nothing")


def pictures(n: int, size: int = 28, seed: int = 0) -> Tensor:
    shape = (n, 1, size, size)
    return torch.randint(256, shape, generator=Generator().manual_seed(seed)).to(torch.uint8)


def some(glyphs: GlyphSet, chosen: Tensor) -> GlyphSet:
    return GlyphSet(glyphs.images[chosen], glyphs.letters[chosen], glyphs.faces[chosen])


# The shipped judge, on groups that it has never seen.


def test_the_shipped_judge_is_small_and_of_the_builtin_typefaces(
    shipped: Judge, typefaces: Typefaces
):
    assert BUILTIN.stat().st_size <= 1_000_000
    assert (shipped.data, shipped.size) == (typefaces.fingerprint, 28)
    assert not shipped.training and not any(p.requires_grad for p in shipped.parameters())


def test_the_shipped_judge_accepts_real_letters_and_reads_them_right(
    shipped: Judge, unseen: GlyphSet
):
    reading = shipped.read(unseen.images)
    taken = reading.letter >= 0
    right = (reading.letter == unseen.letters)[taken].double().numpy()
    assert taken.double().mean() >= 0.95
    assert right.mean() >= 0.985
    # Guo et al. 2017, eq. 3, in other words: 15 bins of equal width.
    confidence = reading.confidence[taken].double().numpy()
    place = np.digitize(confidence, np.linspace(0, 1, 16)[1:-1])
    gaps = [
        (place == b).mean() * abs(right[place == b].mean() - confidence[place == b].mean())
        for b in np.unique(place)
    ]
    assert sum(gaps) <= 0.02
    # No letter is left out.
    assert (
        torch.bincount(reading.letter[taken], minlength=26) > 0.8 * len(unseen.letters) / 26
    ).all()


@pytest.mark.parametrize("kind", [*REFUSED_KINDS, *UNSEEN_KINDS])
def test_the_shipped_judge_refuses_junk(kind: str, shipped: Judge, unseen: GlyphSet):
    generator = Generator().manual_seed(7)
    chosen = torch.randperm(len(unseen.letters), generator=generator)[:400]
    make = (TRAINED | UNSEEN)[kind]
    junk = make(unseen.images[chosen].float() / 255, unseen.letters[chosen], generator)
    accepted = float((shipped.read(junk).letter >= 0).double().mean())
    # 2 %, and two standard errors of 400 draws; without them in the slow test below.
    assert accepted <= 0.02 + 2 * math.sqrt(0.02 * 0.98 / 400)


@pytest.mark.parametrize("grey", [0.0, 0.1, 0.5, 1.0])
def test_the_shipped_judge_refuses_plain_grey(grey: float, shipped: Judge):
    """A judge of ours that had never seen an empty picture called every black square an I."""
    assert shipped.read(torch.full((3, 1, 28, 28), grey)).letter.tolist() == [-1, -1, -1]


@pytest.mark.slow
def test_the_model_card_meets_its_targets(shipped: Judge, unseen: GlyphSet, typefaces: Typefaces):
    near = NearLetters.load().of({typefaces.groups[i] for i in typefaces.split("test")})
    card = figures(shipped, unseen, near)
    assert card["accepted"] >= 0.95 and card["right"] >= 0.985 and card["calibration"] <= 0.02
    too_many = {k: card[f"junk/{k}"] for k in REFUSED_KINDS + UNSEEN_KINDS}
    assert {k: share for k, share in too_many.items() if share > 0.02} == {}
    assert {f"junk/{kind}" for kind in [*TRAINED, *UNSEEN]} <= set(card)


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="one 6 of 9, one 9 of 15 and one n of 12 are accepted")
def test_no_character_that_is_no_capital_passes_too_often(
    shipped: Judge, unseen: GlyphSet, typefaces: Typefaces
):
    near = NearLetters.load().of({typefaces.groups[i] for i in typefaces.split("test")})
    card = figures(shipped, unseen, near)
    assert all(0 <= card[f"junk/{name}"] <= 0.05 for name in set(near.characters))


@pytest.mark.slow
def test_noise_makes_the_shipped_judge_hardly_more_trusting(
    shipped: Judge, unseen: GlyphSet, typefaces: Typefaces
):
    """One that had seen noise on letters alone took 13 % of noisy blends for letters."""
    near = NearLetters.load().of({typefaces.groups[i] for i in typefaces.split("test")})
    card = figures(shipped, unseen, near, noise=0.05)
    assert card["accepted"] >= 0.95 and card["right"] >= 0.985
    too_many = {k: card[f"junk/{k}"] for k in REFUSED_KINDS + UNSEEN_KINDS}
    assert {k: share for k, share in too_many.items() if share > 0.02} == {}
    assert card["junk/blend"] <= 0.05


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="6.05 % of eroded letters with noise are accepted")
def test_noise_does_not_mend_an_eroded_letter(
    shipped: Judge, unseen: GlyphSet, typefaces: Typefaces
):
    near = NearLetters.load().of({typefaces.groups[i] for i in typefaces.split("test")})
    assert figures(shipped, unseen, near, noise=0.05)["junk/eroded"] <= 0.06


# Reading.


def test_a_reading_follows_from_logits_temperature_and_threshold(shipped: Judge, unseen: GlyphSet):
    real = unseen.images[:200].float() / 255
    mixed = torch.cat([real, real.lerp(real.roll(1, 0), 0.4), torch.zeros(3, 1, 28, 28)])
    with torch.no_grad():
        logits, features = shipped(mixed)
    scaled = (logits / shipped.temperature).double()
    score = scaled.softmax(1)[:, :26].amax(1)  # among all 27 answers
    threshold = float(score.quantile(0.4))  # away from any score, so that rounding decides nothing
    shipped.threshold.fill_(threshold)
    letters = torch.where(score >= threshold, scaled[:, :26].argmax(1), -1)
    assert {-1, *range(26)} == set(letters.tolist())
    reading = shipped.read(mixed)
    assert torch.equal(reading.letter, letters) and reading.letter.dtype == torch.long
    confidence = scaled[:, :26].softmax(1).amax(1).float()  # among the letters
    assert torch.allclose(reading.confidence, confidence, atol=1e-5)
    assert torch.allclose(reading.features, features, atol=1e-4)
    assert reading.features.shape == (403, 128)


def test_bytes_and_unit_floats_read_alike(shipped: Judge, unseen: GlyphSet):
    images = unseen.images[:60]
    as_bytes, as_floats = shipped.read(images), shipped.read(images.float() / 255)
    assert torch.equal(as_bytes.letter, as_floats.letter)
    assert torch.equal(as_bytes.features, as_floats.features)
    assert torch.equal(shipped.read(images.double() / 255).letter, as_bytes.letter)


def test_the_size_of_batches_does_not_matter(shipped: Judge, unseen: GlyphSet):
    whole = shipped.read(unseen.images[:50])
    parts = shipped.read(unseen.images[:50], batch=7)
    assert torch.equal(whole.letter, parts.letter)
    assert torch.allclose(whole.features, parts.features, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_reading_changes_nothing(training: bool, untrained: Judge):
    untrained.train(training)
    untrained.body[1].eval()  # as somebody may have left it
    modes = [part.training for part in untrained.modules()]
    state = {name: value.clone() for name, value in untrained.state_dict().items()}
    before = torch.get_rng_state()
    reading = untrained.read(pictures(5))
    assert [part.training for part in untrained.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(state[name], value) for name, value in untrained.state_dict().items())
    assert not reading.features.requires_grad and torch.is_grad_enabled()


def test_reading_in_training_mode_is_as_in_evaluation(untrained: Judge):
    assert torch.equal(
        untrained.train().read(pictures(5)).features, untrained.eval().read(pictures(5)).features
    )


def test_no_pictures_have_an_empty_reading(untrained: Judge):
    for images in (torch.empty(0, 1, 28, 28), pictures(0)):
        reading = untrained.read(images)
        assert reading.letter.shape == reading.confidence.shape == (0,)
        assert reading.letter.dtype == torch.long and reading.features.shape == (0, 16)


@pytest.mark.parametrize(
    "shape", [(3, 28, 28), (3, 1, 28, 27), (3, 3, 28, 28), (28, 28), (3, 1, 32, 32)]
)
def test_other_shapes_are_refused(shape: tuple[int, ...], untrained: Judge):
    with pytest.raises(ValueError, match=r"shape \(n, 1, 28, 28\), found \(") as caught:
        untrained.read(torch.zeros(shape))
    assert str(tuple(shape)) in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(value: float, untrained: Judge):
    images = torch.rand(3, 1, 28, 28)
    images[1, 0, 3, 3] = value
    untrained.train()
    with pytest.raises(ValueError, match="NaN or infinity"):
        untrained.read(images)
    assert untrained.training  # an error, too, leaves the mode as it was


@pytest.mark.parametrize("size", [16, 28, 30, 32])
def test_a_judge_of_any_size(size: int):
    assert Judge(size).read(pictures(2, size)).features.shape == (2, 128)


# Weights.


def test_what_is_saved_reads_alike_when_loaded(untrained: Judge, tmp_path: Path):
    untrained.threshold.fill_(0.01)
    path = tmp_path / "new" / "judge.safetensors"
    untrained.save(path)
    loaded = Judge.load(path)
    assert (loaded.size, loaded.data) == (28, "nothing") and not loaded.training
    # Half precision: nearly the judge in memory, and exactly that which is written again.
    images = pictures(40)
    assert torch.allclose(
        loaded.read(images).confidence, untrained.read(images).confidence, atol=1e-3
    )
    loaded.save(tmp_path / "again.safetensors")
    again = Judge.load(tmp_path / "again.safetensors")
    assert again.fingerprint == loaded.fingerprint
    one, two = loaded.read(images), again.read(images)
    assert torch.equal(one.letter, two.letter) and torch.equal(one.features, two.features)
    assert torch.equal(one.confidence, two.confidence)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_fingerprint_is_of_all_that_is_written(untrained: Judge):
    first = untrained.fingerprint
    assert first == untrained.fingerprint and len(first) == 12 and int(first, 16) >= 0
    untrained.threshold.add_(0.01)
    second = untrained.fingerprint
    with torch.no_grad():
        untrained.head.bias[3] += 0.1
    assert len({first, second, untrained.fingerprint}) == 3


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "text", "another model", "no record", "odd record"]
)
def test_a_file_that_is_no_judge_is_named(damage: str, untrained: Judge, tmp_path: Path):
    path = tmp_path / "judge.safetensors"
    untrained.save(path)
    if damage == "another model":
        save_file({"weight": torch.zeros(3)}, path, {"size": "28", "features": "16", "data": ""})
    elif damage == "no record":
        save_file(load_file(path), path)
    elif damage == "odd record":
        save_file(load_file(path), path, {"size": "large", "features": "16", "data": ""})
    else:
        path.write_bytes(
            {"cut": path.read_bytes()[:5000], "empty": b"", "text": b"text" * 99}[damage]
        )
    with pytest.raises(
        ValueError, match=r"judge\.safetensors does not hold the weights of a judge"
    ):
        Judge.load(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"gone\.safetensors.*fontgan\.judge train"):
        Judge.load(tmp_path / "gone.safetensors")


# Training.


def test_expected_calibration_error_on_hand_made_numbers():
    confidence = torch.tensor([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = torch.tensor([True, True, True, False, True, False])
    # Gaps of 0.20 and 0.05, weighted by 4 and 2 of 6.
    expected = 0.20 * 4 / 6 + 0.05 * 2 / 6
    assert expected_calibration_error(confidence, right, bins=10) == pytest.approx(
        expected, abs=1e-6
    )
    assert expected_calibration_error(confidence, right, bins=1) == pytest.approx(
        abs(float(confidence.mean()) - 4 / 6), abs=1e-6
    )
    sure = torch.ones(4)
    assert expected_calibration_error(sure, sure.bool()) == 0
    assert expected_calibration_error(sure, ~sure.bool()) == 1
    assert expected_calibration_error(torch.zeros(2), torch.zeros(2).bool()) == 0


class Planted(torch.nn.Module):
    """Stands for a judge whose logits are known: its pictures hold the number of their row."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        rows = (images.flatten(1)[:, :2] * 255).round().long()
        chosen = self.logits[(rows[:, 0] * 256 + rows[:, 1]) % len(self.logits)]
        return chosen, chosen


def test_calibration_finds_a_planted_temperature():
    """Answers drawn from softmax(logits), logits told 1.7 times too small."""
    generator = Generator().manual_seed(0)
    truth = 3 * torch.randn(4000, 27, generator=generator)
    truth[:, 26] = -20
    answers = torch.multinomial(truth[:, :26].softmax(1), 1, generator=generator).squeeze(1)
    images = torch.zeros(4000, 1, 2, 2, dtype=torch.uint8)
    numbers = torch.arange(4000)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = numbers // 256, numbers % 256
    judge = Planted(truth / 1.7)
    calibrate(judge, GlyphSet(images, answers, answers))
    assert float(judge.temperature) == pytest.approx(1 / 1.7, abs=0.04)


def test_the_shipped_calibration_is_that_of_the_validation_letters_and_refuses_their_blends(
    shipped: Judge, typefaces: Typefaces
):
    validation = GlyphSet.of(typefaces, "validate")
    again = copy.deepcopy(shipped)
    calibrate(again, validation)
    assert float(again.threshold) == pytest.approx(float(shipped.threshold), abs=1e-4)
    assert float(again.temperature) == pytest.approx(float(shipped.temperature), abs=1e-3)
    generator = Generator().manual_seed(17)
    blends = blend(validation.images.float() / 255, validation.letters, generator)
    taken = torch.cat([shipped.read(part).letter >= 0 for part in blends.split(500)])
    # 2 % were to pass, of other blends of the same letters.
    assert taken.float().mean() < 0.03


@pytest.mark.parametrize("n", [1, 3, 8, 64])
def test_junk_batches_of_any_size(n: int, unseen: GlyphSet):
    near = torch.from_numpy(NearLetters.load().glyphs[:50])[:, None]
    glyphs, letters = unseen.images[:n].float() / 255, unseen.letters[:n]
    for seed in range(6):
        junk = junk_batch(glyphs, letters, near, Generator().manual_seed(seed))
        assert junk.shape == glyphs.shape and junk.min() >= 0 and junk.max() <= 1


def test_noise_tells_nothing_of_what_is_under_it():
    """Faint noise of any picture may go and may come, whatever it is a picture of."""
    generator = torch.Generator().manual_seed(0)
    ink = (torch.rand(400, 1, 28, 28, generator=generator) < 0.1).float() * 0.8
    noisy = (ink + 0.02 * torch.randn(ink.shape, generator=generator)).clamp(0, 1)
    paper = ink == 0
    for pictures in (ink, noisy):
        shown = grained(pictures, generator)
        assert shown.min() >= 0 and shown.max() <= 1
        spread = torch.stack(
            [picture[mask].std() for picture, mask in zip(shown, paper, strict=True)]
        )
        assert (spread == 0).float().mean() > 0.1  # clean ones
        assert (spread > 0.015).float().mean() > 0.2  # and noisy ones, from clean pictures too
        assert shown[~paper].mean() > 0.7


def test_disturbed_letters_are_still_those_letters(shipped: Judge, unseen: GlyphSet):
    glyphs, before = unseen.images[:520].float() / 255, torch.get_rng_state()
    changed = disturbed(glyphs, Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    assert changed.shape == glyphs.shape and changed.min() >= 0 and changed.max() <= 1
    assert 0.05 < (changed == glyphs).flatten(1).all(1).float().mean() < 0.3
    reading = shipped.read(changed)
    taken = reading.letter >= 0
    assert taken.float().mean() > 0.85
    assert (reading.letter == unseen.letters[:520])[taken].float().mean() > 0.96


@pytest.fixture(scope="module")
def few(typefaces: Typefaces) -> GlyphSet:
    return some(GlyphSet.of(typefaces, "train"), torch.arange(26 * 300, 26 * 320))


def test_a_tiny_training_learns(few: GlyphSet):
    near = NearLetters.load()
    before = torch.get_rng_state()
    judge = train(few, few, near, "few", steps=60, batch=26, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        logits, _ = judge(few.images.float() / 255)
    assert float(F.cross_entropy(logits, few.letters)) < 0.7 * math.log(27)
    accuracy = (logits[:, :26].argmax(1) == few.letters).float().mean()
    assert accuracy > 5 / 26  # chance is 1 / 26
    assert (judge.data, judge.size, judge.training) == ("few", 28, False)


def test_the_seed_decides_what_is_learned(few: GlyphSet):
    near = NearLetters.load()
    prints = [
        train(few, few, near, "few", steps=2, batch=64, seed=seed, progress=False).fingerprint
        for seed in (1, 1, 2)
    ]
    assert prints[0] == prints[1] != prints[2]


# The command.


def test_another_set_of_typefaces_trains_another_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    for name in ("cmr10.ttf", "cmss10.ttf", "DejaVuSans.ttf"):
        shutil.copy(REAL / name, fonts)
    typefaces, _ = build([fonts])
    typefaces.save(tmp_path / "set.npz")
    out = tmp_path / "judge.safetensors"
    main(["train", "--set", str(tmp_path / "set.npz"), "--out", str(out), "--steps", "3"])
    assert Judge.load(out).data == typefaces.fingerprint
    printed = capsys.readouterr().out
    for name in ("accepted", "right", "calibration", "junk/blank", "junk/evenly"):
        assert name in printed


def test_the_reports_letters_train_a_judge_that_is_found_by_their_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "judge.safetensors"
    main(["train", "--set", "report", "--out", str(out), "--steps", "2"])
    assert Judge.load(out).data == ReportLetters().fingerprint
    capsys.readouterr()
    main(["report", "--set", "report", "--out", str(out), "--floor", "1"])  # nothing left to see
    blank = float(re.search(r"junk/blank\s*│\s*([\d.]+)", capsys.readouterr().out).group(1))  # pyright: ignore
    judge = Judge.load(out)
    assert blank == float(judge.read(torch.zeros(1, 1, 28, 28)).letter[0] >= 0)


def test_the_judge_of_the_reports_letters_reads_ink_and_not_their_noise():
    data = ReportLetters()
    judge, letters = Judge.load(REPORT), data.reference("test")
    if judge.data != data.fingerprint:
        pytest.skip("this version of the imaging library draws the report's letters otherwise")
    assert data.judge.fingerprint == judge.fingerprint
    assert REPORT.stat().st_size < 1_000_000
    near = NearLetters.builtin("test")
    for noise, floor in ((0.0, 0.0), (0.05, 0.0), (0.0, 0.1)):
        measured = figures(judge, letters, near, noise=noise, floor=floor)
        assert measured["accepted"] > 0.99 and measured["right"] > 0.99
        assert measured["calibration"] < 0.01
        for kind in ("noise", "blank", "shuffled", "smears", "salt", "scribbles", "a", "4"):
            assert measured[f"junk/{kind}"] < 0.01, (kind, noise, floor)
        assert measured["junk/blend"] < 0.06  # 0.02 were wanted


def test_a_wrong_path_is_one_line(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"error: no typefaces at .*gone\.npz"):
        main(["report", "--set", str(tmp_path / "gone.npz")])
    done = subprocess.run(
        [sys.executable, "-m", "fontgan.judge", "report", "--out", str(tmp_path / "gone.file")],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("error: no judge at ") and "gone.file" in line
