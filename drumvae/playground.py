"""A local page to make grooves with: `python -m drumvae.playground [RUN_OR_FILE]`."""

import hashlib
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from conf import playground
from drumvae.creative.blend import blend
from drumvae.creative.complexity import of_complexity
from drumvae.creative.feel import felt, says_feel
from drumvae.creative.loading import model_and_data
from drumvae.creative.source import Source, body, groove_of, read_source
from drumvae.creative.styles import Styles, described
from drumvae.creative.track import following, track
from drumvae.creative.trained import Trained
from drumvae.creative.transfer import transfer
from drumvae.grooves import Groove
from drumvae.humanized import Humanize, find_humanize
from drumvae.midi import write_midi
from drumvae.sound import wav_bytes

ASSETS = Path(__file__).parent / "assets" / "playground"
KEPT = 20
"""Uploads that are remembered; the oldest goes first."""
LARGEST = 2_000_000
"""Bytes of an upload: drum files have some thousands."""
MOST_BARS = 16
STEPS = 9
"""Bars of a blend, both ends counted."""
PLAIN = 0.8
"""Velocity of all hits where there is no looseness."""


class Page:
    """The addresses of the page.

    Args:
        model: plays the grooves.
        styles: what it knows.
        name: of the model, for the page.
        humanize: draws velocities and offsets for a groove's hits; None where there is no model
            of these.
    """

    def __init__(
        self, model: Trained, styles: Styles, name: str, humanize: Humanize | None = None
    ) -> None:
        self.model, self.styles, self.name, self.humanize = model, styles, name, humanize
        self.sources: OrderedDict[str, Source] = OrderedDict()
        # A page asks for a groove as picture, as sound and as MIDI.
        self.made = lru_cache(32)(self._made)

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/about", self.about),
            Route("/groove.json", self.groove_json),
            Route("/groove.wav", self.wav),
            Route("/groove.mid", self.midi),
            Route("/source", self.upload, methods=["POST"]),
        ]

    def about(self, _: Request) -> Response:
        return JSONResponse({"about": self.name, "styles": self.styles.names})

    def groove_json(self, request: Request) -> Response:
        groove, title, read = self._asked(request)
        steps = self.model.steps
        bars = [
            [
                (int(step), int(voice), *(round(float(x[start + step, voice]), 3)
                                          for x in (groove.velocities, groove.offsets)))
                for step, voice in np.argwhere(groove.hits[start : start + steps])
            ]
            for start in range(0, groove.steps, steps)
        ]  # fmt: skip
        return JSONResponse(
            {
                "title": title,
                "read": read,
                "voices": groove.kit.voices,
                "steps": steps,
                "tempo": groove.tempo,
                "bars": bars,
            }
        )

    def wav(self, request: Request) -> Response:
        groove, title, _ = self._asked(request)
        content = wav_bytes(groove, loop="loop" in request.query_params)
        if "loop" in request.query_params:
            return Response(content, media_type="audio/wav")
        return playground.download(content, "audio/wav", f"{_named(title)}.wav")

    def midi(self, request: Request) -> Response:
        groove, title, _ = self._asked(request)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "groove.mid"
            write_midi(groove, path)
            content = path.read_bytes()
        return playground.download(content, "audio/midi", f"{_named(title)}.mid")

    async def upload(self, request: Request) -> Response:
        """Take a MIDI file and say under which name it is remembered."""
        async with request.form(max_files=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise ValueError("no file came; choose a MIDI file")
            content, name = await file.read(LARGEST + 1), file.filename or "the file"
        if len(content) > LARGEST:
            raise ValueError(f"{name} is larger than {LARGEST:,} bytes; cut it first")
        source = await run_in_threadpool(self._read, content, name)
        key = hashlib.sha256(content).hexdigest()[:16]
        self.sources[key] = source
        if len(self.sources) > KEPT:
            self.sources.popitem(last=False)
        remarks = list(source.remarks)
        if len(source.bars) > MOST_BARS:
            remarks.append(f"of its {len(source.bars)} bars {MOST_BARS} are used")
        return JSONResponse({"source": key, "bars": len(source.bars), "remarks": remarks})

    def _read(self, content: bytes, name: str) -> Source:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload.mid"
            path.write_bytes(content)
            try:
                return read_source(path, self.styles.kit, self.model.steps)
            except ValueError as error:
                raise ValueError(str(error).replace(str(path), name)) from error

    def _asked(self, request: Request) -> tuple[Groove, str, str]:
        given = request.query_params
        style = self.styles.index(given.get("style") or self.styles.names[0])
        other = self.styles.index(given["other"]) if given.get("other") else None
        key = given.get("source", "")
        if key and key not in self.sources:
            raise ValueError("your file is no longer remembered; choose it again")
        tempo = playground.number(request, "tempo", 0, 40, 300) if given.get("tempo") else None
        wish = (
            style,
            other,
            playground.whole(request, "bars", 4, 1, MOST_BARS),
            playground.whole(request, "seed", 1),
            playground.number(request, "variation", 0.3),
            playground.number(request, "complexity", 0.5) if "complexity" in given else None,
            playground.number(request, "mix", 0.5),
            key,
            given.get("action", "transfer"),
        )
        bars, title, usual = self.made(*wish)
        groove = groove_of(bars, self.styles.kit, tempo or usual)
        if key and wish[-1] == "humanize":
            if self.humanize is None:
                raise ValueError(
                    "nothing here can humanize; train it with python -m drumvae.train "
                    "+experiment=humanize"
                )
            amount = playground.number(request, "feel", 1)
            groove = self.humanize(groove, amount, torch.Generator().manual_seed(wish[3]))
        else:
            groove = loosened(groove, playground.number(request, "feel", 1))
        return groove, title, self._reading(bars)

    def _reading(self, bars: Tensor) -> str:
        with torch.no_grad():
            return described(self.styles.names, self.styles.read(self.model, bars).mean(0))

    def _made(
        self,
        style: int,
        other: int | None,
        bars: int,
        seed: int,
        variation: float,
        complexity: float | None,
        mix: float,
        key: str,
        action: str,
    ) -> tuple[Tensor, str, float]:
        """Bars (n, 3, steps, voices), what they are, and their usual tempo."""
        chance = torch.Generator().manual_seed(seed)
        parts, name = (self.model, self.styles), self.styles.names[style]
        if key:
            return self._of_source(self.sources[key], style, bars, variation, action, chance)
        if other is not None:
            made = blend(*parts, style, other, STEPS, chance).bars[round(mix * (STEPS - 1))]
            made, title = made.repeat(bars, 1, 1, 1), f"{name} and {self.styles.names[other]}"
        elif complexity is not None:
            amounts = torch.full((bars,), complexity)
            made, title = of_complexity(*parts, style, amounts, chance), f"{name}, bent"
        else:
            made, title = track(*parts, style, bars, chance, variation, bars > 1), name
        return self._felt(made, style), title, float(self.styles.tempos[style])

    def _of_source(
        self,
        source: Source,
        style: int,
        bars: int,
        variation: float,
        action: str,
        chance: torch.Generator,
    ) -> tuple[Tensor, str, float]:
        theirs, parts = source.bars[:MOST_BARS], (self.model, self.styles)
        if action == "continue":
            theirs = body(source.bars)[-MOST_BARS:]
        if action == "humanize":
            return theirs, "yours, as a drummer would play it", source.tempo
        if action == "continue":
            after = following(*parts, theirs, bars, chance, variation)
            return self._felt(after, style, theirs[-1:]), "after yours", source.tempo
        if action != "transfer":
            raise ValueError(f"no action {action!r}; choose transfer, humanize or continue")
        made = transfer(*parts, theirs, style, chance).bars
        title = f"yours as {self.styles.names[style]}"
        return self._felt(made, style, theirs), title, source.tempo

    def _felt(self, bars: Tensor, style: int, source: Tensor | None = None) -> Tensor:
        return bars if says_feel(self.model) else felt(bars, self.styles, style, source)


def loosened(groove: Groove, feel: float) -> Groove:
    """The groove as it is at 1, all hits on the grid and alike at 0."""
    plain = np.where(groove.hits, np.float32(PLAIN), np.float32(0))
    velocities = (1 - feel) * plain + feel * groove.velocities
    return replace(
        groove,
        velocities=velocities.astype(np.float32),
        offsets=(feel * groove.offsets).astype(np.float32),
    )


def _named(title: str) -> str:
    """A title as the name of a file."""
    return "-".join("".join(c if c.isalnum() else " " for c in title).split()) or "groove"


def build(source: Path | None, hosts: Sequence[str] = playground.LOOPBACK) -> Starlette:
    """The application for a run, a kept model, or what is there.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: it is broken, or of another kind.
    """
    if source is not None and source.is_dir():
        source = source / "checkpoints" / "last.ckpt"
    named = None if source is None else str(source)
    loaded = model_and_data(OmegaConf.create({"ckpt_path": named, "data": {}}), data_named=False)
    voices = ", ".join(voice.replace("_", " ") for voice in loaded.styles.kit.voices)
    name = f"{len(loaded.styles.names)} styles on {voices}."
    page = Page(loaded.model, loaded.styles, name, find_humanize(None))
    return playground.application(page.routes, ASSETS, hosts)


if __name__ == "__main__":
    playground.main("drumvae", __doc__ or "", build, sys.argv[1:])
