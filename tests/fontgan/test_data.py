import ast
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from fontTools.ttLib import TTFont
from lightning import LightningModule, Trainer
from omegaconf import OmegaConf
from torch import Tensor

from fontgan import judge_training
from fontgan.batches import EpochBatches
from fontgan.data import BuiltinTypefaces, FontFolders, GlyphData, ReportLetters
from fontgan.glyphs import GlyphSet
from fontgan.judge import BUILTIN as BUILTIN_JUDGE
from fontgan.judge import Judge
from fontgan.typefaces import SPLITS, Typefaces

REPOSITORY = Path(__file__).parents[2]
REAL = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "STIXGeneral.ttf", "cmr10.ttf", "cmss10.ttf")


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    folder = tmp_path / "fonts"
    folder.mkdir()
    for name in FONTS:
        shutil.copy(REAL / name, folder)
    return folder


class Numbers(GlyphData):
    """A hundred pictures, each of its own grey, whose `letters` count them."""

    def sets(self) -> dict[str, GlyphSet]:
        numbers = torch.arange(100)
        images = numbers.to(torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8).contiguous()
        glyphs = GlyphSet(images, numbers, numbers + 1000)
        return dict.fromkeys(SPLITS, glyphs)

    @property
    def fingerprint(self) -> str:
        return "numbers"


class Watcher(LightningModule):
    """Remembers the numbers of every batch that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: list[list[list[int]]] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_train_epoch_start(self) -> None:
        self.seen.append([])

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        self.seen[-1].append(batch[1].tolist())
        return self.layer(torch.ones(1, 1)).sum()

    def test_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self.tested = len(batch[1])


def stream(**arguments: int) -> list[int]:
    return torch.cat(list(EpochBatches(**arguments))).tolist()


# The order of batches.


@pytest.mark.parametrize(("n", "batch"), [(100, 10), (100, 7), (5, 64), (64, 64)])
def test_each_pass_has_every_index_once(n: int, batch: int):
    batches = 4 * n // batch + 8
    indices = stream(n=n, batch_size=batch, batches=batches, seed=3)
    assert len(indices) == batch * batches
    for start in range(0, len(indices) - n, n):
        assert sorted(indices[start : start + n]) == list(range(n))
    assert len({tuple(indices[start : start + n]) for start in range(0, 3 * n, n)}) == 3


def test_an_epoch_goes_on_where_the_last_one_ended():
    whole = stream(n=37, batch_size=8, batches=30, seed=1)
    sampler = EpochBatches(37, 8, 10, seed=1)
    assert len(sampler) == 10
    parts = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        parts += torch.cat(list(sampler)).tolist()
        assert torch.cat(list(sampler)).tolist() == parts[-80:]  # asking twice changes nothing
    assert parts == whole


def test_the_seed_decides_and_the_global_state_does_not():
    before = torch.get_rng_state()
    first = stream(n=50, batch_size=10, batches=5, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert stream(n=50, batch_size=10, batches=5, seed=1) == first
    assert stream(n=50, batch_size=10, batches=5, seed=2) != first


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_stream(world: int):
    """Each takes every world-th batch: an epoch of all is the next part of the one stream."""
    batches = 12
    for epoch in range(2):
        ranks = []
        for rank in range(world):
            sampler = EpochBatches(40, 6, batches, 5, rank, world)
            sampler.set_epoch(epoch)
            ranks.append([part.tolist() for part in sampler])
        together = [part for row in zip(*ranks, strict=True) for part in row]
        alone = EpochBatches(40, 6, batches * world, 5)
        alone.set_epoch(epoch)
        assert together == [part.tolist() for part in alone]


# The module.


def test_batches_are_pictures_in_unit_range_with_letters_and_faces():
    data = Numbers(batch_size=6, batches_per_epoch=4, size=8)
    batches = list(data.train_dataloader())
    assert len(batches) == 4
    for images, letters, faces in batches:
        assert images.shape == (6, 1, 8, 8) and images.dtype == torch.float32
        assert torch.allclose(images, (letters / 255)[:, None, None, None].expand_as(images))
        assert torch.equal(faces, letters + 1000)
    data = ReportLetters(batch_size=64, per_letter=3, held_out=1)
    images, letters, _ = next(iter(data.train_dataloader()))
    assert images.shape == (64, 1, 28, 28) and images.min() == 0 and images.max() == 1
    assert letters.min() >= 0 and letters.max() < 26


# Lightning's own call of a name that torch 2.13 deprecates; and no workers are needed.
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_the_trainer_gets_the_stream_epoch_by_epoch(tmp_path: Path):
    data, watcher = Numbers(batch_size=6, batches_per_epoch=5, size=8, seed=4), Watcher()
    trainer = Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(watcher, data)
    seen = [number for epoch in watcher.seen for batch in epoch for number in batch]
    assert [len(epoch) for epoch in watcher.seen] == [5, 5, 5]
    assert seen == stream(n=100, batch_size=6, batches=15, seed=4)
    trainer.test(watcher, data, verbose=False)
    assert watcher.tested == 1


@pytest.mark.slow
def test_two_devices_share_an_epoch_with_the_shipped_trainer_settings(tmp_path: Path):
    settings = OmegaConf.load(REPOSITORY / "conf" / "trainer" / "default.yaml")
    distributed = OmegaConf.select(settings, "use_distributed_sampler", default=True)
    script = tmp_path / "two.py"
    script.write_text(
        f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from lightning import Trainer
from test_data import Numbers, Watcher

class Writer(Watcher):
    def on_train_end(self):
        Path(f"{{self.global_rank}}.txt").write_text(str(self.seen))

if __name__ == "__main__":
    Trainer(
        accelerator="cpu", devices=2, strategy="ddp_spawn", max_epochs=2, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler={distributed},
    ).fit(Writer(), Numbers(batch_size=3, batches_per_epoch=4, size=8))
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    ranks = [ast.literal_eval((tmp_path / f"{rank}.txt").read_text()) for rank in (0, 1)]
    together = [
        part
        for epoch in range(2)
        for row in zip(ranks[0][epoch], ranks[1][epoch], strict=True)
        for part in row
    ]
    assert together == [part.tolist() for part in EpochBatches(100, 3, batches=2 * 2 * 4, seed=0)]


def test_a_reference_is_one_object_and_a_wrong_split_is_named():
    data = Numbers()
    assert data.reference("test") is data.reference("test")
    with pytest.raises(ValueError, match=r"'val'.*train, validate, test"):
        data.reference("val")


@pytest.mark.parametrize("name", ["batch_size", "batches_per_epoch"])
def test_numbers_below_one_are_named(name: str):
    with pytest.raises(ValueError, match=rf"data\.{name} must be at least 1, got 0"):
        Numbers(**{name: 0})


# The built-in typefaces.


def test_builtin_sets_are_the_glyphs_of_their_faces():
    data = BuiltinTypefaces()
    seen: set[int] = set()
    for split in SPLITS:
        glyphs = data.reference(split)
        assert glyphs.images.dtype == torch.uint8 and glyphs.images.shape[1:] == (1, 28, 28)
        faces = set(glyphs.faces.tolist())
        assert faces == set(data.typefaces.split(split).tolist()) and not faces & seen
        seen |= faces
        for index in (0, 27, len(glyphs.letters) - 1):
            face, letter = int(glyphs.faces[index]), int(glyphs.letters[index])
            assert np.array_equal(
                glyphs.images[index, 0].numpy(), data.typefaces.glyphs[face, letter]
            )
        assert torch.bincount(glyphs.letters).tolist() == [len(faces)] * 26
    assert len(seen) == len(data.typefaces.faces)


def test_the_builtin_set_has_one_size():
    with pytest.raises(ValueError, match=r"28 pixels large, not 32.*data=fonts"):
        BuiltinTypefaces(size=32)


def test_the_builtin_judge_belongs_to_the_builtin_data(tmp_path: Path):
    data = BuiltinTypefaces(cache=str(tmp_path))
    shipped = Judge.load(BUILTIN_JUDGE)
    assert (shipped.data, shipped.size) == (data.fingerprint, data.size)
    assert data.judge.fingerprint == shipped.fingerprint and data.judge is data.judge
    assert not list(tmp_path.iterdir())  # nothing had to be trained


# Folders of fonts, and their cache.


def cached(folder: Path) -> list[Path]:
    return sorted((folder / "typefaces").glob("*.npz"))


def test_a_folder_is_rendered_cleaned_and_split(fonts: Path, tmp_path: Path):
    data = FontFolders([str(fonts)], cache=str(tmp_path / "cache"))
    assert [face.file for face in data.typefaces.faces] == [
        "cmr10.ttf",
        "cmss10.ttf",
        "DejaVuSans-Bold.ttf",
        "DejaVuSans.ttf",
        "STIXGeneral.ttf",
    ]
    assert sum(len(data.reference(split).letters) for split in SPLITS) == 5 * 26
    assert len(cached(tmp_path / "cache")) == 1
    large = FontFolders([str(fonts)], cache=str(tmp_path / "cache"), size=32)
    assert large.reference("train").images.shape[1:] == (1, 32, 32)
    assert len(cached(tmp_path / "cache")) == 2


def test_the_cache_is_used_the_second_time(fonts: Path, tmp_path: Path):
    """A mark put into the cached file is found again: nothing was rendered."""
    first = FontFolders([str(fonts)], cache=str(tmp_path)).typefaces
    [path] = cached(tmp_path)
    glyphs = first.glyphs.copy()
    glyphs[0, 0, 0, 0] = 77
    Typefaces(glyphs, first.faces, first.groups).save(path)
    second = FontFolders([str(fonts)], cache=str(tmp_path))
    assert second.typefaces.glyphs[0, 0, 0, 0] == 77
    assert second.fingerprint != first.fingerprint


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped"])
def test_a_damaged_cache_is_rebuilt(damage: str, fonts: Path, tmp_path: Path):
    first = FontFolders([str(fonts)], cache=str(tmp_path)).fingerprint
    [path] = cached(tmp_path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    path.write_bytes(
        {"cut": whole[:middle], "empty": b"", "text": b"no cache", "flipped": flipped}[damage]
    )
    with pytest.warns(UserWarning, match="rendering the fonts again"):
        again = FontFolders([str(fonts)], cache=str(tmp_path))
    assert again.fingerprint == first
    assert Typefaces.load(path).fingerprint == first


def test_a_half_written_cache_is_not_looked_at(fonts: Path, tmp_path: Path):
    """Files are written beside their place and then moved; what a crash leaves is harmless."""
    first = FontFolders([str(fonts)], cache=str(tmp_path)).fingerprint
    [path] = cached(tmp_path)
    path.rename(path.with_name(f".{path.name}.123"))
    assert FontFolders([str(fonts)], cache=str(tmp_path)).fingerprint == first
    assert path.is_file()


def test_other_contents_have_another_cache(fonts: Path, tmp_path: Path):
    first = FontFolders([str(fonts)], cache=str(tmp_path))
    shutil.copy(REAL / "STIXGeneralBol.ttf", fonts / "STIXGeneral.ttf")  # under the same name
    second = FontFolders([str(fonts)], cache=str(tmp_path))
    assert len(cached(tmp_path)) == 2 and second.fingerprint != first.fingerprint
    assert "Bold" in {face.style for face in second.typefaces.faces}
    shutil.copy(REAL / "STIXGeneral.ttf", fonts / "STIXGeneral.ttf")
    assert FontFolders([str(fonts)], cache=str(tmp_path)).fingerprint == first.fingerprint
    assert len(cached(tmp_path)) == 2
    (fonts / "notes.txt").write_text("no font, no matter")
    assert FontFolders([str(fonts)], cache=str(tmp_path)).fingerprint == first.fingerprint
    assert len(cached(tmp_path)) == 2


def test_one_folder_needs_no_list_and_home_has_a_short_name(
    fonts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cache = str(tmp_path / "cache")
    expected = FontFolders([str(fonts)], cache=cache).fingerprint
    assert FontFolders(str(fonts), cache=cache).fingerprint == expected
    monkeypatch.setenv("HOME", str(fonts.parent))
    assert FontFolders("~/fonts", cache=cache).fingerprint == expected


def test_the_order_of_folders_is_no_matter(fonts: Path, tmp_path: Path):
    """Even where the names of file, family and style are the same."""
    other = tmp_path / "other"
    other.mkdir()
    for folder, source in ((fonts, "cmr10.ttf"), (other, "cmtt10.ttf")):
        with TTFont(REAL / source) as font:
            for record in font["name"].names:
                record.string = "Same"
            font.save(folder / "cmr10.ttf")
    folders = [str(fonts), str(other)]
    first = FontFolders(folders, cache=str(tmp_path / "a"))
    again = FontFolders(folders[::-1], cache=str(tmp_path / "b"))
    assert [f.family for f in first.typefaces.faces].count("Same") == 2
    assert first.fingerprint == again.fingerprint
    assert [p.name for p in cached(tmp_path / "a")] == [p.name for p in cached(tmp_path / "b")]


def test_names_that_are_no_text_are_names(fonts: Path, tmp_path: Path):
    (fonts / "cmr10.ttf").rename(os.fsdecode(os.fsencode(fonts) + b"/caf\xe9.ttf"))
    data = FontFolders([str(fonts)], cache=str(tmp_path / "cache"))
    assert next(os.fsencode(face.file) for face in data.typefaces.faces) == b"caf\xe9.ttf"
    again = FontFolders([str(fonts)], cache=str(tmp_path / "cache"))
    assert again.typefaces.faces == data.typefaces.faces


def test_folders_that_cannot_be_used_are_named(fonts: Path, tmp_path: Path):
    cache = str(tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty"):
        FontFolders([str(tmp_path / "empty")], cache=cache)
    with pytest.raises(FileNotFoundError, match="gone"):
        FontFolders([str(fonts), str(tmp_path / "gone")], cache=cache)
    for name in ("cmr10.ttf", "cmss10.ttf", "STIXGeneral.ttf"):
        (fonts / name).unlink()
    with pytest.raises(ValueError, match="at least 3 unrelated families"):
        FontFolders([str(fonts)], cache=cache)


# A judge for other data: trained once, cached by fingerprint.


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real training, but for two steps."""
    train = partial(judge_training.train, steps=2, batch=64, progress=False)
    monkeypatch.setattr(judge_training, "train", train)


def test_a_judge_is_trained_once_and_cached(hasty: None, tmp_path: Path):
    def data(per_letter: int = 3) -> ReportLetters:
        return ReportLetters(per_letter=per_letter, held_out=1, cache=str(tmp_path))

    first = data()
    judge = first.judge
    assert (judge.data, judge.size) == (first.fingerprint, 28) and not judge.training
    [path] = (tmp_path / "judges").iterdir()
    assert first.fingerprint in path.name
    written = path.stat().st_mtime_ns
    assert data().judge.fingerprint == judge.fingerprint
    assert path.stat().st_mtime_ns == written
    assert data(per_letter=4).judge.data != judge.data
    assert len(list((tmp_path / "judges").iterdir())) == 2


def test_a_damaged_judge_is_trained_again(hasty: None, tmp_path: Path):
    data = ReportLetters(per_letter=3, held_out=1, cache=str(tmp_path))
    fingerprint = data.judge.fingerprint
    [path] = (tmp_path / "judges").iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    again = ReportLetters(per_letter=3, held_out=1, cache=str(tmp_path))
    with pytest.warns(UserWarning, match="training another"):
        assert again.judge.fingerprint == fingerprint
    assert Judge.load(path).fingerprint == fingerprint


def test_a_judge_of_other_data_is_not_used(hasty: None, tmp_path: Path):
    data = ReportLetters(per_letter=3, held_out=1, cache=str(tmp_path))
    Judge(28, data="other").save(tmp_path / "judges" / f"{data.fingerprint}-28.safetensors")
    assert data.judge.data == data.fingerprint
