r"""Letter × style code: a GAN that draws the whole alphabet in one hand.

Papers: Miyato and Koyama 2018, "cGANs with Projection Discriminator" (the letter enters the logit
as an inner product); Zaheer et al. 2017, "Deep Sets" (a function of a set through the moments of
its members).

The other variants are told no letters. This one is: its generator takes a style code s and a letter
y. The discriminator sees sets of letters of one face beside sets drawn with one style code. With
:math:`h_i` the features of picture i, of letter :math:`y_i`, its logit of a set of k is

.. math:: \frac1k \sum_i \left( w^\top h_i + e_{y_i}^\top h_i \right) + f(\bar{p}, \sigma_p),
    \quad p_i = P\,(h_i \odot (1 + g_{y_i}))

where mean and deviation of the p tell whether letters that look right one by one are of one hand.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from fontgan import LETTERS
from fontgan.layers import SLOPE, evaluating
from fontgan.networks import Discriminator, Generator
from fontgan.variants.fixed import FixedGAN


class SetDiscriminator(nn.Module):
    """One logit for each set of labelled letters.

    Args:
        trunk: gives features of shape (n, 128) of single pictures.
        per_face: pictures in a set.
        hand: dimensions in which the members of a set are compared.
    """

    def __init__(self, trunk: Discriminator, per_face: int | None = 4, hand: int = 64) -> None:
        super().__init__()
        if per_face is None or per_face < 2:
            raise ValueError(
                f"a set to compare needs 2 letters or more of a face, got per_face={per_face}; set "
                "data.per_face=4 as +experiment=conditional does"
            )
        self.trunk, self.per_face = trunk, per_face
        width = trunk.head.in_features
        self.letter = nn.Embedding(len(LETTERS), width)
        self.gate = nn.Embedding(len(LETTERS), width)
        self.project = nn.Linear(width, hand)
        self.compare = nn.Sequential(
            nn.Linear(2 * hand, 128), nn.LeakyReLU(SLOPE), nn.Linear(128, 1)
        )
        nn.init.normal_(self.letter.weight, std=width**-0.5)
        nn.init.normal_(self.gate.weight, std=0.1)

    def forward(self, pictures: Tensor, letters: Tensor) -> Tensor:
        """Logits of sets that follow each other, shape (n / per_face,)."""
        h = self.trunk.features(pictures)
        single = self.trunk.head(h).squeeze(1) + (self.letter(letters) * h).sum(1)
        p = self.project(h * (1 + self.gate(letters))).unflatten(0, (-1, self.per_face))
        mean = p.mean(1)
        deviation = (p - mean[:, None]).square().mean(1).add(1e-8).sqrt()
        together = self.compare(torch.cat([mean, deviation], 1)).squeeze(1)
        return single.unflatten(0, (-1, self.per_face)).mean(1) + together


class ConditionalGAN(FixedGAN):
    """The recipe of `FixedGAN` on sets of letters of one face, told which letters they are.

    The generator's choice of modes is the letter: its latents are a style code beside a one-hot
    letter. `data.per_face` must be that of the discriminator.

    Raises:
        ValueError: the generator has not 26 modes, the discriminator takes no sets, or the data
            come without sets.
    """

    def __init__(self, generator: Generator, discriminator: SetDiscriminator, **options: Any):
        if generator.modes != len(LETTERS):
            raise ValueError(
                f"a conditional generator has a mode for each of the {len(LETTERS)} letters; "
                f"set gan.generator.modes={len(LETTERS)}, not {generator.modes}"
            )
        self._told = torch.zeros(discriminator.per_face, dtype=torch.long)
        super().__init__(generator, discriminator, **options)

    @property
    def _set(self) -> int:
        return cast(int, self.discriminator.per_face)

    def _check_fit(self) -> None:
        with torch.random.fork_rng(devices=[]), evaluating(self), torch.no_grad():
            try:
                pictures = self.generator(self.latent(self._set))
                self.logits(pictures)
            except RuntimeError as error:
                raise ValueError(
                    "generator and discriminator do not fit together: "
                    f"{str(error).splitlines()[0]}; give both the same size and channels"
                ) from error
        self.picture_shape = tuple(pictures.shape[1:])

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        faces = batch[2]
        sets = faces.unflatten(0, (-1, self._set)) if len(faces) % self._set == 0 else None
        if sets is None or bool((sets != sets[:, :1]).any()):
            raise ValueError(
                f"the discriminator compares sets of {self._set} letters of one face, and the "
                f"data come in no such sets; set data.per_face={self._set}"
            )
        return super().training_step(batch, batch_idx)

    def generated(self, batch: tuple[Tensor, ...]) -> Tensor:
        self._told = batch[1]
        styles = self.styles(len(batch[1]) // self._set).repeat_interleave(self._set, 0)
        return self.generator(self._latents(styles, batch[1]))

    def styles(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Style codes, standard normal, shape (n, dimensions)."""
        dimensions = cast(int, self.generator.gaussian)
        return torch.randn(n, dimensions, generator=generator, device=self.device)

    @torch.no_grad()
    def alphabets(self, styles: Tensor) -> Tensor:
        """All letters of each style code, shape (n, 26, channels, size, size), in [0, 1]."""
        letters = torch.arange(len(LETTERS), device=styles.device).repeat(len(styles))
        latents = self._latents(styles.repeat_interleave(len(LETTERS), 0), letters)
        return self.decode(latents).unflatten(0, (-1, len(LETTERS)))

    def _latents(self, styles: Tensor, letters: Tensor) -> Tensor:
        return cast(Generator, self.generator).chosen(styles, letters)
