"""What a generator is outside of its run: a network and a record of it, without a trainer.

`load_exported` reads what `python -m fontgan.export` wrote. Neither Lightning nor Hydra is needed
for that.
"""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fontgan import LETTERS
from fontgan.layers import evaluating

NETWORKS = "fontgan.networks"
"""The one place that a file's record may name a network of: a file must not choose what is run."""


@dataclass(frozen=True)
class Record:
    """What an exported generator says of itself.

    Attributes:
        generator: config of its network: `_target_` and arguments.
        size: side of the pictures in pixels.
        channels: of the pictures.
        gaussian: standard normal coordinates of the latent.
        modes: coordinates of the one-hot choice behind them.
        letters: whether the choice is the letter, so that one code draws a whole alphabet.
        model: class that trained it.
        source: experiment and folder of its run.
        seed: of the run.
        batches: it was trained for.
        data: fingerprint of what it was trained on.
    """

    generator: dict[str, Any]
    size: int
    channels: int
    gaussian: int
    modes: int
    letters: bool = False
    model: str = ""
    source: str = ""
    seed: int | None = None
    batches: int = 0
    data: str | None = None


class LetterGenerator(nn.Module):
    """A network that draws letters, and the record of it.

    Args:
        network: of `fontgan.networks`, or one with their `latent` and `forward`.
        record: what is known of it.
    """

    def __init__(self, network: nn.Module, record: Record) -> None:
        super().__init__()
        self.network, self.record = network.requires_grad_(False), record
        self.eval()

    def latent(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Latents, shape (n, gaussian + modes)."""
        return cast(Callable[..., Tensor], self.network.latent)(n, generator)

    def forward(self, z: Tensor) -> Tensor:
        """Pictures of latents, bright ink, in [0, 1], shape (n, channels, size, size)."""
        return (self.network(z) / 2 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of any number of latents, without gradients."""
        with evaluating(self):
            pictures = [self(part) for part in latents.split(500)]
        side = self.record.size
        return torch.cat(pictures) if pictures else torch.empty(0, self.record.channels, side, side)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw pictures, shape (n, channels, size, size), in [0, 1]."""
        return self.decode(self.latent(n, generator))


class AlphabetGenerator(LetterGenerator):
    """One that is told the letter: its latents are a style code beside a one-hot letter."""

    def styles(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Style codes, standard normal, shape (n, gaussian)."""
        return torch.randn(n, self.record.gaussian, generator=generator)

    def alphabets(self, styles: Tensor) -> Tensor:
        """All letters of each style code, shape (n, 26, channels, size, size), in [0, 1]."""
        letters = F.one_hot(torch.arange(len(LETTERS)).repeat(len(styles)), len(LETTERS))
        codes = styles.repeat_interleave(len(LETTERS), 0)
        return self.decode(torch.cat([codes, letters.to(codes)], 1)).unflatten(
            0, (-1, len(LETTERS))
        )


def of_network(network: nn.Module, record: Record) -> LetterGenerator:
    """The generator that a record describes, around its network."""
    return (AlphabetGenerator if record.letters else LetterGenerator)(network, record)


def built(config: dict[str, Any]) -> nn.Module:
    """Build a network of `fontgan.networks` from its config.

    Raises:
        ValueError: the config names another class, or arguments that it does not take.
    """
    arguments = dict(config)
    target = str(arguments.pop("_target_", ""))
    module, _, name = target.rpartition(".")
    network = getattr(importlib.import_module(NETWORKS), name, None) if module == NETWORKS else None
    if not (isinstance(network, type) and hasattr(network, "latent")):
        raise ValueError(f"{target!r} is no generator of {NETWORKS}, which alone can be built here")
    try:
        return network(**arguments)
    except TypeError as error:
        raise ValueError(f"{target} does not fit its arguments: {error}") from error


def load_exported(path: Path | str) -> LetterGenerator:
    """Read a generator that was written as safetensors, in single precision, in evaluation mode.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is broken, of another form, or no generator.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no generator at {path}; python -m fontgan.export RUN writes one")
    other = {".onnx": "onnxruntime.InferenceSession", ".pt2": "torch.export.load"}
    if path.suffix in other:
        raise ValueError(f"{path} is a program: run it with {other[path.suffix]}")
    try:
        with safe_open(path, framework="pt") as file:
            record = Record(**json.loads(cast(dict[str, str], file.metadata())["record"]))
            state = {name: file.get_tensor(name) for name in file.keys()}
        network = built(record.generator)
        # Halves are copied into the network's single precision.
        network.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold an exported generator ({error})") from error
    return of_network(network, record)
