"""The modes of `python -m fontgan.sample` that draw whole alphabets: pictures, and fonts."""

from pathlib import Path

import torch
from PIL import ImageFont
from torch import Tensor

from callbacks.draws import write_arrays
from fontgan import LETTERS
from fontgan.metrics.consistency import alphabets, consistency, shuffled, style_probe
from fontgan.rendering import NoAlphabetError, draw_alphabet
from fontgan.sheets import REFUSED, Row, save_picture, sheet
from fontgan.studio import Outcome, Studio, positive


def alphabet(studio: Studio, n: int = 6, truncation: float = 1.0, codes: int = 100) -> Outcome:
    """Alphabets in one hand each, and how well such hands can be told apart."""
    positive(n=n, codes=codes)
    styles, images = studio.alphabets(max(n, codes), truncation)
    real = alphabets(studio.data.reference("test"))
    real = real[torch.randperm(len(real), generator=studio.chance())[:codes]]
    right, _, rows = _read(studio, images[:n])
    sheet(studio.directory / "alphabets.png", f"{n} alphabets, one style code each", rows,
          f"{studio.title}, truncation {truncation:g}")  # fmt: skip
    write_arrays(studio.directory / "alphabets.npz", styles=styles[:n].numpy(),
                 images=images[:n, :, 0].numpy())  # fmt: skip
    probe = style_probe(studio.data)
    # In equal numbers: the more alphabets there are, the harder one is found.
    drawn = images[: len(real)].float() / 255
    values = []
    for faces in (drawn, shuffled(real), real):
        found = consistency(probe.embed(faces))
        read_right = float(_read(studio, (faces * 255).round().byte())[0].double().mean())
        values.append({
            "consistency/letters": found.letters, "consistency/halves": found.halves,
            "consistency/error": found.error, "alphabet/right": read_right,
        })  # fmt: skip
    final, floor, ceiling = values
    own, mixed, faces = (v["consistency/letters"] for v in values)
    said = (
        f"{float(right.double().mean()):.0%} of the letters shown are read right; among "
        f"{len(real)} alphabets {own:.0%} of the letters find their own (of real unseen faces "
        f"{faces:.0%}, of faces with their letters mixed {mixed:.0%})"
    )
    return Outcome(n, final, said, floor, ceiling)


def font(
    studio: Studio,
    out: str | None = None,
    family: str = "Modekeeper",
    candidates: int = 16,
    truncation: float = 1.0,
) -> Outcome:
    """One alphabet as a font: of some style codes that whose letters are read right most surely."""
    from fontgan.fontfile import specimen, write_font, write_svg

    positive(candidates=candidates)
    path = studio.directory / "letters.ttf" if out is None else Path(str(out)).expanduser()
    if path.suffix.lower() != ".ttf":
        raise ValueError(f"out={out} must be a TrueType font's name, such as out=mine.ttf")
    styles, images = studio.alphabets(candidates, truncation)
    right, sure, rows = _read(studio, images)
    best = int(sure.sum(1).argmax())
    pictures = images[best, :, 0].float() / 255
    code = f"{studio.title}; code {best} of {candidates}, seed {studio.seed}"
    report = write_font(pictures, path, str(family), "1.0", code)
    write_svg(pictures, path.with_suffix(".svg"))
    save_picture(path.with_name(f"{path.stem}_specimen.png"), specimen(path))
    sheet(studio.directory / "alphabet.png", str(family), [rows[best]], studio.title)
    write_arrays(studio.directory / "alphabet.npz", styles=styles[best][None].numpy(),
                 images=images[best, None, :, 0].numpy())  # fmt: skip
    written = _written(studio, path)
    columns = (LETTERS, right[best].tolist(), written.tolist(), sure[best].tolist(),
               report.fidelity.values())  # fmt: skip
    studio.table("letters", [
        {"letter": name, "right": read, "right_as_written": again, "confidence": p,
         "iou": near.original, "iou_of_upsampled": near.upsampled}
        for name, read, again, p, near in zip(*columns, strict=True)
    ])  # fmt: skip
    least = report.fidelity[report.worst].original
    final = {
        "alphabet/right": float(right[best].double().mean()),
        "alphabet/confidence": float(sure[best].double().mean()),
        "font/right": float(written.double().mean()),
        "font/iou": report.mean,
        "font/iou_least": least,
    }
    said = (
        f"{int(right[best].sum())} of 26 letters are read right, {int(written.sum())} as the font "
        f"draws them; the IoU of outlines and glyphs is "
        f"{report.mean:.3f} ({report.worst} least, {least:.3f}); {path}, the most legible of "
        f"{candidates} style codes"
    )
    return Outcome(candidates * 26, final, said)


def _written(studio: Studio, path: Path) -> Tensor:
    """Whether the judge reads each letter right as the font draws it, shape (26,)."""
    try:
        drawn = draw_alphabet(ImageFont.truetype(str(path), 64), studio.data.size)
    except NoAlphabetError:
        return torch.zeros(len(LETTERS), dtype=torch.bool)
    return _read(studio, torch.from_numpy(drawn)[None, :, None])[0][0]


def _read(studio: Studio, images: Tensor) -> tuple[Tensor, Tensor, list[Row]]:
    """What the judge makes of alphabets (n, 26, 1, size, size), uint8.

    Returns:
        Whether it reads the right letter, and its confidence where it does, else 0, both of shape
        (n, 26); and rows of a sheet, in which a letter that is read as another is crossed too.
    """
    reading = studio.judge.read(images.flatten(0, 1))
    letters = reading.letter.view(-1, len(LETTERS))
    right = letters == torch.arange(len(LETTERS))
    rows = []
    for alphabet, row in zip(images, letters.tolist(), strict=True):
        captions = [
            LETTERS[i] if i == k else REFUSED if i < 0 else f"{LETTERS[i]} {REFUSED}"
            for k, i in enumerate(row)
        ]
        rows.append(Row(alphabet, captions))
    return right, torch.where(right, reading.confidence.view_as(letters), 0), rows
