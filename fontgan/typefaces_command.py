"""The command behind `python -m fontgan.typefaces`."""

import argparse
import io
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from callbacks.atomic import write_atomically
from fontgan.cleaning import build
from fontgan.near_letters import collect
from fontgan.typefaces import BUILTIN, SPLITS, Typefaces, contact_sheet


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and run `build` or `sheet`."""
    parser = argparse.ArgumentParser(
        prog="python -m fontgan.typefaces",
        description="Make clean A-Z alphabets from font files, or look at them.",
    )
    commands = parser.add_subparsers(required=True, dest="command")
    make = commands.add_parser("build", help="font folders to one file of clean, grouped alphabets")
    make.add_argument("--fonts", type=Path, nargs="+", required=True, metavar="DIR")
    make.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    make.add_argument("--size", type=int, default=28, help="side of a glyph in pixels (28)")
    make.add_argument(
        "--reference",
        choices=["builtin", "none"],
        default="builtin",
        help="let the built-in typefaces help to tell letters from dingbats (builtin)",
    )
    make.add_argument(
        "--near",
        type=Path,
        metavar="FILE.npz",
        help="also write digits and lower-case letters of the kept faces, to train a judge against",
    )
    look = commands.add_parser("sheet", help="a contact sheet of a file of alphabets")
    look.add_argument("--set", type=Path, default=BUILTIN, metavar="FILE.npz")
    look.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    options = parser.parse_args(arguments)
    try:
        _build(options) if options.command == "build" else _sheet(options)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def _build(options: argparse.Namespace) -> None:
    if options.out.suffix != ".npz":
        raise ValueError(f"--out {options.out} must end in .npz: it is a file of glyph pictures")
    reference = Typefaces.load(BUILTIN).glyphs if options.reference == "builtin" else None
    typefaces, rejections = build(options.fonts, options.size, reference, progress=True)
    typefaces.split("train")  # a set too small to split is an error before anything is written
    near = collect(options.fonts, typefaces) if options.near else None
    sheet = io.BytesIO()
    contact_sheet(typefaces).save(sheet, "PNG")
    lines = (f"{_one_field(r.file)}\t{_one_field(r.reason)}\n" for r in rejections)
    stem = options.out.name.removesuffix(".npz")
    for name, content in (
        (f"{stem}.csv", typefaces.attribution()),
        (f"{stem}.dropped.tsv", "".join(lines).encode("utf-8", "backslashreplace")),
        (f"{stem}.png", sheet.getvalue()),
    ):
        write_atomically(options.out.with_name(name), content)
    if near:
        near.save(options.near)
    typefaces.save(options.out)
    _report(typefaces, [r.reason for r in rejections], options.out)


def _one_field(text: str) -> str:
    return text.translate({ord(c): repr(c)[1:-1] for c in "\t\n\r\\"})


def _report(typefaces: Typefaces, reasons: list[str], out: Path) -> None:
    console = Console()
    kept = Table(title=f"{len(typefaces.faces)} faces in {len(set(typefaces.groups))} groups")
    for column in ("kind", "faces", "groups", *SPLITS):
        kept.add_column(column, justify="left" if column == "kind" else "right")
    members = {name: set(typefaces.split(name).tolist()) for name in SPLITS}
    for kind, count in sorted(Counter(f.kind for f in typefaces.faces).items()):
        inside = {i for i, face in enumerate(typefaces.faces) if face.kind == kind}
        groups = {typefaces.groups[i] for i in inside}
        parts = [str(len(inside & members[name])) for name in SPLITS]
        kept.add_row(kind, str(count), str(len(groups)), *parts)
    console.print(kept)
    # The part before a colon or a name is the class of reason; what follows is the case.
    classes = Counter(r.split(":")[0].split(" of ")[0] for r in reasons)
    for reason, count in classes.most_common():
        console.print(f"  dropped {count:5d}  {reason}")
    console.print(
        f"wrote {out} ({out.stat().st_size:,} bytes), and beside it the attribution (.csv), what "
        "was dropped and why (.dropped.tsv) and a contact sheet (.png)",
        highlight=False,
    )


def _sheet(options: argparse.Namespace) -> None:
    contact_sheet(Typefaces.load(options.set)).save(options.out)
    Console().print(f"wrote {options.out}", highlight=False, soft_wrap=True)
