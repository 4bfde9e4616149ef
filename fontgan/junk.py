"""Pictures that are no letters, of many kinds: what a judge must learn to refuse.

Every kind is a function ``(glyphs, letters, generator) -> pictures`` over real glyphs, float in
[0, 1] with bright ink, shape (n, 1, h, w). `TRAINED` kinds teach the judge, `UNSEEN` ones are kept
out of its training to test it. Where a picture came out (nearly) as one of the letters it was made
from, as the upper halves of E and F do, a picture of noise takes its place.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

Junk = Callable[[Tensor, Tensor, Generator], Tensor]


def uniform(
    generator: Generator, shape: tuple[int, ...], low: float = 0, high: float = 1
) -> Tensor:
    """Uniform random numbers in [low, high), any shape."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def partners(letters: Tensor, generator: Generator) -> Tensor:
    """For each glyph the index of one of another letter, shape (n,); itself where all are alike."""
    n = len(letters)
    other = torch.randperm(n, generator=generator)
    for _ in range(8):
        same = letters[other] == letters
        if not same.any():
            break
        other[same] = torch.randint(n, (int(same.sum()),), generator=generator)
    return other


def relative_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared difference over mean energy of two batches of pictures, shape (n,)."""
    difference = (a - b).flatten(1).square().sum(1)
    energy = (a.flatten(1).square().sum(1) + b.flatten(1).square().sum(1)) / 2
    return difference / energy.clamp(min=1e-3)


def unlike(pictures: Tensor, generator: Generator, *sources: Tensor, least: float = 0.2) -> Tensor:
    """Pictures, with noise in place of those closer than `least` to one of their sources."""
    close = torch.stack([relative_distance(pictures, s) < least for s in sources]).any(0)
    return torch.where(close[:, None, None, None], noise(pictures, close, generator), pictures)


def blurred(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a width in pixels for each picture, sigma of shape (n,)."""
    radius = math.ceil(3 * float(sigma.max())) if len(sigma) else 1
    place = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-(place**2) / (2 * sigma.clamp(min=1e-2)[:, None] ** 2))
    kernel = kernel / kernel.sum(1, keepdim=True)
    n = len(pictures)
    flat = pictures.transpose(0, 1)
    flat = F.conv2d(flat, kernel.view(n, 1, -1, 1), padding=(radius, 0), groups=n)
    flat = F.conv2d(flat, kernel.view(n, 1, 1, -1), padding=(0, radius), groups=n)
    return flat.transpose(0, 1)


def grid(like: Tensor) -> tuple[Tensor, Tensor]:
    """Pixel coordinates x and y in [-1, 1], shape (h, w)."""
    h, w = like.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return x, y


def noise(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Uniform or Gaussian noise of any strength about any grey, white or smoothed."""
    n = len(glyphs)
    white = torch.randn(glyphs.shape, generator=generator)
    smooth = blurred(white, uniform(generator, (n,), 0.3, 2.5))
    smooth = smooth / smooth.flatten(1).std(1).clamp(min=1e-6).view(n, 1, 1, 1)
    kind = torch.randint(3, (n, 1, 1, 1), generator=generator)
    flat = uniform(generator, tuple(glyphs.shape))
    strength = uniform(generator, (n, 1, 1, 1), 0.02, 0.6)
    level = uniform(generator, (n, 1, 1, 1))
    rough = torch.where(kind == 0, white, smooth) * strength + level
    return torch.where(kind == 2, flat, rough).clamp(0, 1)


def blank(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """One grey from black to white, often black itself, with at most a trace of noise."""
    n = len(glyphs)
    level = (uniform(generator, (n, 1, 1, 1), -0.5, 1)).clamp(min=0)
    trace = uniform(generator, (n, 1, 1, 1), -0.05, 0.05).clamp(min=0)
    return (level + trace * torch.randn(glyphs.shape, generator=generator)).clamp(0, 1)


def blend(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Two different letters mixed 35-65 %."""
    other = glyphs[partners(letters, generator)]
    share = uniform(generator, (len(glyphs), 1, 1, 1), 0.35, 0.65)
    return unlike(share * glyphs + (1 - share) * other, generator, glyphs, other, least=0.03)


def overlay(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Two different letters over each other, both in full ink."""
    other = glyphs[partners(letters, generator)]
    return unlike(torch.maximum(glyphs, other), generator, glyphs, other)


def halves(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """The upper half of one letter on the lower of another, or left beside right."""
    other = glyphs[partners(letters, generator)]
    x, y = grid(glyphs)
    upright = torch.rand((len(glyphs), 1, 1, 1), generator=generator) < 0.5
    pictures = torch.where(torch.where(upright, x, y) < 0, glyphs, other)
    return unlike(pictures, generator, glyphs, other)


def shuffled(glyphs: Tensor, letters: Tensor, generator: Generator, parts: int = 0) -> Tensor:
    """Patches of one letter in another order: 2 x 2 or 4 x 4 of them, or as many as asked."""
    n, _, h, w = glyphs.shape
    chosen = parts or (2 if torch.rand((), generator=generator) < 0.5 else 4)
    ph, pw = h // chosen, w // chosen
    frame = glyphs[:, :, : ph * chosen, : pw * chosen]
    patches = F.unfold(frame, (ph, pw), stride=(ph, pw))
    order = torch.rand((n, 1, chosen**2), generator=generator).argsort(-1).expand_as(patches)
    mixed = F.fold(patches.gather(2, order), (ph * chosen, pw * chosen), (ph, pw), stride=(ph, pw))
    mixed = F.pad(mixed, (0, w - pw * chosen, 0, h - ph * chosen))
    return unlike(mixed, generator, glyphs, least=0.4)


def washed(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """A letter blurred until its shape is gone."""
    width = glyphs.shape[-1] / 28
    pictures = blurred(glyphs, uniform(generator, (len(glyphs),), 2.6 * width, 5.0 * width))
    boost = uniform(generator, (len(glyphs), 1, 1, 1), 1, 2.5)
    return (pictures * boost).clamp(0, 1)


def eroded(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """A letter of which only specks or a faint trace are left."""
    n = len(glyphs)
    faint = glyphs * uniform(generator, (n, 1, 1, 1), 0.03, 0.18)
    threshold = uniform(generator, (n, 1, 1, 1), 0.75, 0.9)
    specks = glyphs * (uniform(generator, tuple(glyphs.shape)) > threshold)
    return torch.where(torch.rand((n, 1, 1, 1), generator=generator) < 0.4, faint, specks)


def broken(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Strokes broken in many places: about half of the ink is gone in blobs."""
    n = len(glyphs)
    field = blurred(
        torch.randn(glyphs.shape, generator=generator), uniform(generator, (n,), 0.7, 1.6)
    )
    share = uniform(generator, (n,), 0.45, 0.7)
    order = field.flatten(1).sort(1).values
    cut = order.gather(1, (share * (order.shape[1] - 1)).long()[:, None]).view(n, 1, 1, 1)
    return glyphs * (field > cut)


# What a letter must not become by turning it over: (mirrored left-right, upside down, turned 90°).
_MIRROR = "BCEFGKLNPRS"
_FLIP = "AFGJLPQRTUY"
_TURN = "ABDEFGJKPQRTU"


def mirrored(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Letters turned over or by 90° that are no letters then; the others turned into noise."""
    ways = (
        (_MIRROR, glyphs.flip(-1)),
        (_FLIP, glyphs.flip(-2)),
        (_TURN, glyphs.rot90(1, (-2, -1))),
    )
    way = torch.randint(3, (len(glyphs),), generator=generator)
    pictures = noise(glyphs, letters, generator)
    for index, (names, turned) in enumerate(ways):
        fits = torch.tensor([chr(65 + i) in names for i in range(26)])[letters] & (way == index)
        pictures = torch.where(fits[:, None, None, None], turned, pictures)
    return unlike(pictures, generator, glyphs)


def bars(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """One to four nearly parallel bars, lying or leaning."""
    n = len(glyphs)
    x, y = grid(glyphs)
    pictures = torch.zeros_like(glyphs)
    # An upright bar is an I, and crossing bars are an X: neither is drawn.
    common = uniform(generator, (n, 1, 1, 1), -65, 65)
    for place in range(4):
        angle = (common + uniform(generator, (n, 1, 1, 1), -6, 6)).deg2rad()
        offset = uniform(generator, (n, 1, 1, 1), -0.8, 0.8)
        thickness = uniform(generator, (n, 1, 1, 1), 0.05, 0.4)
        ink = uniform(generator, (n, 1, 1, 1), 0.4, 1)
        across = (y * angle.cos() + x * angle.sin() - offset).abs()
        present = torch.rand((n, 1, 1, 1), generator=generator) < (1.0, 0.5, 0.25, 0.15)[place]
        bar = ink * ((thickness - across) * glyphs.shape[-1] / 2).clamp(0, 1)
        pictures = torch.maximum(pictures, torch.where(present, bar, torch.zeros_like(bar)))
    return pictures


def smears(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Soft elongated blobs, one to three."""
    n = len(glyphs)
    x, y = grid(glyphs)
    pictures = torch.zeros_like(glyphs)
    for place in range(3):
        angle = uniform(generator, (n, 1, 1, 1), 0, math.pi)
        u = x - uniform(generator, (n, 1, 1, 1), -0.6, 0.6)
        v = y - uniform(generator, (n, 1, 1, 1), -0.6, 0.6)
        along, across = u * angle.cos() + v * angle.sin(), v * angle.cos() - u * angle.sin()
        long = uniform(generator, (n, 1, 1, 1), 0.2, 0.9)
        wide = uniform(generator, (n, 1, 1, 1), 0.12, 0.5)
        blob = torch.exp(-((along / long) ** 2) - (across / wide) ** 2)
        present = torch.rand((n, 1, 1, 1), generator=generator) < (1.0, 0.6, 0.3)[place]
        ink = uniform(generator, (n, 1, 1, 1), 0.3, 1.2)
        pictures = torch.maximum(pictures, torch.where(present, ink * blob, torch.zeros_like(blob)))
    return pictures.clamp(0, 1)


def waves(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """One to three plane waves of two to three and a half periods, in any direction."""
    n = len(glyphs)
    x, y = grid(glyphs)
    total = torch.zeros_like(glyphs)
    for place in range(3):
        angle = uniform(generator, (n, 1, 1, 1), 0, math.pi)
        pitch = uniform(generator, (n, 1, 1, 1), 2, 3.5) * math.pi
        phase = uniform(generator, (n, 1, 1, 1), 0, 2 * math.pi)
        present = torch.rand((n, 1, 1, 1), generator=generator) < (1.0, 0.5, 0.3)[place]
        total = total + present * torch.sin(pitch * (x * angle.cos() + y * angle.sin()) + phase)
    slope = uniform(generator, (n, 1, 1, 1), 0.3, 3)
    return (total * slope + uniform(generator, (n, 1, 1, 1), 0, 1)).clamp(0, 1)


# Kinds that no judge has been trained on.


def salt(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Black and white pixels, sparse or dense."""
    share = uniform(generator, (len(glyphs), 1, 1, 1), 0.02, 0.6)
    return (uniform(generator, tuple(glyphs.shape)) < share).float()


def ramps(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Grey ramps in any direction."""
    n = len(glyphs)
    x, y = grid(glyphs)
    angle = uniform(generator, (n, 1, 1, 1), 0, 2 * math.pi)
    slope = uniform(generator, (n, 1, 1, 1), 0.1, 0.7)
    level = uniform(generator, (n, 1, 1, 1))
    return (level + slope * (x * angle.cos() + y * angle.sin())).clamp(0, 1)


def gratings(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Stripes and chequerboards of four and more periods."""
    n = len(glyphs)
    x, y = grid(glyphs)
    pitch = uniform(generator, (n, 1, 1, 1), 4, 9) * math.pi
    stripes = torch.sin(pitch * x)
    squares = stripes * torch.sin(pitch * y)
    which = torch.rand((n, 1, 1, 1), generator=generator) < 0.5
    return (torch.where(which, stripes, squares) * 3 + 0.5).clamp(0, 1)


def scribbles(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """A long pen stroke that wanders over the whole picture."""
    n = len(glyphs)
    x, y = grid(glyphs)
    steps = torch.linspace(0, 1, 160).view(1, -1)
    path = []
    for _ in range(2):
        phase = uniform(generator, (n, 4), 0, 2 * math.pi)
        size = uniform(generator, (n, 4), 0.2, 0.7) / torch.tensor([1.0, 1.3, 1.8, 2.5])
        turns = torch.tensor([1.0, 2.3, 3.7, 5.1]) * 2 * math.pi
        waves = size[:, :, None] * torch.sin(turns[:, None] * steps[:, None] + phase[:, :, None])
        path.append(waves.sum(1).clamp(-0.9, 0.9))
    px, py = path
    squared = (x.flatten() - px[:, :, None]) ** 2 + (y.flatten() - py[:, :, None]) ** 2
    near = squared.amin(1).sqrt().view_as(glyphs)
    thickness = uniform(generator, (n, 1, 1, 1), 0.06, 0.14)
    return ((thickness - near) * glyphs.shape[-1] / 2 + 0.5).clamp(0, 1)


def thirds(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Patches in another order, 3 x 3 or 7 x 7 of them."""
    parts = 3 if torch.rand((), generator=generator) < 0.5 else 7
    return shuffled(glyphs, letters, generator, parts)


def triple(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Three different letters in equal shares."""
    one, two = partners(letters, generator), partners(letters, generator)
    pictures = (glyphs + glyphs[one] + glyphs[two]) / 3
    return unlike(pictures, generator, glyphs, glyphs[one], glyphs[two], least=0.1)


def evenly(glyphs: Tensor, letters: Tensor, generator: Generator) -> Tensor:
    """Two different letters mixed 40-60 %, contrast stretched to full ink."""
    other = glyphs[partners(letters, generator)]
    share = uniform(generator, (len(glyphs), 1, 1, 1), 0.4, 0.6)
    mixed = share * glyphs + (1 - share) * other
    top = mixed.flatten(1).amax(1).view(-1, 1, 1, 1).clamp(min=1e-3)
    return unlike(mixed / top, generator, glyphs, other, least=0.05)


TRAINED: dict[str, Junk] = {
    f.__name__: f
    for f in (
        *(noise, blank, blend, overlay, halves, shuffled),
        *(washed, eroded, broken, mirrored, bars, smears, waves),
    )
}
UNSEEN: dict[str, Junk] = {
    f.__name__: f for f in (salt, ramps, gratings, scribbles, thirds, triple, evenly)
}
