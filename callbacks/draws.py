"""What callbacks ask of a module and of its data, and how to draw without disturbing a run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from lightning.pytorch import Trainer
from numpy.typing import NDArray
from torch import Tensor, nn

DRAWN_AT_ONCE = 500
"""Samples drawn at a time: bounds the memory of a generator's widest layer."""


class Glyphs(Protocol):
    """Real glyphs: images uint8 (n, 1, height, width), ink bright; letters long (n,)."""

    @property
    def images(self) -> Tensor: ...
    @property
    def letters(self) -> Tensor: ...


class LetterData(Protocol):
    """What callbacks ask of a datamodule; `reference` gives the same object each time."""

    @property
    def judge(self) -> Any: ...
    def reference(self, split: str) -> Glyphs: ...


def letter_data(trainer: Trainer) -> LetterData:
    """The datamodule of the run.

    Raises:
        ValueError: there is none, or it knows no judge and no reference.
    """
    data = getattr(trainer, "datamodule", None)
    if not hasattr(data, "reference") or not hasattr(data, "judge"):
        raise ValueError(
            f"measuring letters needs a datamodule with `judge` and `reference`, got {data!r}; "
            "choose data of letters, or leave out the callbacks that measure them"
        )
    return cast(LetterData, data)


def draw(module: nn.Module, n: int, seed: int) -> Tensor:
    """The same `n` draws of noise each time, as the module renders them now.

    Args:
        module: has `sample(n, generator) -> float (n, channels, height, width) in [0, 1]`, and a
            `device`.
        n: number of samples.
        seed: of the noise.

    Returns:
        uint8 (n, channels, height, width), ink bright, on the module's device. What is measured
        are these rounded images, which are also those that are kept.
    """
    drawn: Any = module
    generator = torch.Generator(drawn.device).manual_seed(seed)
    sizes = [min(DRAWN_AT_ONCE, n - start) for start in range(0, n, DRAWN_AT_ONCE)]
    with undisturbed(module), torch.no_grad():
        images = torch.cat([drawn.sample(size, generator) for size in sizes])
    # A network that has diverged draws NaN, whose conversion to integers is undefined.
    return (images.nan_to_num(nan=0.0) * 255).round().clamp(0, 255).byte()


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Give every submodule its train or eval mode back, and torch its global random state."""
    modes = [(part, part.training) for part in module.modules()]
    devices = {parameter.device for parameter in module.parameters()}
    accelerators = [device for device in devices if device.type == "cuda"]
    with torch.random.fork_rng(devices=accelerators):
        try:
            yield
        finally:
            for part, training in modes:
                part.training = training


class GrooveData(Protocol):
    """What callbacks ask of a datamodule of bars; `reference` gives the same object each time."""

    def reference(self, split: str) -> Any: ...


def spread(n: int, most: int) -> Tensor:
    """Indices of at most so many of n bars, evenly spread: neighbours are of one performance."""
    return torch.linspace(0, n - 1, min(n, most)).round().long()


def groove_data(trainer: Trainer) -> GrooveData:
    """The datamodule of the run.

    Raises:
        ValueError: there is none, or its splits hold no bars.
    """
    data = getattr(trainer, "datamodule", None)
    if not hasattr(data, "reference") or not hasattr(data, "kit"):
        raise ValueError(
            f"measuring grooves needs a datamodule with `reference` and `kit`, got {data!r}; "
            "choose data of bars, or leave out the callbacks that measure them"
        )
    return cast(GrooveData, data)


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write one compressed file of arrays, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
