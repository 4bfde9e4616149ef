"""What a musician asks of `python -m drumvae.generate`, and what comes of it."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from drumvae.creative.feel import felt, says_feel
from drumvae.creative.loading import Loaded
from drumvae.creative.source import Source, groove_of, read_source
from drumvae.creative.styles import rhythm_of
from drumvae.grooves import Groove
from drumvae.humanized import Humanize

Values = dict[str, float]
Titled = tuple[str, Tensor]
COLUMNS = 4  # bars in a row of the picture
MANY = 100_000  # bars in one call


@dataclass
class Made:
    """What a mode has made.

    Attributes:
        grooves: name of a file -> groove.
        pictured: titles, and bars (3, steps, voices), in rows.
        final: what was measured.
        floor: what knows nothing gets.
        ceiling: what real bars get.
        remarks: what of the source was not used, in words.
        said: which style the model reads in the grooves, and how surely, beside real bars of it.
    """

    grooves: dict[str, Groove]
    pictured: list[list[Titled]]
    final: Values = field(default_factory=dict)
    floor: Values = field(default_factory=dict)
    ceiling: Values = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class Wish:
    """A config with the model that is to fulfil it.

    Attributes:
        cfg: the config.
        loaded: the model and its styles.
        generator: source of chance.
        humanize: what plays velocities and offsets; None where there is nothing that can.
    """

    cfg: DictConfig
    loaded: Loaded
    generator: torch.Generator
    humanize: Humanize | None

    def style(self, key: str) -> int:
        """The style that a key names."""
        if self.cfg[key] is None:
            known = ", ".join(self.loaded.styles.names)
            raise ValueError(f"mode={self.cfg.mode} needs {key}=STYLE, one of {known}")
        return self.loaded.styles.index(self.cfg[key])

    def share(self, key: str) -> float:
        """A number between 0 and 1."""
        value = self.cfg[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"{key}= is a number from 0 to 1, got {value}")
        return float(value)

    def count(self, key: str, default: int | None = None) -> int:
        """A whole number above 0."""
        value = default if self.cfg[key] is None else self.cfg[key]
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MANY:
            raise ValueError(f"{key}= is a whole number from 1 to {MANY:,}, got {value}")
        return value

    @cached_property
    def source(self) -> Source:
        """The MIDI file."""
        if self.cfg.source is None:
            raise ValueError(f"mode={self.cfg.mode} needs source=FILE.mid")
        return read_source(
            Path(str(self.cfg.source)).expanduser(), self.loaded.styles.kit, self.loaded.model.steps
        )

    def tempo(self, usual: float) -> float:
        """What the user asks for, else the usual one."""
        value = self.cfg.tempo
        if value is None:
            return usual
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"tempo= is a number of beats a minute, got {value}")
        return float(value)

    def groove(
        self, bars: Tensor, style: int, tempo: float, source: Tensor | None = None
    ) -> tuple[Groove, Tensor]:
        """Bars as they are written; a model of hits alone borrows velocities and offsets.

        Args:
            bars: shape (n, 3, steps, voices).
            style: what fills the gaps where nothing can play.
            tempo: quarter notes a minute.
            source: bars whose hits keep their feel where they stay, same shape.
        """
        kit = self.loaded.styles.kit
        if says_feel(self.loaded.model):
            return groove_of(bars, kit, tempo), bars
        plain = felt(bars, self.loaded.styles, style, source)
        if self.humanize is not None:
            played = self.humanize(groove_of(plain, kit, tempo), 1.0, self.generator)
            drawn = bars_of(played, bars.shape[2])
            kept = torch.zeros_like(bars[:, :1]) if source is None else source[:, :1] * bars[:, :1]
            plain = torch.where(kept > 0, plain, drawn)
        return groove_of(plain, kit, tempo), plain

    def read(self, bars: Tensor, style: int, name: str = "style/read") -> Made:
        """An empty result with how the model reads bars, and how dense they are."""
        styles, model = self.loaded.styles, self.loaded.model
        with torch.no_grad():
            surely = float(styles.read(model, bars)[:, style].mean())
        density, syncopation = rhythm_of(bars, styles.kit).mean(0).tolist()
        middle, typical = styles.asked(style, 0.5).tolist(), styles.typical(style, 0.5)
        named = styles.names[style]
        return Made(
            {}, [],
            {name: surely, "rhythm/density": density, "rhythm/polyphonic_syncopation": syncopation},
            {name: 1 / len(styles.names)},
            {name: typical, "rhythm/density": middle[0],
             "rhythm/polyphonic_syncopation": middle[1]},
            said=f"read as {named}: {surely:.2f}, where half of the real bars of {named} have "
            f"{typical:.2f} and more",
        )  # fmt: skip

    def reading(self, bars: Tensor) -> int:
        """The style that the model reads in bars on the whole."""
        with torch.no_grad():
            return int(self.loaded.styles.read(self.loaded.model, bars).mean(0).argmax())


def bars_of(groove: Groove, steps: int) -> Tensor:
    """A groove as bars of so many steps, shape (n, 3, steps, voices)."""
    cells = [torch.from_numpy(x).float() for x in (groove.hits, groove.velocities, groove.offsets)]
    return torch.stack(cells).unflatten(1, (-1, steps)).transpose(0, 1).contiguous()


def in_rows(bars: list[Titled]) -> list[list[Titled]]:
    """Titled bars as rows of the picture."""
    return [bars[start : start + COLUMNS] for start in range(0, len(bars), COLUMNS)]


def above(source: Tensor, made: Tensor, first: str, second: str) -> list[list[Titled]]:
    """Bars of a source and, in the row below, what became of them."""
    rows = []
    for start in range(0, len(source), COLUMNS):
        for name, bars in ((first, source), (second, made)):
            part = bars[start : start + COLUMNS]
            rows.append([(f"{name}, bar {start + i}", bar) for i, bar in enumerate(part, start=1)])
    return rows
