from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fontgan.data import BuiltinTypefaces
from fontgan.samples import load


@pytest.fixture(scope="module")
def glyphs() -> np.ndarray:
    return BuiltinTypefaces().reference("validate").images[:12, 0].numpy()


def test_a_folder_of_pictures_comes_back_as_it_was(glyphs, tmp_path: Path):
    for i, glyph in enumerate(glyphs):
        Image.fromarray(glyph).save(tmp_path / f"{i:03d}.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    assert torch.equal(load(tmp_path, 28)[:, 0], torch.from_numpy(glyphs))


@pytest.mark.parametrize("ink", ["auto", "dark"])
def test_dark_ink_on_paper_is_turned_over(glyphs, tmp_path: Path, ink: str):
    np.savez(tmp_path / "a.npz", images=255 - glyphs)
    assert torch.equal(load(tmp_path / "a.npz", 28, ink)[:, 0], torch.from_numpy(glyphs))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[:, None],
        lambda x: np.repeat(x[..., None], 3, -1),
        lambda x: np.repeat(x[:, None], 3, 1),
        lambda x: x[..., None],
        lambda x: x / 255,
        lambda x: x / 255 - 0.0005,  # a blur or a resize leaves such
        lambda x: np.where(x > 250, 1.03, x / 255),
        lambda x: (x / 127.5 - 1).astype(np.float32),
        lambda x: x.astype(np.float64),
    ],
)
def test_arrays_of_any_usual_kind(glyphs, tmp_path: Path, change):
    np.savez(tmp_path / "a.npz", images=change(glyphs))
    assert torch.equal(load(tmp_path / "a.npz", 28)[:, 0], torch.from_numpy(glyphs))


def test_sixteen_bits_a_pixel_are_the_same_picture(glyphs, tmp_path: Path):
    Image.fromarray(glyphs[0].astype(np.uint16) * 257).save(tmp_path / "a.png")
    assert torch.equal(load(tmp_path, 28)[0, 0], torch.from_numpy(glyphs[0]))


def test_ink_on_nothing_is_ink_on_paper(glyphs, tmp_path: Path):
    """Saved as RGBA or LA, where what is transparent is black."""
    for name, mode in (("a", "RGBA"), ("b", "LA")):
        layer = Image.new(mode, (28, 28))
        layer.putalpha(Image.fromarray(glyphs[0]))
        layer.save(tmp_path / f"{name}.png")
    found = load(tmp_path, 28, "dark")[:, 0]
    assert (found.int() - torch.from_numpy(glyphs[0]).int()).abs().max() <= 1


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64])
def test_zeros_and_ones_are_ink(glyphs, tmp_path: Path, kind):
    np.savez(tmp_path / "a.npz", images=(glyphs > 127).astype(kind))
    expected = torch.from_numpy(255 * (glyphs > 127).astype(np.uint8))
    assert torch.equal(load(tmp_path / "a.npz", 28, "bright")[:, 0], expected)


def test_pictures_of_another_size_are_brought_to_the_judges(glyphs, tmp_path: Path):
    Image.fromarray(glyphs[0]).resize((84, 84), Image.Resampling.LANCZOS).save(tmp_path / "a.png")
    found = load(tmp_path, 28)[0, 0].float() - torch.from_numpy(glyphs[0]).float()
    assert found.abs().mean() < 8


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda p: None, FileNotFoundError, "no samples at"),
        (lambda p: p.mkdir(), FileNotFoundError, "no picture in"),
        (lambda p: p.write_bytes(b"PK and no more"), ValueError, "cannot be read as an .npz"),
        (lambda p: _one(p, np.zeros((3, 28, 28))), ValueError, r"one array; .*images=ARRAY"),
        (lambda p: _save(p, other=np.zeros(3)), ValueError, "no array `images`; it holds other"),
        (lambda p: _save(p, images=np.zeros((3, 4))), ValueError, r"got \(3, 4\)"),
        (lambda p: _save(p, images=np.zeros((3, 4, 6), np.uint8)), ValueError, "6 x 4; glyphs"),
        (lambda p: _save(p, images=np.full((3, 4, 4), np.nan)), ValueError, "no numbers"),
        (lambda p: _save(p, images=np.full((3, 4, 4), 900.0)), ValueError, "must lie in"),
        (lambda p: _save(p, images=np.full((3, 4, 4), 1.3)), ValueError, r"found \[1\.3, 1\.3\]"),
        (lambda p: _save(p, images=np.linspace(-1, 2, 48).reshape(3, 4, 4)), ValueError, "lie in"),
        (lambda p: _save(p, images=np.zeros((3, 0, 0))), ValueError, r"empty, of shape \(3, 0, 0"),
        (lambda p: _save(p, images=np.zeros((3, 4, 4, 4))), ValueError, r"got \(3, 4, 4, 4\)"),
        (lambda p: _save(p, images=np.zeros((3, 4, 4), complex)), ValueError, "not complex128"),
        (lambda p: _save(p, images=np.array([[["a"]]])), ValueError, "must hold numbers"),
        (lambda p: _save(p, images=np.full((3, 4, 4), 900)), ValueError, "must lie in"),
        (lambda p: _save(p, images=np.full((3, 4, 4), -9)), ValueError, "must lie in"),
    ],
)
def test_what_is_no_set_of_glyphs_is_named(tmp_path: Path, write, error, message):
    path = tmp_path / "samples"
    write(path)
    with pytest.raises(error, match=message):
        load(path, 28)


def _one(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)


def _save(path: Path, **arrays: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def test_a_broken_picture_is_named(tmp_path: Path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(ValueError, match=r"x\.png cannot be read"):
        load(tmp_path, 28)
    with pytest.raises(ValueError, match="'grey', it must be"):
        load(tmp_path, 28, ink="grey")
