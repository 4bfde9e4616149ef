"""Pictures of anybody's generator, read from files as glyphs that the measures can take."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def load(path: Path, size: int, ink: str = "auto") -> Tensor:
    """Read glyphs from an .npz file or from a folder of pictures.

    Args:
        path: a file with an array `images`, (n, h, w), (n, 1 or 3, h, w) or (n, h, w, 1 or 3):
            bytes, floats in [0, 1] or in [-1, 1], 0.05 more or less, or floats in [0, 255]; or a
            folder, searched at any depth.
        size: side in pixels that glyphs are brought to.
        ink: "bright", "dark", or "auto": dark where the pictures' borders are bright on the whole.

    Returns:
        uint8, ink bright, shape (n, 1, size, size).

    Raises:
        FileNotFoundError: nothing at `path`, or no picture in it.
        ValueError: what is there is no set of square pictures, or `ink` is none of the three.
    """
    if ink not in ("auto", "bright", "dark"):
        raise ValueError(f"ink is {ink!r}, it must be auto, bright or dark")
    if path.is_dir():
        images = _folder(path, size)
    elif path.is_file():
        images = _array(path, size)
    else:
        raise FileNotFoundError(f"no samples at {path}; it must be an .npz file or a folder")
    border = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    if ink == "dark" or (ink == "auto" and np.median(border) > 127):
        images = 255 - images
    return torch.from_numpy(np.ascontiguousarray(images))[:, None]


def _folder(path: Path, size: int) -> NDArray[np.uint8]:
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in PICTURES)
    if not files:
        raise FileNotFoundError(f"no picture in {path} (looked for {', '.join(PICTURES)})")
    glyphs = []
    for file in files:
        try:
            with Image.open(file) as picture:
                glyphs.append(_glyph(_grey(picture), size, str(file)))
        except (UnidentifiedImageError, OSError) as error:
            raise ValueError(f"{file} cannot be read as a picture: {error}") from error
    return np.stack(glyphs)


def _grey(picture: Image.Image) -> Image.Image:
    """Eight bits of grey: sixteen are scaled (Pillow would clip), what is transparent is paper."""
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))
    if picture.has_transparency_data:  # without its alpha all of it would be black
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("L")


def _array(path: Path, size: int) -> NDArray[np.uint8]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("it is one array; write it with numpy.savez(FILE, images=ARRAY)")
        with loaded as archive:
            names: Sequence[str] = archive.files
            images = archive["images"] if "images" in names else None
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read as an .npz file of arrays: {error}") from error
    if images is None:
        raise ValueError(f"{path} has no array `images`; it holds {', '.join(names) or 'nothing'}")
    shape = images.shape
    if images.dtype.kind not in "buif":
        raise ValueError(f"{path}: `images` must hold numbers, not {images.dtype}")
    if not images.size:
        raise ValueError(f"{path}: `images` is empty, of shape {shape}")
    if images.ndim == 4 and images.shape[-1] in (1, 3):
        images = images[..., 0] if images.shape[-1] == 1 else images.mean(-1)
    elif images.ndim == 4 and images.shape[1] in (1, 3):
        images = images[:, 0] if images.shape[1] == 1 else images.mean(1)
    if images.ndim != 3:
        raise ValueError(
            f"{path}: `images` must be (n, h, w), (n, 1 or 3, h, w) or (n, h, w, 1 or 3), "
            f"got {shape}"
        )
    if np.issubdtype(images.dtype, np.floating):
        images = _of_floats(images, path)
    elif images.min() < 0 or images.max() > 255:
        raise ValueError(f"{path}: whole numbers must lie in [0, 255]")
    elif images.max() <= 1:
        images = 255 * images.astype(np.uint8)  # booleans, or zeros and ones
    if images.shape[1:] == (size, size):
        return images.astype(np.uint8)
    pictures = (Image.fromarray(image.astype(np.uint8)) for image in images)
    return np.stack([_glyph(picture, size, str(path)) for picture in pictures])


def _of_floats(images: NDArray[np.floating], path: Path) -> NDArray[np.floating]:
    """Floats in [0, 1], [-1, 1] or [0, 255], told apart by their range, as numbers in [0, 255].

    A network may overshoot a little, and a resized picture rings: 0.05 more or less are clipped.
    """
    if not np.isfinite(images).all():
        raise ValueError(f"{path}: `images` holds values that are no numbers")
    low, high = float(images.min()), float(images.max())
    if low >= -0.05 and high <= 1.05:
        scaled = images * 255
    elif low >= -1.05 and high <= 1.05:
        scaled = (images + 1) / 2 * 255
    elif low >= -0.5 and 2 <= high <= 255.5:
        scaled = images
    else:
        raise ValueError(
            f"{path}: floats must lie in [0, 1], [-1, 1] or [0, 255], found [{low:g}, {high:g}]; "
            "clip them to what they mean"
        )
    return scaled.round().clip(0, 255)


def _glyph(picture: Image.Image, size: int, name: str) -> NDArray[np.uint8]:
    if picture.width != picture.height:
        raise ValueError(f"{name} is {picture.width} x {picture.height}; glyphs must be square")
    if picture.width != size:
        picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture)
