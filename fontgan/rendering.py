"""Font files to grey alphabets: find, open, draw, scale, centre; say why a face is left out."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTCollection, TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rich.progress import track

from conf.folders import below
from fontgan import LETTERS
from fontgan.provenance import Face, Rejection, kind_of, licence_beside, short_licence

SUFFIXES = {".ttf", ".otf", ".ttc", ".woff", ".woff2"}
CAP_HEIGHT = 20 / 28  # share of the picture's side that a capital fills
MARGIN = 1 / 28  # ... that stays free on each side
_DRAWN = 72  # cap height in pixels at which outlines are drawn, before they are scaled down
_SMALLEST = 0.6  # a lone swash may shrink its own letter to this share of the face's scale


@dataclass(frozen=True)
class FontFile:
    """A font file and the folder it was found from."""

    path: Path
    root: Path

    @property
    def name(self) -> str:
        """Path below the root."""
        return self.path.relative_to(self.root).as_posix()


class NoAlphabetError(ValueError):
    """A face has no usable A-Z; the message says why."""


def find_fonts(folders: Sequence[Path]) -> list[FontFile]:
    """All font files below the folders, sorted, each real file once; links are followed.

    Raises:
        FileNotFoundError: a folder that does not exist, or not one font file in all of them.
    """
    found: dict[Path, FontFile] = {}
    for folder in map(Path, folders):
        if folder.is_file():
            raise FileNotFoundError(f"{folder} is a file; give the folder that it lies in")
        if not folder.is_dir():
            raise FileNotFoundError(f"no such folder of fonts: {folder}")
        for path in sorted(below(folder)):
            if path.suffix.lower() in SUFFIXES:
                found.setdefault(path.resolve(), FontFile(path, folder))
    if not found:
        places = ", ".join(str(f) for f in folders) or "an empty list of folders"
        raise FileNotFoundError(
            f"no font file ({' '.join(sorted(SUFFIXES))}) in {places}; "
            "give other folders (data.dirs=[...], or --fonts)"
        )
    return sorted(found.values(), key=lambda f: f.name)


def render_all(
    files: Sequence[FontFile], size: int, progress: bool = False, extra: str = ""
) -> tuple[list[tuple[Face, NDArray[np.uint8]]], list[Rejection]]:
    """Draw every face of every file, on all cores where there are many.

    Args:
        files: from `find_fonts`.
        size: side of a glyph in pixels, at least 8.
        progress: show a progress bar.
        extra: characters to draw after A-Z, at the scale of the capitals; blank where missing.

    Returns:
        Faces with glyphs of shape (26 + extra, size, size), and the files and faces left out.

    Raises:
        ValueError: `size` below 8.
    """
    if size < 8:
        raise ValueError(f"glyphs of {size} pixels cannot be told apart; size must be at least 8")
    jobs = [(file, size, extra) for file in files]
    workers = min(os.cpu_count() or 1, len(jobs) // 32)
    if workers > 1:
        # Spawned, not forked: the parent may hold the threads of torch.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            results = _tracked(pool.map(_render_job, jobs, chunksize=8), len(jobs), progress)
    else:
        results = _tracked(map(_render_job, jobs), len(jobs), progress)
    return [f for done, _ in results for f in done], [r for _, failed in results for r in failed]


def _tracked(results: Iterator, total: int, progress: bool) -> list:
    return list(track(results, "rendering", total=total, disable=not progress))


def _render_job(
    job: tuple[FontFile, int, str],
) -> tuple[list[tuple[Face, NDArray[np.uint8]]], list[Rejection]]:
    return render_file(*job)


def render_file(
    file: FontFile, size: int, extra: str = ""
) -> tuple[list[tuple[Face, NDArray[np.uint8]]], list[Rejection]]:
    """Draw each face of one file: collection members and the named instances of a variable font."""
    drawn, rejections = [], []
    # Opened here: fontTools leaves a file that it cannot read open.
    with file.path.open("rb") as stream:
        try:
            collection = stream.read(4) == b"ttcf"
            stream.seek(0)
            fonts = (
                TTCollection(stream, lazy=True).fonts if collection else [TTFont(stream, lazy=True)]
            )
        except Exception as error:  # fontTools raises whatever the broken bytes lead it to
            return [], [Rejection(file.name, f"unreadable: {_first_line(error)}")]
        for index, font in enumerate(fonts):
            member = f"{file.name}#{index}" if collection else file.name
            try:
                places = _places(file, font, index, member, extra)
            except Exception as error:
                rejections.append(Rejection(member, _why(error)))
                continue
            for face, axes, characters in places:
                try:
                    pen = ImageFont.truetype(
                        str(file.path), 64, index=index, layout_engine=ImageFont.Layout.BASIC
                    )
                    drawn.append((face, draw_alphabet(pen, size, characters, axes)))
                except Exception as error:
                    rejections.append(Rejection(face.file, _why(error)))
    return drawn, rejections


def _why(error: Exception) -> str:
    if isinstance(error, NoAlphabetError):
        return str(error)
    if isinstance(error, KeyError):
        return f"unreadable: no table {error}"
    return f"unreadable: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__


def _places(
    file: FontFile, font: TTFont, index: int, member: str, extra: str
) -> list[tuple[Face, list[float] | None, str]]:
    """The faces of one font: each with its place on the variable axes and the extra characters."""
    known = font.getBestCmap()
    if known is None:
        raise NoAlphabetError("no capitals: no Unicode table of characters")
    missing = [letter for letter in LETTERS if ord(letter) not in known]
    if missing:
        raise NoAlphabetError(f"no capitals: {len(missing)} of A-Z missing")

    def named(*places: int) -> str:
        found = (font["name"].getDebugName(place) for place in places if "name" in font)
        return next(filter(None, found), "")

    family = named(16, 1) or file.path.stem
    style = named(17, 2) or "Regular"
    instances: list[tuple[str | None, list[float] | None]] = [(None, None)]
    if "fvar" in font:
        tags = [axis.axisTag for axis in font["fvar"].axes]
        instances = [
            (named(i.subfamilyNameID) or style, [i.coordinates[t] for t in tags])
            for i in font["fvar"].instances
        ] or instances
    licence = licence_beside(file.path.parent, file.root)
    licence = licence or short_licence(named(13, 14))
    package = file.path.relative_to(file.root).parts[0]
    return [
        (
            Face(
                family=" ".join(family.split()),
                style=" ".join((name or style).split()),
                kind=kind_of(font, family),
                package=package if package != file.path.name else file.root.resolve().name,
                licence=licence,
                file=f"{member}#{name}" if name else member,
            ),
            axes,
            "".join(c if ord(c) in known else " " for c in extra),
        )
        for name, axes in instances
    ]


def draw_alphabet(
    pen: ImageFont.FreeTypeFont, size: int, extra: str = "", axes: list[float] | None = None
) -> NDArray[np.uint8]:
    """Draw A-Z at one scale, each glyph centred to a fraction of a pixel.

    The scale sets the median height to `CAP_HEIGHT`, or less where letters would touch the margin.
    Neither the largest letter counts nor a lone swash, a quarter larger than all others: they
    shrink themselves only.

    Args:
        pen: a font at any size.
        size: side of a glyph in pixels.
        extra: further characters, drawn at the capitals' scale; a space stays blank.
        axes: place on the axes of a variable font.

    Returns:
        Ink bright on dark, uint8, shape (26 + extra, size, size).

    Raises:
        NoAlphabetError: blank letters, letters all alike, or one that no scale would fit.
    """
    if axes is not None:
        pen.set_variation_by_axes(axes)
    probe = [pen.getbbox(letter, anchor="ls") for letter in LETTERS]
    heights = sorted(bottom - top for _, top, _, bottom in probe)
    if heights[3] <= 0:
        raise NoAlphabetError("blank letters")
    pen = pen.font_variant(size=pen.size * _DRAWN / heights[13])
    if axes is not None:  # a variant forgets them
        pen.set_variation_by_axes(axes)
    drawn = [_ink(pen, letter) for letter in LETTERS]
    wide = np.array([box[2] - box[0] for _, box in drawn])
    high = np.array([box[3] - box[1] for _, box in drawn])
    inner = 1 - 2 * MARGIN
    side = max(np.median(high) / CAP_HEIGHT, _largest(wide) / inner, _largest(high) / inner)
    if max(wide.max(), high.max()) / inner * _SMALLEST > side:
        raise NoAlphabetError("a letter is far larger than the others")
    glyphs = np.zeros((len(LETTERS) + len(extra), size, size), dtype=np.uint8)
    drawn += [_ink(pen, character) for character in extra.replace(" ", "")]
    places = [i for i, character in enumerate(LETTERS + extra) if character != " "]
    for place, (picture, (left, top, right, bottom)) in zip(places, drawn, strict=True):
        half = max(side, max(right - left, bottom - top) / inner) / 2
        x, y = (left + right) / 2, (top + bottom) / 2
        crop = (x - half, y - half, x + half, y + half)
        if min(crop) < 0 or crop[2] > picture.width or crop[3] > picture.height:
            raise NoAlphabetError("a letter is far smaller than the others")
        glyphs[place] = np.asarray(picture.resize((size, size), Image.Resampling.BOX, box=crop))
    ink = glyphs[: len(LETTERS)].reshape(len(LETTERS), -1).astype(np.float32) / 255
    if ink.max(1).min() < 0.35:
        raise NoAlphabetError("blank letters: strokes too thin for this size")
    gram = ink @ ink.T
    energy = np.diag(gram)
    alike = (energy[:, None] + energy[None] - 2 * gram) < 0.01 * (energy[:, None] + energy[None])
    if len(np.unique(alike.argmax(1))) < 22:
        raise NoAlphabetError("letters all alike")
    return glyphs


def _largest(extents: NDArray[np.int64]) -> float:
    """The second largest extent, when a lone swash, a quarter larger than the rest, is out."""
    ordered = np.sort(extents)
    if ordered[-1] > 1.25 * ordered[-2]:
        ordered = ordered[:-1]
    return float(ordered[-2])


def _ink(
    pen: ImageFont.FreeTypeFont, character: str
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """One character drawn large, in a frame wide enough for any crop, and the box of its ink."""
    left, top, right, bottom = pen.getbbox(character, anchor="ls")
    if right - left > 20 * _DRAWN or bottom - top > 20 * _DRAWN:
        raise NoAlphabetError(f"a letter is twenty times its neighbours' height: {character}")
    pad = 4 * _DRAWN
    picture = Image.new("L", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad))
    ImageDraw.Draw(picture).text((pad - left, pad - top), character, 255, pen, anchor="ls")
    box = picture.getbbox()
    if box is None:
        raise NoAlphabetError("blank letters")
    return picture, box
