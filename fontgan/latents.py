"""Latents of a generator: drawing them, and walking between them.

A latent is standard normal coordinates, and behind them, where a generator has modes, a one-hot
choice. A walk goes along a line or a great circle in the former and mixes the latter.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fontgan import LETTERS
from fontgan.exported import LetterGenerator
from fontgan.judge import Judge, Reading


@dataclass(frozen=True)
class Draws:
    """Latents, what a generator makes of them, and what a judge reads.

    Attributes:
        latents: shape (n, d).
        images: bright ink, uint8, shape (n, 1, size, size): what is kept is what is read.
        reading: of these images.
    """

    latents: Tensor
    images: Tensor
    reading: Reading

    def __getitem__(self, which: Tensor) -> "Draws":
        """Some of them, by index or mask."""
        read = self.reading
        return Draws(
            self.latents[which],
            self.images[which],
            Reading(read.letter[which], read.confidence[which], read.features[which]),
        )

    def __len__(self) -> int:
        return len(self.latents)

    def beside(self, other: "Draws") -> "Draws":
        """These, and others after them."""
        mine, theirs = self.reading, other.reading
        return Draws(
            torch.cat([self.latents, other.latents]),
            torch.cat([self.images, other.images]),
            Reading(
                torch.cat([mine.letter, theirs.letter]),
                torch.cat([mine.confidence, theirs.confidence]),
                torch.cat([mine.features, theirs.features]),
            ),
        )


def drawn(model: LetterGenerator, judge: Judge, latents: Tensor) -> Draws:
    """Draw latents and read the pictures.

    Raises:
        ValueError: the judge reads pictures of another size.
    """
    pictures = model.decode(latents).nan_to_num(nan=0.0)
    images = (pictures * 255).round().clamp(0, 255).byte()
    return Draws(latents, images, judge.read(images))


def truncated(latents: Tensor, gaussian: int, truncation: float) -> Tensor:
    """Shrink the Gaussian part: fewer odd letters, and fewer different ones.

    The mean of a standard normal is 0, so z' = ψ z (Karras et al. 2019, "A Style-Based Generator
    Architecture", appendix B, there in the space behind the mapping; Brock et al. 2019, "Large
    Scale GAN Training", draw values beyond a limit anew instead).

    Args:
        latents: shape (n, d).
        gaussian: coordinates of the Gaussian part; the choice behind it stays.
        truncation: ψ, in [0, 1]; 1 changes nothing.

    Raises:
        ValueError: ψ outside [0, 1].
    """
    if not isinstance(truncation, int | float) or not 0 <= truncation <= 1:
        raise ValueError(f"truncation must lie in [0, 1], got {truncation}")
    return torch.cat([latents[:, :gaussian] * truncation, latents[:, gaussian:]], 1)


def linear(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """The straight line from a to b, ends included, shape (steps, d)."""
    t = torch.linspace(0, 1, steps, dtype=a.dtype)[:, None]
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, steps: int) -> Tensor:
    r"""Along a great circle: the angle moves evenly, the norm from that of a to that of b.

    .. math:: \hat z(t) = \frac{\sin((1-t)\Omega)}{\sin\Omega} \hat a
        + \frac{\sin(t\Omega)}{\sin\Omega} \hat b

    (Shoemake 1985, "Animating Rotation with Quaternion Curves"; White 2016, "Sampling Generative
    Networks"). A straight line passes points of smaller norm than a Gaussian of many dimensions
    ever draws. Where a and b are parallel or opposite, no one circle joins them, and the
    line is taken.

    Args:
        a: shape (d,).
        b: shape (d,).
        steps: points, ends included.
    """
    t = torch.linspace(0, 1, steps, dtype=a.dtype)[:, None]
    norms = a.norm(), b.norm()
    if min(norms) == 0:
        return linear(a, b, steps)
    one, two = a / norms[0], b / norms[1]
    angle = torch.atan2((one - two).norm(), (one + two).norm()) * 2
    if angle.sin() < 1e-4:
        return linear(a, b, steps)
    direction = ((1 - t) * angle).sin() * one + (t * angle).sin() * two
    return direction / angle.sin() * ((1 - t) * norms[0] + t * norms[1])


def walk(a: Tensor, b: Tensor, steps: int, gaussian: int, great_circle: bool = True) -> Tensor:
    """From one latent to another, ends included, shape (steps, d).

    The choice is always mixed linearly: between two modes are points that training never saw.

    Args:
        a: shape (d,).
        b: shape (d,).
        steps: points, 2 or more.
        gaussian: coordinates of the Gaussian part, which goes along a line or a great circle.
        great_circle: which of the two.
    """
    along = spherical if great_circle else linear
    parts = along(a[:gaussian], b[:gaussian], steps), linear(a[gaussian:], b[gaussian:], steps)
    return torch.cat(parts, 1)


@dataclass(frozen=True)
class Smoothness:
    """How a walk changes from step to step.

    Attributes:
        features: largest over mean step in the judge's features: 1 for an even walk, the number of
            steps for a single jump. Compare it between walks of as many steps only.
        pixels: the same of root mean squared pixel differences.
        legible: share of the pictures that are a letter.
        letters: those passed, each when it first follows another.
    """

    features: float
    pixels: float
    legible: float
    letters: str


def smoothness(draws: Draws) -> Smoothness:
    """Of a walk's pictures, in order; two or more."""
    names = [LETTERS[i] for i in draws.reading.letter.tolist() if i >= 0]
    passed = [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    return Smoothness(
        largest_over_mean(draws.reading.features),
        largest_over_mean(draws.images.flatten(1).float()),
        float((draws.reading.letter >= 0).double().mean()),
        "".join(passed),
    )


def largest_over_mean(points: Tensor) -> float:
    """Largest over mean distance of each point, shape (n, d), to the next; 1 where none moves."""
    steps = (points[1:] - points[:-1]).double().norm(dim=1)
    return float(steps.max() / steps.mean()) if steps.any() else 1.0
