"""The letter judge: reads a glyph as one of A-Z, or refuses it.

A small residual network with 27 answers, A-Z and "no letter". A picture is *accepted* when the
calibrated probability of its best letter, among all 27, reaches the judge's threshold; the
confidence is that letter's probability among the 26, given that the picture is a letter at all.

    python -m fontgan.judge train          # the shipped weights, from the built-in typefaces
    python -m fontgan.judge report         # the model card's figures, on groups never trained on

The model card, with the figures measured on unseen families, is `docs/judge.md`.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fontgan import LETTERS
from fontgan.layers import evaluating

BUILTIN = Path(__file__).parent / "assets" / "judge.safetensors"
REPORT = BUILTIN.with_name("judge_report.safetensors")  # of the course report's letters
REFUSED = len(LETTERS)  # index of the 27th answer


@dataclass(frozen=True)
class Reading:
    """What the judge says of n pictures.

    Attributes:
        letter: 0-25, or -1 where refused, long, shape (n,).
        confidence: calibrated probability of the best letter among A-Z, float, shape (n,).
        features: penultimate layer, float, shape (n, features).
    """

    letter: Tensor
    confidence: Tensor
    features: Tensor


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Judge(nn.Module):
    """Reads glyphs of one size.

    Args:
        size: side of the pictures in pixels.
        features: width of the penultimate layer.
        data: fingerprint of the data that it was trained on.
    """

    temperature: Tensor
    threshold: Tensor

    def __init__(self, size: int = 28, features: int = 128, data: str = "") -> None:
        super().__init__()
        self.size, self.data = size, data
        small = -(-size // 4)
        self.body = nn.Sequential(
            nn.Conv2d(1, 40, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(40),
            nn.ReLU(),
            _Residual(40),
            nn.Conv2d(40, 96, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(96),
            nn.ReLU(),
            _Residual(96),
            nn.Conv2d(96, 24, 1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(24 * small * small, features),
            nn.ReLU(),
        )
        self.head = nn.Linear(features, len(LETTERS) + 1)
        # Set on validation after training; they travel with the weights.
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("threshold", torch.tensor(0.5))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the 27 answers, shape (n, 27), and features, shape (n, features)."""
        features = self.body(images)
        return self.head(features), features

    @torch.no_grad()
    def read(self, images: Tensor, batch: int = 500) -> Reading:
        """Read pictures, in evaluation mode whatever mode the judge is in.

        Args:
            images: bright ink on dark, float in [0, 1] or uint8, shape (n, 1, size, size).
            batch: pictures read at once.

        Raises:
            ValueError: another shape, or values that are not finite.
        """
        if images.ndim != 4 or images.shape[1:] != (1, self.size, self.size):
            raise ValueError(
                f"this judge reads pictures of shape (n, 1, {self.size}, {self.size}), "
                f"found {tuple(images.shape)}"
            )
        logits, features = [], []
        with evaluating(self):
            for part in images.to(self.temperature.device).split(batch):
                pixels = part.float() / 255 if part.dtype == torch.uint8 else part.float()
                if not pixels.isfinite().all():
                    raise ValueError("pictures to be read hold NaN or infinity")
                answer, feature = self(pixels)
                logits.append(answer)
                features.append(feature)
        if not logits:
            empty = torch.empty(0)
            return Reading(empty.long(), empty, torch.empty(0, self.head.in_features))
        scaled = torch.cat(logits) / self.temperature
        score, letter = scaled.softmax(1)[:, :REFUSED].max(1)
        confidence = scaled[:, :REFUSED].softmax(1).amax(1)
        read = torch.where(score >= self.threshold, letter, -1)
        return Reading(read, confidence, torch.cat(features))

    @property
    def fingerprint(self) -> str:
        """Digest of the weights: two runs are comparable when it is the same."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().numpy().tobytes())
        return digest.hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Write weights in half precision, as safetensors; `load` gives back what was written."""
        state = {
            name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
            for name, tensor in self.state_dict().items()
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"size": str(self.size), "features": str(self.head.in_features), "data": self.data}
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(safetensors.torch.save(state, metadata=record))
        partial.replace(path)

    @classmethod
    def load(cls, path: Path = BUILTIN) -> "Judge":
        """Read weights that `save` wrote, in evaluation mode, without gradients.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not the weights of a judge.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"no judge at {path}; train one with python -m fontgan.judge train"
            )
        try:
            with safe_open(path, framework="pt") as file:
                record = cast(dict[str, str], file.metadata())
                state = {name: file.get_tensor(name) for name in file.keys()}
            judge = cls(int(record["size"]), int(record["features"]), record["data"])
            judge.load_state_dict(state)
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path} does not hold the weights of a judge ({error})") from error
        return judge.eval().requires_grad_(False)


if __name__ == "__main__":
    from fontgan.judge_card import main

    main()
