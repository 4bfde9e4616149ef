"""A local page to draw letters with: `python -m fontgan.playground [RUN_OR_FILE]`."""

import base64
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from PIL import Image, ImageDraw, ImageFont
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from conf import playground
from fontgan import LETTERS
from fontgan.data import BuiltinTypefaces
from fontgan.export import load_generator
from fontgan.fontfile import write_font, write_svg
from fontgan.hand import Choice, Hands
from fontgan.latents import Draws, drawn, smoothness, walk

ASSETS = Path(__file__).parent / "assets" / "playground"
LARGER = 3
"""Pixels of the page for a pixel of a glyph."""


def sheet(images: Any, columns: int, captions: Sequence[str] = ()) -> bytes:
    """Glyphs in rows, dark ink on white, as PNG.

    Args:
        images: uint8, bright ink, shape (n, 1, size, size).
        columns: glyphs in a row.
        captions: one under each glyph, or none.
    """
    side, under = images.shape[-1] * LARGER, 22 if captions else 0
    rows = -(-len(images) // columns)
    paper = Image.new("L", (columns * side, rows * (side + under)), 255)
    pen = ImageDraw.Draw(paper)
    font = ImageFont.load_default(16)
    for i, picture in enumerate(images[:, 0].numpy()):
        x, y = i % columns * side, i // columns * (side + under)
        glyph = Image.fromarray(255 - picture).resize((side, side), Image.Resampling.BICUBIC)
        paper.paste(glyph, (x, y))
        if captions:
            pen.text((x + side / 2, y + side + under / 2), captions[i], 60, font, anchor="mm")
    content = io.BytesIO()
    paper.save(content, "PNG")
    return content.getvalue()


def line(images: Any, text: str) -> bytes:
    """A line of text in the letters of an alphabet, as PNG; spaces are half a glyph wide."""
    size = images.shape[-1]
    columns = []
    for character in text:
        if character == " ":
            columns.append(np.zeros((size, size // 2), np.uint8))
        else:
            glyph = images[LETTERS.index(character), 0].numpy()
            inked = np.flatnonzero(glyph.max(0) > 60)
            first, last = (inked[0], inked[-1] + 1) if len(inked) else (0, size)
            columns.append(np.pad(glyph[:, first:last], ((0, 0), (1, 2))))
    picture = Image.fromarray(255 - np.concatenate(columns, 1))
    content = io.BytesIO()
    larger = (picture.width * LARGER, picture.height * LARGER)
    picture.resize(larger, Image.Resampling.BICUBIC).save(content, "PNG")
    return content.getvalue()


class Page:
    """The addresses of the page, all answered from one set of hands."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/about", self.about),
            Route("/alphabet.png", self.alphabet),
            Route("/readings", self.readings),
            Route("/text.png", self.text),
            Route("/walk", self.walk),
            Route("/font.ttf", self.ttf),
            Route("/font.svg", self.svg),
        ]

    @staticmethod
    def choice(request: Request) -> Choice:
        moves = (playground.number(request, f"move{i}", 0, -6, 6) for i in range(4))
        return Choice(
            playground.whole(request, "seed", 1),
            playground.whole(request, "other", 2),
            playground.number(request, "mix", 0),
            playground.number(request, "calm", 0.8),
            tuple(moves),
        )

    def _drawn(self, request: Request) -> Draws:
        return self.hands.alphabet(self.choice(request))

    def about(self, _: Request) -> Response:
        record = self.hands.model.record
        hand = (
            "One style code draws all letters in one hand."
            if record.letters
            else "It was told no letters: each is the draw that the judge is surest of, and they "
            "share no style."
        )
        return JSONResponse({"about": f"{record.source}, {record.batches:,} batches. {hand}"})

    def alphabet(self, request: Request) -> Response:
        return Response(sheet(self._drawn(request).images, 13), media_type="image/png")

    def readings(self, request: Request) -> Response:
        read = self._drawn(request).reading.letter.tolist()
        wrong = [letter for i, letter in enumerate(LETTERS) if read[i] != i]
        return JSONResponse({"legible": 26 - len(wrong), "wrong": wrong})

    def text(self, request: Request) -> Response:
        text = request.query_params.get("text", "").upper()
        strange = sorted(set(text) - {*LETTERS, " "})
        if strange:
            raise ValueError(f"there are only A-Z and spaces here, not {' '.join(strange)}")
        if not 0 < len(text) <= 60:
            raise ValueError("write 1 to 60 letters")
        return Response(line(self._drawn(request).images, text), media_type="image/png")

    def walk(self, request: Request) -> Response:
        names = request.query_params.get("path", "A-C-E").upper().split("-")
        if not 2 <= len(names) <= 6 or any(len(name) != 1 or name not in LETTERS for name in names):
            raise ValueError("a path is 2 to 6 letters with dashes between them, such as A-C-E")
        latents = self.hands.latents(self.choice(request))
        gaussian = self.hands.model.record.gaussian
        ends = [latents[LETTERS.index(name)] for name in names]
        steps = 12 // (len(names) - 1) + 1
        parts = [walk(a, b, steps, gaussian)[1:] for a, b in pairwise(ends)]
        path = drawn(self.hands.model, self.hands.judge, torch.cat([ends[0][None], *parts]))
        read = ["?" if i < 0 else LETTERS[i] for i in path.reading.letter.tolist()]
        smooth = smoothness(path)
        png = base64.b64encode(sheet(path.images, len(path), read)).decode()
        return JSONResponse(
            {
                "png": f"data:image/png;base64,{png}",
                "letters": smooth.letters or "no letter",
                "legible": smooth.legible,
                "features": smooth.features,
            }
        )

    def ttf(self, request: Request) -> Response:
        return self._font(request, write_font, "ttf", "font/ttf")

    def svg(self, request: Request) -> Response:
        return self._font(request, write_svg, "svg", "image/svg+xml")

    def _font(self, request: Request, write: Callable[..., Any], kind: str, media: str) -> Response:
        choice, images = self.choice(request), self._drawn(request).images[:, 0].float() / 255
        family = f"Modekeeper {choice.seed}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"font.{kind}"
            if kind == "ttf":
                write(images, path, family, "1.000", f"{self.hands.model.record.source}, {choice}")
            else:
                write(images, path)
            content = path.read_bytes()
        return playground.download(content, media, f"modekeeper-{choice.seed}.{kind}")


def build(source: Path | None, hosts: Sequence[str] = playground.LOOPBACK) -> Starlette:
    """The application for a run, an exported generator, or what is there.

    Raises:
        FileNotFoundError: there is no such generator.
        ValueError: it is none, or draws pictures that no judge reads.
    """
    config, model = load_generator(source)
    data: Any = BuiltinTypefaces() if config is None else instantiate(config.data, _convert_="all")
    if data.size != model.record.size:
        raise ValueError(
            f"the generator draws {model.record.size} pixels and the judge reads {data.size}; "
            "name the run that it comes from"
        )
    return playground.application(Page(Hands(model, data.judge)).routes, ASSETS, hosts)


if __name__ == "__main__":
    playground.main("fontgan", __doc__ or "", build, sys.argv[1:])
