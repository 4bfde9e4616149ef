"""Planted sets of pictures of which it is known what is wrong, and a judge with planted errors.

A plant is called with real letters of unseen families, with the training set, with the number of
pictures that are wanted and with a source of chance; it gives pictures, uint8, shape (n, 1, h, w),
ink bright.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from fontgan import junk
from fontgan.glyphs import GlyphSet

Plant = Callable[[GlyphSet, GlyphSet, int, Generator], Tensor]


def _any(n: int, size: int, generator: Generator) -> Tensor:
    """Indices of n glyphs, each once as long as there are enough."""
    rounds = -(-n // size)
    return torch.cat([torch.randperm(size, generator=generator) for _ in range(rounds)])[:n]


def real(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
    """Real letters of unseen families."""
    return source.images[_any(n, len(source.images), generator)]


def dropped(k: int) -> Plant:
    """Real letters without k of the 26, chosen at random."""

    def plant(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
        gone = torch.randperm(26, generator=generator)[:k]
        kept = torch.nonzero(~torch.isin(source.letters, gone)).flatten()
        return source.images[kept[_any(n, len(kept), generator)]]

    return plant


def favourite(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
    """One letter makes up 60 % of all."""
    letter = int(torch.randint(26, (), generator=generator))
    is_it = source.letters == letter
    mine, others = torch.nonzero(is_it).flatten(), torch.nonzero(~is_it).flatten()
    count = round(0.6 * n)
    chosen = (
        mine[_any(count, len(mine), generator)],
        others[_any(n - count, len(others), generator)],
    )
    return source.images[torch.cat(chosen)]


def one_typeface(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
    """All 26 letters of one face, again and again."""
    faces = source.faces.unique()
    mine = torch.nonzero(source.faces == faces[torch.randint(len(faces), (), generator=generator)])
    mine = mine.flatten()
    return source.images[mine[_any(n, len(mine), generator)]]


def twice(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
    """Half as many real letters, each of them twice."""
    half = _any(n // 2, len(source.images), generator)
    return source.images[half.repeat(2)[torch.randperm(2 * len(half), generator=generator)]]


def memorised(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
    """The training set itself."""
    return training.images[_any(n, len(training.images), generator)]


def one_letter_and_noise(
    source: GlyphSet, training: GlyphSet, n: int, generator: Generator
) -> Tensor:
    """One letter alone, and 1 % of far noise, which is what blows generated balls up."""
    letter = int(torch.randint(26, (), generator=generator))
    mine = torch.nonzero(source.letters == letter).flatten()
    images = source.images[mine[_any(n, len(mine), generator)]].clone()
    few = max(10, n // 100)
    images[:few] = _bytes(torch.rand((few, *images.shape[1:]), generator=generator))
    return images


def half_noise(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
    """Every second picture is uniform noise."""
    images = real(source, training, n, generator).clone()
    images[::2] = _bytes(torch.rand(images[::2].shape, generator=generator))
    return images


def of_junk(kind: junk.Junk) -> Plant:
    """Nothing but a kind of junk, made from real letters."""

    def plant(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
        chosen = _any(n, len(source.images), generator)
        glyphs = source.images[chosen].float() / 255
        return _bytes(kind(glyphs, source.letters[chosen], generator))

    return plant


def diluted(kind: junk.Junk, share: float) -> Plant:
    """Real letters, a share of them replaced by a kind of junk."""

    def plant(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
        images = real(source, training, n, generator).clone()
        bad = round(share * n)
        images[:bad] = of_junk(kind)(source, training, bad, generator)
        return images

    return plant


def grey(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
    """Grey squares of random brightness."""
    level = torch.rand((n, 1, 1, 1), generator=generator)
    return _bytes(level.expand(n, *source.images.shape[1:]))


def black(source: GlyphSet, training: GlyphSet, n: int, generator: Generator) -> Tensor:
    """A dead generator: black pictures."""
    return torch.zeros((n, *source.images.shape[1:]), dtype=torch.uint8)


def _bytes(pictures: Tensor) -> Tensor:
    return (pictures * 255).round().clamp(0, 255).byte()


class Erring(nn.Module):
    """A judge with planted errors: a share of its readings is another letter at random."""

    def __init__(self, judge: Any, share: float, seed: int) -> None:
        super().__init__()
        self.judge, self.share, self.size = judge, share, judge.size
        self.fingerprint = f"{judge.fingerprint}-{share}-{seed}"
        self.generator = torch.Generator().manual_seed(seed)

    def read(self, images: Tensor) -> Any:
        """As the judge reads, with errors on what it accepts."""
        reading = self.judge.read(images)
        letter = reading.letter.clone()
        errs = (torch.rand(len(letter), generator=self.generator) < self.share) & (letter >= 0)
        by = torch.randint(1, 26, (int(errs.sum()),), generator=self.generator)
        letter[errs] = (letter[errs] + by) % 26
        return type(reading)(letter, reading.confidence, reading.features)
