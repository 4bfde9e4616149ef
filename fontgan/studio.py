"""Where samples are drawn: a generator, the data that judge it, and the folder that it fills."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from rich.table import Table
from torch import Tensor

from callbacks.draws import write_arrays
from callbacks.run_summary import write_atomically
from fontgan.data import GlyphData
from fontgan.exported import AlphabetGenerator, LetterGenerator
from fontgan.judge import Judge
from fontgan.latents import Draws, drawn, truncated

Values = dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """What a mode found.

    Attributes:
        samples: how many were measured.
        final: measures.
        said: what they say, in a sentence.
        floor: what knows nothing gets, of the measures that have one.
        ceiling: what real glyphs get.
        shown: a table to show instead of the measures.
    """

    samples: int
    final: Values
    said: str
    floor: Values = field(default_factory=dict)
    ceiling: Values = field(default_factory=dict)
    shown: Table | None = None


@dataclass(frozen=True)
class Studio:
    """What every mode of sampling works with.

    Attributes:
        model: the generator.
        data: gives the judge, and real glyphs to compare with.
        directory: where files go.
        seed: of all chance.
    """

    model: LetterGenerator
    data: GlyphData
    directory: Path
    seed: int

    def __post_init__(self) -> None:
        known = self.model.record
        if (known.channels, known.size) != (1, self.data.size):
            raise ValueError(
                f"{known.source or 'the generator'} draws pictures of {known.size} pixels with "
                f"{known.channels} channel(s), and the judge of these data reads grey ones of "
                f"{self.data.size}; name data of that size with data=fonts data.size={known.size}"
            )

    @property
    def judge(self) -> Judge:
        """The judge of the data."""
        return self.data.judge

    @property
    def title(self) -> str:
        """The generator's name, as figures have it."""
        known = self.model.record
        return f"{known.source or 'a generator'}, {known.batches:,} batches"

    def chance(self) -> torch.Generator:
        """A source of chance, the same at every call."""
        return torch.Generator().manual_seed(self.seed)

    def draw(self, n: int, truncation: float = 1.0) -> Draws:
        """So many random draws, as the judge reads them."""
        latents = self.model.latent(n, self.chance())
        latents = truncated(latents, self.model.record.gaussian, truncation)
        return drawn(self.model, self.judge, latents)

    def alphabets(self, n: int, truncation: float = 1.0) -> tuple[Tensor, Tensor]:
        """Style codes, shape (n, gaussian), and their alphabets, uint8, (n, 26, 1, size, size).

        Raises:
            ValueError: the generator is not told the letter.
        """
        if not isinstance(self.model, AlphabetGenerator):
            raise ValueError(
                f"{self.model.record.source or 'this generator'} is not told which letter to draw, "
                "so it has no alphabets; train one with python -m fontgan.train "
                "+experiment=conditional, or name one with ckpt_path="
            )
        styles = truncated(
            self.model.styles(n, self.chance()), self.model.record.gaussian, truncation
        )
        return styles, (self.model.alphabets(styles) * 255).round().byte()

    def keep(self, name: str, draws: Draws, **arrays: NDArray[Any]) -> None:
        """Write latents, pictures and what was read to `NAME.npz`."""
        write_arrays(
            self.directory / f"{name}.npz",
            latents=draws.latents.numpy(),
            images=draws.images[:, 0].numpy(),
            letters=draws.reading.letter.numpy(),
            confidences=draws.reading.confidence.numpy(),
            **arrays,
        )

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows to `NAME.csv`, floats with five digits."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cells = {k: f"{v:.5f}" if isinstance(v, float) else v for k, v in row.items()}
            writer.writerow(cells)
        write_atomically(self.directory / f"{name}.csv", text.getvalue())


def positive(**numbers: int) -> None:
    """Refuse what is no whole number from 1 up, by its name."""
    for name, number in numbers.items():
        if type(number) is not int or number < 1:
            raise ValueError(f"{name} must be a whole number, at least 1, got {number}")
