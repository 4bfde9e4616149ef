"""Encoders and decoders of bars.

An encoder turns bars of shape (n, channels, steps, voices) into features (n, width), a decoder
latents (n, z_high + z_low) into what the likelihood takes, shape (n, outputs, steps, voices).
"""

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """x + Linear(SiLU(Linear(LayerNorm(x)))), with dropout before the last layer.

    Args:
        width: features.
        dropout: share of hidden features that training leaves out.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
        )
        last = self.body[-1]
        nn.init.zeros_(last.weight)  # pyright: ignore
        nn.init.zeros_(last.bias)  # pyright: ignore

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Encoder(nn.Module):
    """Residual multilayer perceptron over all cells of a bar.

    Args:
        channels: of a bar: 1 for hits, 3 with velocities and offsets.
        steps: of a bar.
        voices: of a bar.
        width: features.
        blocks: residual blocks.
        dropout: in the blocks.
        blank: share of cells that training hides, so that no single cell is relied on.
    """

    def __init__(
        self,
        channels: int,
        steps: int,
        voices: int,
        width: int = 256,
        blocks: int = 2,
        dropout: float = 0.1,
        blank: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = width
        self.blank = nn.Dropout(blank)
        self.first = nn.Linear(channels * steps * voices, width)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(blocks)))
        self.last = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.blocks(self.first(self.blank(x.flatten(1)))))


class Decoder(nn.Module):
    """Residual multilayer perceptron from latents to all cells of a bar.

    Args:
        latents: dimensions of both levels together.
        outputs: numbers that the likelihood needs for each cell.
        steps: of a bar.
        voices: of a bar.
        width: features.
        blocks: residual blocks.
        dropout: in the blocks.
    """

    def __init__(
        self,
        latents: int,
        outputs: int,
        steps: int,
        voices: int,
        width: int = 256,
        blocks: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.shape = (outputs, steps, voices)
        self.first = nn.Linear(latents, width)
        self.blocks = nn.Sequential(*(ResidualBlock(width, dropout) for _ in range(blocks)))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs * steps * voices))

    def forward(self, z: Tensor) -> Tensor:
        return self.last(self.blocks(self.first(z))).unflatten(1, self.shape)


class ReportEncoder(nn.Module):
    """Two convolutions over steps and voices, then a layer of features, as in the report.

    Args:
        channels: of a bar.
        steps: of a bar, a multiple of 4.
        voices: of a bar.
        width: features.
    """

    def __init__(self, channels: int, steps: int, voices: int, width: int = 128) -> None:
        super().__init__()
        self.width = width
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, (2, 1), 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, (2, 1), 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * (steps // 4) * voices, width),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class ReportDecoder(nn.Module):
    """Two layers from both latents to all cells.

    Args:
        latents: dimensions of both levels together.
        outputs: numbers that the likelihood needs for each cell.
        steps: of a bar.
        voices: of a bar.
        width: features.
    """

    def __init__(
        self, latents: int, outputs: int, steps: int, voices: int, width: int = 128
    ) -> None:
        super().__init__()
        self.shape = (outputs, steps, voices)
        self.body = nn.Sequential(
            nn.Linear(latents, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, outputs * steps * voices),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z).unflatten(1, self.shape)
