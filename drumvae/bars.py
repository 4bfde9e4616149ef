"""Many bars as arrays: what data modules hold, caches keep and measures are taken on."""

import io
import json
import os
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drumvae.grooves import Groove, Kit


@dataclass(frozen=True)
class Bars:
    """Grooves of one length and kit.

    Attributes:
        hits: bool, shape (n, steps, voices).
        velocities: float32 in [0, 1], same shape.
        offsets: float32 in [-0.5, 0.5] of a step, positive is late, same shape.
        styles: index into `style_names`, int64, shape (n,).
        performances: index of the performance that each bar was cut from, int64, shape (n,); bars
            that were drawn one by one have one each.
        tempos: quarter notes a minute, float32, shape (n,).
        style_names: names of the styles.
        kit: the voices.
        factors: level of each known factor, int64, shape (n, factors); None where none is known.
    """

    hits: NDArray[np.bool_]
    velocities: NDArray[np.float32]
    offsets: NDArray[np.float32]
    styles: NDArray[np.int64]
    performances: NDArray[np.int64]
    tempos: NDArray[np.float32]
    style_names: tuple[str, ...]
    kit: Kit
    factors: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Bars":
        """Some of the bars."""
        return Bars(
            self.hits[index],
            self.velocities[index],
            self.offsets[index],
            self.styles[index],
            self.performances[index],
            self.tempos[index],
            self.style_names,
            self.kit,
            None if self.factors is None else self.factors[index],
        )

    def groove(self, index: int) -> Groove:
        """One of the bars."""
        return Groove(
            self.hits[index],
            self.velocities[index],
            self.offsets[index],
            float(self.tempos[index]),
            kit=self.kit,
        )

    @cached_property
    def tensor(self) -> Tensor:
        """Hits, velocities and offsets as one float tensor, shape (n, 3, steps, voices)."""
        return torch.from_numpy(
            np.stack([self.hits.astype(np.float32), self.velocities, self.offsets], 1)
        )

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all that is learned from."""
        digest = sha256()
        cells = (self.hits, self.velocities, self.offsets)
        for part in (*cells, self.styles, self.performances, self.tempos):
            digest.update(np.ascontiguousarray(part).tobytes())
        digest.update(json.dumps([self.style_names, self.kit.voices]).encode())
        return digest.hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Write one compressed file, whole or not at all."""
        records = {"style_names": self.style_names, "voices": self.kit.voices}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            hits=np.packbits(self.hits),
            shape=np.array(self.hits.shape),
            velocities=np.round(self.velocities[self.hits] * 127).astype(np.uint8),
            offsets=self.offsets[self.hits],
            styles=self.styles,
            performances=self.performances,
            tempos=self.tempos,
            records=np.frombuffer(json.dumps(records).encode(), dtype=np.uint8),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(buffer.getvalue())
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Bars":
        """Read what `save` wrote.

        Raises:
            ValueError: no such file, or a damaged one.
        """
        try:
            # Opened here: numpy leaves a file that it cannot read open.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                records = json.loads(stored["records"].tobytes())
                shape = tuple(stored["shape"].tolist())
                hits = np.unpackbits(stored["hits"], count=int(np.prod(shape))).astype(bool)
                hits = hits.reshape(shape)
                velocities, offsets = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
                velocities[hits] = stored["velocities"] / np.float32(127)
                offsets[hits] = stored["offsets"]
                return cls(
                    hits,
                    velocities,
                    offsets,
                    stored["styles"],
                    stored["performances"],
                    stored["tempos"],
                    tuple(records["style_names"]),
                    Kit(tuple(records["voices"])),
                )
        except Exception as error:
            raise ValueError(f"{path} is no file of bars, or a damaged one ({error!r})") from error


def bars_of(
    grooves: list[Groove],
    styles: list[int],
    performances: list[int],
    style_names: tuple[str, ...],
    kit: Kit,
) -> Bars:
    """Grooves of one length as `Bars`; there must be one at least."""
    return Bars(
        np.stack([groove.hits for groove in grooves]),
        np.stack([groove.velocities for groove in grooves]),
        np.stack([groove.offsets for groove in grooves]),
        np.array(styles, dtype=np.int64),
        np.array(performances, dtype=np.int64),
        np.array([groove.tempo for groove in grooves], dtype=np.float32),
        style_names,
        kit,
    )
