"""Is an alphabet drawn in one hand? Faces are told apart by a probe that was trained on real ones.

The *style probe* is a small network that maps a glyph, whose letter it is told, to a point such
that letters of one face lie together whatever they are. It has learned that from training faces,
without the judge. How well it works on a set of alphabets is the measure: half of the letters of an
alphabet look for the other half among so many alphabets (retrieval as in Snell et al. 2017,
"Prototypical Networks for Few-shot Learning", eq. 1 and 2, with cosine distance). Alphabets that
mix hands are not found, and neither are those of a generator that has one hand only.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import safetensors.torch
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Generator, Tensor, nn

from callbacks.atomic import write_atomically
from fontgan import LETTERS
from fontgan.metrics.features import refuse_nan

if TYPE_CHECKING:
    from fontgan.data import GlyphData
    from fontgan.glyphs import GlyphSet

_VERSION = 1  # of the probe; one more makes cached ones train again
_TEMPERATURE = 0.1


class StyleProbe(nn.Module):
    """Glyph and letter → unit vector of the hand that drew it.

    Args:
        size: side of the glyphs in pixels.
        dimensions: of the vector.
        width: channels of the first convolution.
    """

    def __init__(self, size: int = 28, dimensions: int = 32, width: int = 24) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 5, 2, 2),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * (-(-size // 4)) ** 2, 128),
        )
        # What the letter itself looks like is no style: each shifts and scales what is seen.
        self.shift, self.scale = nn.Embedding(len(LETTERS), 128), nn.Embedding(len(LETTERS), 128)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.scale.weight)
        self.head = nn.Linear(128, dimensions)

    def forward(self, images: Tensor, letters: Tensor) -> Tensor:
        """Unit vectors, shape (n, dimensions), of glyphs in [0, 1], shape (n, 1, size, size)."""
        h = self.body(images)
        h = F.relu(h * (1 + self.scale(letters)) + self.shift(letters))
        return F.normalize(self.head(h), dim=1)

    @torch.no_grad()
    def embed(self, alphabets: Tensor) -> Tensor:
        """Unit vectors, shape (m, 26, dimensions), of alphabets, shape (m, 26, 1, size, size)."""
        letters = torch.arange(len(LETTERS)).repeat(len(alphabets))
        parts = zip(alphabets.flatten(0, 1).split(1000), letters.split(1000), strict=True)
        embedded = [self(images, letters) for images, letters in parts]
        return torch.cat(embedded).unflatten(0, (-1, len(LETTERS)))


def alphabets(glyphs: "GlyphSet") -> Tensor:
    """Whole alphabets of a set, one a face, the first glyph of each letter.

    Returns:
        In [0, 1], shape (faces, 26, 1, h, w); faces without one of the letters are left out.
    """
    found = []
    for face in glyphs.faces.unique():
        mine = (glyphs.faces == face).nonzero().squeeze(1)
        first = [mine[glyphs.letters[mine] == letter][:1] for letter in range(len(LETTERS))]
        if all(len(index) for index in first):
            found.append(glyphs.images[torch.cat(first)])
    if not found:
        return torch.empty(0, len(LETTERS), *glyphs.images.shape[1:])
    return torch.stack(found).float() / 255


def shuffled(alphabets: Tensor, seed: int = 0) -> Tensor:
    """The same letters, each dealt out to the alphabets anew: no two are of one hand."""
    generator = Generator().manual_seed(seed)
    mixed = [letter[torch.randperm(len(letter), generator=generator)] for letter in
             alphabets.unbind(1)]  # fmt: skip
    return torch.stack(mixed, 1)


@dataclass(frozen=True)
class Consistency:
    """How well alphabets hold together.

    Attributes:
        letters: share of single letters whose own alphabet's other half is the nearest.
        halves: share of half alphabets of which that holds.
        error: standard error of `letters` over alphabets.
        chance: what alphabets of mixed hands get, 1 / alphabets.
    """

    letters: float
    halves: float
    error: float
    chance: float


def consistency(embedded: Tensor, splits: int = 10, seed: int = 0) -> Consistency:
    """Find alphabets by half of their letters.

    Args:
        embedded: unit vectors, shape (m, 26, d), m of 2 or more.
        splits: random halvings of the letters, each used both ways.
        seed: of these.

    Raises:
        ValueError: fewer than two alphabets, or values that are not finite.
    """
    refuse_nan(embedded, "embedded alphabets")
    m, letters, _ = embedded.shape
    if m < 2:
        raise ValueError(f"to find an alphabet among others needs 2 or more, got {m}")
    generator = Generator().manual_seed(seed)
    singles, halves = [], []
    for _ in range(splits):
        order = torch.randperm(letters, generator=generator)
        one, two = order[: letters // 2], order[letters // 2 :]
        for query, other in ((one, two), (two, one)):
            centres = F.normalize(embedded[:, other].mean(1), dim=1)
            singles.append(_own(embedded[:, query] @ centres.T).mean(1))
            halves.append(_own(embedded[:, query].mean(1, keepdim=True) @ centres.T)[:, 0])
    each = torch.stack(singles).mean(0)  # of each alphabet
    error = float(each.std() / m**0.5)
    return Consistency(float(each.mean()), float(torch.stack(halves).mean()), error, 1 / m)


def _own(similarity: Tensor) -> Tensor:
    """Chance that the nearest is one's own, ties decided by lot: (m, q, m) to (m, q)."""
    nearest = (similarity >= similarity.amax(2, keepdim=True) - 1e-6).double()
    own = nearest.diagonal(dim1=0, dim2=2).T
    return own / nearest.sum(2)


def train_probe(
    faces: Tensor, steps: int = 800, batch: int = 48, letters: int = 4, seed: int = 0
) -> StyleProbe:
    """Fit a probe: each glyph shall lie nearest to the mean of the others of its face.

    Args:
        faces: real alphabets in [0, 1], shape (m, 26, 1, size, size), m of 2 or more.
        steps: of Adam.
        batch: faces in a step, or all where there are fewer.
        letters: of each face in a step.
        seed: of weights and batches.

    Raises:
        ValueError: fewer than two faces.
    """
    if len(faces) < 2:
        raise ValueError(
            f"a style probe learns to tell faces apart, and the training data have {len(faces)} "
            "with all letters; use data of more typefaces"
        )
    generator = Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = StyleProbe(faces.shape[-1])
    optimizer = torch.optim.AdamW(probe.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randperm(len(faces), generator=generator)[:batch]
        drawn = torch.rand(len(chosen), len(LETTERS), generator=generator).argsort(1)[:, :letters]
        glyphs = faces[chosen[:, None], drawn].flatten(0, 1)
        embedded = probe(glyphs, drawn.flatten()).unflatten(0, (-1, letters))
        whole = embedded.sum(1)
        similarity = embedded.flatten(0, 1) @ F.normalize(whole, dim=1).T
        # A glyph's own face is met without the glyph itself.
        others = F.normalize(whole[:, None] - embedded, dim=2)
        own = torch.arange(len(chosen)).repeat_interleave(letters)
        mine = (embedded * others).sum(2).flatten()[:, None]
        similarity = similarity.scatter(1, own[:, None], mine)
        loss = F.cross_entropy(similarity / _TEMPERATURE, own)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return probe.eval().requires_grad_(False)


def style_probe(data: "GlyphData", steps: int = 800) -> StyleProbe:
    """The probe that belongs to some data: cached, or trained on its training faces and cached.

    Args:
        data: gives the training faces, and the folder where trained networks are kept.
        steps: of training, where there is none yet; half a minute on a slow core.
    """
    name = f"{data.fingerprint}-{data.size}-{_VERSION}.safetensors"
    path, probe = data.cache / "style_probes" / name, StyleProbe(data.size)
    if path.is_file():
        try:
            probe.load_state_dict(safetensors.torch.load(path.read_bytes()))
            return probe.eval().requires_grad_(False)
        except (SafetensorError, RuntimeError, ValueError):
            path.unlink()  # damaged: another is trained
    probe = train_probe(alphabets(data.reference("train")), steps)
    write_atomically(path, safetensors.torch.save(probe.state_dict()))
    return probe
