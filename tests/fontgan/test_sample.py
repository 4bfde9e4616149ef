import csv
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fontTools.ttLib import TTFont
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict
from PIL import Image
from torch import Tensor, nn

from fontgan import LETTERS
from fontgan.data import BuiltinTypefaces
from fontgan.export import export
from fontgan.exported import AlphabetGenerator, LetterGenerator, Record
from fontgan.interpolation import compared
from fontgan.metrics.consistency import alphabets, style_probe
from fontgan.metrics.memory import nearest_distances
from fontgan.networks import Generator
from fontgan.rendering import FontFile, render_file
from fontgan.sample import USES, arguments
from fontgan.sampling import MODES, alphabet, font, grid, interpolate, letter, nearest_glyphs, run
from fontgan.sheets import REFUSED, Row, in_rows, sheet
from fontgan.studio import Studio
from fontgan.walks import KINDS


class Faces(nn.Module):
    """Draws real glyphs: the sign of one coordinate chooses the face, the choice the letter."""

    def __init__(self, faces: Tensor) -> None:
        super().__init__()
        self.faces = faces

    def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        z = torch.randn(n, 1, generator=generator)
        return torch.cat([z, F.one_hot(torch.arange(n) % 26, 26)], 1)

    def forward(self, z: Tensor) -> Tensor:
        face = self.faces[(z[:, 0] > 0).long()]
        return torch.einsum("nk,nkchw->nchw", z[:, 1:], face) * 2 - 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> BuiltinTypefaces:
    """With a probe that has hardly been trained: what it finds is measured elsewhere."""
    data = BuiltinTypefaces(cache=str(tmp_path_factory.mktemp("cache")))
    style_probe(data, steps=3)
    return data


@pytest.fixture(scope="module")
def model(data: BuiltinTypefaces) -> AlphabetGenerator:
    known = Record({}, 28, 1, 1, 26, letters=True, source="faces/real", batches=9)
    return AlphabetGenerator(Faces(alphabets(data.reference("train"))[[0, 40]]), known)


@pytest.fixture
def studio(model: AlphabetGenerator, data: BuiltinTypefaces, tmp_path: Path) -> Studio:
    return Studio(model, data, tmp_path, seed=0)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_config_names_every_key_of_every_mode():
    cfg = OmegaConf.load(Path(__file__).parents[2] / "conf" / "fontgan_sample.yaml")
    assert list(MODES) == list(USES)
    for mode, function in MODES.items():
        takes = list(inspect.signature(function).parameters)[1:]
        assert sorted(takes) == sorted(USES[mode]) and set(takes) <= set(cfg)
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
            # One default, wherever it is asked for; null leaves it to the mode.
            assert cfg[name] is None or cfg[name] == parameter.default or name == "compare"


def test_a_mode_takes_its_own_keys_alone():
    cfg = OmegaConf.create({**OmegaConf.load("conf/fontgan_sample.yaml"), "mode": "grid"})
    assert arguments(cfg, ["mode=grid", "n=null", "seed=3"]) == {
        "truncation": 1.0, "sort": True, "nearest": False,
    }  # fmt: skip
    with pytest.raises(ValueError, match="mode=grid does not use letters=; it uses n, truncation"):
        arguments(cfg, ["letters=AB"])
    cfg.mode = "gird"
    with pytest.raises(ValueError, match="no mode 'gird'; did you mean 'grid'"):
        arguments(cfg, [])


def test_a_grid_is_sorted_and_shows_the_nearest_glyphs(studio: Studio):
    outcome = grid(studio, n=52, nearest=True)
    with np.load(studio.directory / "grid.npz") as kept:
        letters, sure = kept["letters"], kept["confidences"]
        places = np.where(letters < 0, 26, letters)
        order = np.lexsort((-sure, places))
        assert (places[order] == places).all() and (sure[order] == sure).all()
        assert kept["images"].shape == (52, 28, 28) and kept["latents"].shape == (52, 27)
        # They are training glyphs, up to how a checkpoint's floats are rounded.
        assert (kept["nearest"] == kept["images"]).all() and (kept["distances"] == 0).all()
    accepted = (letters >= 0).mean()
    assert outcome.final["coverage/accepted"] == pytest.approx(accepted) and accepted > 0.9
    assert outcome.final["coverage/any"] == len(set(letters) - {-1})
    assert outcome.final["memory/nearest"] == 0
    grid(studio, n=52, sort=False)
    with np.load(studio.directory / "grid.npz") as kept:
        assert (kept["latents"][:, 1:].argmax(1) == np.arange(52) % 26).all()


def test_the_nearest_glyph_is_as_near_as_memory_says(data: BuiltinTypefaces):
    training, images = data.reference("train").images[:500], data.reference("test").images[:40]
    which, distances = nearest_glyphs(images, training)
    expected = nearest_distances(images.float() / 255, training.float() / 255)
    assert torch.allclose(distances, expected)
    there = (images.float() - training[which].float()).square().mean((1, 2, 3)).sqrt() / 255
    assert torch.allclose(there, expected)


def test_letters_on_request(studio: Studio):
    outcome = letter(studio, "AQ", n=3, draws=52, search=10)
    rows = rows_of(studio.directory / "letters.csv")
    assert [row["letter"] for row in rows] == ["A", "Q"]
    for row in rows:
        # Two of 52 draws are of each letter, and there is nothing to search along.
        assert float(row["share"]) == pytest.approx(2 / 52, abs=1e-5)
        assert float(row["low"]) < 2 / 52 < float(row["high"])
        assert [row[k] for k in ("by_rejection", "by_search", "missing")] == ["2", "0", "1"]
    assert outcome.said == "of A only 2 of 3 were found; of Q only 2 of 3 were found"
    assert outcome.final == {"letters/A": 2 / 52, "letters/Q": 2 / 52} and outcome.samples == 4


def test_a_letter_that_cannot_be_drawn_is_told(data: BuiltinTypefaces, tmp_path: Path):
    a = alphabets(data.reference("train"))[:1, :1].expand(2, 26, -1, -1, -1)
    studio = Studio(LetterGenerator(Faces(a), Record({}, 28, 1, 1, 26)), data, tmp_path, 0)
    outcome = letter(studio, "AZ", n=2, draws=100, search=5)
    assert outcome.said == (
        "Z is in none of 100 draws (at most 3.70%), a search finds none either: it cannot be drawn"
    )
    with pytest.raises(ValueError, match="cannot draw Z: it is in none of 100 draws"):
        interpolate(studio, "A-Z", draws=100, search=5)
    with pytest.raises(ValueError, match=r"not told which letter .* \+experiment=conditional"):
        alphabet(studio)


def test_a_walk_passes_its_stations(studio: Studio):
    outcome = interpolate(studio, "A-C-E", steps=5, points=9, draws=52)
    with np.load(studio.directory / "path.npz") as kept:
        assert kept["images linear"].shape == (9, 28, 28)
        letters = kept["latents spherical"][:, 1:]
    assert [letters[i].argmax() for i in (0, 4, 8)] == [0, 2, 4]
    assert letters[2, [0, 2]].tolist() == [0.5, 0.5]
    rows = rows_of(studio.directory / "path.csv")
    assert [(r["way"], r["from_to"]) for r in rows] == [
        ("linear", "A-C"), ("linear", "C-E"), ("spherical", "A-C"), ("spherical", "C-E"),
    ]  # fmt: skip
    mean = sum(float(r["features"]) for r in rows[:2]) / 2
    assert outcome.final["walk/linear/features"] == pytest.approx(mean, abs=1e-5)


def test_only_generators_that_draw_letters_are_compared(
    studio: Studio, noise: tuple[Path, LetterGenerator]
):
    path = str(noise[0])
    with pytest.raises(ValueError, match="two different runs or more"):
        interpolate(studio, compare=[path])
    with pytest.raises(ValueError, match="only 0 letter"):
        interpolate(studio, compare=[path, path], draws=50, search=1)


def test_a_comparison_tells_differences_walk_by_walk(studio: Studio):
    even, random = np.ones((30, 4)), np.random.default_rng(0).normal(size=(30, 4))
    first, second = ({kind: values for kind in KINDS} for values in (random, random + 2 * even))
    outcome = compared(studio, {"one": first, "two": second})
    rows = rows_of(studio.directory / "walks.csv")
    assert len(rows) == 2 * 3 * 4 + 2
    for row in rows[-2:]:
        # The walks differ among themselves, but each by 2 from its partner.
        assert [float(row[k]) for k in ("mean", "low", "high")] == [2, 2, 2]
    one = next(r for r in rows if (r["run"], r["way"], r["measure"]) == ("one", "linear", "pixels"))
    assert float(one["low"]) < float(one["mean"]) < float(one["high"])
    assert float(one["mean"]) == pytest.approx(random[:, 1].mean(), abs=1e-5)
    assert outcome.final["walk/two/spherical/legible"] == pytest.approx(random[:, 2].mean() + 2)
    assert "two minus one, share of letters: +2.00 (+2.00 to +2.00)" in outcome.said


def test_alphabets_stand_between_floor_and_ceiling(studio: Studio):
    outcome = alphabet(studio, n=3, codes=12)
    with np.load(studio.directory / "alphabets.npz") as kept:
        assert kept["images"].shape == (3, 26, 28, 28) and kept["styles"].shape == (3, 1)
    assert set(outcome.final) == set(outcome.floor) == set(outcome.ceiling)
    # Twelve codes, two faces: among so many of the same face one's own is found by lot, so that no
    # probe finds more than two of the twelve.
    assert 0 < outcome.final["consistency/letters"] <= 2 / 12 + 1e-9
    assert outcome.final["alphabet/right"] > 0.9


def test_a_font_is_made_of_the_most_legible_code(studio: Studio):
    named = studio.directory / "mine.ttf"  # a path of one's own, or a name in the working directory
    outcome = font(studio, out=str(named), family="Mine", candidates=6)
    # The written file itself, drawn by FreeType as training faces are, and judged.
    [(_, drawn)], _ = render_file(FontFile(named, named.parent), 28)
    again = studio.judge.read(torch.from_numpy(drawn)[:, None]).letter == torch.arange(26)
    assert outcome.final["font/right"] == pytest.approx(float(again.double().mean()), abs=1e-12)
    assert f"{int(again.sum())} as the font draws them" in outcome.said and again.sum() > 20
    assert outcome.said.endswith(f"; {named}, the most legible of 6 style codes")
    made = {file.name for file in studio.directory.iterdir()}
    assert made == {"mine.ttf", "mine.svg", "mine_specimen.png", "letters.csv", "alphabet.png",
                    "alphabet.npz"}  # fmt: skip
    with TTFont(studio.directory / "mine.ttf") as written:
        assert written["name"].getBestFamilyName() == "Mine"
        assert {ord(name) for name in LETTERS} <= set(written.getBestCmap())
        assert "faces/real" in written["name"].getDebugName(10)
    rows = rows_of(studio.directory / "letters.csv")
    assert [row["letter"] for row in rows] == list(LETTERS)
    assert [row["right_as_written"] == "True" for row in rows] == again.tolist()
    assert outcome.final["font/iou_least"] == pytest.approx(
        min(float(r["iou"]) for r in rows), abs=1e-5
    )
    # Both faces there are, read by the judge; the font is of the one that it reads more surely.
    sure = []
    for styles in (torch.tensor([[-1.0]]), torch.tensor([[1.0]])):
        reading = studio.judge.read((studio.model.alphabets(styles)[0] * 255).round().byte())
        right = reading.letter == torch.arange(26)
        sure.append(float(torch.where(right, reading.confidence, 0).mean()))
    assert outcome.final["alphabet/confidence"] == pytest.approx(max(sure), abs=1e-7)
    assert abs(sure[0] - sure[1]) > 1e-5
    other = studio.directory / "other.TTF"
    font(studio, out=str(other), family=42)  # pyright: ignore  as a command line has it
    with TTFont(other) as written:
        assert written["name"].getBestFamilyName() == "42"
    with pytest.raises(ValueError, match=r"out=mine\.otf must be a TrueType font's name"):
        font(studio, out="mine.otf")
    for wrong in (0, 2.5, "abc"):
        with pytest.raises(ValueError, match="candidates must be a whole number"):
            font(studio, candidates=wrong)  # pyright: ignore
    with pytest.raises(ValueError, match="truncation must lie"):
        font(studio, truncation="hello")  # pyright: ignore


def test_sheets_mark_what_is_refused(tmp_path: Path):
    images = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    rows = [Row(images, ["A", REFUSED, f"B {REFUSED}"], "a row"), *in_rows(images, ["A"] * 3, 2)]
    sheet(tmp_path / "sheet.png", "Three glyphs", rows, "a note")
    assert [len(row.images) for row in rows] == [3, 2, 1]
    picture = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    tinted = (picture[..., 0] - picture[..., 2] > 30).sum()
    sheet(tmp_path / "plain.png", "Three glyphs", [Row(images, ["A", "B", "C"], "a row")], "a note")
    plain = np.asarray(Image.open(tmp_path / "plain.png").convert("RGB")).astype(int)
    assert tinted > 1000 and (plain[..., 0] - plain[..., 2] > 30).sum() == 0
    assert not list(tmp_path.glob(".*"))


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LetterGenerator]:
    """An untrained generator, exported."""
    torch.manual_seed(0)
    network = Generator(dimensions=4, modes=0, width=8)
    target = {"_target_": "fontgan.networks.Generator", "dimensions": 4, "modes": 0, "width": 8}
    model = LetterGenerator(network, Record(target, 28, 1, 4, 0, source="noise/x"))
    (path,) = export(model, tmp_path_factory.mktemp("noise"), ["safetensors"])
    return path, model


def in_process(directory: Path, *overrides: str) -> None:
    """What the command does once Hydra has composed its config."""
    GlobalHydra.instance().clear()
    with initialize_config_module("conf", version_base="1.3"):
        cfg = compose("fontgan_sample", list(overrides), return_hydra_config=True)
    with open_dict(cfg):
        cfg.hydra.runtime.output_dir = str(directory)
        cfg.hydra.job.name = "sample"
        HydraConfig.instance().set_config(cfg)
        del cfg["hydra"]
    run(cfg, arguments(cfg, list(overrides)))


def test_a_folder_tells_of_itself(noise: tuple[Path, LetterGenerator], tmp_path: Path):
    path, model = noise
    in_process(tmp_path, f"ckpt_path={path}", "n=20", "seed=3")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["status"] == "finished" and summary["samples"] == 20 and summary["seed"] == 3
    assert summary["measured"] == str(path)
    assert summary["command"].startswith(f"python -m fontgan.sample ckpt_path={path}")
    assert summary["final"]["coverage/accepted"] == 0
    assert summary["verdict"] == "0% of 20 samples are a letter, 0 different ones"
    made = {file.name for file in tmp_path.iterdir()}
    assert made == {"summary.json", "config.yaml", "grid.png", "grid.npz"}
    with np.load(tmp_path / "grid.npz") as kept:
        # Refused ones all, so the surest come first; they are what the generator draws.
        assert (np.diff(kept["confidences"]) <= 0).all()
        expected = model.sample(20, torch.Generator().manual_seed(3))[:, 0]
        drawn = {image.tobytes() for image in (expected * 255).round().byte().numpy()}
        assert {image.tobytes() for image in kept["images"]} == drawn


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["mode=alphabet"], r"noise/x is not told which letter .* \+experiment=conditional"),
        (["n=0"], "n must be a whole number, at least 1, got 0"),
        (["truncation=2"], r"truncation must lie in \[0, 1\], got 2"),
        (["mode=letter", "letters=A1"], "'A1' must be letters A-Z"),
        (["mode=interpolate", "path=A"], "a walk needs two"),
        (["mode=interpolate", "compare=[a,b]"], "both name runs"),
    ],
)
def test_a_mistake_is_told(
    overrides: list[str], said: str, noise: tuple[Path, LetterGenerator], tmp_path: Path
):
    with pytest.raises(ValueError, match=said):
        in_process(tmp_path, f"ckpt_path={noise[0]}", *overrides)
    assert not list(tmp_path.iterdir())


def test_the_judge_must_read_what_is_drawn(data: BuiltinTypefaces, tmp_path: Path):
    large = LetterGenerator(nn.Identity(), Record({}, 32, 1, 4, 0, source="large"))
    with pytest.raises(ValueError, match=r"large draws pictures of 32 pixels .* data\.size=32"):
        Studio(large, data, tmp_path, 0)


@pytest.mark.slow
def test_the_command(noise: tuple[Path, LetterGenerator], tmp_path: Path):
    def sample(*overrides: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fontgan.sample", *overrides], cwd=tmp_path,
            capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"},
        )  # fmt: skip

    ran = sample(f"ckpt_path={noise[0]}", "n=20", "hydra.run.dir=out")
    assert ran.returncode == 0, ran.stderr
    assert "0% of 20 samples are a letter" in ran.stdout and (tmp_path / "out/grid.png").is_file()
    for override, said in (("mode=gird", "did you mean 'grid'?"), ("m=3", "no key 'm'")):
        ran = sample(override)
        assert ran.returncode in (1, 2) and len(ran.stderr.strip().splitlines()) == 1
        assert ran.stderr.startswith("error: ") and said in ran.stderr
